#!/bin/sh
# Runs in the throwaway VM of a bake, when cloud-init installs its packages there: hands the kernel
# and the list of packages to the host, then makes the disk one that has never booted.
set -eu
until [ -e /run/cloud-init/result.json ]; do sleep 1; done

# --- to the host, as a tar archive on a disk of its own ---
for disk in /sys/block/vd*; do
  if [ "$(cat "$disk/serial")" = kubenet-out ]; then out=/dev/${disk##*/}; fi
done
mkdir /run/kubenet-out
cd /run/kubenet-out
if command -v dpkg-query > /dev/null; then
  dpkg-query -W -f '${db:Status-Status} ${Package}\n' | sed -n 's/^installed //p' > packages
else
  rpm -qa --qf '%{NAME}\n' > packages
fi
cp /run/cloud-init/result.json .
release=$(ls -t /boot/vmlinuz-* | head -n 1)
release=${release#/boot/vmlinuz-}
for initrd in "/boot/initrd.img-$release" "/boot/initramfs-$release.img"; do
  if [ -e "$initrd" ]; then
    cp "/boot/vmlinuz-$release" vmlinuz
    cp "$initrd" initrd.img
    # what this boot was told of its root file system; the console is the host's matter
    tr ' ' '\n' < /proc/cmdline | grep -E '^(root|rootflags|rootfstype|ro|loglevel|net\.ifnames)(=|$)' \
      | tr '\n' ' ' > arguments
  fi
done
tar -cf "${out:?}" ./*

# --- nothing of this VM's, nothing that is made anew ---
cd /
cloud-init clean --logs
rm -rf /var/lib/cloud/* /run/kubenet-out /etc/ssh/ssh_host_* /var/log/journal/* /var/lib/systemd/random-seed
rm -f /etc/netplan/50-cloud-init.yaml /var/log/cloud-init* /var/lib/dbus/machine-id
: > /etc/machine-id # empty: the first boot makes one
if command -v apt-get > /dev/null; then
  apt-get clean
  rm -rf /var/lib/apt/lists/* /var/cache/apt/*.bin
fi
sync # what is not written yet is not trimmed
fstrim --all || true # blocks that hold nothing any more take no room in the image
systemctl poweroff

#!/bin/sh
# Runs in the throwaway VM of a bake, when cloud-init installs its packages there: hands the kernel
# and the list of packages to the host, then makes the disk one that has never booted. Whatever
# happens, the VM ends: the host waits for that.
set -eu
trap 'sync; systemctl poweroff --no-block' EXIT

until [ -e /run/cloud-init/result.json ]; do sleep 1; done
while [ "$(systemctl is-active cloud-final.service)" = activating ]; do sleep 1; done
systemctl stop apt-daily.timer apt-daily-upgrade.timer unattended-upgrades.service 2> /dev/null || true

# --- for the host, as a tar archive on a disk of its own ---
for disk in /sys/block/vd*; do
  if [ "$(cat "$disk/serial")" = kubenet-out ]; then out=/dev/${disk##*/}; fi
done
work=$(mktemp -d /var/tmp/kubenet-bake.XXXXXX) # /run may be too small for a kernel
cd "$work"
if command -v dpkg-query > /dev/null; then
  dpkg-query -W -f '${db:Status-Status} ${Package}\n' | sed -n 's/^installed //p' > packages
else
  rpm -qa --qf '%{NAME}\n' > packages
fi
cp /run/cloud-init/result.json .
release=$(uname -r)
for initrd in "/boot/initrd.img-$release" "/boot/initramfs-$release.img"; do
  # a root on LVM, RAID or below a cipher needs more words than these
  if [ -e "$initrd" ] && ! grep -qE ' (rd\.|cryptdevice|resume)' /proc/cmdline; then
    cp "/boot/vmlinuz-$release" vmlinuz
    cp "$initrd" initrd.img
    # what this boot was told of its root file system; the console is the host's matter
    tr ' ' '\n' < /proc/cmdline | grep -E '^(root|rootflags|rootfstype|ro|loglevel|net\.ifnames)(=|$)' \
      | tr '\n' ' ' > arguments
  fi
done
if [ "$(head -c 8 vmlinuz 2> /dev/null | tail -c 4)" = zimg ]; then
  rm -f arguments # a kernel for UEFI only, which not every QEMU unpacks
fi

# --- nothing of this VM's, nothing that is made anew ---
cloud-init clean --logs
systemctl stop systemd-random-seed.service # it writes one when it ends
rm -rf /var/lib/cloud/* /etc/ssh/ssh_host_* /var/log/journal/* /var/lib/systemd/random-seed
rm -f /etc/netplan/50-cloud-init.yaml /etc/NetworkManager/system-connections/cloud-init-* \
  /var/lib/NetworkManager/*.lease /var/lib/NetworkManager/secret_key /var/lib/dbus/machine-id
find /var/log -type f ! -path '/var/log/apt/*' ! -name dpkg.log -delete
: > /etc/machine-id # empty: the first boot makes one
if command -v apt-get > /dev/null; then
  apt-get clean
  rm -rf /var/lib/apt/lists/* /var/cache/apt/*.bin
fi

# --- done: an archive that is there tells the host so ---
tar -cf "${out:?}" ./*
cd /
rm -r "$work"
sync # what is not written yet is not trimmed
fstrim --all || true # blocks that hold nothing any more take no room in the image

# The plain image's part of lib/image/after.sh: what a cloud image has, nothing made faster.
set -eu
systemctl enable systemd-networkd.service systemd-resolved.service ssh.service 2> /dev/null
for unit in rpcbind.service rpcbind.socket nfs-client.target ldirectord.service ipvsadm.service; do
  systemctl disable "$unit" 2> /dev/null || true
done
ln -sf ../run/systemd/resolve/stub-resolv.conf /etc/resolv.conf
sed -i '/^Acquire::http/d' /etc/apt/apt.conf.d/99mmdebstrap
echo localhost > /etc/hostname
rm -rf /etc/ssh/ssh_host_* /vmlinuz.old /initrd.img.old
: > /etc/machine-id
dpkg-query -W -f '${Package}\n' > /tmp/packages

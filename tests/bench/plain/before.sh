# The plain image's part of lib/image/before.sh: what it needs to boot at all.
set -eu
echo 'LABEL=kubenet-root / ext4 errors=remount-ro,x-systemd.growfs 0 1' > /etc/fstab

# Runs in the guest's new root file system before the kernel is installed, as mmdebstrap's
# --essential-hook: what the initial RAM disk is made of. It holds the few drivers that reach a
# virtual disk and no udev: the kernel makes the device nodes, blkid finds the root by its label.
set -eu

mkdir -p /etc/initramfs-tools/conf.d /etc/initramfs-tools/hooks \
  /etc/initramfs-tools/scripts/init-top /etc/initramfs-tools/scripts/init-bottom \
  /usr/share/initramfs-tools/modules.d

cat > /etc/initramfs-tools/conf.d/kubenet <<'CONF'
MODULES=list
COMPRESS=zstd
COMPRESSLEVEL=1
RESUME=none
CONF

cat > /usr/share/initramfs-tools/modules.d/kubenet <<'MODULES'
virtio_pci
virtio_mmio
virtio_blk
virtio_scsi
sd_mod
nvme
ahci
ext4
crc32c
crc32c_generic
MODULES

# a file of the same name in /etc takes the place of udev's own in /usr/share
for script in hooks/udev scripts/init-top/udev; do
  printf '#!/bin/sh\nexit 0\n' > "/etc/initramfs-tools/$script"
done
cat > /etc/initramfs-tools/scripts/init-bottom/udev <<'SCRIPT'
#!/bin/sh
[ "$1" = prereqs ] && exit 0
mount -n -o move /dev "${rootmnt:?}/dev" # all that is needed of udev's own
SCRIPT
chmod 755 /etc/initramfs-tools/hooks/udev /etc/initramfs-tools/scripts/*/udev

# udev's hook would have brought blkid; the root file system is still checked
cat > /etc/initramfs-tools/hooks/kubenet <<'HOOK'
#!/bin/sh -e
[ "$1" = prereqs ] && exit 0
. /usr/share/initramfs-tools/hook-functions
copy_exec /sbin/blkid /sbin
for program in fsck e2fsck fsck.ext4 logsave; do copy_exec /sbin/$program /sbin; done
HOOK
chmod 755 /etc/initramfs-tools/hooks/kubenet

# pass 0: the initial RAM disk has checked it; x-systemd.growfs: systemd grows it with its partition
cat > /etc/fstab <<'FSTAB'
LABEL=kubenet-root / ext4 noatime,errors=remount-ro,x-systemd.growfs 0 0
FSTAB

# Runs in the guest's new root file system, as mmdebstrap's --customize-hook: makes GRUB's images in
# /tmp, for UEFI as Debian has it prebuilt, and for BIOS, which no installer is needed for either.
# GRUB's packages themselves stay out of the guest.
set -eu
cd /tmp/grub # holds the packages
for package in *.deb; do dpkg-deb -x "$package" .; done

mv usr/lib/grub/*-efi/monolithic/grub[xa]*.efi /tmp/grub.efi
: > /tmp/grub-boot.img
: > /tmp/grub-core.img

if [ -e usr/lib/grub/i386-pc ]; then
  modules=usr/lib/grub/i386-pc
  LD_LIBRARY_PATH=$(echo lib/*-linux-gnu usr/lib/*-linux-gnu | tr ' ' :) usr/bin/grub-mkimage \
    --directory=$modules --format=i386-pc --prefix=/ --config=/tmp/grub.cfg --output=/tmp/grub-core.img \
    biosdisk part_gpt ext2 search search_label linux boot
  head -c 440 $modules/boot.img > /tmp/grub-boot.img # behind it is the table of partitions
  # What grub-bios-setup would write: the sector that each stage finds the next at, 64 bits, little
  # endian. The BIOS boot partition starts at sector 2048 (GRUB source, include/grub/i386/pc/boot.h:
  # GRUB_BOOT_MACHINE_KERNEL_SECTOR, and GRUB_BOOT_MACHINE_LIST_SIZE before the first sector's end).
  printf '\000\010\000\000\000\000\000\000' | dd of=/tmp/grub-boot.img bs=1 seek=92 conv=notrunc status=none
  printf '\001\010\000\000\000\000\000\000' | dd of=/tmp/grub-core.img bs=1 seek=500 conv=notrunc status=none
fi
cd /
rm -rf /tmp/grub

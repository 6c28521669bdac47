# Runs in the guest's new root file system when all packages are there, as mmdebstrap's
# --customize-hook: what makes it a node that boots fast and takes its identity from its seed.
set -eu
lib=/usr/local/lib/kubenet
units=/etc/systemd/system
mkdir -p $lib

# --- cloud-init: one datasource, and only the modules that have something to do on a node ---
cat > /etc/cloud/cloud.cfg.d/90_kubenet.cfg <<'CFG'
datasource_list: [NoCloud]
datasource: {NoCloud: {fs_label: cidata}}
locale: 'false'
apt: {preserve_sources_list: true}
ssh_genkeytypes: [ed25519]
growpart: {mode: 'off'} # grow-partition.service does it, without starting Python
resize_rootfs: false # x-systemd.growfs in /etc/fstab does it
cloud_init_modules: [bootcmd, write-files, disk_setup, mounts, set_hostname, update_hostname, update_etc_hosts, ca-certs, users-groups, ssh]
cloud_config_modules: [set-passwords, apt-configure, ntp, timezone, runcmd]
cloud_final_modules: [package-update-upgrade-install, write-files-deferred, scripts-per-once, scripts-per-boot, scripts-per-instance, scripts-user, phone-home, final-message, power-state-change]
CFG
echo 'policy: enabled' > /etc/cloud/ds-identify.cfg # no search: the seed is always there

# Before 24.3 each of cloud-init's four stages starts Python and imports everything anew, seconds
# each under emulation. Here it is imported once, early, and each stage is a fork of that process;
# later versions do the same themselves.
if ! [ -e /lib/systemd/system/cloud-init-main.service ]; then
  cat > $lib/cloud-init-stages <<'PYTHON'
#!/usr/bin/python3
# Runs cloud-init's stages. Descriptor 3: the stages asked for, a line each; 4: their exit codes.
import os
import sys
from cloudinit.cmd.main import main

for line in os.fdopen(3):
    pid = os.fork()
    if not pid:
        sys.argv = ["/usr/bin/cloud-init", *line.split()]
        sys.exit(main(sys.argv))
    os.write(4, b"%d\n" % os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
    if "final" in line:
        break
PYTHON
  cat > $lib/cloud-init-stage <<'SHELL'
#!/bin/sh
# cloud-init-stage ARGUMENTS...: has cloud-init-stages run `cloud-init ARGUMENTS`, ends as it did.
echo "$*" > /run/cloud-init-stages/ask
read code < /run/cloud-init-stages/answer
exit "$code"
SHELL
  chmod 755 $lib/cloud-init-stages $lib/cloud-init-stage

  cat > $units/cloud-init-stages.socket <<'UNIT'
[Unit]
Description=Stages of cloud-init, asked for and answered
DefaultDependencies=no
Before=cloud-init-local.service
[Socket]
ListenFIFO=/run/cloud-init-stages/ask
ListenFIFO=/run/cloud-init-stages/answer
SocketMode=0600
RemoveOnStop=yes
UNIT
  cat > $units/cloud-init-stages.service <<UNIT
[Unit]
Description=cloud-init, imported once for its four stages
DefaultDependencies=no
Requires=cloud-init-stages.socket
After=cloud-init-stages.socket
Conflicts=shutdown.target
Before=shutdown.target
[Service]
ExecStart=$lib/cloud-init-stages
RemainAfterExit=yes
KillMode=process
TasksMax=infinity
StandardOutput=journal+console
UNIT
  mkdir -p $units/cloud-init.target.wants
  ln -s ../cloud-init-stages.service $units/cloud-init.target.wants/
  stage() { # UNIT ARGUMENTS
    mkdir -p "$units/$1.service.d"
    printf '[Unit]\nWants=cloud-init-stages.service\nAfter=cloud-init-stages.socket\n[Service]\nExecStart=\nExecStart=%s/cloud-init-stage %s\n' \
      "$lib" "$2" > "$units/$1.service.d/kubenet.conf"
  }
  stage cloud-init-local 'init --local'
  stage cloud-init init
  stage cloud-config 'modules --mode=config'
  stage cloud-final 'modules --mode=final'
fi

# --- a boot can be held before cloud-init, where it is still the same for all roles: lib/HeldBoot.java
# saves it there. It goes on when another seed is in the drive.
cat > $lib/hold-boot <<'SHELL'
#!/bin/sh
idle() { read -r cpu user nice system idle rest < /proc/stat; }
own() { dd if="$drive" bs=64k count=1 iflag=direct 2> /dev/null | cksum; } # past what is cached
until drive=$(realpath -e /dev/disk/by-label/cidata 2> /dev/null); do sleep 0.1; done
for second in 1 2 3 4 5 6 7 8 9 10; do # what else the boot does meanwhile
  idle
  before=$idle
  sleep 1
  idle
  [ $((idle - before)) -lt $((90 * $(nproc))) ] || break
done
held=$(own)
echo 'kubenet-fork: held' > /dev/console
while [ "$(own)" = "$held" ]; do sleep 0.1; done
blockdev --flushbufs "$drive"
read -r now < /sys/class/rtc/rtc0/since_epoch && date -s "@$now"
SHELL
chmod 755 $lib/hold-boot
cat > $units/kubenet-hold.service <<UNIT
[Unit]
Description=Hold before cloud-init
ConditionKernelCommandLine=kubenet.hold
DefaultDependencies=no
After=systemd-udev-trigger.service cloud-init-stages.socket local-fs.target
Before=cloud-init-local.service
[Service]
Type=oneshot
ExecStart=$lib/hold-boot
UNIT
mkdir -p $units/cloud-init-local.service.wants
ln -s ../kubenet-hold.service $units/cloud-init-local.service.wants/

# --- network: the boot does not wait for it, cloud-init's last stages do, as packages need it ---
mkdir -p $units/cloud-config.service.d
cat > $units/cloud-config.service.d/network.conf <<'UNIT'
[Service]
ExecStartPre=-/lib/systemd/systemd-networkd-wait-online --any --timeout=30
UNIT
mkdir -p /etc/systemd/resolved.conf.d
printf '[Resolve]\nLLMNR=no\nMulticastDNS=no\n' > /etc/systemd/resolved.conf.d/kubenet.conf
ln -sf ../run/systemd/resolve/stub-resolv.conf /etc/resolv.conf
# cloud-init calls `netplan generate`: the generator itself does that without starting Python
cat > /usr/local/sbin/netplan <<'SHELL'
#!/bin/sh
case $* in generate) exec /usr/lib/netplan/generate ;; *) exec /usr/sbin/netplan "$@" ;; esac
SHELL
chmod 755 /usr/local/sbin/netplan

# --- the root partition is the last one: it takes what the disk has behind it ---
cat > $lib/grow-partition <<'SHELL'
#!/bin/sh
# Few processes: each costs tens of milliseconds under emulation, growpart as a whole 3 s.
while read -r device mount rest; do [ "$mount" = / ] && break; done < /proc/mounts
name=${device##*/}
sys=/sys/class/block/$name
read -r number < "$sys/partition" && read -r start < "$sys/start" && read -r length < "$sys/size" || exit 0
cd -P "$sys/.." && disk=${PWD##*/} && read -r size < size
[ $((size - start - length)) -gt 16384 ] || exit 0
echo ', +' | sfdisk --quiet --no-reread --no-tell-kernel -N "$number" "/dev/$disk"
exec partx --update --nr "$number" "/dev/$disk"
SHELL
chmod 755 $lib/grow-partition
cat > $units/grow-partition.service <<UNIT
[Unit]
Description=Grow the root partition to the end of the disk
DefaultDependencies=no
After=systemd-remount-fs.service
Before=systemd-growfs-root.service systemd-growfs@-.service local-fs.target shutdown.target
Conflicts=shutdown.target
[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=$lib/grow-partition
[Install]
WantedBy=local-fs.target
UNIT

# --- devices: a machine has some 240 at boot, each event costs 40 ms of CPU under emulation ---
mkdir -p $units/systemd-udev-trigger.service.d
cat > $units/systemd-udev-trigger.service.d/kubenet.conf <<'UNIT'
[Service]
ExecStart=
ExecStart=-udevadm trigger --type=devices --action=add --subsystem-match=block --subsystem-match=net --subsystem-match=pci --subsystem-match=virtio --subsystem-match=scsi --subsystem-match=nvme --subsystem-match=input --subsystem-match=platform --subsystem-match=rtc
ExecStart=-udevadm trigger --type=devices --action=add --subsystem-match=tty --sysname-match=ttyS0 --sysname-match=ttyAMA0 --sysname-match=hvc0
UNIT
# the power button reaches logind through the first two
printf 'button\nevdev\nvirtio_net\nvirtio_rng\n' > /etc/modules-load.d/kubenet.conf

# --- the power button shuts down soon ---
mkdir -p /etc/systemd/system.conf.d /etc/systemd/logind.conf.d
printf '[Login]\nHandlePowerKey=poweroff\n' > /etc/systemd/logind.conf.d/kubenet.conf
printf '[Manager]\nDefaultTimeoutStopSec=15s\n' > /etc/systemd/system.conf.d/kubenet.conf
# logind's session for each login costs 2 s of CPU under emulation; `pam-auth-update --enable
# systemd` brings it back
pam-auth-update --package --remove systemd
# each login ran update-motd.d for a line that `uname` tells
sed -i 's|motd=/run/motd.dynamic|& noupdate|' /etc/pam.d/sshd
# no `sshd -t` before each start: a server with a wrong configuration ends with the same words
mkdir -p $units/ssh.service.d
printf '[Service]\nExecStartPre=\n' > $units/ssh.service.d/kubenet.conf

# --- what a node does not need while it boots; any of it can be enabled or started later ---
for unit in apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer \
  e2scrub_reap.service fstrim.timer rpcbind.service rpcbind.socket nfs-client.target \
  nfs-blkmap.service ldirectord.service ipvsadm.service systemd-pstore.service getty@tty1.service; do
  systemctl disable "$unit" 2> /dev/null || true
done
# wanted by links in /usr/lib, which only a mask keeps out
for unit in systemd-networkd-wait-online.service systemd-firstboot.service systemd-sysusers.service \
  systemd-repart.service systemd-pcrphase.service systemd-pcrphase-sysinit.service \
  systemd-update-utmp-runlevel.service cloud-init-hotplugd.socket; do
  ln -sf /dev/null "$units/$unit"
done
systemctl enable systemd-networkd.service systemd-resolved.service ssh.service grow-partition.service 2> /dev/null

mkdir -p /etc/systemd/system-generators
for generator in cryptsetup veritysetup integritysetup gpt-auto hibernate-resume rc-local system-update run; do
  ln -sf /dev/null "/etc/systemd/system-generators/systemd-$generator-generator"
done

# --- nothing of this machine's, nothing that is made anew ---
sed -i '/^Acquire::http/d' /etc/apt/apt.conf.d/99mmdebstrap # the host's proxies and certificates
echo localhost > /etc/hostname
echo LANG=C.UTF-8 > /etc/default/locale
rm -rf /etc/ssh/ssh_host_* /var/log/journal /vmlinuz.old /initrd.img.old
rm -f /var/cache/debconf/*-old /var/lib/dpkg/*-old
: > /etc/machine-id # empty: the first boot makes one
dpkg-query -W -f '${Package}\n' > /tmp/packages

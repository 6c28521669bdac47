#!/usr/bin/env bash
# The reference guide's way to a cluster, as people write it in an evening: one VM's files after the
# other, all VMs at once in tmux, `nc -z` each second for one after the other, host keys as they come,
# then `cloud-init status --wait` over ssh. Nothing of kubenet is in it. It runs in the current folder;
# the guide changes the host's network (bridge, taps, dnsmasq), this does the same in a network
# namespace of its own. Written after the steps of https://github.com/ghik/kubernetes-the-harder-way
# (chapters 1 to 3) and of the seed document. Its flags are the guide's, but for what emulation needs,
# and -hda: Debian's cloud kernel has no driver for that disk, so it is a virtio disk. Packages are in
# the image and not upgraded.
#
#   replay.sh host    bridge, DHCP, login key: the guide's chapter 2, done once
#   replay.sh up      the VMs: chapter 3
#   replay.sh down    ends the VMs and undoes `host`
#   replay.sh ssh NODE COMMAND...
#
# IMAGE the image's disk, NODES how many, MEMORY and CPUS of each, ACCEL such as tcg.
set -euo pipefail

dir=$PWD
all=(gateway control0 control1 control2 worker0 worker1 worker2)
nodes=("${all[@]:0:${NODES:-7}}")

address() { # node
  for i in "${!all[@]}"; do
    if [ "${all[i]}" = "$1" ]; then echo "192.168.77.$((10 + i))"; fi
  done
}

inside() { nsenter --target "$(cat "$dir/holder.pid")" --net "$@"; }

mux() { inside tmux -S "$dir/tmux" "$@"; }

net() { readlink "/proc/$1/ns/net"; } # of a process

in_net() { # network; its processes
  ls -l /proc/[0-9]*/ns/net 2> /dev/null | grep -F -e "-> $1" | cut -d / -f 3 || true
}

node_ssh() { # node, command
  inside ssh -i "$dir/id_ed25519" -o UserKnownHostsFile="$dir/known_hosts" -o BatchMode=yes \
    "ubuntu@$(address "$1")" "${@:2}"
}

host() {
  unshare --net sleep infinity > /dev/null 2>&1 &
  echo $! > "$dir/holder.pid"
  until [ "$(net $!)" != "$(net $$)" ]; do sleep 0.1; done
  inside ip link set lo up
  inside ip link add race type bridge
  inside ip address add 192.168.77.1/24 dev race
  inside ip link set race up
  local reservations=()
  for i in "${!all[@]}"; do
    reservations+=("--dhcp-host=52:52:52:00:00:0$i,${all[i]},$(address "${all[i]}")")
  done
  inside dnsmasq --conf-file=/dev/null --interface=race --bind-interfaces --port=0 \
    --dhcp-range=192.168.77.10,192.168.77.20,12h --dhcp-leasefile="$dir/leases" \
    --pid-file="$dir/dnsmasq.pid" "${reservations[@]}"
  ssh-keygen -q -t ed25519 -N '' -f "$dir/id_ed25519"
  printf '#!/bin/sh\nip link set "$1" up master race\n' > "$dir/tapup.sh"
  chmod 755 "$dir/tapup.sh"
}

setup() { # node
  mkdir -p "$dir/$1/cidata"
  qemu-img create -q -F qcow2 -b "$IMAGE" -f qcow2 "$dir/$1/disk.img" 20G
  cat > "$dir/$1/cidata/user-data" <<YAML
#cloud-config
hostname: $1
locale: "false"
users:
  - name: ubuntu
    groups: [adm, sudo]
    shell: /bin/bash
    sudo: ALL=(ALL) NOPASSWD:ALL
    ssh_authorized_keys: ["$(cat "$dir/id_ed25519.pub")"]
YAML
  printf 'instance-id: %s\nlocal-hostname: %s\n' "$1" "$1" > "$dir/$1/cidata/meta-data"
  cat > "$dir/$1/cidata/network-config" <<'YAML'
version: 2
ethernets:
  nics:
    match: {name: "en*"}
    dhcp4: true
YAML
  xorriso -as mkisofs -quiet -output "$dir/$1/cidata.iso" -volid cidata -joliet -rock \
    "$dir/$1/cidata" 2> /dev/null
}

launch() { # node; its command
  for i in "${!all[@]}"; do
    [ "${all[i]}" = "$1" ] || continue
    echo qemu-system-x86_64 -nographic -machine "q35,accel=$ACCEL" \
      -cpu "$([ "$ACCEL" = tcg ] && echo max || echo host)" -smp "$CPUS" -m "$MEMORY" \
      -bios /usr/share/qemu/OVMF.fd \
      -netdev "tap,id=net,script=$dir/tapup.sh,downscript=no" \
      -device "virtio-net-pci,netdev=net,mac=52:52:52:00:00:0$i" \
      -drive "file=$dir/$1/disk.img,if=virtio" -drive "file=$dir/$1/cidata.iso,driver=raw,if=virtio"
  done
}

up() {
  for node in "${nodes[@]}"; do setup "$node"; done
  mux new-session -d -s vms "$(launch "${nodes[0]}")"
  for node in "${nodes[@]:1}"; do
    mux split-window -t vms "$(launch "$node")"
    mux select-layout -t vms tiled
  done
  for node in "${nodes[@]}"; do
    until inside nc -z -w 10 "$(address "$node")" 22; do sleep 1; done
    echo "$node answers after $SECONDS s"
    # the guide scans once; under emulation sshd is often too busy for the scan's five seconds
    until inside ssh-keyscan "$(address "$node")" 2> /dev/null | grep . >> "$dir/known_hosts"; do
      sleep 1
    done
  done
  for node in "${nodes[@]}"; do
    until node_ssh "$node" cloud-init status --wait > /dev/null; do sleep 1; done
    echo "$node is done after $SECONDS s"
  done
}

down() {
  mux kill-server || true # QEMU ends with its terminal
  local own
  own=$(net "$(cat "$dir/holder.pid")")
  local pids
  while pids=$(in_net "$own") && [ -n "$pids" ]; do
    kill $pids 2> /dev/null || true
    sleep 0.2
  done
  rm -rf "${dir:?}"/* # the next run begins where this one did: without disks, keys and known hosts
}

case $1 in
  host | up | down) "$1" ;;
  ssh) node_ssh "${@:2}" ;;
esac

#!/usr/bin/env bash
# The same nodes by vagrant-libvirt, as Debian packages it: vagrant-libvirt, libvirt-daemon-system.
# libvirtd, its bridge, DHCP and firewall rules live in namespaces of their own (network, processes and
# mounts, so that nothing is left in /etc, /var and /run), which end with `down`. It runs in the
# current folder.
#
#   vagrant.sh host    libvirtd, the box, and its copy in libvirt's pool: what is done once
#   vagrant.sh up      the VMs
#   vagrant.sh down    ends the VMs and undoes `host`
#   vagrant.sh ssh NODE COMMAND...
#
# IMAGE the image's disk, NODES how many, MEMORY and CPUS of each, ACCEL: tcg or kvm.
set -euo pipefail

dir=$PWD
all=(gateway control0 control1 control2 worker0 worker1 worker2)
nodes=("${all[@]:0:${NODES:-7}}")

inside() {
  VAGRANT_HOME=$dir/home VAGRANT_DEFAULT_PROVIDER=libvirt VAGRANT_CHECKPOINT_DISABLE=1 \
    nsenter --target "$(cat "$dir/holder.pid")" --net --mount --pid --wdns="$dir" "$@"
}

daemons() { # inside, as root
  ip link set lo up
  mkdir -p "$dir/etc" "$dir/pool"
  cp -a /etc/libvirt/. "$dir/etc/"
  mount --bind "$dir/etc" /etc/libvirt
  for folder in /run /var/lib/libvirt /var/cache/libvirt /var/log/libvirt; do
    mkdir -p "$folder"
    mount -t tmpfs tmpfs "$folder"
  done
  mkdir -p /run/libvirt /run/lock /var/lib/libvirt/{qemu,images,dnsmasq,boot}
  printf '%s\n' 'user = "root"' 'group = "root"' 'security_driver = "none"' 'namespaces = []' \
    'cgroup_controllers = []' 'dynamic_ownership = 0' > /etc/libvirt/qemu.conf
  printf '%s\n' 'unix_sock_group = "root"' 'auth_unix_rw = "none"' > /etc/libvirt/libvirtd.conf
  rm -rf /etc/libvirt/qemu/networks
  virtlogd --daemon
  libvirtd --daemon
  for _ in {1..50}; do virsh list > /dev/null 2>&1 && break; sleep 0.2; done
  virsh pool-define-as race dir --target "$dir/pool" > /dev/null
  virsh pool-start race > /dev/null
}

box() {
  mkdir "$dir/box"
  local size
  size=$(qemu-img info "$IMAGE" | sed -n 's/^virtual size: .*(\([0-9]*\) bytes)/\1/p')
  printf '{"provider": "libvirt", "format": "qcow2", "virtual_size": %d}\n' \
    $(((size + (1 << 30) - 1) >> 30)) > "$dir/box/metadata.json"
  echo 'Vagrant.configure("2") { |config| }' > "$dir/box/Vagrantfile"
  cp "$IMAGE" "$dir/box/box.img"
  tar -C "$dir/box" -cf "$dir/race.box" metadata.json Vagrantfile box.img
  printf '{"name": "race", "versions": [{"version": "1", "providers": [%s]}]}\n' \
    "{\"name\": \"libvirt\", \"url\": \"file://$dir/race.box\"}" > "$dir/race.json"
  inside vagrant box add "$dir/race.json" > /dev/null
  # else the first `vagrant up` copies it there; others have their image in their cache too
  mv "$dir/box/box.img" "$dir/pool/race_vagrant_box_image_1_box.img"
  inside virsh pool-refresh race > /dev/null
}

host() {
  unshare --net --mount --pid --fork --mount-proc sleep infinity > /dev/null 2>&1 &
  local parent=$!
  until pgrep -P "$parent" sleep > "$dir/holder.pid"; do sleep 0.1; done
  inside bash "$0" daemons
  [ -e "$dir/id_ed25519" ] || ssh-keygen -q -t ed25519 -N '' -f "$dir/id_ed25519"
  vagrantfile > "$dir/Vagrantfile"
  box
}

vagrantfile() {
  cat <<RUBY
Vagrant.configure("2") do |config|
  config.vm.box = "race"
  config.vm.boot_timeout = 1800
  config.vm.synced_folder ".", "/vagrant", disabled: true
  config.ssh.username = "ubuntu"
  config.ssh.private_key_path = "$dir/id_ed25519"
  config.ssh.insert_key = false
  config.vm.provider :libvirt do |libvirt|
    libvirt.driver = "$([ "$ACCEL" = tcg ] && echo qemu || echo "$ACCEL")"
    libvirt.cpu_mode = "$([ "$ACCEL" = tcg ] && echo maximum || echo host-passthrough)"
    libvirt.cpus = $CPUS
    libvirt.memory = ${MEMORY%M}
    libvirt.machine_type = "q35"
    libvirt.machine_virtual_size = 20
    libvirt.graphics_type = "none"
    libvirt.video_type = "none"
    libvirt.storage_pool_name = "race"
  end
$(for node in "${nodes[@]}"; do
    echo "  config.vm.define \"$node\" do |node|"
    echo "    node.vm.provider :libvirt do |libvirt|"
    echo "      libvirt.storage :file, path: \"$node-cidata.iso\", type: \"raw\", device: \"vdb\", allow_existing: true"
    echo "    end"
    echo "  end"
  done)
end
RUBY
}

seed() { # node
  mkdir -p "$dir/seeds/$1"
  cat > "$dir/seeds/$1/user-data" <<YAML
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
  printf 'instance-id: %s\nlocal-hostname: %s\n' "$1" "$1" > "$dir/seeds/$1/meta-data"
  cat > "$dir/seeds/$1/network-config" <<'YAML'
version: 2
ethernets:
  nics:
    match: {name: "en*"}
    dhcp4: true
YAML
  xorriso -as mkisofs -quiet -output "$dir/pool/$1-cidata.iso" -volid cidata -joliet -rock \
    "$dir/seeds/$1" 2> /dev/null
}

up() {
  for node in "${nodes[@]}"; do seed "$node"; done
  inside virsh pool-refresh race > /dev/null
  inside vagrant up > "$dir/up.log"
  for node in "${nodes[@]}"; do
    inside vagrant ssh "$node" -c 'cloud-init status --wait' > /dev/null
    echo "$node is done after $SECONDS s"
  done
  inside vagrant ssh-config > "$dir/ssh_config"
}

down() {
  inside vagrant destroy --force > /dev/null || true
  kill -KILL "$(cat "$dir/holder.pid")" # the first process of its namespace: all others end with it
  rm -rf "${dir:?}"/*
}

case $1 in
  host | daemons | up | down) "$1" ;;
  ssh) inside ssh -F "$dir/ssh_config" "${@:2}" ;;
esac

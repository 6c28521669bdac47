#!/usr/bin/python3
# Runs in a template, the VM that nodes of a role are forked from (lib/seed/Template.java). When cloud-init
# has done the role's work, it takes away what would make the machine somebody, says on the console
# that it is settled, and waits; then the VM is saved. Whoever goes on from there finds another seed
# in the drive, a node's: this gives the machine that node's identity, and starts the network and SSH.
#
# One process does nearly all of it: under emulation each further one costs a tenth of a second.
import calendar
import ctypes
import fcntl
import glob
import json
import mmap
import os
import signal
import socket
import struct
import subprocess
import time
import uuid

RESULT = "/run/cloud-init/result.json"  # its being there says that the node is ready
HELD = "/run/kubenet/result.json"
STATUS = "/run/cloud-init/status.json"
OUTPUT = "/var/log/cloud-init-output.log"
SEED = "/run/kubenet/seed"
RANDOM_SEED = "/var/lib/systemd/random-seed"
FAST_OPEN_KEY = "/proc/sys/net/ipv4/tcp_fastopen_key"
NETPLAN = "/etc/netplan/50-cloud-init.yaml"
UNITS = ["systemd-networkd.socket", "systemd-networkd.service", "ssh.socket", "ssh.service", "sshd.service"]
libc = ctypes.CDLL(None, use_errno=True)


def read(path):
    with open(path) as file:
        return file.read()


def write(path, text, mode=0o644, owner=(0, 0)):
    part = path + ".kubenet"
    with open(part, "w") as file:
        os.fchmod(file.fileno(), mode)
        os.fchown(file.fileno(), *owner)
        file.write(text)
    os.rename(part, path)


def say(text):
    with open("/dev/console", "w") as console:
        console.write("kubenet-fork: " + text + "\n")


def call(name, *arguments):
    if getattr(libc, name)(*arguments):
        raise OSError(ctypes.get_errno(), f"{name}{arguments} failed")


def mount(source, target, kind, flags):
    call("mount", source.encode(), target.encode(), kind.encode(), flags, None)


def output(*command):
    return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout


def driver(path, action, device):
    with open(f"/sys/bus/{path}/{action}", "w") as file:
        file.write(device)


# --- in the template ---


def settle():
    """Waits for cloud-init, then leaves a machine without network, SSH and keys; returns what the node starts again."""
    while not os.path.exists(RESULT):
        time.sleep(0.1)
    subprocess.run(["systemctl", "is-system-running", "--wait"], stdout=subprocess.DEVNULL)
    errors = json.loads(read(RESULT))["v1"]["errors"]
    if errors:
        raise Exception("cloud-init ended with errors: " + json.dumps(errors))
    if not os.path.exists(NETPLAN):
        raise Exception("the image's network is not set up by netplan")
    os.rename(RESULT, HELD)
    journald = int(output("systemctl", "show", "-P", "MainPID", "systemd-journald.service"))
    active = [unit for unit in UNITS if not subprocess.run(["systemctl", "is-active", "-q", unit]).returncode]
    subprocess.run(["systemctl", "stop", *active])
    for path in glob.glob("/etc/ssh/ssh_host_*") + glob.glob("/run/systemd/network/10-netplan-*"):
        os.unlink(path)
    # a NIC takes its MAC from QEMU when its driver finds it, so it is to be found by the node
    nics = [os.path.realpath(nic).split("/")[-2] for nic in glob.glob("/sys/bus/virtio/drivers/virtio_net/virtio*")]
    for nic in nics:
        driver("pci/drivers/virtio-pci", "unbind", nic)
    await_idle()
    os.sync()
    return active, nics, journald


def await_idle():
    """What services still have to do after their start would be done by each node anew."""
    for _ in range(30):
        began, idle = time.monotonic(), idle_seconds()
        time.sleep(1)
        if idle_seconds() - idle > 0.9 * os.cpu_count() * (time.monotonic() - began):
            return


def idle_seconds():
    """Of all CPUs since the boot (proc_stat(5))."""
    return int(read("/proc/stat").split()[4]) / os.sysconf("SC_CLK_TCK")


def beginning(drive, buffer):
    """What the drive holds at its start, where a seed has its names, and not what is cached of it."""
    descriptor = os.open(drive, os.O_RDONLY | os.O_DIRECT)
    os.preadv(descriptor, [buffer], 0)
    os.close(descriptor)
    return buffer[:]


# --- in the node ---


def new_random():
    """Random numbers of its own: the kernel's pool was saved with the rest (random(4) for the calls)."""
    with open("/dev/hwrng", "rb", buffering=0) as source:
        fresh = b"".join(source.read(64) for _ in range(8))  # the first may be from before, too
    with open("/dev/urandom", "wb", buffering=0) as pool:
        add, reseed = 0x40085203, 0x5207  # RNDADDENTROPY, RNDRESEEDCRNG
        fcntl.ioctl(pool, add, struct.pack(f"ii{len(fresh)}s", 8 * len(fresh) // 2, len(fresh), fresh))
        fcntl.ioctl(pool, reseed)


def renew_secrets():
    """What was drawn before the fork and can be drawn again: the seed of the next boot, a key of the kernel's."""
    if os.path.exists(RANDOM_SEED):
        with open(RANDOM_SEED, "r+b") as seed:  # in its place, so that its attributes stay
            seed.write(os.urandom(os.fstat(seed.fileno()).st_size))
    if os.path.exists(FAST_OPEN_KEY):
        with open(FAST_OPEN_KEY, "w") as key:  # four words of 32 bits (the kernel's ip-sysctl.rst)
            key.write("-".join(os.urandom(4).hex() for _ in range(4)))


def set_clock():
    with open("/dev/rtc0", "rb") as rtc:
        fields = struct.unpack("9i", fcntl.ioctl(rtc, 0x80247009, bytes(36)))  # RTC_RD_TIME, rtc(4)
    second, minute, hour, day, month, year = fields[:6]
    now = calendar.timegm((year + 1900, month + 1, day, hour, minute, second))
    time.clock_settime(time.CLOCK_REALTIME, now + 0.5)  # it tells whole seconds


def read_seed(drive):
    """All seeds have one size, as the kernel asks for a drive's only when the driver finds it."""
    with open(drive, "rb") as device:
        fcntl.ioctl(device, 0x1261)  # BLKFLSBUF: forgets what is cached of another seed
    # in a mount namespace of its own, so that systemd does not make a unit of it
    home = os.open("/proc/self/ns/mnt", os.O_RDONLY)
    call("unshare", 0x20000)  # CLONE_NEWNS
    mount("", "/", "", 0x44000)  # MS_PRIVATE, MS_REC
    os.makedirs(SEED, exist_ok=True)
    read_only = 1
    mount(drive, SEED, "iso9660", read_only)
    node = json.loads(read(SEED + "/kubenet.json"))
    user_data = read(SEED + "/user-data")
    call("setns", home, 0)
    os.close(home)
    return node, user_data


def take_name(node):
    socket.sethostname(node["hostname"])
    write("/etc/hostname", node["hostname"] + "\n")
    write("/etc/machine-id", uuid.uuid4().hex + "\n", 0o444)
    # the kernel's own can't be changed, and tells boots of different machines apart
    write("/run/kubenet/boot_id", str(uuid.uuid4()) + "\n", 0o444)
    bind = 4096
    mount("/run/kubenet/boot_id", "/proc/sys/kernel/random/boot_id", "", bind)


def take_keys(node):
    write("/etc/ssh/ssh_host_ed25519_key", node["host_key"], 0o600)
    write("/etc/ssh/ssh_host_ed25519_key.pub", node["host_key_public"])
    home = os.path.expanduser("~" + node["user"])
    owner = os.stat(home)
    owner = (owner.st_uid, owner.st_gid)
    folder = home + "/.ssh"
    if not os.path.exists(folder):
        os.mkdir(folder, 0o700)
        os.chown(folder, *owner)
    write(folder + "/authorized_keys", node["login"], 0o600, owner)


def take_network(node, units, nics, journald):
    """The networkd files are those that netplan would make, whose start takes a second."""
    write(NETPLAN, node["netplan"], 0o600)
    os.makedirs("/run/systemd/network", exist_ok=True)
    for name, text in node["networkd"].items():
        write("/run/systemd/network/" + name, text)
    for nic in nics:
        driver("pci/drivers/virtio-pci", "bind", nic)
    # the journal's folder has the machine-id in its name; systemd starts it anew
    os.kill(journald, signal.SIGTERM)
    subprocess.run(["systemctl", "start", "--no-block", *units])


def take_instance(node, user_data):
    """What cloud-init knows: the next boot finds this instance done, as after a boot of its own."""
    old = read("/var/lib/cloud/data/instance-id").strip()
    new = node["instance"]
    os.rename("/var/lib/cloud/instances/" + old, "/var/lib/cloud/instances/" + new)
    os.unlink("/var/lib/cloud/instance")
    os.symlink("/var/lib/cloud/instances/" + new, "/var/lib/cloud/instance")
    for name in "user-data.txt", "cloud-config.txt":
        write("/var/lib/cloud/instance/" + name, user_data, 0o600)
    names = {old: new, "kubenet-template": node["hostname"]}
    for path in ["/var/lib/cloud/data/instance-id", "/var/lib/cloud/data/set-hostname",
                 "/var/lib/cloud/data/previous-hostname", "/run/cloud-init/.instance-id",
                 "/run/cloud-init/instance-data.json", "/run/cloud-init/instance-data-sensitive.json"]:
        if os.path.exists(path):
            text = read(path)
            for before, after in names.items():
                text = text.replace(before, after)
            write(path, text, os.stat(path).st_mode & 0o777)


def run_commands(node):
    """The role's bootcmd and runcmd: programs, which may ask who they run on."""
    if not node["commands"]:
        return
    script = "/var/lib/cloud/instance/scripts/runcmd"
    os.makedirs(os.path.dirname(script), exist_ok=True)
    write(script, node["commands"], 0o700)
    with open(OUTPUT, "a") as output:
        code = subprocess.run([script], stdin=subprocess.DEVNULL, stdout=output, stderr=output).returncode
    if code:
        error = f"Runparts: 1 failures (runcmd) in 1 attempted commands: exit code {code}"
        result, status = json.loads(read(HELD)), json.loads(read(STATUS))
        result["v1"]["errors"].append(error)
        status["v1"]["modules-final"]["errors"].append(error)
        write(HELD, json.dumps(result) + "\n")
        write(STATUS, json.dumps(status) + "\n")


def await_reachable():
    """Waits for a default route and for a server on port 22; whoever came before would be lost."""
    for _ in range(300):
        if "\t00000000\t" in read("/proc/net/route"):
            if any(":0016 " in read(path) for path in glob.glob("/proc/net/tcp*")):
                return
        time.sleep(0.1)


def become(drive, units, nics, journald):
    new_random()
    renew_secrets()
    set_clock()
    node, user_data = read_seed(drive)
    take_name(node)
    take_keys(node)
    take_network(node, units, nics, journald)
    take_instance(node, user_data)
    run_commands(node)
    status = json.loads(read(STATUS))
    status["v1"]["modules-final"]["finished"] = time.time()
    write(STATUS, json.dumps(status) + "\n")
    await_reachable()
    os.utime(HELD, follow_symlinks=False)  # it is a link
    os.rename(HELD, RESULT)
    say(node["hostname"] + " is itself")  # the first that comes on its console: kubenet waits for it


def main():
    try:
        units, nics, journald = settle()
        drive = os.path.realpath("/dev/disk/by-label/cidata")
        buffer = mmap.mmap(-1, 1 << 16)
        own = beginning(drive, buffer)
    except Exception as fault:
        say("failed: " + str(fault))
        raise
    say("settled")
    while beginning(drive, buffer) == own:
        time.sleep(0.05)
    try:
        become(drive, units, nics, journald)
    except Exception as fault:
        say("failed: " + repr(fault))
        raise


main()

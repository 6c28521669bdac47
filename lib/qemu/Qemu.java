package lib.qemu;

import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import lib.Argv;
import lib.cluster.Firmware;
import lib.cluster.Host;
import lib.cluster.Network;
import lib.cluster.Node;
import lib.state.Layout;

/**
 * The QEMU command of a node, as a value. The flags that the seed document explains are all here,
 * in its order; README's flag table says what was changed and why.
 */
public final class Qemu {
  private Qemu() {}

  /** {@return the command that runs a node in the foreground, its console on the terminal} */
  public static Argv command(Node node, Host host, Network network, Boot boot, Layout layout) {
    List<Network.Nic> nics = network.nics(node, layout.lan());
    Argv qemu = guest(node.name(), node.size(), nics, host, boot, layout.node(node));
    return network.around(qemu, node);
  }

  /** {@return the same for a guest that need not be a node of a cluster} */
  public static Argv guest(
      String name,
      Node.Size size,
      List<Network.Nic> nics,
      Host host,
      Boot boot,
      Layout.Files files) {
    return Argv.of(host.arch().qemu())
        .option("-name", name)
        .add("-nodefaults", "-no-user-config")
        .add("-nographic")
        .then(sandbox(host))
        .then(machine(host))
        .option("-smp", size.cpus())
        .option("-m", size.memoryMiB() + "M")
        .then(nics(nics))
        .then(boot.arguments(files))
        .then(disk(files.disk()))
        .then(seed(files.seed()))
        .option("-device", "virtio-rng-pci")
        .then(console(files.console()))
        .option("-qmp", qmp(files.qmp()))
        .option("-pidfile", files.pid());
  }

  /**
   * {@return the arguments by which a guest's memory is in a file}
   *
   * @param shared whether what the guest writes gets into the file; else it has it for itself
   */
  public static Argv memory(Host host, Node.Size size, Path file, boolean shared) {
    // the names that QEMU gives to memory without a file, so that a node that is suspended and
    // resumed needs none (QEMU source, hw/core/machine.c: default_ram_id)
    String id = host.arch() == Host.Arch.X86_64 ? "pc.ram" : "mach-virt.ram";
    return Argv.empty()
        .option("-machine", Argv.suboptions("", "memory-backend", id))
        .option(
            "-object",
            Argv.suboptions(
                "memory-backend-file",
                "id",
                id,
                "x-use-canonical-path-for-ramblock-id",
                "off",
                "size",
                size.memoryMiB() + "M",
                "share",
                shared ? "on" : "off",
                "mem-path",
                file));
  }

  /**
   * {@return a raw drive that a guest may write to}
   *
   * @param id its id, and its serial number in the guest
   */
  public static Argv drive(String id, Path file) {
    return Argv.empty()
        .option(
            "-drive", Argv.suboptions("", "if", "none", "id", id, "format", "raw", "file", file))
        .option("-device", Argv.suboptions("virtio-blk-pci", "drive", id, "serial", id));
  }

  /**
   * {@return a command that starts QEMU with this host's machine and CPU and little else: the trial
   * that tells whether an accelerator works}
   *
   * @param kernel boots this one, which will find no disk
   * @param firmware else boots this one; without either, QEMU starts paused
   * @param console file that gets the guest's console
   */
  public static Argv trial(
      Host host,
      Optional<Image.Kernel> kernel,
      Optional<Firmware> firmware,
      Path console,
      Path qmp) {
    Argv trial =
        Argv.of(host.arch().qemu())
            .add("-nodefaults", "-no-user-config", "-nographic")
            .then(machine(host))
            .option("-m", "512M") // a kernel unpacks itself; memory not touched costs nothing
            .option("-serial", "file:" + comma(console))
            .option("-qmp", qmp(qmp));
    if (kernel.isEmpty()) {
      return firmware.map(flash -> trial.then(flash.arguments())).orElse(trial.add("-S"));
    }
    String early = host.arch() == Host.Arch.X86_64 ? "earlyprintk=ttyS0" : "earlycon";
    return trial
        .option("-kernel", kernel.get().vmlinuz())
        .option("-append", early + " panic=-1")
        .add("-no-reboot");
  }

  /**
   * System calls that an emulator has no use for are its end: a guest that breaks out of it can
   * start no program and become nobody else (seccomp(2)). The set is that of libvirt.
   */
  private static Argv sandbox(Host host) {
    return host.sandbox()
        ? Argv.empty()
            .option(
                "-sandbox",
                "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny")
        : Argv.empty();
  }

  private static Argv machine(Host host) {
    return Argv.empty()
        .option("-machine", machineType(host))
        .option("-accel", accelerator(host))
        .option("-cpu", cpu(host));
  }

  private static String machineType(Host host) {
    if (host.arch() == Host.Arch.X86_64) {
      return "q35";
    }
    // KVM offers what the host's interrupt controller can; QEMU's own model is version 3, without
    // which a guest has at most 8 CPUs (QEMU manual, "virt" board, gic-version)
    boolean kvm = host.accelerator() == Host.Accelerator.KVM;
    return Argv.suboptions("virt", "gic-version", kvm ? "max" : "3");
  }

  private static String accelerator(Host host) {
    // a thread a virtual CPU; translated code may take 256 MiB before QEMU starts it anew: with
    // more a booted guest takes nearly twice the host's memory and is not ready sooner
    return host.emulates()
        ? Argv.suboptions("tcg", "thread", "multi", "tb-size", 256)
        : host.accelerator().word();
  }

  private static String cpu(Host host) {
    if (host.emulates()) {
      // pointer authentication with the architected algorithm halves an emulated guest's speed
      // (QEMU manual, "Arm CPU features", pauth-impdef)
      return host.arch() == Host.Arch.AARCH64
          ? Argv.suboptions("max", "pauth-impdef", "on")
          // no `rep movsb`: kernel and libc copy and clear memory by it where a CPU calls it fast,
          // and under emulation it goes byte by byte, a tenth of what a boot costs
          : Argv.suboptions("max", "erms", "off");
    }
    // Intel Macs: features that the Hypervisor framework announces and then fails on (lima #1485)
    return host.os() == Host.Os.DARWIN && host.arch() == Host.Arch.X86_64
        ? "host,-avx512vl,-pdpe1gb"
        : "host";
  }

  private static Argv nics(List<Network.Nic> nics) {
    Argv options = Argv.empty();
    for (Network.Nic nic : nics) {
      for (String netdev : nic.netdevs()) {
        options = options.option("-netdev", netdev);
      }
      options = options.option("-device", Network.device(nic));
    }
    return options;
  }

  /**
   * Blocks that the guest frees, or fills with zeros, go back to the host.
   *
   * <p>QEMU would open the file again, read-only, by its path when it saves its state (option
   * {@code auto-read-only}, on by default). If the folder was renamed since, that fails, and so
   * does the save (QEMU 7.2: "bdrv_inactivate_all() failed").
   */
  private static Argv disk(Path disk) {
    return Argv.empty()
        .option(
            "-drive",
            Argv.suboptions(
                "",
                "if",
                "none",
                "id",
                "disk",
                "format",
                "qcow2",
                "auto-read-only",
                "off",
                "discard",
                "unmap",
                "detect-zeroes",
                "unmap",
                "file",
                disk))
        .option("-device", Argv.suboptions("virtio-blk-pci", "drive", "disk", "bootindex", 1));
  }

  private static Argv seed(Path seed) {
    return Argv.empty()
        .option(
            "-drive",
            Argv.suboptions(
                "", "if", "none", "id", "seed", "format", "raw", "readonly", "on", "file", seed))
        .option("-device", Argv.suboptions("virtio-blk-pci", "drive", "seed"));
  }

  /** Serial console and monitor on this terminal (Ctrl-A c switches), and a copy in a file. */
  private static Argv console(Path log) {
    return Argv.empty()
        .option(
            "-chardev",
            // signal=off: Ctrl-C goes to the guest and does not end QEMU; logappend: what a
            // suspended guest printed before stays, and launch.sh empties the file for a boot
            Argv.suboptions(
                "stdio",
                "id",
                "console",
                "mux",
                "on",
                "signal",
                "off",
                "logfile",
                log,
                "logappend",
                "on"))
        .option("-serial", "chardev:console")
        .option("-mon", Argv.suboptions("", "chardev", "console", "mode", "readline"));
  }

  private static String qmp(Path socket) {
    return Argv.suboptions("unix:" + comma(socket), "server", "on", "wait", "off");
  }

  private static String comma(Path path) {
    return path.toString().replace(",", ",,");
  }
}

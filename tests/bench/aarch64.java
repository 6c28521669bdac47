///usr/bin/env jbang "$0" "$@" ; exit $?
//DESCRIPTION Makes an aarch64 guest on whatever Linux host this is, and boots it emulated.
//DESCRIPTION Example: ./jbang tests/bench/aarch64.java --boot kernel,firmware
//JAVA 17+
//MAIN Aarch64Bench
//DEPS info.picocli:picocli:4.7.7
//SOURCES ../Leftovers.java
//SOURCES ../../lib/package-info.java         // what any script could use
//SOURCES ../../lib/cluster/package-info.java // nodes, networks, cluster.yaml
//SOURCES ../../lib/state/package-info.java   // the folders, and what they hold
//SOURCES ../../lib/vm/package-info.java      // the life of one QEMU
//SOURCES ../../lib/qemu/package-info.java    // QEMU commands as values
//SOURCES ../../lib/seed/package-info.java    // a node's files
//SOURCES ../../lib/tools/package-info.java   // programs and their packages
//SOURCES ../../lib/host/package-info.java    // checks of this machine
//SOURCES ../../lib/lan/package-info.java     // the switch between the nodes
//SOURCES ../../lib/ready/package-info.java   // from power-on to ready
//SOURCES ../../lib/image/package-info.java   // the base image
//RUNTIME_OPTIONS -Xmx512m

import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.Callable;
import java.util.concurrent.TimeUnit;
import lib.Argv;
import lib.Commands;
import lib.Terminal;
import lib.Wait;
import lib.Yaml;
import lib.cluster.Cluster;
import lib.cluster.ClusterFile;
import lib.cluster.Firmware;
import lib.cluster.Host;
import lib.cluster.ImageSource;
import lib.cluster.Node;
import lib.cluster.Role;
import lib.host.FirmwareSearch;
import lib.image.ImageBuild;
import lib.image.ImageStore;
import lib.lan.LanSwitch;
import lib.qemu.BaseImage;
import lib.qemu.Boot;
import lib.ready.Readiness;
import lib.ready.Stage;
import lib.seed.NodeFiles;
import lib.seed.RoleFiles;
import lib.state.HostFacts;
import lib.state.Layout;
import lib.vm.Vm;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/**
 * A node of the other architecture, by the very image recipe, files and QEMU command that an
 * aarch64 Linux host without KVM gets. Wants qemu-system-arm, qemu-efi-aarch64, and arch-test, and
 * qemu-user-static with its binfmt_misc entry, by which the packages are configured.
 */
@Command(
    name = "aarch64",
    mixinStandardHelpOptions = true,
    description = "Makes an aarch64 guest on whatever Linux host this is, and boots it emulated.")
class Aarch64Bench implements Callable<Integer> {
  private static final String CONFIG =
      """
      name: aarch64
      sshPorts: 33400
      images: [debian-built]
      loadBalancer: {hostPorts: 33410}
      roles:
        gateway: {count: 1, cpus: 1, memory: 768M, disk: 6G}
      """;

  @Option(
      names = "--boot",
      split = ",",
      defaultValue = "kernel,firmware,small",
      description = "kernel, firmware, small (firmware that has to be padded), none.")
  private List<String> ways;

  private final Terminal terminal = Terminal.plain(System.out);
  private final Cluster cluster = ClusterFile.parse("aarch64", CONFIG);
  private final Node node = cluster.nodes().get(0);
  private final Map<Role, Yaml> roles = RoleFiles.read(Path.of("").toAbsolutePath());

  public static void main(String... arguments) {
    Locale.setDefault(Locale.ROOT);
    System.exit(new CommandLine(new Aarch64Bench()).execute(arguments));
  }

  @Override
  public Integer call() throws IOException {
    Set<String> packages = RoleFiles.packages(roles);
    ImageSource.Built source = (ImageSource.Built) cluster.images().get(0);
    ImageBuild build = ImageBuild.of(Host.Arch.AARCH64, source, packages);
    BaseImage image = ImageStore.ofUser().get(build, Host.Arch.AARCH64, terminal, false);
    terminal.line("%s, made in %d s", image.folder(), image.facts().seconds());
    for (String way : ways) {
      if (!way.equals("none")) {
        boot(way, image);
      }
    }
    return 0;
  }

  private void boot(String way, BaseImage image) throws IOException {
    Path folder = Leftovers.folder("kubenet-aarch64");
    Layout layout = Layout.of(folder.resolve("state"));
    Leftovers.note(layout.runtime());
    Host host = host(way);
    Cluster.BootChoice choice =
        way.equals("kernel") ? Cluster.BootChoice.KERNEL : Cluster.BootChoice.FIRMWARE;
    Boot boot = Boot.choose(choice, host, image.image());
    NodeFiles provision =
        new NodeFiles(
            cluster, new HostFacts(host, "", "", "", true), layout, image.image(), boot, roles);
    NodeFiles.keys(cluster, layout).run();
    NodeFiles.ssh(cluster, cluster.nodes(), layout).run();
    provision.files(node, Optional.empty()).run();
    LanSwitch lan = new LanSwitch(layout.lan());
    Process wires = new ProcessBuilder(lan.command().toList()).start();
    lan.awaitAlive();
    terminal.line("\n%s: %s", way, provision.command(node).toShellLines());
    Path errors = folder.resolve("errors");
    Process qemu = Commands.start(provision.command(node), errors);
    long start = System.nanoTime();
    try {
      Wait.until(Duration.ofSeconds(10), Vm.of(node, layout)::alive);
      Readiness.of(node, cluster, layout)
          .await(
              Stage.READY,
              stage ->
                  terminal.line(
                      "%-10s %4d s %4d CPU-seconds", stage.word(), seconds(start), cpu(qemu)));
      String look =
          "uname -srm; ls -d /sys/firmware/efi; grep -m1 Features /proc/cpuinfo;"
              + " cat /proc/cmdline; cloud-init status; systemctl --failed --no-legend;"
              + " systemd-analyze time; sudo systemctl poweroff";
      Argv ssh = Argv.of("ssh").option("-F", layout.sshConfig()).add(node.name(), look);
      terminal.line(Commands.run(ssh, Duration.ofMinutes(5)).out());
      terminal.line("powered off: %s", qemu.waitFor(2, TimeUnit.MINUTES));
    } catch (InterruptedException e) {
      throw new IllegalStateException(e);
    } finally {
      terminal.line("QEMU said: %s", Commands.tail(errors, 10));
      terminal.line("console:\n%s", Commands.tail(layout.node(node).console(), 5));
      qemu.destroyForcibly().onExit().join();
      wires.destroyForcibly().onExit().join();
      Commands.run(Argv.of("rm", "-r", folder.toString(), layout.runtime().toString()));
    }
  }

  /** An aarch64 Linux host without KVM, with the firmware that is on this one. */
  private static Host host(String way) {
    Path small = Path.of("/usr/share/qemu-efi-aarch64/QEMU_EFI.fd");
    Path variables = Path.of("/usr/share/AAVMF/AAVMF_VARS.fd");
    Optional<Firmware> firmware =
        way.equals("small")
            ? Optional.of(new Firmware(small, "raw", variables, "raw", true))
            : FirmwareSearch.find(
                Path.of("/"),
                Path.of("/nonexistent"),
                "aarch64",
                Host.Arch.AARCH64.machine(),
                List.of());
    return new Host(
        Host.Os.LINUX, Host.Arch.AARCH64, Host.Accelerator.TCG, firmware, 2, 24 << 10, true);
  }

  private static long seconds(long start) {
    return (System.nanoTime() - start) / 1_000_000_000;
  }

  private static long cpu(Process qemu) {
    return qemu.info().totalCpuDuration().map(Duration::toSeconds).orElse(0L);
  }
}

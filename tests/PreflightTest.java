import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assumptions.assumeThat;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import lib.Terminal;
import lib.cluster.Cluster;
import lib.cluster.ClusterFile;
import lib.cluster.Host;
import lib.cluster.Network;
import lib.cluster.Node;
import lib.cluster.Subnet;
import lib.state.HostFacts;
import lib.state.Layout;
import lib.tools.Preflight;
import lib.tools.Tool;
import lib.vm.Checks;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class PreflightTest {
  private static final Tool NO_SUCH = new Tool("no-such-program", "", "", "", "");

  private final ByteArrayOutputStream bytes = new ByteArrayOutputStream();
  private final Terminal terminal =
      Terminal.plain(new PrintStream(bytes, true, StandardCharsets.UTF_8));
  private Layout layout;

  @BeforeEach
  void makeLayout(@TempDir Path folder) {
    layout = new Layout(folder.resolve("not/yet/made"), Path.of("/tmp/kubenet-x"));
  }

  private void launch(Cluster cluster, List<Node> starting, HostFacts probe) {
    Checks.qemu(probe, cluster.network());
    Checks.room(cluster, cluster.nodes(), starting, probe.host(), layout, () -> false, terminal);
  }

  private static HostFacts probe(Host.Os os, Host.Arch arch, long memoryMiB, String version) {
    return new HostFacts(
        new Host(os, arch, Host.Accelerator.TCG, Optional.empty(), 2, memoryMiB, true),
        "",
        version,
        "",
        true);
  }

  private static HostFacts linux(long memoryMiB, String version) {
    return probe(Host.Os.LINUX, Host.Arch.X86_64, memoryMiB, version);
  }

  /** A small cluster whose ports nobody uses now. */
  private static Cluster small() throws IOException {
    return Lab.cluster("ubuntu", Lab.freePort());
  }

  /** The standard cluster in a range that no network may use (RFC 2544). */
  private static Cluster elsewhere(Network network) {
    Cluster standard = Cluster.standard();
    return new Cluster(
        standard.name(),
        Subnet.parse("198.18.5.0/24"),
        "198.18.5.5",
        standard.loadBalancer(),
        standard.boot(),
        network,
        standard.user(),
        standard.images(),
        standard.sshPorts(),
        standard.groups());
  }

  @ParameterizedTest
  @CsvSource({
    "LINUX,  X86_64,  7.2.0,  true",
    "LINUX,  X86_64,  7.10.0, true",
    "LINUX,  X86_64,  10.0.0, true",
    "LINUX,  X86_64,  '',     true",
    "LINUX,  X86_64,  7.1.9,  false",
    "LINUX,  X86_64,  5.9.99, false",
    "LINUX,  AARCH64, 7.2.22, true",
    "DARWIN, X86_64,  7.2.0,  true",
    "DARWIN, X86_64,  7.1.9,  false",
    "DARWIN, AARCH64, 8.2.1,  true",
    "DARWIN, AARCH64, 8.2.0,  false",
    "DARWIN, AARCH64, 7.2.22, false",
    "DARWIN, AARCH64, 10.1.0, true"
  })
  @Fault(value = "QEMU is too old", promise = "a message gives both versions; nothing starts")
  void qemuMustBeNewEnough(Host.Os os, Host.Arch arch, String version, boolean enough) {
    HostFacts probe = probe(os, arch, 1 << 20, version);
    Cluster cluster = Cluster.standard();
    if (enough) {
      launch(cluster, List.of(), probe);
    } else {
      String least = os == Host.Os.DARWIN && arch == Host.Arch.AARCH64 ? "8.2.1" : "7.2.0";
      String other =
          os == Host.Os.LINUX
              ? ", or use `network: bridge` in cluster.yaml, for which 6.2.0 will do"
              : "";
      assertThat(Lab.problem(() -> launch(cluster, List.of(), probe)))
          .isEqualTo(
              "QEMU %s is too old, %s is needed\n(upgrade QEMU with the system's package manager%s)"
                  .formatted(version, least, other));
    }
  }

  @Test
  void forABridgeAnOlderQemuWillDo() {
    Network bridge = new Network.Bridge();
    Checks.qemu(linux(1 << 20, "6.2.0"), bridge);

    assertThat(Lab.problem(() -> Checks.qemu(linux(1 << 20, "6.1.9"), bridge)))
        .isEqualTo(
            "QEMU 6.1.9 is too old, 6.2.0 is needed\n"
                + "(upgrade QEMU with the system's package manager)");
  }

  @Test
  void aDaemonOfVmnetMustServeTheSubnet() {
    assertThat(
            Lab.problem(
                () ->
                    launch(
                        elsewhere(Lab.VMNET_BY_SOCKET),
                        List.of(),
                        probe(Host.Os.DARWIN, Host.Arch.X86_64, 1 << 20, ""))))
        .isEqualTo(
            """
            socket_vmnet at /var/run/kubenet.vmnet serves another subnet: this host has no address \
            198.18.5.1
            (start it with --vmnet-gateway=198.18.5.1)\
            """);
    assertThat(bytes.toString(StandardCharsets.UTF_8)).contains("note: ", "Local Network");
  }

  @Test
  void memoryMustSuffice() {
    // 4 of 2 GiB, 3 of 4 GiB, and 64 MiB for each QEMU
    launch(Cluster.standard(), List.of(), linux(20928, "7.2.0"));

    assertThat(Lab.problem(() -> launch(Cluster.standard(), List.of(), linux(20927, "7.2.0"))))
        .isEqualTo(
            """
            the cluster's VMs need 20928 MiB of memory, this machine has 20927
            (lower `memory` or `count` of the roles in cluster.yaml)\
            """);
  }

  @Test
  void portsMustBeFree() throws IOException {
    try (ServerSocket taken = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
      Cluster cluster = Lab.cluster("ubuntu", taken.getLocalPort());
      List<Node> gateway = List.of(cluster.node("gateway"));

      assertThat(Lab.problem(() -> launch(cluster, gateway, linux(1 << 20, ""))))
          .isEqualTo(
              """
              already taken on 127.0.0.1: port %d (gateway)
              (give this cluster other ports with `sshPorts:` in cluster.yaml, or stop what uses \
              them)\
              """
                  .formatted(taken.getLocalPort()));
      launch(cluster, List.of(), linux(1 << 20, "")); // it runs already: the port is its own
    }
  }

  @Test
  void portsOfServicesMustBeFree() throws IOException {
    try (ServerSocket taken = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
      int first = taken.getLocalPort() - 1;
      Cluster cluster =
          ClusterFile.parse(
              "c.yaml", "loadBalancer: {ports: [6443, 80], hostPorts: %d}".formatted(first));
      List<Node> gateway = List.of(cluster.node("gateway"));

      assertThat(Lab.problem(() -> launch(cluster, gateway, linux(1 << 20, ""))))
          .contains("already taken on 127.0.0.1: port ", (first + 1) + " (kubernetes:80)\n")
          .endsWith(
              "(give this cluster other ports with `loadBalancer: {hostPorts: ...}` in"
                  + " cluster.yaml, or stop what uses them)");
      launch(cluster, List.of(), linux(1 << 20, ""));
    }
  }

  @Test
  void socketPathsMustBeShort() throws IOException {
    layout = new Layout(layout.state(), Path.of("/tmp/" + "x".repeat(89)));
    Cluster cluster = small();
    launch(cluster, List.of(), linux(1 << 20, "")); // control0.qmp just fits

    assertThat(
            Lab.problem(
                () ->
                    launch(
                        cluster, List.of(), probe(Host.Os.DARWIN, Host.Arch.X86_64, 1 << 20, ""))))
        .startsWith("the socket path /tmp/xxx")
        .endsWith("is longer than 103 bytes\n(shorten the cluster's `name`)");
  }

  @Test
  void theNetworkMustExistHere() {
    String hint = "\n(bridge is Linux's, vmnet is macOS's, user works on both)";

    assertThat(
            Lab.problem(
                () -> launch(elsewhere(new Network.Vmnet()), List.of(), linux(1 << 20, ""))))
        .isEqualTo("`network: vmnet` does not exist on this system" + hint);
    assertThat(
            Lab.problem(
                () ->
                    launch(
                        elsewhere(new Network.Bridge()),
                        List.of(),
                        probe(Host.Os.DARWIN, Host.Arch.X86_64, 1 << 20, ""))))
        .isEqualTo("`network: bridge` does not exist on this system" + hint);
  }

  @Test
  void allObstaclesAreReportedAtOnce() {
    assertThat(
            Lab.problem(
                () -> launch(elsewhere(new Network.Vmnet()), List.of(), linux(1024, "7.2.0"))))
        .isEqualTo(
            """
            the cluster's VMs need 20928 MiB of memory, this machine has 1024
            `network: vmnet` does not exist on this system
            (lower `memory` or `count` of the roles in cluster.yaml
            bridge is Linux's, vmnet is macOS's, user works on both)\
            """);
  }

  @Test
  void looksAtFoldersThatAreNotMadeYet() throws IOException {
    Cluster cluster = small();

    launch(cluster, List.of(cluster.node("gateway")), linux(1 << 20, "7.2.0"));
    assertThat(Files.exists(layout.state())).isFalse();
  }

  @Test
  void installCommandsAreGolden() {
    List<Tool> tools =
        new ArrayList<>(
            List.of(
                Tool.qemu(Host.Arch.X86_64),
                Tool.qemu(Host.Arch.AARCH64),
                Tool.QEMU_IMG,
                Tool.TMUX,
                Tool.SSH,
                Tool.SSH_KEYGEN,
                Tool.XORRISO,
                Tool.IP,
                Tool.NFT,
                Tool.DNSMASQ,
                Tool.SYSCTL));
    StringBuilder text = new StringBuilder();
    for (Tool.Manager manager : Tool.Manager.values()) {
      for (boolean sudo : new boolean[] {false, true}) {
        manager.refresh(sudo).ifPresent(refresh -> text.append(refresh.toShell()).append('\n'));
        List<Tool> packed =
            tools.stream().filter(tool -> !tool.packageFor(manager).isEmpty()).toList();
        text.append(manager.install(packed, sudo).toShell()).append('\n');
      }
    }
    Golden.check("install", text.toString());
  }

  @Test
  void tmuxIsNewEnough() {
    for (String said :
        List.of("tmux 3.0", "tmux 3.3a", "tmux 3.10", "tmux next-3.5", "tmux master")) {
      Preflight.tmux(said);
    }
  }

  @Test
  void nothingIsAskedForWhatIsThere() {
    Preflight.tools(terminal, false, List.of(new Tool("sh", "", "", "", "")));

    assertThat(bytes.toString(StandardCharsets.UTF_8)).isEmpty();
  }

  @Test
  void missingProgramsAreNamed() {
    assertThat(
            Lab.problem(
                () ->
                    Preflight.tools(
                        terminal,
                        true,
                        List.of(
                            new Tool("sh", "", "", "", ""),
                            NO_SUCH,
                            new Tool("nor-this", "x", "x", "x", "x")))))
        .isEqualTo(
            """
            missing on this machine: no-such-program, nor-this
            (install them, then run this again)\
            """);
  }

  @Test
  void nothingIsInstalledUnasked() {
    Tool tool = new Tool("no-such-program", "pack", "pack", "pack", "pack");
    Optional<Tool.Manager> manager = Tool.Manager.current(Host.Os.current());
    assumeThat(manager).as("a package manager").isPresent();
    boolean sudo = !System.getProperty("user.name").equals("root");
    String command = manager.get().install(List.of(tool), sudo).toShell();

    assertThat(Lab.problem(() -> Preflight.tools(terminal, false, List.of(tool))))
        .isEqualTo(
            "missing on this machine: no-such-program\n(run `%s`, or run this again with --yes)"
                .formatted(command));
    assertThat(bytes.toString(StandardCharsets.UTF_8))
        .isEqualTo(
            "missing on this machine: no-such-program\ninstall them with: " + command + "\n");
  }
}

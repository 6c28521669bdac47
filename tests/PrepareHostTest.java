import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assumptions.assumeThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.stream.Collectors;
import lib.Argv;
import lib.Commands;
import lib.Wait;
import lib.bridge.HostFirewall;
import lib.bridge.HostNetwork;
import lib.bridge.HostStep;
import lib.cluster.Cluster;
import lib.cluster.ClusterFile;
import lib.cluster.Network;
import lib.cluster.Node;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** {@code prepare-host.java} as a process, on a host that is a network namespace. */
class PrepareHostTest {
  private static final String CONFIG =
      """
      name: prepared
      network: bridge
      subnet: 10.240.0.0/24
      roles:
        control: {count: 1}
        worker: {count: 1}
      """;

  @TempDir private Path folder;
  private HostNamespace host;
  private final Cluster cluster = ClusterFile.parse("cluster.yaml", CONFIG);

  @BeforeEach
  void makeHost() throws IOException {
    Optional<String> missing = HostNamespace.missing();
    assumeThat(missing).withFailMessage(missing.orElse("")).isEmpty();
    host = new HostNamespace();
    Files.writeString(folder.resolve("cluster.yaml"), CONFIG);
  }

  @AfterEach
  void removeHost() throws IOException {
    if (host != null) {
      host.close();
    }
  }

  private CommandResult prepare(String... arguments) {
    List<String> all = new ArrayList<>(List.of("--user", "nobody"));
    all.addAll(List.of("--config", folder.resolve("cluster.yaml").toString()));
    all.addAll(List.of(arguments));
    return CommandResult.script("prepare-host", all.toArray(String[]::new))
        .within(host.words())
        .run();
  }

  @Test
  @Fault(
      value = "a host is prepared for network bridge, then undone",
      promise = "the host is as it was before")
  void aHostIsAsItWasAfterUndo() {
    TreeMap<String, String> before = host.state();

    CommandResult dry = prepare("--dry-run").succeeded().quiet();
    assertThat(host.state()).isEqualTo(before);
    Golden.check("host/fresh.sh", withoutHosts(dry.out(), before));

    CommandResult done = prepare("--yes").succeeded().quiet();
    assertThat(done.out()).startsWith(dry.out()).endsWith("prepare-host.java --undo\n");
    TreeMap<String, String> prepared = host.state();
    assertThat(prepared.get("listeners")).contains("10.240.0.1:53").doesNotContain("0.0.0.0:53");

    assertThat(prepare("--yes").succeeded().quiet().out()).startsWith("# nothing to change");
    assertThat(host.state()).isEqualTo(prepared);

    CommandResult undo = prepare("--undo", "--yes").succeeded().quiet();
    Golden.check("host/undo.sh", withoutHosts(undo.out(), before).replaceAll("\\d{3,}", "PID"));
    assertThat(host.state()).isEqualTo(before);
    assertThat(prepare("--undo").succeeded().quiet().out()).startsWith("# nothing to change");
  }

  @Test
  void aHostWithDockerIsAsItWasAfterUndo() {
    host.docker();
    host.run("iptables", "-P", "INPUT", "DROP"); // as ufw has it
    host.run("sysctl", "-q", "-w", "net.ipv4.ip_forward=1");
    host.run("sh", "-c", "printf '127.0.0.1 localhost' > /etc/hosts"); // no line end
    TreeMap<String, String> before = host.state();

    CommandResult dry = prepare("--dry-run").succeeded().quiet();
    Golden.check("host/docker.sh", dry.out());
    prepare("--yes").succeeded().quiet();
    TreeMap<String, String> prepared = host.state();
    assertThat(prepare("--yes").succeeded().out()).startsWith("# nothing to change");
    assertThat(host.state()).isEqualTo(prepared);

    prepare("--undo", "--yes").succeeded().quiet();
    assertThat(host.state()).isEqualTo(before);
  }

  /**
   * Not run: the commands for a host that has firewalld, which takes all of a system to be real.
   */
  @Test
  void whereFirewalldRunsTheBridgeIsInItsTrustedZone() {
    HostNetwork network = new HostNetwork(cluster, "me");
    Golden.check("host/firewalld.sh", shell(network.prepare(withFirewalld(Map.of(), "none"))));
    HostNetwork.Found made = withFirewalld(Map.of("before", "net.ipv4.ip_forward=1\n"), "trusted");
    assertThat(shell(HostNetwork.undo(made)))
        .isEqualTo("firewall-cmd --zone=trusted --remove-interface=kubenet\nrm -r /run/kubenet\n");
  }

  private static HostNetwork.Found withFirewalld(Map<String, String> records, String zone) {
    return new HostNetwork.Found(
        List.of(),
        true,
        records,
        Optional.empty(),
        List.of(),
        new HostFirewall(false, List.of(), zone),
        "");
  }

  private static String shell(List<HostStep> steps) {
    return steps.stream().map(HostStep::toShell).collect(Collectors.joining("\n")) + "\n";
  }

  @Test
  void whatIsMissingIsMadeAgain() throws IOException {
    prepare("--yes").succeeded();
    TreeMap<String, String> prepared = host.state();
    host.run("ip", "link", "delete", "kubenet-1");
    host.run("nft", "flush", "ruleset");
    host.endDnsmasq();
    host.run("sh", "-c", "echo 10.9.9.9 mine >> /etc/hosts");

    CommandResult again = prepare("--yes").succeeded().quiet();
    assertThat(again.out()).doesNotContain("/etc/hosts", "ip link add", "kubenet-2");
    TreeMap<String, String> after = host.state();
    assertThat(after.remove("hosts")).isEqualTo(prepared.remove("hosts") + "10.9.9.9 mine\n");
    assertThat(withoutNumbers(after)).isEqualTo(withoutNumbers(prepared));
  }

  /** A tap made anew has another number and address. */
  private static Map<String, String> withoutNumbers(TreeMap<String, String> state) {
    state.replaceAll(
        (key, value) ->
            value.lines().map(line -> line.replaceAll("^\\d+|(?:..:){5}..", "")).sorted().toList()
                + "");
    return state;
  }

  @Test
  void namesOfTheNodesAreThere() {
    host.docker();
    TreeMap<String, String> before = host.state();
    prepare("--yes").succeeded();
    assertThat(host.run("getent", "ahostsv4", "kubernetes")).startsWith("10.240.0.5 ");
    for (Node node : cluster.nodes()) {
      assertThat(host.run("getent", "ahostsv4", node.name())).startsWith(node.address() + " ");
    }
    assertThat(host.run("ip", "-br", "link", "show", "master", "kubenet").lines()).hasSize(3);

    prepare("--undo", "--yes").succeeded();
    assertThat(host.state()).isEqualTo(before); // no chain INPUT was made
  }

  /** A guest's place is taken by a namespace that is in the bridge by a veth. */
  @Test
  void aGuestReachesTheOutsideThoughDockerDropsAndTheOutsideDoesNotReachIt() throws IOException {
    host.docker();
    prepare("--yes").succeeded();
    host.run(
        "sh",
        "-c",
        "unshare --net sleep 600 > /dev/null 2>&1 & echo $! > /run/guest;"
            + " until [ \"$(readlink /proc/$!/ns/net)\" != \"$(readlink /proc/$$/ns/net)\" ];"
            + " do sleep 0.1; done");
    String pid = host.run("cat", "/run/guest").strip();
    try {
      host.run("ip", "link", "add", "g", "type", "veth", "peer", "name", "g0", "netns", pid);
      host.run("ip", "link", "set", "g", "master", "kubenet", "up");
      String[][] setUp = {
        {"ip", "address", "add", "10.240.0.11/24", "dev", "g0"},
        {"ip", "link", "set", "g0", "up"},
        {"ip", "route", "add", "default", "via", "10.240.0.1"},
      };
      for (String[] command : setUp) {
        guest(pid, command).orProblem();
      }
      host.run("ping", "-c", "1", "-W", "5", "control0");
      guest(pid, "ping", "-c", "1", "-W", "5", HostNamespace.OUTSIDE).orProblem();
      assertThat(dns(pid, "worker0")).contains("10.240.0.12");
      assertThat(dns(pid, "kubernetes")).contains("10.240.0.5");

      host.outside("ip", "route", "add", "10.240.0.0/24", "via", "198.51.100.1");
      host.run("iptables", "-P", "FORWARD", "ACCEPT");
      assertThat(
              Commands.run(
                      Argv.of("env", host.wordsOutside())
                          .add("ping", "-c", "1", "-W", "1", "10.240.0.11"))
                  .exit())
          .isNotZero();
    } finally {
      host.run("kill", pid);
    }
  }

  private Commands.Result guest(String pid, String... command) {
    return Commands.run(Argv.of("nsenter", "--target", pid, "--net").add(command));
  }

  /** Asks the bridge's DNS server, with nothing but Java. */
  private String dns(String pid, String name) throws IOException {
    Path query = folder.resolve("Ask.java");
    Files.writeString(
        query,
        """
        import javax.naming.directory.InitialDirContext;
        class Ask {
          public static void main(String[] name) throws Exception {
            var environment = new java.util.Hashtable<String, String>();
            environment.put("java.naming.factory.initial", "com.sun.jndi.dns.DnsContextFactory");
            environment.put("java.naming.provider.url", "dns://10.240.0.1");
            System.out.println(
                new InitialDirContext(environment).getAttributes(name[0], new String[] {"A"}));
          }
        }
        """);
    String java = Path.of(System.getProperty("java.home"), "bin", "java").toString();
    return guest(pid, java, query.toString(), name).orProblem().out();
  }

  @Test
  void qemuOpensItsTapAsTheUserItIsFor() throws Exception {
    prepare("--yes").succeeded();
    Node node = cluster.node("control0");
    String netdev = new Network.Bridge().nics(node, folder).get(0).netdevs().get(0);
    List<String> qemu = new ArrayList<>(List.of("qemu-system-x86_64", "-S", "-nodefaults"));
    qemu.addAll(List.of("-nographic", "-monitor", "none", "-netdev", netdev));
    qemu.addAll(List.of("-device", "virtio-net-pci,romfile=,netdev=lan"));

    Argv other = Argv.of("env", host.words("daemon")).add("timeout", "50");
    assertThat(Commands.run(other.add(qemu.toArray(String[]::new))).err())
        .contains("could not configure /dev/net/tun (kubenet-1): Operation not permitted");

    Argv own = Argv.of("env", host.words("nobody")).add(qemu.toArray(String[]::new));
    Path errors = folder.resolve("errors");
    Process process = Commands.start(own, errors);
    try {
      boolean up =
          Wait.until(
              Duration.ofMinutes(1),
              () -> host.run("ip", "-br", "link", "show", "kubenet-1").contains("LOWER_UP"));
      assertThat(up).as("%s", Commands.tail(errors, 5)).isTrue();
      prepare("--undo", "--yes")
          .exitedWith(1)
          .complainsInTwoLines("VMs run on kubenet-1", "stop-all.java");
    } finally {
      process.destroyForcibly().onExit().join();
    }
    prepare("--undo", "--yes").succeeded();
  }

  @Test
  void whatIsInTheWayIsNamed() throws IOException {
    host.run("ip", "link", "add", "kubenet", "type", "bridge");
    host.run("ip", "route", "add", "10.240.0.128/25", "dev", "up0");
    TreeMap<String, String> before = host.state();
    Process dnsmasq =
        Commands.start(
            Argv.of("env", host.words())
                .add("dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--pid-file="),
            folder.resolve("errors"));
    try {
      Wait.until(Duration.ofMinutes(1), () -> host.run("ss", "-Hltun").contains(":53"));
      prepare("--yes")
          .exitedWith(1)
          .complains(
              """
              prepare-host: there is a network interface kubenet that prepare-host.java did not make
              10.240.0.128/25 of up0 overlaps the cluster's subnet 10.240.0.0/24
              another DNS server has 0.0.0.0:53 (dnsmasq) already, and so 10.240.0.1:53\
              """,
              "if nothing needs it, remove it: sudo ip link delete kubenet;");
    } finally {
      dnsmasq.destroyForcibly().onExit().join();
    }
    assertThat(host.state()).isEqualTo(before);
    prepare("--undo", "--yes").succeeded(); // it is not ours
    assertThat(host.state()).isEqualTo(before);

    host.run("ip", "link", "delete", "kubenet");
    host.run("ip", "route", "delete", "10.240.0.128/25", "dev", "up0");
    prepare("--yes").succeeded();
    Files.writeString(
        folder.resolve("cluster.yaml"), CONFIG.replace("10.240.", "10.241.") + "vip: 10.241.0.5\n");
    prepare("--yes")
        .exitedWith(1)
        .complainsInTwoLines(
            "the bridge has the subnet 10.240.0.0/24, cluster.yaml says 10.241.0.0/24",
            "prepare-host.java --undo");
  }

  @Test
  void aLaunchSaysWhatTheHostLacks() {
    CommandResult.script("launch-vm", "control0", "--config", folder + "/cluster.yaml")
        .within(host.words())
        .run()
        .exitedWith(1)
        .complainsInTwoLines(
            "this host is not ready for `network: bridge`: it has no kubenet-1",
            "./jbang prepare-host.java");
  }

  @Test
  void nothingIsChangedUnasked() {
    TreeMap<String, String> before = host.state();
    prepare().exitedWith(1).complains("the host was not changed", "--yes");
    assertThat(host.state()).isEqualTo(before);
  }

  /** The machine's own names are no part of a golden file. */
  private static String withoutHosts(String text, TreeMap<String, String> before) {
    return text.replace(before.get("hosts"), "(what was there)\n");
  }
}

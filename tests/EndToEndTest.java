import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import lib.Argv;
import lib.Commands;
import lib.Wait;
import lib.cluster.Node;
import lib.ready.BootRecord;
import lib.ready.Leg;
import lib.vm.Qmp;
import lib.vm.Vm;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.MethodOrderer;
import org.junit.jupiter.api.Order;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestMethodOrder;

/**
 * The main job for real: real QEMU, real cloud-init, real tmux, real ssh. One cluster of three
 * small nodes is booted once for all tests, in a folder with a space in its name and a tmux server
 * of its own.
 */
@TestMethodOrder(MethodOrderer.OrderAnnotation.class)
class EndToEndTest {
  /** Those of the three nodes, and one for the virtual IP. */
  private static final int PORTS = Ports.free(4);

  private static final int SERVICE = PORTS + 3;
  private static final String CONFIG =
      """
      name: e2e
      sshPorts: %d
      images: [debian-built]
      loadBalancer: {hostPorts: %d}
      roles:
        gateway: {count: 1, cpus: 2, memory: 768M, disk: 6G}
        control: {count: 1, cpus: 2, memory: 768M, disk: 6G}
        worker:  {count: 1, cpus: 2, memory: 768M, disk: 7G}
      """
          .formatted(PORTS, SERVICE);

  private static RealCluster real;
  private static Commands.Result setup;

  @BeforeAll
  static void bootsThreeNodesWithOneCommand() throws IOException {
    real = RealCluster.of(CONFIG, Map.of());
    setup = real.script("setup", "--yes", "--detach", "--ready");
  }

  @AfterAll
  static void leavesNothing() throws IOException {
    real.destroy();
  }

  @Test
  @Order(1)
  void setupEndsWithEveryNodeReady() {
    assertThat(setup.exit()).as(setup.err() + setup.out()).isZero();
    assertThat(setup.out()).contains("3 of 3 nodes are ready");
    assertThat(states())
        .isEqualTo(Map.of("gateway", "ready", "control0", "ready", "worker0", "ready"));
  }

  @Test
  @Order(2)
  void whereTheTimeWentIsRecorded() throws IOException {
    for (Node node : real.cluster().nodes()) {
      List<Leg.Span> spans = BootRecord.of(real.layout().node(node)).spans();
      // a fork's legs after its turn overtake one another
      assertThat(spans).extracting(Leg.Span::leg).isSorted().startsWith(Leg.QUEUED);
      assertThat(spans).hasSizeGreaterThan(1);
      assertThat(spans).allMatch(span -> span.seconds() >= 0);
    }
    Path svg = real.folder().resolve("launch.svg");
    assertThat(real.script("status", "--timeline", svg.toString()).exit()).isZero();
    assertThat(Files.readString(svg)).contains("e2e: 3 of 3 nodes in ").contains(", ready: ");
    Files.delete(svg);
  }

  @Test
  @Order(2)
  void eachAnswersStrictSshAsItself() {
    for (Node node : real.cluster().nodes()) {
      assertThat(real.ssh(node.name(), "hostname")).isEqualTo(node.name());
      assertThat(real.ssh(node.name(), "id -un && sudo -n id -un")).isEqualTo("ubuntu\nroot");
    }
  }

  @Test
  @Order(2)
  void aNodeWithAnotherHostKeyIsRefused() throws IOException {
    // the config of control0 with the port of worker0: another machine answers there
    Path config = real.folder().resolve("swapped");
    Files.writeString(
        config,
        Files.readString(real.layout().sshConfig())
            .replace("Port " + (PORTS + 1), "Port " + (PORTS + 2)));
    Commands.Result result =
        Commands.run(Argv.of("ssh", "-F", config.toString(), "control0", "hostname"));
    assertThat(result.exit()).isEqualTo(255);
    assertThat(result.out()).isEmpty();
  }

  @Test
  @Order(2)
  void noPasswordOpensADoor() {
    for (Node node : real.cluster().nodes()) {
      assertThat(real.ssh(node.name(), "sudo sshd -T | grep -E '^(passwordauth|kbdinter)'"))
          .isEqualTo("passwordauthentication no\nkbdinteractiveauthentication no");
      assertThat(
              real.ssh(
                  node.name(), "for u in ubuntu root; do sudo passwd -S $u | cut -d' ' -f2; done"))
          .isEqualTo("L\nL");
    }
  }

  @Test
  @Order(2)
  void nodesReachEachOtherByNameOnTheLan() {
    for (Node from : real.cluster().nodes()) {
      for (Node to : real.cluster().nodes()) {
        assertThat(real.ssh(from.name(), "getent ahostsv4 %s | head -1".formatted(to.name())))
            .startsWith(to.address());
        assertThat(
                real.ssh(
                    from.name(), "ping -c 1 -W 10 %s > /dev/null && echo yes".formatted(to.name())))
            .isEqualTo("yes");
      }
      assertThat(real.ssh(from.name(), "getent hosts kubernetes")).startsWith(real.cluster().vip());
    }
  }

  @Test
  @Order(2)
  void cloudInitIsDoneWithoutErrors() throws IOException {
    for (Node node : real.cluster().nodes()) {
      JsonNode status =
          new ObjectMapper().readTree(real.ssh(node.name(), "cloud-init status --format json"));
      assertThat(status.path("status").asText()).isEqualTo("done");
      assertThat(status.path("errors")).isEmpty();
      assertThat(status.path("datasource").asText()).isEqualTo("nocloud");
      assertThat(real.ssh(node.name(), "cat /var/lib/cloud/data/instance-id"))
          .matches(node.name() + "-[0-9a-f]{12}");
      assertThat(real.ssh(node.name(), "systemctl --failed --no-legend --plain")).isEmpty();
    }
  }

  @Test
  @Order(2)
  void packagesOfTheRolesAreThere() {
    String query = "dpkg-query -W -f '${Status}\\n' ";
    String good = "install ok installed";
    assertThat(real.ssh("gateway", query + "ipvsadm ldirectord")).isEqualTo(good + "\n" + good);
    assertThat(real.ssh("control0", query + "curl")).isEqualTo(good);
    assertThat(real.ssh("worker0", query + "curl nfs-common")).isEqualTo(good + "\n" + good);
  }

  @Test
  @Order(2)
  void rootFileSystemsHaveGrownToTheirDisks() {
    assertThat(gib("control0")).isBetween(5.4, 6.0);
    assertThat(gib("worker0")).isBetween(6.4, 7.0);
  }

  private static double gib(String node) {
    return Long.parseLong(real.ssh(node, "df --output=size -k / | tail -1").strip())
        / 1024.0
        / 1024.0;
  }

  @Test
  @Order(2)
  void nodesReachTheOutside() {
    // QEMU's own resolver answers; what it reaches is the host's business
    assertThat(real.ssh("worker0", "ip route | grep -c '^default via 10.0.2.2'")).isEqualTo("1");
  }

  @Test
  @Order(2)
  void identitiesAreApart() {
    TreeMap<String, String> machineIds = new TreeMap<>();
    for (Node node : real.cluster().nodes()) {
      machineIds.put(real.ssh(node.name(), "cat /etc/machine-id"), node.name());
      assertThat(real.ssh(node.name(), "ip -br link"))
          .contains(node.lanMac())
          .contains(node.wanMac());
      assertThat(real.ssh(node.name(), "ls /etc/ssh/ | grep ^ssh_host_"))
          .isEqualTo("ssh_host_ed25519_key\nssh_host_ed25519_key.pub");
    }
    assertThat(machineIds).hasSize(3);
  }

  @Test
  @Order(2)
  void vmsHaveAPaneEachAndSoHasTheSwitch() {
    assertThat(panes("e2e-vms"))
        .containsExactlyInAnyOrder(
            "lan lan alive",
            "vms gateway alive",
            "vms control0 alive",
            "vms worker0 alive",
            "forward forward alive");
  }

  @Test
  @Order(2)
  void sshHasItsWindows() {
    assertThat(panes("e2e-ssh"))
        .containsExactly(
            "gateway gateway alive",
            "control control0 alive",
            "worker worker0 alive",
            "nodes control0 alive",
            "nodes worker0 alive");
    boolean prompt =
        Wait.until(
            Duration.ofMinutes(2),
            () ->
                real.tmux("capture-pane", "-p", "-t", "e2e-ssh:worker").contains("ubuntu@worker0"));
    assertThat(prompt).as("the shell's prompt in window worker").isTrue();
  }

  @Test
  @Order(2)
  void typingInAllPanesIsSwitchedByAKey() {
    assertThat(real.tmux("list-keys", "-T", "prefix", "S")).contains("synchronize-panes");
    assertThat(real.tmux("display-message", "-p", "-t", "e2e-ssh:nodes", "#{T:status-right}"))
        .contains("typing in one pane (C-b S)");
    real.tmux("set-option", "-w", "-t", "e2e-ssh:nodes", "synchronize-panes", "on");
    assertThat(real.tmux("display-message", "-p", "-t", "e2e-ssh:nodes", "#{T:status-right}"))
        .contains("typing in ALL panes");
    real.tmux("send-keys", "-t", "e2e-ssh:nodes", "hostname > /tmp/both", "Enter");
    for (String node : List.of("control0", "worker0")) {
      assertThat(
              Wait.until(
                  Duration.ofMinutes(2),
                  () -> real.ssh(node, "cat /tmp/both || true").equals(node)))
          .as("the command typed in both panes ran on " + node)
          .isTrue();
    }
    real.tmux("set-option", "-w", "-t", "e2e-ssh:nodes", "synchronize-panes", "off");
  }

  @Test
  @Order(2)
  void nothingListensBeyondLoopback() {
    List<String> pids =
        real.cluster().nodes().stream()
            .map(node -> "pid=" + Vm.of(node, real.layout()).process().orElseThrow().pid() + ",")
            .toList();
    List<String> listeners =
        Commands.run(Argv.of("ss", "-Htlnup"))
            .orProblem()
            .out()
            .lines()
            .filter(line -> pids.stream().anyMatch(line::contains))
            .toList();
    assertThat(listeners).hasSize(3).allMatch(line -> line.matches(".* 127\\.0\\.0\\.1:\\d+ .*"));
    assertThat(listening().lines())
        .hasSize(1)
        .allMatch(line -> line.contains(" 127.0.0.1:%d ".formatted(SERVICE)));
  }

  /** Who listens on this host's port for the virtual IP. */
  private static String listening() {
    return Commands.run(Argv.of("ss", "-Htln", "sport = :" + SERVICE)).orProblem().out();
  }

  @Test
  @Order(2)
  void filesArePrivate() throws IOException {
    try (Stream<Path> files = Files.walk(real.layout().state())) {
      assertThat(files.filter(file -> !file.toString().endsWith(".pub")))
          .allSatisfy(
              file ->
                  assertThat(Files.getPosixFilePermissions(file).toString())
                      .as(file.toString())
                      .doesNotContain("GROUP", "OTHERS"));
    }
    try (Stream<Path> files = Files.walk(real.layout().runtime())) {
      assertThat(files)
          .allSatisfy(
              file ->
                  assertThat(Files.getPosixFilePermissions(file).toString())
                      .as(file.toString())
                      .doesNotContain("GROUP", "OTHERS"));
    }
  }

  @Test
  @Order(2)
  void theVirtualIpIsTheGatewaysAlone() {
    String answers =
        real.ssh(
            "worker0",
            "sudo arping -c 3 -I $(ip -o -4 address show to %s | cut -d' ' -f2) %s"
                .formatted(real.cluster().node("worker0").address(), real.cluster().vip()));
    List<String> macs =
        Pattern.compile("\\[([0-9A-F:]{17})\\]")
            .matcher(answers)
            .results()
            .map(mac -> mac.group(1).toLowerCase(Locale.ROOT))
            .distinct()
            .toList();
    assertThat(macs).as(answers).containsExactly(real.cluster().node("gateway").lanMac());
    assertThat(real.ssh("control0", "ip -br address show lo"))
        .contains(" " + real.cluster().vip() + "/32 ");
    assertThat(
            real.ssh("control0", "cd /proc/sys/net/ipv4/conf/all && cat arp_ignore arp_announce"))
        .isEqualTo("1\n2");
    for (String node : List.of("gateway", "control0")) {
      assertThat(real.ssh(node, "systemctl is-active kubenet-virtual-ip.service"))
          .isEqualTo("active");
    }
  }

  @Test
  @Order(2)
  void whatControlNodesServeIsReachedByTheVirtualIpAndFromThisHost() {
    assertThat(servers()).isEmpty();
    serve();
    assertThat(Wait.until(Duration.ofMinutes(3), () -> servers().size() == 1))
        .as("the server is taken in")
        .isTrue();
    for (String client : List.of("worker0", "control0", "gateway")) {
      send("ask.py", client);
      assertThat(real.ssh(client, "python3 /tmp/ask.py kubernetes 6443 5"))
          .contains("\"nodes\": {\"control0\": 5}, \"failures\": {}");
      if (client.equals("worker0")) {
        // the kernel adds up its counters every two seconds (Linux source, ip_vs_est.c)
        // connections, packets to the server, and none back: it answers the client itself
        String five = "-> 10\\.240\\.0\\.11:6443 +5 +[1-9]\\d* +0 .*";
        Wait.until(Duration.ofMinutes(1), () -> servers().get(0).matches(five));
        assertThat(servers().get(0)).matches(five);
      }
    }
    assertThat(Wait.until(Duration.ofMinutes(3), EndToEndTest::fromThisHost))
        .as("it answers here")
        .isTrue();

    real.ssh("control0", "sudo systemctl stop serve");
    assertThat(Wait.until(Duration.ofMinutes(3), () -> servers().isEmpty()))
        .as("the server that ended is taken out")
        .isTrue();
    real.ssh("control0", "sudo systemctl start serve");
    assertThat(Wait.until(Duration.ofMinutes(3), EndToEndTest::fromThisHost))
        .as("the server that came back is taken in")
        .isTrue();
  }

  /** A server of TLS on the Kubernetes API's port of control0. */
  private static void serve() {
    send("server.py", "control0");
    real.ssh(
        "control0",
        """
        cd /tmp && openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes \
          -keyout key.pem -out cert.pem -days 30 -subj /CN=kubernetes 2> /dev/null &&
        printf '[Service]\\nExecStart=/usr/bin/python3 /tmp/server.py 6443\\n' |
          sudo tee /etc/systemd/system/serve.service > /dev/null &&
        sudo systemctl start serve
        """);
  }

  /** The real servers behind the virtual IP, as IPVS has them, with their counters. */
  private static List<String> servers() {
    return real.ssh("gateway", "sudo ipvsadm -Ln --stats --exact")
        .lines()
        .map(String::strip)
        .filter(line -> line.startsWith("-> 10."))
        .toList();
  }

  /** Whether control0 answers on this host's own port. */
  private static boolean fromThisHost() {
    Argv ask =
        Argv.of("python3", Project.root().resolve("tests/guest/ask.py").toString())
            .add("127.0.0.1", "" + SERVICE, "1");
    return Commands.run(ask).orProblem().out().contains("\"nodes\": {\"control0\": 1}");
  }

  private static void send(String program, String node) {
    Path file = Project.root().resolve("tests/guest/" + program);
    Argv copy = Argv.of("scp", "-q").option("-F", real.layout().sshConfig());
    Commands.run(copy.add(file.toString(), node + ":/tmp/")).orProblem();
  }

  @Test
  @Order(3)
  void aSecondLaunchChangesNothing() {
    Map<String, Long> before = pids();
    Commands.Result again = real.script("launch-all");
    assertThat(again.exit()).as(again.err()).isZero();
    assertThat(again.out()).contains("3 of 3 run already");
    assertThat(pids()).isEqualTo(before);
    assertThat(real.script("launch-vm", "worker0").out()).contains("worker0 runs already");
    Commands.Result ssh = real.script("ssh-all", "--detach");
    assertThat(ssh.exit()).as(ssh.err()).isZero();
    assertThat(panes("e2e-ssh")).hasSize(5);
  }

  @Test
  @Order(3)
  @Fault(
      value = "kill -9 of the LAN switch while real guests send all the time",
      promise =
          "launch-all starts it again; the guests reach each other again, and none is restarted")
  void aLostLanIsMendedWhileGuestsRun() {
    String address = real.cluster().node("control0").address();
    String ping = "ping -q -c 1 -W %d " + address;
    Map<String, Long> before = pids();
    real.ssh("worker0", "sudo systemd-run -q --unit=flood ping -q -i 0.01 " + address);
    real.ssh("worker0", ping.formatted(5));
    String program = "^\\S*/java .*EthernetSwitch .*" + real.layout().lan();
    String pid = Commands.run(Argv.of("pgrep", "-f", program)).out();
    long lan = Long.parseLong(pid.strip());
    Gone.kill(ProcessHandle.of(lan).orElseThrow());
    assertThat(real.ssh("worker0", ping.formatted(2) + " || echo lost")).endsWith("lost");

    Commands.Result again = real.script("launch-all");
    assertThat(again.exit()).as(again.err()).isZero();
    assertThat(again.out()).contains("connected again: gateway, control0, worker0");
    assertThat(real.ssh("worker0", ping.formatted(20))).contains(" 0% packet loss");
    assertThat(real.ssh("gateway", ping.formatted(20))).contains(" 0% packet loss");
    assertThat(pids()).isEqualTo(before);
    real.ssh("worker0", "sudo systemctl stop flood");
  }

  @Test
  @Order(3)
  @Fault(
      value = "the host slept or a VM was paused, so the guest's clock stays behind",
      promise = "status says by how much; launch-all sets the clock")
  void aClockThatIsBehindIsSet() throws IOException {
    Vm vm = Vm.of(real.cluster().node("worker0"), real.layout());
    try (Qmp qmp = Qmp.connect(vm.files().qmp(), Duration.ofSeconds(5))) {
      qmp.execute("stop");
      Wait.until(Duration.ofSeconds(9), () -> false); // that is how long it loses
      qmp.execute("cont");
    }
    Commands.Result status = real.script("status");
    assertThat(status.out())
        .containsPattern("worker0: its clock is \\d+ s behind; launch-all.java sets it");

    Commands.Result again = real.script("launch-all");
    assertThat(again.exit()).as(again.err()).isZero();
    assertThat(again.out())
        .containsPattern("worker0: its clock was \\d+ s behind, and is set")
        .doesNotContain("gateway: its clock");
    assertThat(real.script("status").out()).doesNotContain("its clock");
  }

  /** By UEFI firmware this time, and at the end by BIOS: both boot loaders of the image. */
  private static void boots(String how) throws IOException {
    Files.writeString(real.folder().resolve("cluster.yaml"), CONFIG + "boot: " + how + "\n");
  }

  @Test
  @Order(4)
  void aKilledVmIsSeenAtOnceAndIsStartedAgainInItsPane() throws IOException {
    real.ssh("worker0", "echo kept > ~/file && sync");
    Gone.kill(Vm.of(real.cluster().node("worker0"), real.layout()).process().orElseThrow());
    assertThat(states()).containsEntry("worker0", "stopped");
    Commands.Result waiting = real.script("ssh-all", "--detach", "--only", "worker0");
    assertThat(waiting.exit()).isEqualTo(1);
    assertThat(waiting.err()).contains("worker0: QEMU is not running").contains("console.log");
    assertThat(
            Wait.until(Duration.ofMinutes(1), () -> panes("e2e-vms").contains("vms worker0 dead")))
        .as("%s", panes("e2e-vms"))
        .isTrue();
    boots("firmware");
    assertThat(Wait.until(Duration.ofMinutes(1), EndToEndTest::fromThisHost))
        .as("this host's way to the virtual IP")
        .isTrue();
    Commands.Result again = real.script("launch-all");
    assertThat(again.exit()).as(again.err()).isZero();
    assertThat(again.out()).contains("2 of 3 run already").contains("1 started");
    assertThat(panes("e2e-vms")).contains("vms worker0 alive").hasSize(5);
  }

  @Test
  @Order(5)
  @Fault(value = "kill -9 of a VM with a real guest", promise = "it boots again with its files")
  void afterAKillTheGuestBootsAgainWithItsFiles() {
    Commands.Result ready = real.script("ssh-all", "--detach", "--ready");
    assertThat(ready.exit()).as(ready.err() + ready.out()).isZero();
    assertThat(real.ssh("worker0", "cat ~/file")).isEqualTo("kept");
    assertThat(real.ssh("worker0", "ls -d /sys/firmware/efi")).isEqualTo("/sys/firmware/efi");
  }

  @Test
  @Order(6)
  @Fault(
      value = "a VM with a real guest has lost its QMP socket, as when /tmp is cleaned",
      promise = "stop-all shuts it down over SSH")
  void stoppingLeavesNothingRunning() throws IOException {
    List<ProcessHandle> before =
        pids().values().stream().map(pid -> ProcessHandle.of(pid).orElseThrow()).toList();
    assertThat(before).hasSize(3);
    Files.delete(real.layout().node(real.cluster().node("worker0")).qmp());
    Commands.Result stop = real.script("stop-all");
    assertThat(stop.exit()).as(stop.err()).isZero();
    assertThat(stop.out().lines().filter(line -> line.contains("powered down"))).hasSize(3);
    assertThat(stop.out()).contains("worker0      powered down over SSH ");
    Gone.await(before);
    assertThat(real.tmux("list-sessions")).doesNotContain("e2e-");
    Argv lan = Argv.of("pgrep", "-a", "-f", real.layout().lan().toString());
    assertThat(Wait.until(Duration.ofMinutes(1), () -> Commands.run(lan).out().isEmpty()))
        .as("%s", Commands.run(lan))
        .isTrue();
    assertThat(Wait.until(Duration.ofMinutes(1), () -> listening().isEmpty()))
        .as("%s", listening())
        .isTrue();
    assertThat(states().values()).containsOnly("stopped");
    assertThat(real.layout().node(real.cluster().node("worker0")).disk()).exists();
  }

  @Test
  @Order(7)
  void oneNodeBootsInTheForegroundAndKeepsItsDisk() throws IOException {
    boots("bios");
    real.script("lan"); // launch-vm starts its VM, and nothing else
    real.tmux(
        "new-session",
        "-d",
        "-s",
        "foreground",
        "-x",
        "200",
        "-y",
        "50",
        "-c",
        real.folder().toString(),
        "env",
        Project.root().resolve("jbang").toString(),
        Project.root().resolve("launch-vm.java").toString(),
        "worker0");
    boolean login =
        Wait.until(
            Duration.ofMinutes(15),
            () -> real.tmux("capture-pane", "-p", "-t", "foreground").contains("worker0 login:"));
    assertThat(login).as(real.tmux("capture-pane", "-p", "-t", "foreground")).isTrue();
    assertThat(real.ssh("worker0", "cat ~/file")).isEqualTo("kept");
    assertThat(real.ssh("worker0", "grep -o BOOT_IMAGE /proc/cmdline")).isEqualTo("BOOT_IMAGE");
    Commands.Result stop = real.script("stop-all");
    assertThat(stop.out()).contains("worker0      powered down");
    assertThat(
            Wait.until(
                Duration.ofMinutes(2), () -> !real.tmux("list-sessions").contains("foreground")))
        .as("launch-vm ends with its VM")
        .isTrue();
  }

  private static Map<String, Long> pids() {
    Map<String, Long> pids = new TreeMap<>();
    for (Node node : real.cluster().nodes()) {
      Optional<ProcessHandle> process = Vm.of(node, real.layout()).process();
      process.ifPresent(qemu -> pids.put(node.name(), qemu.pid()));
    }
    return pids;
  }

  private static Map<String, String> states() {
    Map<String, String> states = new TreeMap<>();
    try {
      for (JsonNode row : new ObjectMapper().readTree(real.script("status", "--json").out())) {
        states.put(row.path("node").asText(), row.path("stage").asText());
      }
    } catch (IOException e) {
      throw new AssertionError(e);
    }
    return states;
  }

  /** The panes of a session in order: window, title, alive or dead. */
  private static List<String> panes(String session) {
    String format = "#{window_name} #{pane_title} #{?pane_dead,dead,alive}";
    return real.tmux("list-panes", "-s", "-t", session, "-F", format).lines().toList();
  }
}

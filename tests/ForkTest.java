import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import lib.Argv;
import lib.Commands;
import lib.Wait;
import lib.cluster.Node;
import lib.state.Layout;
import lib.vm.Vm;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.MethodOrderer;
import org.junit.jupiter.api.Order;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestMethodOrder;

/**
 * Two nodes forked from one template, for real: each is somebody else, goes on where it was
 * suspended, and boots like any node.
 */
@TestMethodOrder(MethodOrderer.OrderAnnotation.class)
class ForkTest {
  /** Those of the four nodes, and one for the virtual IP. */
  private static final int PORTS = Ports.free(5);

  private static final String CONFIG =
      """
      name: forks
      sshPorts: %d
      images: [debian-built]
      loadBalancer: {hostPorts: %d}
      roles:
        gateway: {count: 1, cpus: 1, memory: 512M, disk: 5G}
        control: {count: 2, cpus: 1, memory: 512M, disk: 6G}
        worker:  {count: 1, cpus: 1, memory: 512M, disk: 5G}
      """
          .formatted(PORTS, PORTS + 4);
  private static final String ROLE =
      """
      #cloud-config
      locale: "false"
      write_files:
        - {path: /var/tmp/shared, content: "of the role\\n"}
      runcmd:
        - echo "$(hostname)" >> /var/tmp/own
        - [sh, -c, "echo it is me >> /var/tmp/own"]
      """;
  private static final String BROKEN =
      """
      #cloud-config
      locale: "false"
      packages: [nfs-common] # as workers have it: so the image is that of other tests
      runcmd:
        - [sh, -c, "exit 3"]
      """;
  private static final List<String> NAMES = List.of("control0", "control1");

  private static RealCluster real;
  private static Commands.Result setup;

  @BeforeAll
  static void forksTwoNodes() throws IOException {
    real =
        RealCluster.of(
            CONFIG, Map.of("cloud-init/control.yaml", ROLE, "cloud-init/worker.yaml", BROKEN));
    setup = launch("setup");
  }

  @AfterAll
  static void leavesNothing() throws IOException {
    real.destroy();
  }

  @Test
  @Order(1)
  void bothAreForkedAndReady() {
    assertThat(setup.exit()).as(setup.err() + setup.out()).isZero();
    assertThat(setup.out()).contains("2 of 2 nodes are ready");
    // their role's file is as people had it before the virtual IP stood there
    assertThat(setup.out()).contains("control: new nodes have no part in the virtual IP");
    for (Node node : nodes()) {
      Argv info = Argv.of("qemu-img", "info", "-U", real.layout().node(node).disk().toString());
      assertThat(Commands.run(info).out()).contains(Layout.cache() + "/templates/control-");
      // their template went on from a boot that was held before cloud-init
      assertThat(real.ssh(node.name(), "cat /proc/cmdline")).contains(" kubenet.hold ");
    }
  }

  @Test
  @Order(2)
  void eachIsSomebodyElse() {
    for (String what :
        List.of(
            "hostname",
            "cat /etc/machine-id",
            "cat /proc/sys/kernel/random/boot_id",
            "cat /etc/ssh/ssh_host_ed25519_key.pub",
            "cat /var/lib/cloud/data/instance-id",
            "cat /sys/class/net/e*/address | sort | head -1",
            "cat /sys/class/net/e*/address | sort | tail -1",
            "ip -o -4 address show scope global | grep -o '10.240[^ ]*'",
            "sudo sha256sum /var/lib/systemd/random-seed",
            "sudo cat /proc/sys/net/ipv4/tcp_fastopen_key",
            "head -c 32 /dev/urandom | od -A n -t x1 | tr -d ' \\n'")) {
      assertThat(ofEach(what).values()).as(what).doesNotHaveDuplicates().doesNotContain("");
    }
    assertThat(ofEach("hostname"))
        .isEqualTo(Map.of("control0", "control0", "control1", "control1"));
  }

  @Test
  @Order(2)
  @Fault(
      value = "a guest tries to reach a service that listens on the host's ::1",
      promise = "it cannot: its way out is IPv4 only")
  void theHostsOtherLoopbackIsOutOfReach() {
    // where QEMU's user networking has the host, if it is asked for IPv6
    assertThat(real.ssh("control0", "ip -6 route get fec0::2 2>&1 || true"))
        .contains("Network is unreachable");
  }

  @Test
  @Order(2)
  void cloudInitKeepsItsPromises() {
    for (String node : NAMES) {
      assertThat(real.ssh(node, "cloud-init status")).isEqualTo("status: done");
      String instance = real.ssh(node, "cloud-init query instance-id");
      assertThat(instance).matches(node + "-[0-9a-f]{12}");
      assertThat(real.ssh(node, "readlink -f /var/lib/cloud/instance"))
          .isEqualTo("/var/lib/cloud/instances/" + instance);
      assertThat(real.ssh(node, "sudo grep -rl kubenet-template /etc /run/cloud-init || echo none"))
          .isEqualTo("none");
      assertThat(real.ssh(node, "cat /var/tmp/shared")).isEqualTo("of the role");
      assertThat(real.ssh(node, "cat /var/tmp/own")).isEqualTo(node + "\nit is me");
      assertThat(real.ssh(node, "systemctl --failed --no-legend")).isEmpty();
      assertThat(real.ssh(node, "journalctl -q -u ssh | tail -1")).contains(node);
      assertThat(real.ssh(node, "df --output=size -BG / | tail -1 | tr -d ' '")).isIn("6G", "5G");
    }
    assertClocksAreRight();
  }

  private static void assertClocksAreRight() {
    for (String node : NAMES) {
      long before = Instant.now().getEpochSecond();
      long guest = Long.parseLong(real.ssh(node, "date +%s"));
      long after = Instant.now().getEpochSecond(); // the answer takes its time
      assertThat(guest).as("clock of " + node).isBetween(before - 5, after + 2);
    }
  }

  @Test
  @Order(3)
  void goesOnWhereItWasSuspended() {
    Map<String, String> boots = ofEach("cat /proc/sys/kernel/random/boot_id");
    real.ssh(
        "control0", "sudo systemd-run -q --unit=work sleep 1000; echo in memory > /dev/shm/note");
    Commands.Result stop = real.script("stop-all", "--suspend");
    assertThat(stop.exit()).as(stop.err()).isZero();
    assertThat(stop.out().lines().filter(line -> line.contains("suspended"))).hasSize(2);
    assertThat(nodes()).noneMatch(node -> Vm.of(node, real.layout()).alive());
    Wait.until(Duration.ofSeconds(8), () -> false); // long enough for a clock to show it

    Commands.Result again = launch("launch-all");
    assertThat(again.exit()).as(again.err()).isZero();
    assertThat(ofEach("cat /proc/sys/kernel/random/boot_id")).isEqualTo(boots);
    assertThat(real.ssh("control0", "cat /dev/shm/note; systemctl is-active work"))
        .isEqualTo("in memory\nactive");
    assertClocksAreRight();
    for (Node node : nodes()) {
      assertThat(real.layout().node(node).suspended()).doesNotExist();
      assertThat(real.layout().node(node).taken()).doesNotExist();
    }
  }

  @Test
  @Order(4)
  @Fault(
      value =
          "a snapshot is restored twice, and it contains the state of the kernel's random numbers",
      promise = "the guest gets new random numbers each time, before it counts as ready")
  void eachRestoreHasRandomNumbersOfItsOwn() {
    // else the kernel would soon do so by itself: once a minute
    real.ssh("control0", "sudo perl -e 'open F,q(>),q(/dev/urandom); ioctl F,0x5207,0'");
    Commands.Result made = real.script("snapshot-all", "random");
    assertThat(made.exit()).as(made.err()).isZero();
    List<String> all = new ArrayList<>();
    for (int i = 0; i < 2; i++) {
      Commands.Result restore = real.script("snapshot-all", "random", "--restore", "--yes");
      assertThat(restore.exit()).as(restore.err()).isZero();
      Commands.Result again = launch("launch-all");
      assertThat(again.exit()).as(again.err() + again.out()).isZero();
      String draw = "import os\nfor i in range(2000): print(os.urandom(16).hex())";
      all.addAll(real.ssh("control0", "python3 -c '%s'".formatted(draw)).lines().toList());
    }
    assertThat(all).hasSize(4000).doesNotHaveDuplicates();
    assertThat(real.script("snapshot-all", "random", "--remove").exit()).isZero();
    assertThat(launch("launch-all").exit()).isZero();
    assertClocksAreRight();
  }

  @Test
  @Order(5)
  @Fault(
      value = "QEMU rejects the saved state of a real guest",
      promise =
          "launch-all fails with QEMU's message and keeps the state; once the state is discarded,"
              + " the node boots from its disk and has its files")
  void aDamagedStateIsNotTakenUp() throws IOException {
    real.ssh("control1", "echo kept > ~/file && sync");
    Map<String, String> identity = ofEach("cat /etc/machine-id");
    assertThat(real.script("stop-all", "--suspend").exit()).isZero();
    Path saved = real.layout().node(real.cluster().node("control1")).suspended();
    try (RandomAccessFile file = new RandomAccessFile(saved.toFile(), "rw")) {
      file.seek(file.length() / 2);
      file.write(new byte[1 << 20]);
    }
    Commands.Result failed = launch("launch-all");
    assertThat(failed.exit()).as(failed.err() + failed.out()).isEqualTo(1);
    assertThat(failed.err()).contains("control1: QEMU did not take its saved state (qemu-system");
    assertThat(saved).exists();
    Commands.Result discard = real.script("stop-all", "--discard", "--yes", "--only", "control1");
    assertThat(discard.exit()).as(discard.err()).isZero();
    Commands.Result again = launch("launch-all");
    assertThat(again.exit()).as(again.err() + again.out()).isZero();
    assertThat(launch("ssh-all").exit()).isZero();
    assertThat(real.ssh("control1", "cat ~/file")).isEqualTo("kept");
    // a boot like any other of the same node: nothing that is done once was done again
    assertThat(real.ssh("control1", "cat /var/tmp/own")).isEqualTo("control1\nit is me");
    assertThat(real.ssh("control1", "cloud-init status")).isEqualTo("status: done");
    assertThat(ofEach("cat /etc/machine-id")).isEqualTo(identity);
  }

  @Test
  @Order(6)
  void theTemplateServesTheNextCluster() {
    Map<String, String> before = ofEach("cat /etc/machine-id");
    assertThat(real.script("stop-all", "--destroy", "--yes").exit()).isZero();
    Commands.Result again = launch("setup");
    assertThat(again.exit()).as(again.err() + again.out()).isZero();
    assertThat(again.out()).doesNotContain("template");
    assertThat(ofEach("cat /etc/machine-id").values()).doesNotContainAnyElementsOf(before.values());
  }

  @Test
  @Order(7)
  @Fault(
      value = "cloud-init fails in a real guest, here in a command of its role",
      promise =
          "ssh-all --ready ends with 1 and shows cloud-init's message; you can still log in to the"
              + " node")
  void aFailedCloudInitIsNotReady() {
    assertThat(real.script("launch-all", "--yes", "--cold", "--only", "worker0").exit()).isZero();
    Commands.Result ready = real.script("ssh-all", "--detach", "--ready", "--only", "worker0");
    assertThat(ready.exit()).as(ready.err() + ready.out()).isEqualTo(1);
    assertThat(ready.err()).contains("worker0: cloud-init ended with errors:").contains("runcmd");
    assertThat(real.ssh("worker0", "hostname")).isEqualTo("worker0");
  }

  @Test
  @Order(8)
  void launchVmTakesTheTemplateThatIsThere() {
    String before = real.ssh("control1", "cat /etc/machine-id");
    Commands.Result gone = real.script("stop-all", "--destroy", "--yes", "--only", "control1");
    assertThat(gone.exit()).as(gone.err()).isZero();
    String launch = Project.root().resolve("launch-vm.java").toString();
    String folder = real.folder().toString();
    String jbang = CommandResult.wrapper();
    real.tmux("new-session", "-d", "-s", "alone", "-c", folder, "env", jbang, launch, "control1");
    Vm vm = Vm.of(real.cluster().node("control1"), real.layout());
    Wait.until(Duration.ofMinutes(2), () -> vm.status().isPresent());
    Commands.Result ready = real.script("ssh-all", "--detach", "--ready", "--only", "control1");
    String said = real.tmux("capture-pane", "-p", "-S", "-", "-t", "alone");
    assertThat(ready.exit()).as(ready.err() + ready.out() + said).isZero();
    assertThat(said).contains("control1 is forked from");
    assertThat(real.ssh("control1", "cat /etc/machine-id")).isNotEqualTo(before);
    assertThat(real.ssh("control1", "cat /var/tmp/own")).isEqualTo("control1\nit is me");
  }

  private static List<Node> nodes() {
    return real.cluster().select(NAMES);
  }

  /** What a command prints on each node. */
  private static Map<String, String> ofEach(String command) {
    Map<String, String> said = new TreeMap<>();
    NAMES.forEach(node -> said.put(node, real.ssh(node, command)));
    return said;
  }

  private static Commands.Result launch(String script) {
    return script.equals("launch-all")
        ? real.script(script, "--yes", "--only", String.join(",", NAMES))
        : script.equals("setup")
            ? real.script(script, "--yes", "--detach", "--ready", "--only", String.join(",", NAMES))
            : real.script(script, "--detach", "--ready", "--only", String.join(",", NAMES));
  }
}

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assumptions.assumeThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Duration;
import java.util.Optional;
import java.util.TreeMap;
import lib.Argv;
import lib.Commands;
import lib.Wait;
import lib.cluster.Cluster;
import lib.cluster.ClusterFile;
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
 * {@code network: bridge} for real: a host that is a network namespace and drops forwarded packets
 * as Docker has it, made ready by {@code prepare-host.java} as root; then gateway, control0 and
 * worker0 are booted on it by a user who may do nothing but open the taps.
 */
@TestMethodOrder(MethodOrderer.OrderAnnotation.class)
class BridgeBootTest {
  private static final Duration LIMIT = Duration.ofMinutes(15);
  private static final String USER = "nobody";
  private static final String CONFIG =
      """
      name: bridged
      network: bridge
      images: [debian-built]
      roles:
        gateway: {count: 1, cpus: 1, memory: 768M, disk: 6G}
        control: {count: 1, cpus: 1, memory: 768M, disk: 6G}
        worker:  {count: 1, cpus: 1, memory: 768M, disk: 6G}
      """;

  private static final Cluster CLUSTER = ClusterFile.parse("cluster.yaml", CONFIG);

  /** Holds what is the user's, and copies of what the user can't read of root's. */
  private static Path folder;

  private static Layout layout;
  private static HostNamespace host;
  private static TreeMap<String, String> before;
  private static CommandResult setup;

  @BeforeAll
  static void bootsThreeNodesOnAHostThatDropsWhatItForwards() throws IOException {
    Optional<String> missing = HostNamespace.missing();
    assumeThat(missing).withFailMessage(missing.orElse("")).isEmpty();
    folder = Leftovers.folder("kubenet-bridge");
    Files.setPosixFilePermissions(folder, PosixFilePermissions.fromString("rwxr-xr-x"));
    for (String name : new String[] {"jars", "lab", "tmux", "cache/images"}) {
      Files.createDirectories(folder.resolve(name));
    }
    layout = Layout.of(folder.resolve("lab/.kubenet"));
    Files.writeString(folder.resolve("lab/cluster.yaml"), CONFIG);
    copyImage();

    host = new HostNamespace();
    host.docker();
    host.run("mkdir", "/run/jdk");
    host.run("mount", "--bind", System.getProperty("java.home"), "/run/jdk");
    before = host.state();
    prepare("--user", USER, "--yes").succeeded();
    setup = asUser("setup", "--detach", "--ready", "--cold");
  }

  /** The image that all tests boot, in a cache of the user's own. */
  private static void copyImage() throws IOException {
    Path images = folder.resolve("cache/images");
    Commands.run(Argv.of("cp", "-r", BuiltImage.folder().toString(), images.toString()))
        .orProblem();
    Commands.run(Argv.of("sh", "-c", "rm -r " + images + "/*/used-by")); // if there is one
    for (String name : new String[] {"lab", "tmux", "cache"}) {
      Commands.run(Argv.of("chown", "-R", USER, folder.resolve(name).toString())).orProblem();
    }
  }

  @AfterAll
  static void leavesNothing() throws IOException {
    try {
      if (host != null) {
        asUser("stop-all", "--destroy", "--yes");
        tried("tmux", "kill-server");
        assertThat(layout.state()).doesNotExist();
      }
    } finally {
      if (host != null) {
        CLUSTER.nodes().forEach(node -> Vm.of(node, layout).kill());
        host.close();
      }
      if (folder != null) {
        Lab.remove(folder);
      }
    }
  }

  private static CommandResult prepare(String... arguments) {
    return CommandResult.script("prepare-host", withConfig(arguments)).within(host.words()).run();
  }

  /** A script as the user, on the host. */
  private static CommandResult asUser(String script, String... arguments) throws IOException {
    return CommandResult.script(script, withConfig(arguments))
        .withJarsIn(folder.resolve("jars"))
        .on(Path.of("/run/jdk"))
        .within(host.words(USER))
        .within("sh", "-c", "chmod -R a+rX \"$0\" && exec \"$@\"", folder.resolve("jars") + "")
        .with("HOME", folder.resolve("lab"))
        .with("SHELL", "/bin/sh") // this user's own lets nobody in, and tmux would take it
        .with("KUBENET_CACHE", folder.resolve("cache"))
        .with("TMUX_TMPDIR", folder.resolve("tmux"))
        .atMost(LIMIT)
        .run();
  }

  private static String[] withConfig(String... arguments) {
    return Argv.of("--config", folder.resolve("lab/cluster.yaml").toString())
        .add(arguments)
        .toList()
        .toArray(String[]::new);
  }

  /** A program as the user, on the host. */
  private static Commands.Result tried(String... command) {
    return Commands.run(
        Argv.of("env", "-u", "TMUX", "TMUX_TMPDIR=" + folder.resolve("tmux"))
            .add(host.words(USER))
            .add(command));
  }

  private static String ssh(String node, String command) {
    // by the name that the host has for it: the configuration has its address
    return tried("ssh", "-F", layout.sshConfig() + "", "-o", "HostName=" + node, node, command)
        .orProblem()
        .out()
        .strip();
  }

  @Test
  @Order(1)
  void everyNodeIsReadyAndItsQemuMayDoNothingSpecial() throws IOException {
    setup.succeeded().prints("3 of 3 nodes are ready");
    for (Node node : CLUSTER.nodes()) {
      Path process = Path.of("/proc/" + Vm.of(node, layout).process().orElseThrow().pid());
      assertThat(Files.getOwner(process)).hasToString(USER);
      assertThat(Files.readString(process.resolve("status"))).contains("CapEff:\t0000000000000000");
    }
  }

  @Test
  @Order(2)
  void theHostReachesEachByName() {
    for (Node node : CLUSTER.nodes()) {
      host.run("ping", "-c", "1", "-W", "10", node.name());
      assertThat(ssh(node.name(), "hostname")).isEqualTo(node.name());
    }
    assertThat(host.run("getent", "ahostsv4", "kubernetes")).startsWith(CLUSTER.vip() + " ");
  }

  @Test
  @Order(2)
  void theHostReachesTheVirtualIp() {
    ssh("control0", "sudo systemd-run --quiet python3 -m http.server 6443 --directory /etc");
    String program =
        "import urllib.request as r; print(r.urlopen('http://kubernetes:6443/hostname').read())";
    assertThat(
            Wait.until(
                Duration.ofMinutes(2),
                () -> host.tried("python3", "-c", program).out().contains("control0")))
        .as("%s", host.tried("python3", "-c", program))
        .isTrue();
    assertThat(host.run("ip", "neighbour", "show", CLUSTER.vip()))
        .contains(" lladdr " + CLUSTER.node("gateway").lanMac() + " ");
  }

  @Test
  @Order(2)
  void nodesReachTheOutsideInTheHostsName() throws IOException {
    Path log = folder.resolve("asked");
    Argv server = Argv.of("env", host.wordsOutside());
    Process outside = Commands.start(server.add("python3", "-u", "-m", "http.server", "8000"), log);
    try {
      String ask = "curl -s --retry 9 --retry-connrefused http://%s:8000/run/";
      for (Node node : CLUSTER.nodes()) {
        assertThat(
                ssh(
                    node.name(),
                    "ping -c 1 -W 10 %s > /dev/null && echo yes".formatted(HostNamespace.OUTSIDE)))
            .isEqualTo("yes");
      }
      assertThat(ssh("worker0", ask.formatted(HostNamespace.OUTSIDE))).contains("etc-hosts");
      assertThat(Files.readString(log)).contains("198.51.100.1 - - ").doesNotContain("10.240.");
    } finally {
      outside.destroyForcibly().onExit().join();
    }
  }

  @Test
  @Order(3)
  void preparedAgainNothingChanges() {
    TreeMap<String, String> prepared = host.state();
    assertThat(prepare("--user", USER, "--yes").succeeded().quiet().out())
        .startsWith("# nothing to change");
    assertThat(host.state()).isEqualTo(prepared);
  }

  @Test
  @Order(4)
  void theHostIsAsItWasAfterUndo() throws IOException {
    prepare("--undo", "--yes").exitedWith(1).complains("VMs run on kubenet-0, ", "stop-all.java");
    asUser("stop-all", "--destroy", "--yes").succeeded();
    prepare("--undo", "--yes").succeeded().quiet();
    assertThat(host.state()).isEqualTo(before);
  }
}

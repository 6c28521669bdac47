///usr/bin/env jbang "$0" "$@" ; exit $?
//DESCRIPTION Boots a small cluster and measures its virtual IP: who owns it, and what failures cost.
//DESCRIPTION Example: ./jbang tests/drill.java --controls 3
//JAVA 17+
//MAIN Drill
//DEPS info.picocli:picocli:4.7.7
//SOURCES Leftovers.java
//SOURCES ../lib/package-info.java         // what any script could use
//SOURCES ../lib/cluster/package-info.java // nodes, networks, cluster.yaml
//SOURCES ../lib/state/package-info.java   // the folders, and what they hold
//SOURCES ../lib/vm/package-info.java      // the life of one QEMU
//RUNTIME_OPTIONS -Xmx1g

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.Callable;
import java.util.concurrent.CompletableFuture;
import lib.Argv;
import lib.Commands;
import lib.Wait;
import lib.cluster.Cluster;
import lib.cluster.ClusterFile;
import lib.cluster.Node;
import lib.cluster.Role;
import lib.state.Layout;
import lib.vm.Vm;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/**
 * Not a test: it takes ten minutes under emulation, and what it prints is for a person. Real VMs,
 * real packets; tests/guest has what runs in the nodes.
 */
@Command(
    name = "drill",
    mixinStandardHelpOptions = true,
    description = "Boots a small cluster and measures its virtual IP.")
class Drill implements Callable<Integer> {
  private static final String WATCH = "/tmp/watch.json";

  @Option(names = "--controls", defaultValue = "3", description = "Control nodes; default 3.")
  private int controls;

  @Option(names = "--check", defaultValue = "tcp", description = "What `check` is; default tcp.")
  private String check;

  @Option(names = "--ports", defaultValue = "24300", description = "The first of a thousand.")
  private int ports;

  @Option(names = "--brief", description = "Leave out the reboots.")
  private boolean brief;

  private Path folder;
  private Cluster cluster;
  private Layout layout;
  private long start;

  public static void main(String... arguments) {
    Locale.setDefault(Locale.ROOT);
    System.exit(new CommandLine(new Drill()).execute(arguments));
  }

  @Override
  public Integer call() throws IOException {
    folder = Leftovers.folder("kubenet-drill");
    String config =
        """
        name: drill
        sshPorts: %d
        loadBalancer: {hostPorts: %d, check: %s}
        roles:
          gateway: {count: 1, cpus: 2, memory: 768M, disk: 6G}
          control: {count: %d, cpus: 2, memory: 768M, disk: 6G}
          worker:  {count: 2, cpus: 2, memory: 768M, disk: 6G}
        """
            .formatted(ports, ports + 143, check, controls);
    Path file = Files.writeString(folder.resolve("cluster.yaml"), config);
    cluster = ClusterFile.read(file);
    layout = Layout.of(folder.resolve(".kubenet"));
    Leftovers.note(layout.runtime());
    start = System.nanoTime();
    try {
      firstBoot();
      spread();
      killed(cluster.nodes(Role.CONTROL).get(controls - 1));
      if (!brief) {
        rebooted("control0", "a control node's reboot");
        rebooted("gateway", "the gateway's reboot");
      }
    } finally {
      script("stop-all", "--destroy", "--yes");
      tmux("kill-server");
    }
    return 0;
  }

  /** The watcher is there before any control node boots for the first time. */
  private void firstBoot() throws IOException {
    ready("gateway,worker0,worker1");
    for (String client : List.of("gateway", "worker0", "worker1")) {
      send(client, "ask.py");
    }
    send("worker0", "watch.py");
    watch();
    ready(String.join(",", cluster.nodes(Role.CONTROL).stream().map(Node::name).toList()));
    say("first boot of all control nodes: " + ssh("worker0", "cat " + WATCH));
    say("asked with no server there: " + ask("worker1", "3"));
    for (Node control : cluster.nodes(Role.CONTROL)) {
      serve(control.name());
    }
    long from = System.nanoTime();
    Wait.until(Duration.ofSeconds(60), () -> servers() == controls);
    say("all servers are in after %.1f s\n%s".formatted(since(from), ipvs()));
  }

  private void spread() {
    watch();
    CompletableFuture<String> other = CompletableFuture.supplyAsync(() -> ask("worker1", "500"));
    say("500 requests of worker0: " + ask("worker0", "500"));
    say("500 requests of worker1: " + other.join());
    say("seen by worker0: " + ssh("worker0", "cat " + WATCH));
    say("the gateway has forwarded, and never a packet back:\n" + ipvs());
    say("100 requests of the gateway itself: " + askAt("gateway", "100"));
    say("100 requests of this host: " + askHere("100"));
  }

  private void killed(Node victim) {
    CompletableFuture<String> here = CompletableFuture.supplyAsync(() -> askHere("25s"));
    CompletableFuture<String> worker =
        CompletableFuture.supplyAsync(() -> ask("worker1", "25s", "0.05"));
    pause(5);
    Vm.of(victim, layout).process().orElseThrow().destroyForcibly();
    long from = System.nanoTime();
    Wait.until(Duration.ofSeconds(30), () -> servers() == controls - 1);
    say("%s is killed, and taken out after %.1f s".formatted(victim.name(), since(from)));
    say("25 s of worker1 meanwhile: " + worker.join());
    say("25 s of this host meanwhile: " + here.join());
    ready(victim.name());
    from = System.nanoTime();
    Wait.until(Duration.ofSeconds(60), () -> servers() == controls);
    say("%s is taken in %.1f s after it is ready".formatted(victim.name(), since(from)));
    say("30 requests of worker1: " + ask("worker1", "30"));
  }

  private void rebooted(String node, String what) {
    watch();
    CompletableFuture<String> here = CompletableFuture.supplyAsync(() -> askHere("80s"));
    CompletableFuture<String> worker =
        CompletableFuture.supplyAsync(() -> ask("worker1", "80s", "0.05"));
    pause(3);
    ssh(node, "sudo systemctl reboot || true");
    say("80 s of worker1 around " + what + ": " + worker.join());
    say("80 s of this host: " + here.join());
    ready(node);
    say("seen by worker0: " + ssh("worker0", "cat " + WATCH));
  }

  private void ready(String nodes) {
    for (List<String> words :
        List.of(List.of("launch-all", "--yes"), List.of("ssh-all", "--detach", "--ready"))) {
      String[] arguments = {words.get(0), "--only", nodes};
      Argv more = Argv.empty().add(words.subList(1, words.size()).toArray(String[]::new));
      script(arguments[0], Argv.empty().option("--only", nodes).then(more));
    }
    say(nodes + " ready");
  }

  private void serve(String node) throws IOException {
    send(node, "server.py");
    String unit =
        "[Service]\\nExecStart=/usr/bin/python3 /var/lib/drill/server.py 6443\\nRestart=always\\n"
            + "[Install]\\nWantedBy=multi-user.target\\n";
    ssh(
        node,
        "cd /tmp && sudo openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes"
            + " -keyout key.pem -out cert.pem -days 30 -subj /CN=kubernetes 2> /dev/null"
            + " && sudo mkdir /var/lib/drill && sudo mv server.py key.pem cert.pem /var/lib/drill"
            + " && printf '"
            + unit
            + "' | sudo tee /etc/systemd/system/drill.service > /dev/null"
            + " && sudo systemctl --no-reload --now enable drill.service 2> /dev/null");
  }

  private void watch() {
    Node worker = cluster.node("worker0");
    ssh(
        "worker0",
        "sudo systemctl stop watch 2> /dev/null; sudo systemd-run -q --collect --unit=watch python3"
            + " /tmp/watch.py %s %s %s".formatted(cluster.vip(), worker.address(), WATCH));
  }

  private String ask(String node, String... words) {
    return askAt(node, words);
  }

  private String askAt(String node, String... words) {
    return ssh(node, "python3 /tmp/ask.py kubernetes 6443 " + String.join(" ", words));
  }

  private String askHere(String... words) {
    Argv ask =
        Argv.of("python3", Path.of("tests/guest/ask.py").toAbsolutePath().toString())
            .add("127.0.0.1", "" + (ports + 143))
            .add(words);
    return Commands.run(ask, Duration.ofMinutes(5)).orProblem().out().strip();
  }

  private long servers() {
    return ipvs().lines().filter(line -> line.contains("->") && line.contains(":6443")).count();
  }

  private String ipvs() {
    return ssh("gateway", "sudo ipvsadm -Ln --stats");
  }

  private void send(String node, String name) throws IOException {
    Argv copy = Argv.of("scp", "-q").option("-F", layout.sshConfig());
    Commands.run(copy.add("tests/guest/" + name, node + ":/tmp/")).orProblem();
  }

  private String ssh(String node, String command) {
    Argv ssh = Argv.of("ssh").option("-F", layout.sshConfig()).add(node, command);
    return Commands.run(ssh, Duration.ofMinutes(5)).out().strip();
  }

  private void script(String name, String... arguments) {
    script(name, Argv.empty().add(arguments));
  }

  private void script(String name, Argv arguments) {
    Path jbang = Path.of("jbang").toAbsolutePath();
    Argv command =
        Argv.of("env", "-C", folder.toString(), "-u", "TMUX", "TMUX_TMPDIR=" + folder)
            .add(jbang.toString(), "--quiet", jbang.resolveSibling(name + ".java").toString())
            .then(arguments);
    Commands.run(command, Duration.ofMinutes(20)).orProblem();
  }

  private String tmux(String... arguments) {
    return Commands.run(
            Argv.of("env", "-u", "TMUX", "TMUX_TMPDIR=" + folder, "tmux").add(arguments))
        .out();
  }

  private void say(String what) {
    System.out.printf("%5.0f s  %s%n", since(start), what);
  }

  private static double since(long nanos) {
    return (System.nanoTime() - nanos) / 1e9;
  }

  private static void pause(int seconds) {
    Wait.until(Duration.ofSeconds(seconds), () -> false);
  }
}

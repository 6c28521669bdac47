import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.stream.Stream;
import lib.Argv;
import lib.Commands;
import lib.Wait;
import lib.cluster.Cluster;
import lib.cluster.ClusterFile;
import lib.cluster.Node;
import lib.lan.LanSwitch;
import lib.state.Layout;
import lib.vm.Vm;

/**
 * A cluster for faults: the real scripts, real QEMU, tmux and LAN switch, but guests that are a
 * {@link BootSector}. It has a tmux server of its own, and leaves nothing.
 */
final class TinyCluster implements AutoCloseable {
  private static final String CONFIG =
      """
      name: tiny
      sshPorts: %d
      boot: bios
      images: [./tiny.img]
      loadBalancer: {hostPorts: %d}
      roles:
        gateway: {count: 1, cpus: 1, memory: 256M, disk: 4G}
        control: {count: 1, cpus: 1, memory: 256M, disk: 4G}
        worker:  {count: 1, cpus: 1, memory: 256M, disk: 4G}
      """;

  /** Two nodes, as even the smallest machine boots two at a time. */
  private static final String NODES = "gateway,worker0";

  private static final Path CACHE = cache();
  private static final int PORTS = Integer.getInteger("kubenet.ports", 31000);
  private static int clusters;

  private final Path top;
  private final Cluster cluster;

  /** Where it is now, and where it has been: what runs has the former paths in its command. */
  private final List<Layout> layouts = new ArrayList<>();

  private Path folder;
  private Layout layout;

  private TinyCluster(Path top, Path folder, Cluster cluster) {
    this.top = top;
    this.cluster = cluster;
    settle(folder);
  }

  /** A cluster whose guests wait for the power button. */
  static TinyCluster make() {
    return make(BootSector.WAITS, "a b");
  }

  /**
   * A cluster.
   *
   * @param name of its folder
   */
  static TinyCluster make(BootSector guest, String name) {
    try {
      Path top = Leftovers.folder("kubenet-tiny-");
      return in(top, Files.createDirectories(top.resolve(name)), guest);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** A cluster in a folder that is there; tmux has its socket in {@code top}. */
  static synchronized TinyCluster in(Path top, Path folder, BootSector guest) throws IOException {
    int ports = PORTS + 10 * (clusters++ % 40);
    String config = CONFIG.formatted(ports, ports + 500);
    Files.writeString(folder.resolve("cluster.yaml"), config);
    guest.write(folder.resolve("tiny.img"));
    Files.createDirectories(
        top.resolve("tmux"),
        PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rwx------")));
    return new TinyCluster(top, folder, ClusterFile.parse("cluster.yaml", config));
  }

  /** One for all tests of a run: an image and the trial of the accelerator are made once. */
  private static Path cache() {
    try {
      return Leftovers.folder("kubenet-cache-");
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private void settle(Path place) {
    folder = place;
    layout();
  }

  /** Renames its folder. */
  void move(String name) throws IOException {
    settle(Files.move(folder, folder.resolveSibling(name)));
  }

  /** The same cluster in a folder that was copied. */
  TinyCluster at(Path copy) {
    return new TinyCluster(top, copy, cluster);
  }

  Path folder() {
    return folder;
  }

  Path top() {
    return top;
  }

  Cluster cluster() {
    return cluster;
  }

  /** Looked at anew: a folder that was moved keeps its sockets, until it is destroyed. */
  Layout layout() {
    Layout now = Layout.of(folder.resolve(".kubenet"));
    if (!now.equals(layout)) {
      layout = now;
      layouts.add(now);
      Leftovers.note(now.runtime());
    }
    return now;
  }

  LanSwitch lan() {
    return new LanSwitch(layout().lan());
  }

  /** Its nodes: a gateway and a worker. */
  List<Node> nodes() {
    return cluster.select(List.of(NODES.split(",")));
  }

  Vm vm(String node) {
    return Vm.of(cluster.node(node), layout());
  }

  /** The pids of the VMs that live. */
  Map<String, Long> pids() {
    Map<String, Long> pids = new TreeMap<>();
    for (Node node : cluster.nodes()) {
      Optional<ProcessHandle> process = Vm.of(node, layout()).process();
      process.ifPresent(qemu -> pids.put(node.name(), qemu.pid()));
    }
    return pids;
  }

  /** A script that is not yet started, for its nodes. */
  CommandResult.Call call(String script, String... arguments) {
    List<String> words = new ArrayList<>(List.of(arguments));
    // what all nodes share goes with it
    boolean whole = List.of("stop-all", "snapshot-all").contains(script);
    if (!whole && !words.contains("--only")) {
      words.addAll(List.of("--only", NODES));
    }
    if (script.equals("launch-all")) {
      // what would boot the guest and wait for its cloud-init
      words.addAll(List.of("--no-bake", "--cold"));
    }
    return plain(script, words.toArray(String[]::new));
  }

  /** The same with these arguments only. */
  CommandResult.Call plain(String script, String... arguments) {
    return CommandResult.script(script, arguments)
        .in(folder)
        .with("KUBENET_CACHE", CACHE)
        .with("LC_ALL", "C.UTF-8")
        .with("HOME", top) // tmux's configuration is there, or none
        .with("TMUX_TMPDIR", top.resolve("tmux"));
  }

  CommandResult run(String script, String... arguments) {
    return call(script, arguments).run();
  }

  /** Launches its nodes, which run then. */
  CommandResult launch() {
    CommandResult launch = run("launch-all").succeeded().quiet();
    assertRuns();
    return launch;
  }

  /** Fails unless all that belongs to a cluster that runs is there, once. */
  void assertRuns() {
    for (Node node : nodes()) {
      Vm vm = Vm.of(node, layout());
      Wait.until(Duration.ofMinutes(1), () -> vm.status().isPresent()); // a busy one is silent
      assertThat(vm.status())
          .as("%s, whose process is %s: %s", node.name(), vm.process(), vm.ended().getMessage())
          .contains("running");
    }
    assertThat(lan().alive()).as("the LAN switch answers").isTrue();
    // what was stopped just before may still be on its way out
    Wait.until(
        Duration.ofMinutes(1),
        () -> processes("qemu-system").size() == 2 && processes("EthernetSwitch").size() == 1);
    assertThat(processes("qemu-system")).as("QEMUs").hasSize(2);
    assertThat(processes("EthernetSwitch")).as("LAN switches").hasSize(1);
    assertThat(panes())
        .containsExactlyInAnyOrder(
            "lan lan alive", "vms gateway alive", "vms worker0 alive", "forward forward alive");
  }

  /** Fails unless nothing runs. */
  void assertStopped() {
    assertThat(pids()).isEmpty();
    boolean gone = Wait.until(Duration.ofMinutes(1), () -> processes("").isEmpty());
    assertThat(gone).as("no process is left: %s", processes("")).isTrue();
    assertThat(panes()).isEmpty();
    assertDisksAreWhole();
  }

  private void assertDisksAreWhole() {
    for (Node node : nodes()) {
      Path disk = layout().node(node).disk();
      if (Files.exists(disk)) {
        Argv check = Argv.of("qemu-img", "check", "-q", "-U", disk.toString());
        // 3: clusters that nothing refers to, as a write that was cut off leaves them
        assertThat(Commands.run(check).exit()).as("check of " + disk).isIn(0, 3);
      }
    }
  }

  /** The processes that have a path of this cluster, and this word, in their command. */
  List<String> processes(String word) {
    try (Stream<Path> all = Files.list(Path.of("/proc"))) {
      return all.filter(process -> process.getFileName().toString().matches("[0-9]+"))
          .map(process -> process.getFileName() + " " + command(process))
          .filter(line -> line.contains(word) && !line.matches("[0-9]+ (\\S*/)?tmux .*"))
          .filter(
              line ->
                  layouts.stream()
                      .flatMap(place -> Stream.of(place.state(), place.lan()))
                      .anyMatch(path -> line.contains(path.toString())))
          .toList();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private static String command(Path process) {
    try {
      return Files.readString(process.resolve("cmdline")).replace('\0', ' ');
    } catch (IOException e) {
      return ""; // it ended meanwhile
    }
  }

  /** The panes of session {@code tiny-vms}: window, title, alive or dead. */
  List<String> panes() {
    String format = "#{@kubenet-window} #{@node} #{?pane_dead,dead,alive}";
    return tmux("list-panes", "-s", "-t", "=tiny-vms:", "-F", format).lines().toList();
  }

  String tmux(String... arguments) {
    Argv tmux =
        Argv.of("env", "-u", "TMUX", "TMUX_TMPDIR=" + top.resolve("tmux"), "tmux").add(arguments);
    return Commands.run(tmux).out().strip();
  }

  /** The stage of each node, as {@code status} says. */
  String stages() {
    return run("status").succeeded().quiet().out();
  }

  /** Kills what is left, and fails if stop-all leaves anything. */
  @Override
  public void close() {
    try {
      CommandResult stop = run("stop-all", "--destroy", "--yes").succeeded();
      assertThat(layout().state()).as("left by %s", stop).doesNotExist();
      layouts.forEach(used -> assertThat(used.runtime()).doesNotExist());
      assertStopped();
    } finally {
      cluster.nodes().forEach(node -> Vm.of(node, layout()).kill());
      tmux("kill-server");
      layouts.forEach(used -> CommandResult.remove(used.runtime()));
      CommandResult.remove(top);
    }
  }
}

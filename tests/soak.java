///usr/bin/env jbang "$0" "$@" ; exit $?
//DESCRIPTION Launches, stops and destroys a cluster in a loop, with random faults, for a time.
//DESCRIPTION Example: ./jbang tests/soak.java --minutes 30
//JAVA 17+
//MAIN Soak
//DEPS info.picocli:picocli:4.7.7
//DEPS org.assertj:assertj-core:3.27.7
//SOURCES BootSector.java
//SOURCES CommandResult.java
//SOURCES Gone.java
//SOURCES Leftovers.java
//SOURCES Project.java
//SOURCES TinyCluster.java
//SOURCES ../lib/package-info.java         // what any script could use
//SOURCES ../lib/cluster/package-info.java // nodes, networks, cluster.yaml
//SOURCES ../lib/state/package-info.java   // the folders, and what they hold
//SOURCES ../lib/vm/package-info.java      // the life of one QEMU
//SOURCES ../lib/lan/package-info.java     // the switch between the nodes
//RUNTIME_OPTIONS -Xmx1g

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Random;
import java.util.TreeMap;
import java.util.concurrent.Callable;
import lib.Argv;
import lib.Commands;
import lib.Wait;
import lib.cluster.Node;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/**
 * Not a test of the ordinary run: it goes on as long as it is told. Real scripts, QEMU, tmux and
 * LAN switch; guests that are a {@link BootSector}. Each loop is some random steps, then a launch
 * or a stop, after which all must be as it should: what runs, what does not, and on each disk the
 * mark that was put there.
 */
@Command(
    name = "soak",
    mixinStandardHelpOptions = true,
    description = "Launches, stops and destroys a cluster in a loop, with random faults.")
class Soak implements Callable<Integer> {
  @Option(names = "--minutes", defaultValue = "30", description = "How long; default 30.")
  private int minutes;

  @Option(names = "--ports", defaultValue = "31450", description = "The first of a thousand.")
  private int ports;

  @Option(names = "--seed", description = "Of the random numbers; printed, to have them again.")
  private long seed = System.nanoTime();

  @Option(
      names = "--steps",
      split = ",",
      paramLabel = "STEP",
      description = "Only these of ${COMPLETION-CANDIDATES}, beside LAUNCH and STOP; default all.")
  private List<Step> only = List.of(Step.values());

  /** One thing that may happen to a cluster, by itself or by a command. */
  private enum Step {
    LAUNCH(soak -> soak.tiny.run("launch-all").succeeded()),
    LAUNCH_TWICE_AT_ONCE(soak -> soak.atOnce("launch-all", "launch-all")),
    LAUNCH_WHILE_STOPPING(soak -> soak.atOnce("stop-all", "launch-all")),
    STOP(soak -> soak.tiny.run("stop-all").succeeded()),
    STATUS(soak -> soak.tiny.run("status").succeeded()),
    SUSPEND(soak -> soak.tiny.run("stop-all", "--suspend").succeeded()),
    SNAPSHOT(Soak::snapshot),
    RESTORE(Soak::restore),
    DESTROY(Soak::destroy),
    KILL_LAUNCH(soak -> soak.cutOff(true, "launch-all")),
    CTRL_C_IN_LAUNCH(soak -> soak.cutOff(false, "launch-all")),
    KILL_STOP(soak -> soak.cutOff(true, "stop-all")),
    KILL_SUSPEND(soak -> soak.cutOff(true, "stop-all", "--suspend")),
    KILL_SNAPSHOT(soak -> soak.cutOff(true, "snapshot-all", "cut-off")),
    KILL_RESTORE(Soak::killRestore),
    SIGNAL_A_SCRIPT(Soak::signal),
    RENAME(soak -> soak.tiny.move("p " + soak.moves++)),
    EDIT_MEMORY(soak -> soak.edit("memory: 256M", "memory: 300M")),
    EDIT_NAME(soak -> soak.edit("name: tiny", "name: other")),
    EDIT_PORTS(soak -> soak.edit("sshPorts: (?<most>\\d+)0", "sshPorts: ${most}3")),
    A_NODE_MORE_AND_LESS(Soak::nodeMoreAndLess),
    COPY(soak -> soak.copy("stop-all")),
    COPY_SUSPENDED(soak -> soak.copy("stop-all", "--suspend")),
    KILL_A_VM(soak -> soak.kill("qemu-system", 1)),
    KILL_ALL_VMS(soak -> soak.kill("qemu-system", 9)),
    KILL_THE_SWITCH(soak -> soak.kill("EthernetSwitch", 1)),
    KILL_THE_FORWARD(soak -> soak.kill("forward.sh", 1)),
    KILL_TMUX(Soak::killTmux),
    POWER_CUT(Soak::powerCut);

    private final Action action;

    Step(Action action) {
      this.action = action;
    }
  }

  private interface Action {
    void act(Soak soak) throws IOException;
  }

  private final Map<Step, Integer> counts = new TreeMap<>();
  private Random random;
  private TinyCluster tiny;
  private int moves;

  public static void main(String... arguments) {
    Locale.setDefault(Locale.ROOT);
    System.exit(new CommandLine(new Soak()).execute(arguments));
  }

  @Override
  public Integer call() throws IOException {
    random = new Random(seed);
    System.setProperty("kubenet.ports", "" + ports); // so that tests may run at the same time
    System.out.printf("%d minutes, seed %d%n", minutes, seed);
    long end = System.nanoTime() + Duration.ofMinutes(minutes).toNanos();
    int loops = 0;
    try (TinyCluster cluster = TinyCluster.make()) {
      tiny = cluster;
      List<Step> steps = new ArrayList<>();
      try {
        for (; System.nanoTime() < end; loops++) {
          steps.clear();
          loop(steps);
        }
      } catch (AssertionError | RuntimeException e) {
        System.out.printf("FAILED in loop %d: %s%n", loops + 1, steps);
        throw e;
      }
    }
    System.out.printf("%d loops, nothing lost, nothing left%n", loops);
    counts.forEach((step, count) -> System.out.printf("%6d %s%n", count, step));
    return 0;
  }

  /** Some steps of any kind, then one after which the state is known. */
  private void loop(List<Step> steps) throws IOException {
    for (int i = random.nextInt(4); i >= 0; i--) {
      take(only.get(random.nextInt(only.size())), steps);
    }
    if (random.nextBoolean()) {
      take(Step.LAUNCH, steps);
      tiny.assertRuns();
    } else {
      take(Step.STOP, steps);
      tiny.assertStopped();
      marks();
    }
  }

  private void take(Step step, List<Step> steps) throws IOException {
    steps.add(step);
    counts.merge(step, 1, Integer::sum);
    step.action.act(this);
  }

  /** Puts a mark on each disk that has none yet, as a guest's file; one that is gone is a loss. */
  private void marks() throws IOException {
    for (Node node : tiny.nodes()) {
      Path disk = tiny.layout().node(node).disk();
      Path noted = tiny.top().resolve("marked-" + node.name());
      if (!Files.exists(disk)) {
        assertThat(noted).as("the disk of " + node.name()).doesNotExist();
      } else if (Files.exists(noted)) {
        io("read -P 0x5a 8M 64k", disk);
      } else {
        io("write -P 0x5a 8M 64k", disk);
        Files.createFile(noted);
      }
    }
  }

  private static void io(String command, Path disk) {
    Commands.Result result =
        Commands.run(Argv.of("qemu-io", "-f", "qcow2", "-c", command, disk.toString()));
    assertThat(result.succeeded() && !result.out().contains("verification failed"))
        .as("%s of %s: %s", command, disk, result.out())
        .isTrue();
  }

  private void destroy() throws IOException {
    tiny.run("stop-all", "--destroy", "--yes").succeeded();
    assertThat(tiny.layout().state()).doesNotExist();
    forgetMarks();
  }

  private boolean hasDisks() {
    return tiny.nodes().stream().anyMatch(node -> Files.exists(tiny.layout().node(node).disk()));
  }

  private boolean hasSnapshot() {
    return tiny.run("snapshot-all").out().lines().anyMatch("soak"::equals);
  }

  private void snapshot() {
    if (hasSnapshot()) {
      tiny.run("snapshot-all", "soak", "--remove").succeeded();
    } else if (hasDisks()) {
      tiny.run("snapshot-all", "soak").succeeded();
    }
  }

  private void restore() throws IOException {
    if (hasSnapshot()) {
      tiny.run("snapshot-all", "soak", "--restore", "--yes").succeeded();
      forgetMarks(); // some may be younger
    }
  }

  private void killRestore() throws IOException {
    if (hasSnapshot()) {
      cutOff(true, "snapshot-all", "soak", "--restore", "--yes");
      restore(); // until then nothing starts
    }
  }

  private void forgetMarks() throws IOException {
    for (Node node : tiny.nodes()) {
      Files.deleteIfExists(tiny.top().resolve("marked-" + node.name()));
    }
  }

  /** Two commands at once; one may find the other at work. */
  private void atOnce(String... scripts) throws IOException {
    List<Process> running = new ArrayList<>();
    for (String script : scripts) {
      running.add(tiny.call(script).start(tiny.top().resolve("out-" + running.size())));
    }
    running.forEach(process -> process.onExit().join());
  }

  /** Starts a command and ends it at a random moment. */
  private void cutOff(boolean kill, String script, String... arguments) throws IOException {
    Process process = tiny.call(script, arguments).start(tiny.top().resolve("out"));
    Wait.until(Duration.ofMillis(random.nextInt(5000)), () -> !process.isAlive());
    if (kill) {
      process.destroyForcibly();
    } else {
      process.destroy();
    }
    process.onExit().join();
  }

  /** Ends a script at a random moment as a terminal, a person or a system does it. */
  private void signal() throws IOException {
    String[] signals = {"TERM", "HUP", "INT", "KILL"};
    String[][] scripts = {
      {"launch-all"},
      {"stop-all"},
      {"stop-all", "--suspend"},
      {"snapshot-all", "cut-off"},
      {"status"}
    };
    String[] script = scripts[random.nextInt(scripts.length)];
    String[] arguments = List.of(script).subList(1, script.length).toArray(String[]::new);
    Process process = tiny.call(script[0], arguments).start(tiny.top().resolve("out"));
    Wait.until(Duration.ofMillis(random.nextInt(5000)), () -> !process.isAlive());
    String signal = signals[random.nextInt(signals.length)];
    Commands.run(Argv.of("kill", "-" + signal, "" + process.pid())); // or it has ended
    process.onExit().join();
  }

  /**
   * Launches with a changed cluster file. What can't hold is refused, and then nothing has changed;
   * what can is done, and ended before the file is as it was.
   */
  private void edit(String pattern, String replacement) throws IOException {
    Path file = tiny.folder().resolve("cluster.yaml");
    String before = Files.readString(file);
    Map<String, Long> pids = tiny.pids();
    Map<String, String> state = state(tiny.folder());
    String after = before.replaceFirst(pattern, replacement);
    assertThat(after).isNotEqualTo(before);
    Files.writeString(file, after);
    CommandResult launch = tiny.run("launch-all");
    assertThat(launch.exit()).as("%s", launch).isIn(0, 1);
    if (launch.exit() == 1) {
      assertThat(tiny.pids()).as("%s", launch).isEqualTo(pids);
      assertThat(state(tiny.folder())).as("%s", launch).isEqualTo(state);
    } else {
      tiny.run("stop-all").succeeded();
    }
    Files.writeString(file, before);
  }

  /** A node that the file no longer has is listed, and stopped and removed like any. */
  private void nodeMoreAndLess() throws IOException {
    Path file = tiny.folder().resolve("cluster.yaml");
    String before = Files.readString(file);
    Files.writeString(file, before.replace("worker:  {count: 1", "worker:  {count: 2"));
    CommandResult launch = tiny.run("launch-all", "--only", "worker1");
    Files.writeString(file, before);
    if (launch.exit() == 0) { // else the former faults are in its way
      assertThat(tiny.plain("status").run().out()).contains("worker1");
    }
    destroy();
    tiny.assertStopped();
  }

  /** A copy has sockets and a state of its own; what it does is nothing to the original. */
  private void copy(String... stop) throws IOException {
    tiny.run(stop[0], List.of(stop).subList(1, stop.length).toArray(String[]::new)).succeeded();
    Map<String, String> state = state(tiny.folder());
    Path copy = tiny.top().resolve("copy " + moves++);
    Argv command = Argv.of("cp", "-rp", tiny.folder().toString(), copy.toString());
    Commands.run(command).orProblem();
    TinyCluster other = tiny.at(copy);
    CommandResult launch = other.run("launch-all");
    assertThat(launch.exit()).as("%s", launch).isIn(0, 1);
    if (launch.exit() == 0) {
      other.assertRuns();
      tiny.run("launch-all").exitedWith(1); // its ports are the copy's
    }
    other.run("stop-all", "--destroy", "--yes").succeeded();
    other.assertStopped();
    assertThat(state(tiny.folder())).as("the original").isEqualTo(state);
    CommandResult.remove(copy);
  }

  /** All files of a cluster but those that change while nothing is done to it. */
  private static Map<String, String> state(Path folder) {
    Path state = folder.resolve(".kubenet");
    Map<String, String> tree = Files.exists(state) ? CommandResult.tree(state) : new TreeMap<>();
    tree.keySet().removeIf(path -> path.matches("|.*/(console\\.log|disk\\.qcow2)|lock"));
    return tree;
  }

  private void kill(String word, int most) {
    tiny.processes(word).stream()
        .limit(most)
        .map(line -> Long.parseLong(line.split(" ")[0]))
        .flatMap(pid -> ProcessHandle.of(pid).stream())
        .forEach(Gone::kill);
  }

  private void killTmux() {
    String pid = tiny.tmux("display-message", "-p", "#{pid}");
    if (pid.matches("[0-9]+")) {
      ProcessHandle.of(Long.parseLong(pid)).ifPresent(Gone::kill);
    }
  }

  private void powerCut() {
    killTmux();
    kill("", 100);
    if (random.nextBoolean()) {
      CommandResult.remove(tiny.layout().runtime());
    }
  }
}

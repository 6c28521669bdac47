import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import lib.Wait;
import lib.cluster.Node;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.parallel.Execution;
import org.junit.jupiter.api.parallel.ExecutionMode;

/** Processes that are killed, and hosts that lose power, under the real scripts. */
@Execution(ExecutionMode.CONCURRENT)
class KillTest {
  private static final Duration LIMIT = Duration.ofMinutes(1);

  private TinyCluster tiny;

  @BeforeEach
  void launch() {
    tiny = TinyCluster.make();
    tiny.launch();
  }

  @AfterEach
  void end() {
    tiny.close();
  }

  private void kill(String node) {
    Gone.kill(tiny.vm(node).process().orElseThrow());
  }

  @Test
  @Fault(
      value = "kill -9 of one VM",
      promise =
          "status shows it as stopped; launch-all starts it again and leaves the others alone")
  void oneVm() {
    long gateway = tiny.pids().get("gateway");
    kill("worker0");

    assertThat(tiny.stages()).containsPattern("(?m)^worker0 +stopped");
    boolean dead = Wait.until(LIMIT, () -> tiny.panes().contains("vms worker0 dead"));
    assertThat(dead).as("%s", tiny.panes()).isTrue(); // tmux may take its time to see it
    tiny.launch();
    assertThat(tiny.pids().get("gateway")).isEqualTo(gateway);
  }

  @Test
  @Fault(
      value = "kill -9 of all VMs",
      promise = "launch-all starts them again; stop-all finds nothing left to stop")
  void allVms() {
    tiny.nodes().forEach(node -> kill(node.name()));
    assertThat(tiny.stages()).containsPattern("(?m)^gateway +stopped");
    tiny.launch();

    tiny.nodes().forEach(node -> kill(node.name()));
    tiny.run("stop-all").succeeded().quiet();
    tiny.assertStopped();
  }

  @Test
  @Fault(
      value = "kill -9 of the tmux server",
      promise = "the VMs end with their terminals; launch-all makes the session again")
  void theTmuxServer() {
    ProcessHandle server =
        ProcessHandle.of(Long.parseLong(tiny.tmux("display-message", "-p", "#{pid}")))
            .orElseThrow();
    Gone.kill(server);
    assertThat(Wait.until(LIMIT, () -> tiny.pids().isEmpty())).isTrue();

    assertThat(tiny.stages()).containsPattern("(?m)^gateway +stopped");
    tiny.launch();
  }

  @Test
  @Fault(
      value = "a power cut and a reboot leave stale pid files and sockets, and no processes",
      promise =
          "kubenet takes none of them for a running VM; launch-all starts everything from its"
              + " disks")
  void aPowerCut() throws IOException {
    powerCut();
    for (Node node : tiny.nodes()) {
      assertThat(tiny.layout().node(node).pid()).exists();
      assertThat(tiny.layout().node(node).qmp()).exists();
    }
    assertThat(tiny.layout().lan()).exists();

    assertThat(tiny.stages()).containsPattern("(?m)^gateway +stopped");
    tiny.launch();
  }

  @Test
  @Fault(
      value = "a power cut, and /tmp is empty after the reboot",
      promise = "the folder for sockets is made again; launch-all starts everything from its disks")
  void aPowerCutThatEmptiesTmp() throws IOException {
    powerCut();
    CommandResult.remove(tiny.layout().runtime());

    assertThat(tiny.stages()).containsPattern("(?m)^gateway +stopped");
    tiny.launch();
  }

  @Test
  @Fault(
      value = "after a power cut another process has a VM's pid",
      promise = "no script takes it for the VM or sends it a signal")
  void aPidThatIsAnotherProcesss() throws Exception {
    powerCut();
    Process foreign =
        CommandResult.command("sleep", "600")
            .with("TEST", tiny.top()) // by which it ends if this test is killed
            .start(tiny.top().resolve("out"));
    try {
      for (Node node : tiny.nodes()) {
        Files.writeString(tiny.layout().node(node).pid(), foreign.pid() + "\n");
      }
      assertThat(tiny.stages()).containsPattern("(?m)^gateway +stopped");
      tiny.run("stop-all").succeeded().quiet();
      tiny.launch();
      tiny.run("stop-all").succeeded().quiet();
      assertThat(foreign.isAlive()).isTrue();
    } finally {
      foreign.destroyForcibly().onExit().join();
    }
  }

  private void powerCut() {
    Stream<String> all =
        Stream.of("qemu-system", "EthernetSwitch", "forward.sh")
            .flatMap(word -> tiny.processes(word).stream())
            .map(line -> line.split(" ")[0]);
    // tmux last: the others would end with their terminals, in their own way
    String server = tiny.tmux("display-message", "-p", "#{pid}");
    Gone.kill(
        Stream.concat(all, Stream.of(server))
            .flatMap(pid -> ProcessHandle.of(Long.parseLong(pid)).stream())
            .toList());
    assertThat(Wait.until(LIMIT, () -> tiny.processes("").isEmpty())).isTrue();
  }

  @Test
  @Fault(
      value = "a command is run twice",
      promise = "the second run changes no file, process or pane")
  void twice() {
    Map<String, Long> pids = tiny.pids();
    Map<String, String> state = CommandResult.tree(tiny.layout().state());
    Map<String, String> runtime = CommandResult.tree(tiny.layout().runtime());
    List<String> panes = tiny.panes();

    tiny.run("launch-all").succeeded().quiet().prints("2 of 2 run already");

    assertThat(tiny.pids()).isEqualTo(pids);
    assertThat(tiny.panes()).isEqualTo(panes);
    assertThat(unguested(CommandResult.tree(tiny.layout().state()))).isEqualTo(unguested(state));
    assertThat(CommandResult.tree(tiny.layout().runtime())).isEqualTo(runtime);
    tiny.run("stop-all").succeeded().quiet();
    tiny.run("stop-all").succeeded().quiet();
  }

  /** Without what a running guest changes. */
  private static Map<String, String> unguested(Map<String, String> tree) {
    tree.keySet().removeIf(path -> path.matches(".*/(console\\.log|disk\\.qcow2)"));
    return tree;
  }
}

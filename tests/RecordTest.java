import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.stream.Stream;
import lib.state.ClusterRecord;
import lib.vm.Vm;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.parallel.Execution;
import org.junit.jupiter.api.parallel.ExecutionMode;

/** Scripts act on the record for what exists, and on the cluster file for what is to come. */
@Execution(ExecutionMode.CONCURRENT)
class RecordTest {
  private TinyCluster tiny;
  private Path config;
  private String before;

  @BeforeEach
  void launch() throws IOException {
    tiny = TinyCluster.make();
    config = tiny.folder().resolve("cluster.yaml");
    before = Files.readString(config);
    tiny.launch();
  }

  @AfterEach
  void end() throws IOException {
    Files.writeString(config, before);
    tiny.close();
  }

  private void edit(String from, String to) throws IOException {
    assertThat(before).contains(from);
    Files.writeString(config, before.replace(from, to));
  }

  /** A launch-all of all nodes of the file but control0, which no test needs. */
  private CommandResult refused(String... lines) {
    Map<String, Long> pids = tiny.pids();
    CommandResult launch = tiny.run("launch-all").exitedWith(1);
    for (String line : lines) {
      assertThat(launch.err()).contains(line);
    }
    assertThat(tiny.pids()).isEqualTo(pids);
    return launch;
  }

  @Test
  void itSaysWhatWasLaunched() {
    ClusterRecord record = ClusterRecord.read(tiny.layout()).orElseThrow();

    assertThat(record.cluster()).isEqualTo("tiny");
    assertThat(record.owner()).isEqualTo(System.getProperty("user.name"));
    assertThat(record.subnet()).isEqualTo(tiny.cluster().subnet().toString());
    assertThat(record.vip()).isEqualTo(tiny.cluster().vip());
    assertThat(record.network()).isEqualTo("user");
    assertThat(record.user()).isEqualTo("ubuntu");
    assertThat(record.sessions()).containsExactly("tiny-vms", "tiny-ssh");
    assertThat(Path.of(record.image())).isDirectory();
    assertThat(record.runtime()).isEqualTo(tiny.layout().runtime().toString());
    assertThat(Path.of(record.tmux())).isEqualTo(tiny.top().resolve("tmux/tmux-0/default"));
    assertThat(ClusterRecord.made(tiny.layout())).isEqualTo(tiny.nodes());
  }

  @Test
  @Fault(
      value = "the project is moved while its nodes run",
      promise =
          "status, launch-all and stop-all find them as before; all of them shut down in order")
  void aMovedProjectGoesOn() throws IOException {
    Map<String, Long> pids = tiny.pids();
    Path moved = tiny.folder().resolveSibling("moved");
    Files.move(tiny.folder(), moved);
    try {
      CommandResult status = tiny.call("status").in(moved).run().succeeded().quiet();
      assertThat(status.out()).containsPattern("(?m)^gateway .* " + pids.get("gateway") + "$");
      CommandResult again = tiny.call("launch-all").in(moved).run().succeeded().quiet();
      assertThat(again.out()).contains("2 of 2 run already");
      assertThat(tiny.panes())
          .containsExactlyInAnyOrder(
              "lan lan alive", "vms gateway alive", "vms worker0 alive", "forward forward alive");
      assertThat(tiny.processes("forward.sh")).isEmpty(); // it is that of the new place

      CommandResult stop = tiny.call("stop-all").in(moved).run().succeeded().quiet();
      assertThat(stop.out()).containsPattern("gateway +powered down").doesNotContain("killed");
      assertThat(tiny.panes()).isEmpty();
    } finally {
      Files.move(moved, tiny.folder());
    }
  }

  @Test
  @Fault(
      value = "A project is copied while its nodes run, and the copy is launched, too.",
      promise = "The copy is a cluster of its own. Stopping or destroying it harms no other.")
  void aCopyIsAClusterOfItsOwn() throws IOException {
    Map<String, Long> pids = tiny.pids();
    Path copy = tiny.folder().resolveSibling("copy");
    CommandResult.command("cp", "-r", tiny.folder().toString(), copy.toString()).run().succeeded();
    tiny.call("stop-all").in(copy).run().succeeded().quiet();
    assertThat(tiny.pids()).isEqualTo(pids);

    twoClusters(copy, pids);
    tiny.assertRuns();
  }

  @Test
  @Fault(
      value = "A project is moved while its nodes run, and another one is launched in its place.",
      promise = "Each has sockets and sessions of its own. Stopping one harms no other.")
  void whatComesInAMovedProjectsPlaceIsAnother() throws IOException {
    Map<String, Long> pids = tiny.pids();
    Path moved = tiny.folder().resolveSibling("moved");
    Files.move(tiny.folder(), moved);
    try {
      CommandResult.command("mkdir", tiny.folder().toString()).run().succeeded();
      Files.copy(moved.resolve("tiny.img"), tiny.folder().resolve("tiny.img"));
      twoClusters(tiny.folder(), pids);
      tiny.call("stop-all").in(moved).run().succeeded().quiet().prints("powered down");
    } finally {
      CommandResult.remove(tiny.folder());
      Files.move(moved, tiny.folder());
    }
  }

  /** Launches another cluster in a folder and destroys it, while the first one runs. */
  private void twoClusters(Path folder, Map<String, Long> first) throws IOException {
    int ssh = tiny.cluster().sshPorts();
    int host = tiny.cluster().loadBalancer().hostPorts();
    Files.writeString(
        folder.resolve("cluster.yaml"),
        before
            .replace("name: tiny", "name: other")
            .replace("sshPorts: " + ssh, "sshPorts: " + (ssh + 5))
            .replace("hostPorts: " + host, "hostPorts: " + (host + 1)));
    tiny.call("launch-all").in(folder).run().succeeded().quiet();
    CommandResult status = tiny.call("status").in(folder).run().succeeded().quiet();
    for (Long pid : first.values()) {
      assertThat(status.out()).doesNotContain(" " + pid + "\n");
      assertThat(ProcessHandle.of(pid)).isPresent();
    }
    assertThat(status.out()).containsPattern("(?m)^gateway .* [0-9]+$");
    assertThat(folder.resolve(".kubenet/ssh_config")).content().contains("Port " + (ssh + 5));
    tiny.call("stop-all").in(folder).run().succeeded().quiet().prints("powered down");
    tiny.call("launch-all").in(folder).run().succeeded().quiet();
    tiny.call("stop-all", "--destroy", "--yes").in(folder).run().succeeded().quiet();
    assertThat(folder.resolve(".kubenet")).doesNotExist();
    first.values().forEach(pid -> assertThat(ProcessHandle.of(pid)).isPresent());
  }

  @Test
  @Fault(
      value = "something has cleaned /tmp while nodes run, and their sockets are gone",
      promise = "launch-all touches nothing and says how to shut the nodes down")
  void aCleanedTmp() {
    CommandResult.remove(tiny.layout().runtime());

    refused(
        "gateway, worker0: running, and the sockets by which kubenet talks to them are gone from "
            + tiny.layout().runtime(),
        "stop-all.java");
    tiny.run("stop-all", "--kill").succeeded();
  }

  @Test
  @Fault(
      value = "the nodes in a state folder belong to another cluster file",
      promise = "every script refuses and names both clusters; nothing is stopped or removed")
  void anotherClustersFolderIsRefused() throws IOException {
    Map<String, Long> pids = tiny.pids();
    Files.writeString(
        tiny.folder().resolve("b.yaml"), before.replace("name: tiny", "name: another"));
    String[][] all = {
      {"status"},
      {"launch-all"},
      {"ssh-all"},
      {"stop-all"},
      {"stop-all", "--destroy", "--yes"},
      {"snapshot-all", "x"}
    };
    for (String[] words : all) {
      String[] arguments = new String[words.length + 1];
      System.arraycopy(words, 1, arguments, 0, words.length - 1);
      arguments[words.length - 1] = "--config";
      arguments[words.length] = "b.yaml";
      tiny.run(words[0], arguments)
          .exitedWith(1)
          .complains(
              "cluster `tiny` from cluster.yaml, and b.yaml says `name: another`", "--state");
    }
    assertThat(tiny.pids()).isEqualTo(pids);
    tiny.assertRuns();
  }

  @Test
  @Fault(
      value = "`name` is changed in the cluster file while nodes run",
      promise =
          "launch-all refuses and gives both names; stop-all finds everything and leaves nothing"
              + " behind")
  void anotherNameWhileNodesRun() throws IOException {
    edit("name: tiny", "name: other");
    refused("worker0 runs with cluster name tiny, and cluster.yaml says other");
    tiny.run("stop-all").succeeded().quiet();
    tiny.assertStopped();
    tiny.run("launch-all").succeeded().prints("consoles: tmux attach -t other-vms");
    tiny.run("stop-all").succeeded();
    tiny.assertStopped();
  }

  @Test
  @Fault(
      value = "`count` is lowered while a node is stopped, then everything is destroyed",
      promise = "that node's disk goes, too; nothing is left")
  void destroyTakesANodeThatTheFileNoLongerHas() throws IOException {
    edit("worker:  {count: 1", "worker:  {count: 2");
    tiny.run("launch-all", "--only", "gateway,worker1").succeeded().quiet();
    tiny.run("stop-all").succeeded().quiet();
    Files.writeString(config, before);
    tiny.run("stop-all", "--destroy", "--yes")
        .succeeded()
        .prints("will remove " + tiny.layout().state());
    assertThat(tiny.layout().state()).doesNotExist();
    tiny.launch();
  }

  @Test
  @Fault(
      value = "a command runs with a TMUX_TMPDIR other than the launch's",
      promise = "it finds the sessions where they are; stop-all leaves nothing behind")
  void anotherTmuxServer() throws IOException {
    Path other = Files.createDirectory(tiny.top().resolve("other"));
    CommandResult again =
        tiny.call("launch-all").with("TMUX_TMPDIR", other).run().succeeded().quiet();
    assertThat(again.out()).contains("2 of 2 run already");
    tiny.assertRuns();
    tiny.call("stop-all").with("TMUX_TMPDIR", other).run().succeeded().quiet();
    tiny.assertStopped();
    try (Stream<Path> files = Files.walk(other)) { // tmux makes its folder as soon as it is asked
      assertThat(files.filter(path -> !Files.isDirectory(path))).isEmpty();
    }
  }

  @Test
  @Fault(
      value = "a node that runs is no longer in the cluster file",
      promise =
          "status lists it, stop-all stops it, --destroy removes it, and no other node is harmed")
  void aNodeThatTheFileNoLongerHas() throws IOException {
    edit("worker:  {count: 1", "worker:  {count: 2");
    tiny.run("launch-all", "--only", "gateway,worker0,worker1").succeeded().quiet();
    Files.writeString(config, before);

    CommandResult status = tiny.run("status", "--only", "gateway,worker0,worker1").succeeded();
    assertThat(status.out())
        .containsPattern("(?m)^worker1 +\\S+ .*[0-9]$")
        .contains("worker1: no longer in cluster.yaml; stop-all.java stops it");
    CommandResult stop = tiny.run("stop-all").succeeded().quiet();
    assertThat(stop.out()).containsPattern("worker1 +powered down");
    tiny.assertStopped();
    assertThat(tiny.layout().nodes().resolve("worker1/disk.qcow2")).exists();
    tiny.launch();
    tiny.run("stop-all", "--destroy", "--yes", "--only", "worker1").succeeded().quiet();
    assertThat(tiny.layout().nodes().resolve("worker1")).doesNotExist();
    tiny.assertRuns();
    assertThat(ClusterRecord.made(tiny.layout())).isEqualTo(tiny.nodes());
  }

  @Test
  @Fault(
      value = "the cluster file has another size, port, user or network than the running nodes",
      promise = "launch-all refuses; it gives both values for each node, and both ways out")
  void aChangeThatCannotHoldIsRefused() throws IOException {
    edit("memory: 256M", "memory: 300M");
    refused(
        "gateway runs with memory 256M, and cluster.yaml says 300M\n",
        "worker0 runs with memory 256M, and cluster.yaml says 300M\n",
        "(undo the change in cluster.yaml;\n"
            + " or stop them first: stop-all.java --only gateway,worker0)");
    edit("name: tiny\n", "name: tiny\nuser: joe\nvip: 10.240.0.6\n");
    refused(
        "worker0 runs with virtual IP 10.240.0.5, and cluster.yaml says 10.240.0.6; with user"
            + " ubuntu, and cluster.yaml says joe\n");
    edit("sshPorts: ", "sshPorts: 1");
    if (tiny.cluster().sshPorts() < 40000) {
      edit(
          "sshPorts: " + tiny.cluster().sshPorts(), "sshPorts: " + (tiny.cluster().sshPorts() + 5));
    }
    refused("gateway runs with SSH port " + tiny.cluster().sshPorts() + ", and cluster.yaml says ");
    edit("control: {count: 1", "control: {count: 2");
    refused("worker0 runs with address 10.240.0.12, and cluster.yaml says 10.240.0.13");
  }

  @Test
  @Fault(
      value = "`memory` or `subnet` is changed while a node is suspended",
      promise =
          "launch-all refuses and gives both values; once the change is undone, the node resumes"
              + " where it was")
  void anotherMemoryThanASuspendedNodeHas() throws IOException {
    tiny.run("stop-all", "--suspend").succeeded().quiet();
    edit("memory: 256M", "memory: 300M");
    refused(
        "gateway is suspended with memory 256M, and cluster.yaml says 300M\n",
        "discard what they were doing: stop-all.java --discard --only gateway,worker0");
    edit("name: tiny\n", "name: tiny\nsubnet: 10.250.0.0/24\nvip: 10.250.0.5\n");
    refused("gateway is suspended with address 10.240.0.10, and cluster.yaml says 10.250.0.10");
    assertThat(tiny.layout().node(tiny.nodes().get(0)).suspended()).exists();
    Files.writeString(config, before);
    tiny.launch();
  }

  @Test
  void aChangeThatCanHoldIsDone() throws IOException {
    int port = tiny.cluster().loadBalancer().hostPorts();
    edit("hostPorts: " + port, "hostPorts: " + (port + 1));
    tiny.run("launch-all").succeeded().prints("127.0.0.1:" + (port + 1) + " is");
    assertThat(tiny.processes("-L")).allMatch(line -> line.contains(":" + (port + 1) + ":"));
    tiny.run("stop-all").succeeded();
    int ssh = tiny.cluster().sshPorts();
    Files.writeString(
        config,
        before
            .replace("memory: 256M", "memory: 300M")
            .replace("sshPorts: " + ssh, "sshPorts: " + (ssh + 5)));
    tiny.run("launch-all").succeeded();
    assertThat(tiny.layout().sshConfig()).content().contains("Port " + (ssh + 5));
    for (ClusterRecord.Made made : ClusterRecord.read(tiny.layout()).orElseThrow().nodes()) {
      assertThat(made.memory()).isEqualTo(300);
    }
    assertThat(Vm.of(tiny.nodes().get(0), tiny.layout()).alive()).isTrue();
  }
}

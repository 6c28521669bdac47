import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Map;
import lib.Argv;
import lib.Commands;
import lib.cluster.Node;
import lib.qemu.QemuImg;
import lib.state.Layout;
import lib.stop.SnapshotSet;
import lib.vm.Qmp;
import lib.vm.SavedState;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.parallel.Execution;
import org.junit.jupiter.api.parallel.ExecutionMode;

/** Suspended nodes and snapshots of all of them, by real QEMU with tiny guests. */
@Execution(ExecutionMode.CONCURRENT)
class SnapshotTest {
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

  private Path disk() {
    return tiny.vm("worker0").files().disk();
  }

  /** Has qemu-io read or write 4 KiB of the disk that the guest leaves alone. */
  private String io(String command) {
    Argv io = Argv.of("qemu-io").option("-c", command).add(disk().toString());
    return Commands.run(io).orProblem().out();
  }

  @Test
  void whatWasSuspendedGoesOnOnce() {
    tiny.run("stop-all", "--suspend").succeeded().prints("worker0      suspended");
    assertThat(tiny.pids()).isEmpty();
    assertThat(tiny.vm("worker0").files().suspended()).isNotEmptyFile();
    tiny.run("launch-all").succeeded();
    tiny.assertRuns();
    assertThat(tiny.vm("worker0").files().suspended()).doesNotExist();
    assertThat(tiny.vm("worker0").files().taken()).doesNotExist();
    assertThat(tiny.vm("worker0").files().incoming()).doesNotExist();
  }

  @Test
  @Fault(
      value = "a suspension is interrupted, before or after a node's state was saved",
      promise = "launch-all lets the nodes continue where they were")
  void aSuspensionThatWasCutOff() throws IOException {
    for (Node node : tiny.nodes()) {
      try (Qmp qmp = Qmp.connect(tiny.vm(node.name()).files().qmp(), Duration.ofSeconds(5))) {
        qmp.execute("stop");
      }
    }
    Layout.Files saved = tiny.vm("worker0").files();
    SavedState.save(saved.qmp(), saved.suspended());
    assertThat(tiny.vm("gateway").status()).contains("paused");
    assertThat(tiny.vm("worker0").status()).contains("postmigrate");

    tiny.run("launch-all")
        .succeeded()
        .prints("gateway goes on: it was paused")
        .prints("worker0 goes on: it was paused");
    tiny.assertRuns();
    tiny.run("stop-all", "--suspend").succeeded();
    tiny.run("launch-all").succeeded();
    tiny.assertRuns();
  }

  @Test
  @Fault(
      value = "much goes wrong after a snapshot",
      promise =
          "--restore takes the disks and memory of all nodes back to it, as often as you like")
  void aSnapshotIsRestoredAsOftenAsWished() {
    tiny.run("snapshot-all", "before-it").succeeded().prints("kept as before-it");
    tiny.run("snapshot-all", "before-it")
        .complains("there is a snapshot before-it", "take another name");
    tiny.run("snapshot-all").succeeded().prints("before-it");
    for (int i = 0; i < 2; i++) {
      io("write -P 7 1M 4k");
      tiny.run("snapshot-all", "before-it", "--restore", "--yes").succeeded();
      assertThat(io("read -P 0 1M 4k")).doesNotContain("Pattern verification failed");
    }
    tiny.run("launch-all").succeeded();
    tiny.assertRuns();
    tiny.run("snapshot-all", "before-it", "--remove").succeeded();
    tiny.run("snapshot-all", "before-it", "--restore", "--yes")
        .complains("there is no snapshot before-it", "those that are there");
  }

  @Test
  @Fault(
      value = "only half of a snapshot is there",
      promise = "it does not count: it is not listed or restored, and can be made again")
  void halfASetIsNone() throws Exception {
    tiny.run("snapshot-all", "half").succeeded();
    Path set = disk().resolve("../../../snapshots/half").normalize();
    Files.delete(set.resolve("nodes"));
    assertThat(tiny.run("snapshot-all").succeeded().out()).doesNotContain("half");
    tiny.run("snapshot-all", "half", "--restore", "--yes")
        .complains("there is no snapshot half", "those that are there");
    tiny.run("snapshot-all", "half").succeeded();
    assertThat(set.resolve("nodes")).hasContent("gateway memory\nworker0 memory");
  }

  @Test
  @Fault(
      value = "a restore is interrupted between two nodes",
      promise = "no node starts until the restore has been run again and has finished")
  void halfARestoreIsFinishedFirst() throws Exception {
    tiny.run("snapshot-all", "one").succeeded();
    Path marker = disk().resolve("../../../restoring").normalize();
    Files.writeString(marker, "one"); // as it is left
    tiny.run("launch-all").complains("only in part back", "snapshot-all.java --restore");
    tiny.run("snapshot-all", "one", "--restore", "--yes").succeeded();
    assertThat(marker).doesNotExist();
  }

  @Test
  @Fault(
      value =
          "while the nodes run, --restore names a snapshot that does not exist, or one made with"
              + " another disk",
      promise =
          "they keep running: everything is checked before any power is cut or any node is"
              + " suspended")
  void allIsCheckedFirst() {
    Map<String, Long> running = tiny.pids();
    tiny.run("snapshot-all", "TYPO", "--restore", "--yes")
        .exitedWith(1)
        .complains("there is no snapshot TYPO", "those that are there");
    tiny.run("snapshot-all", "TYPO", "--remove")
        .exitedWith(1)
        .complains("there is no snapshot TYPO", "those that are there");
    assertThat(tiny.pids()).isEqualTo(running);

    tiny.run("snapshot-all", "x").succeeded();
    assertThat(SnapshotSet.with(tiny.cluster().node("worker0"), tiny.layout()))
        .containsExactly("x");
    tiny.run("launch-all").succeeded();
    running = tiny.pids();
    tiny.run("snapshot-all", "x").exitedWith(1).complains("there is a snapshot x already", "take");
    assertThat(tiny.pids()).isEqualTo(running);

    tiny.run("stop-all", "--destroy", "--yes", "--only", "worker0").succeeded();
    assertThat(SnapshotSet.with(tiny.cluster().node("worker0"), tiny.layout()))
        .containsExactly("x");
    tiny.run("launch-all").succeeded();
    running = tiny.pids();
    tiny.run("snapshot-all", "x", "--restore", "--yes")
        .exitedWith(1)
        .complains("the disk of worker0 is another one than in snapshot x", "nothing was changed");
    assertThat(tiny.pids()).isEqualTo(running);
    tiny.assertRuns();
  }

  @Test
  @Fault(
      value = "a snapshot is removed while the nodes run",
      promise = "they keep running, and the space is freed")
  void isRemovedWhileNodesRun() {
    tiny.run("snapshot-all", "x").succeeded();
    tiny.run("launch-all").succeeded();
    Map<String, Long> running = tiny.pids();
    tiny.run("snapshot-all", "x", "--remove").succeeded().prints("removed x");
    assertThat(tiny.pids()).isEqualTo(running);
    tiny.assertRuns();
    assertThat(QemuImg.snapshots(disk())).isEmpty();
    assertThat(tiny.layout().snapshots().resolve("x")).doesNotExist();
  }

  @Test
  @Fault(
      value = "a node got more memory after a snapshot",
      promise =
          "--restore gives both values and refuses, and the nodes keep running; once the change is"
              + " undone, it restores")
  void anotherSizeIsRefused() throws IOException {
    tiny.run("snapshot-all", "x").succeeded();
    tiny.run("stop-all", "--discard", "--yes").succeeded();
    Path file = tiny.folder().resolve("cluster.yaml");
    String config = Files.readString(file);
    Files.writeString(file, config.replace("memory: 256M", "memory: 300M"));
    tiny.run("launch-all").succeeded();
    Map<String, Long> running = tiny.pids();
    tiny.run("snapshot-all", "x", "--restore", "--yes")
        .exitedWith(1)
        .complains(
            "worker0: its memory in snapshot x is of memory 256M, and cluster.yaml says 300M",
            "undo the change in cluster.yaml");
    assertThat(tiny.pids()).isEqualTo(running);

    Files.writeString(file, config);
    tiny.run("snapshot-all", "x", "--restore", "--yes").succeeded();
    tiny.run("launch-all").succeeded();
    tiny.assertRuns();
  }

  @Test
  @Fault(
      value = "a restore is half done, and a snapshot is removed, made or restored by another name",
      promise = "kubenet refuses: the restore that was begun has to finish first")
  void halfARestoreKeepsItsSet() throws IOException {
    tiny.run("snapshot-all", "one").succeeded();
    tiny.run("snapshot-all", "two").succeeded();
    Files.writeString(tiny.layout().restoring(), "one"); // as it is left
    tiny.run("snapshot-all", "one", "--remove")
        .exitedWith(1)
        .complains("snapshot one: it is still needed", "first run snapshot-all.java one --restore");
    for (String[] words : new String[][] {{"two", "--restore", "--yes"}, {"three"}}) {
      tiny.run("snapshot-all", words)
          .exitedWith(1)
          .complains("only in part back at snapshot one", "first run snapshot-all.java one");
    }
    tiny.run("snapshot-all", "one", "--restore", "--yes").succeeded();
    tiny.run("snapshot-all", "one", "--remove").succeeded();
    tiny.run("launch-all").succeeded();
    tiny.assertRuns();
  }

  @Test
  @Fault(
      value = "a file of a snapshot is gone or truncated",
      promise = "--restore refuses, and the nodes keep running")
  void aDamagedSetIsRefused() throws IOException {
    tiny.run("snapshot-all", "x").succeeded();
    tiny.run("launch-all").succeeded();
    Map<String, Long> running = tiny.pids();
    Path memory = tiny.layout().snapshots().resolve("x/worker0.memory");
    Files.writeString(memory, "cut off");
    tiny.run("snapshot-all", "x", "--restore", "--yes")
        .exitedWith(1)
        .complains("worker0: its memory in snapshot x has 7 bytes in place of", "nothing was");
    Files.delete(memory);
    tiny.run("snapshot-all", "x", "--restore", "--yes")
        .exitedWith(1)
        .complains("snapshot x has lost " + memory, "nothing was changed");
    assertThat(tiny.pids()).isEqualTo(running);
  }

  @Test
  void badNamesAreRefused() {
    for (String name : new String[] {"../x", "a b", "-c", "a;b"}) {
      tiny.run("snapshot-all", "--yes", "--", name)
          .complains("is no name for a snapshot", "take letters");
    }
    tiny.run("snapshot-all", "x", "--restore", "--remove")
        .complains("it is of all nodes, and does one thing at a time", "see --help");
  }
}

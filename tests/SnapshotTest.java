import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import lib.Argv;
import lib.Commands;
import lib.Layout;
import lib.Node;
import lib.Qmp;
import lib.SavedState;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** Suspended nodes and snapshots of all of them, by real QEMU with tiny guests. */
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
      value = "a suspension that was cut off, before or after a node's state was saved",
      promise = "launch-all lets the nodes go on where they were")
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
      value = "a snapshot after which much went wrong",
      promise = "--restore takes disks and memory of all nodes back to it, as often as wished")
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
  @Fault(value = "half a snapshot", promise = "it is none: not listed, not restored, made anew")
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
      value = "a restore that was cut off between two nodes",
      promise = "no node starts until it was run again to its end")
  void halfARestoreIsFinishedFirst() throws Exception {
    tiny.run("snapshot-all", "one").succeeded();
    Path marker = disk().resolve("../../../restoring").normalize();
    Files.writeString(marker, "one"); // as it is left
    tiny.run("launch-all").complains("only in part back", "snapshot-all.java --restore");
    tiny.run("snapshot-all", "one", "--restore", "--yes").succeeded();
    assertThat(marker).doesNotExist();
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

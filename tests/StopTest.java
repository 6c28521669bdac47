import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import lib.vm.Qmp;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.parallel.Execution;
import org.junit.jupiter.api.parallel.ExecutionMode;

/** A plain stop ends no guest that can't be asked. Tiny guests hear the button and have no SSH. */
@Execution(ExecutionMode.CONCURRENT)
class StopTest {
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

  private Path socket() {
    return tiny.vm("worker0").files().qmp();
  }

  private void assertLeftRunning(CommandResult stop, long pid) {
    stop.exitedWith(1)
        .prints("gateway      powered down")
        .complains(
            "worker0 still runs: QEMU does not answer on " + socket(),
            "stop-all.java --kill; what its guest has not written to its disk is lost then");
    assertThat(stop.err()).contains("no login at 127.0.0.1:");
    assertThat(tiny.pids()).containsOnlyKeys("worker0").containsValue(pid);
    assertThat(tiny.panes()).contains("vms worker0 alive", "lan lan alive");
  }

  @Test
  @Fault(
      value = "a VM has lost its QMP socket, as when /tmp is cleaned, and has no SSH",
      promise =
          "stop-all leaves it running, says so and ends with 1; --kill ends it and lets QEMU clean"
              + " up; launch-all says that QEMU does not answer")
  void theSocketIsGone() throws IOException {
    long pid = tiny.pids().get("worker0");
    Files.delete(socket());
    assertThat(tiny.stages())
        .containsPattern("(?m)^worker0 +unknown ")
        .contains("worker0: QEMU does not answer on " + socket());
    assertLeftRunning(tiny.run("stop-all"), pid);
    tiny.run("launch-all")
        .exitedWith(1)
        .complains("worker0: QEMU does not answer on", "stop-all.java --only worker0");
    assertThat(tiny.pids()).containsEntry("worker0", pid);

    tiny.run("stop-all", "--kill")
        .succeeded()
        .prints("gateway      powered down")
        .prints("worker0 still runs: QEMU does not answer on " + socket())
        .prints("worker0      terminated");
    tiny.assertStopped();
    assertThat(tiny.vm("worker0").files().pid()).doesNotExist(); // QEMU itself took it away
  }

  @Test
  @Fault(
      value = "another program holds a VM's QMP socket, and QEMU serves only one at a time",
      promise =
          "stop-all leaves the VM running, says so and ends with 1; once the socket is free, the VM"
              + " shuts down in order")
  void theSocketIsHeld() throws IOException {
    try (Qmp other = Qmp.connect(socket(), Duration.ofSeconds(5))) {
      assertThat(other.version()).isNotEmpty();
      assertLeftRunning(tiny.run("stop-all"), tiny.pids().get("worker0"));
    }
    tiny.run("stop-all").succeeded().quiet().prints("worker0      powered down");
    tiny.assertStopped();
  }

  @Test
  void thePowerOfADestroyedNodeIsCutWithoutItsSocketToo() throws IOException {
    Files.delete(socket());
    tiny.run("stop-all", "--destroy", "--yes", "--only", "worker0")
        .succeeded()
        .prints("worker0      terminated");
    assertThat(tiny.pids()).containsOnlyKeys("gateway");
  }

  @Test
  @Fault(
      value = "stop-all is run on a VM that somebody has paused",
      promise = "the VM resumes and powers down in order")
  void aPausedVm() throws IOException {
    try (Qmp qmp = Qmp.connect(socket(), Duration.ofSeconds(5))) {
      qmp.execute("stop");
    }
    assertThat(tiny.vm("worker0").status()).contains("paused");
    tiny.run("stop-all").succeeded().quiet().prints("worker0      powered down");
    tiny.assertStopped();
  }

  @Test
  void killingAndSavingExcludeEachOther() {
    tiny.run("stop-all", "--suspend", "--kill")
        .complainsInTwoLines("--suspend saves nodes, --kill ends them", "give one of the two");
    assertThat(tiny.pids()).hasSize(2);
  }
}

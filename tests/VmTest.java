import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import java.util.stream.IntStream;
import lib.cluster.Cluster;
import lib.cluster.Node;
import lib.state.Layout;
import lib.vm.Vm;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** The life of a VM, told by a real QEMU's lock on its pid file. */
class VmTest {
  private final Node node = Cluster.standard().node("worker0");
  private Path folder;
  private Layout.Files files;
  private Vm vm;
  private Paused qemu;

  @BeforeEach
  void makeFolders() throws IOException {
    folder = Leftovers.folder("kubenet-vm-");
    Layout layout = new Layout(folder.resolve("state"), folder);
    files = layout.node(node);
    vm = Vm.of(node, layout);
    Files.createDirectories(files.folder());
  }

  @AfterEach
  void end() throws IOException {
    if (qemu != null) {
      qemu.close();
    }
    Lab.remove(folder);
  }

  private void start() {
    qemu = Paused.start(folder, files.qmp(), files.pid());
  }

  @Test
  void livesFromStartToQuit() {
    assertThat(vm.alive()).isFalse();
    assertThat(vm.status()).isEmpty();
    assertThat(vm.isQueued()).isFalse();

    start();
    assertThat(vm.process()).contains(qemu.process().toHandle());
    assertThat(vm.status()).contains("prelaunch");
    assertThat(vm.isQueued()).isTrue();

    vm.resume();
    assertThat(vm.status()).contains("running");
    assertThat(vm.isQueued()).isFalse();
    vm.powerDown(); // a machine without a guest does not mind
    assertThat(vm.alive()).isTrue();

    vm.quit();
    qemu.process().onExit().join();
    assertThat(vm.alive()).isFalse();
    assertThat(vm.status()).isEmpty();
    assertThat(files.pid()).doesNotExist();
  }

  @Test
  @Fault(
      value = "a crash has left a pid file behind",
      promise = "it does not count as a VM, and is not in the way")
  void aCrashLeavesAStalePidFile() {
    start();
    qemu.close();

    assertThat(files.pid()).exists();
    assertThat(vm.process()).isEmpty();
    assertThat(vm.status()).isEmpty();
    vm.kill(); // nobody to kill

    start(); // the stale files are no obstacle
    assertThat(vm.process()).contains(qemu.process().toHandle());
  }

  @Test
  @Fault(
      value = "a pid file has the number of another process",
      promise = "kubenet does not take that process for the VM, and never sends it a signal")
  void aForeignProcessIsNotTheVm() throws Exception {
    Process foreign = new ProcessBuilder("sleep", "60").start();
    try {
      for (String text : new String[] {foreign.pid() + "\n", foreign.pid() + "", "1", "0"}) {
        Files.writeString(files.pid(), text);

        assertThat(vm.process()).as(text).isEmpty();
        vm.kill();
      }
      assertThat(foreign.waitFor(200, TimeUnit.MILLISECONDS)).isFalse();
    } finally {
      foreign.destroyForcibly().onExit().join();
    }
  }

  @Test
  @Fault(
      value = "a pid file is empty, truncated, or nonsense",
      promise = "it does not count as a VM")
  void aBrokenPidFileIsNoVm() throws IOException {
    for (String text :
        new String[] {"", "\n", "abc", "-1", "1 2", "9".repeat(18), "9".repeat(40)}) {
      Files.writeString(files.pid(), text);

      assertThat(vm.process()).as(text).isEmpty();
    }
    Files.write(files.pid(), new byte[] {(byte) 0xff, 0});
    assertThat(vm.process()).isEmpty();
    Files.delete(files.pid());
    Files.createDirectory(files.pid());
    assertThat(vm.process()).isEmpty();
  }

  @Test
  @Fault(
      value = "a second QEMU starts for the same node",
      promise = "it ends at once; the first keeps running")
  void aSecondQemuDoesNotTakeOver() throws Exception {
    start();
    try (Paused second = Paused.started(folder, folder.resolve("other.qmp"), files.pid())) {
      assertThat(second.process().waitFor(2, TimeUnit.MINUTES)).isTrue();
      assertThat(second.process().exitValue()).isEqualTo(1);
      assertThat(Files.readString(second.errors())).contains("cannot create PID file");
    }

    assertThat(vm.process()).contains(qemu.process().toHandle());
    assertThat(vm.status()).contains("prelaunch");
  }

  @Test
  void manyMayLookAtOnce() {
    start();

    assertThat(IntStream.range(0, 200).parallel().mapToObj(i -> vm.process()).distinct().toList())
        .containsExactly(Optional.of(qemu.process().toHandle()));
  }

  @Test
  void killEndsOnlyItsOwn() {
    start();

    vm.kill();
    qemu.process().onExit().join();
    assertThat(vm.alive()).isFalse();
  }

  @Test
  void aDeadQemuIsAProblemWithItsLastWords() throws IOException {
    assertThat(Lab.problem(() -> vm.resume()))
        .isEqualTo(
            "QEMU of worker0 did not take `cont`: No such file or directory\n(see %s)"
                .formatted(files.console()));

    String hint =
        "\n(the whole console is in %s; to start it: launch-vm.java worker0)"
            .formatted(files.console());
    assertThat(Lab.problem(this::throwEnded)).isEqualTo("worker0: QEMU is not running" + hint);
    Files.writeString(
        files.console(),
        "one\n".repeat(20) + "\u001b[0;32m  two\u001b[0m\r\n\n\u0007three\u0000\n   \n");
    assertThat(Lab.problem(this::throwEnded))
        .isEqualTo(
            "worker0: QEMU is not running; its console ended with:\n"
                + "one\n".repeat(6)
                + "  two\nthree"
                + hint);
  }

  private void throwEnded() {
    throw vm.ended();
  }
}

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import lib.Argv;
import lib.Commands;
import lib.Wait;
import lib.cluster.Host;
import lib.vm.Vm;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.parallel.Execution;
import org.junit.jupiter.api.parallel.ExecutionMode;
import org.junit.jupiter.api.parallel.ResourceLock;

/** A file system that has no room left: a real one, of 1200 MiB, in memory. */
@Execution(ExecutionMode.CONCURRENT)
@ResourceLock("DiskFullTest") // one at a time: two such file systems would be much memory
class DiskFullTest {
  private Path top;
  private Path mount;
  private TinyCluster tiny;

  @BeforeEach
  void mount() throws IOException {
    assumeTrue(Host.isRoot(), "only root can mount a file system of its own");
    top = Leftovers.folder("kubenet-tiny-");
    mount = Files.createDirectory(top.resolve("small"));
    Argv tmpfs = Argv.of("mount", "-t", "tmpfs", "-o", "size=1200m,mode=700");
    assumeTrue(
        Commands.run(tmpfs.add("kubenet-test", mount.toString())).succeeded(),
        "a tmpfs can be mounted here");
    tiny = TinyCluster.in(top, mount, BootSector.WRITES);
  }

  @AfterEach
  void unmount() {
    if (tiny == null) {
      return;
    }
    // a guest that does not hear the power button
    tiny.nodes().forEach(node -> tiny.vm(node.name()).process().ifPresent(Gone::kill));
    room();
    tiny.run("stop-all", "--destroy", "--yes").succeeded();
    // tmux's server, say, was started in it and may still be ending
    Argv umount = Argv.of("umount", mount.toString());
    assertThat(Wait.until(Duration.ofMinutes(1), () -> Commands.run(umount).succeeded()))
        .as("nobody uses %s", mount)
        .isTrue();
    tiny.close();
  }

  /** Shell commands that leave so many MiB of room; none, if it is 0. */
  private String filling(long leave) {
    String room = "$(($(df --output=avail -BM '%s' | tail -1 | tr -d M) - %d))M";
    String most = "fallocate -l " + room.formatted(mount, Math.max(leave, 8)) + " '%s';";
    String rest = leave > 0 ? "" : " cat /dev/zero >> '%1$s' 2> /dev/null;";
    return (most + rest).formatted(mount.resolve("filler"));
  }

  private void fill(long leave) {
    Commands.run(Argv.of("/bin/sh", "-c", filling(leave)));
    assertThat(mount.toFile().getUsableSpace() >> 20).isBetween(Math.max(0, leave - 1), leave);
  }

  private void room() {
    mount.resolve("filler").toFile().delete();
  }

  @Test
  @Fault(
      value = "the disk fills up while a guest writes",
      promise =
          "QEMU pauses the VM; status says so, names the file system and says how to continue;"
              + " launch-all resumes the VM once there is room, and nothing that it wrote is lost")
  void whileAGuestWrites() throws IOException {
    tiny.run("launch-all").succeeded().quiet();
    fill(0);
    Vm vm = tiny.vm("worker0");
    boolean paused =
        Wait.until(Duration.ofMinutes(5), () -> vm.status().filter("io-error"::equals).isPresent());
    assertThat(paused).as("QEMU's word: %s", vm.status()).isTrue();
    long pid = vm.process().orElseThrow().pid();

    assertThat(tiny.stages())
        .containsPattern("(?m)^worker0 +io-error ")
        .contains(
            "worker0: paused, as the file system of %s was full when the guest wrote; now"
                .formatted(vm.files().disk()),
            " MiB are free; free some, then launch-all.java lets it go on");
    tiny.run("launch-all")
        .exitedWith(1)
        .complains("worker0", "free at least 64 MiB there, then run launch-all.java");
    tiny.run("stop-all", "--only", "worker0")
        .exitedWith(1)
        .complains("worker0 still runs: paused, as the file system of", "stop-all.java --kill");

    room();
    tiny.run("launch-all").succeeded().quiet().prints("worker0 goes on: its disk has room again");
    assertThat(vm.status()).contains("running");
    assertThat(vm.process().orElseThrow().pid()).isEqualTo(pid);
    assertThat(vm.files().console()).content().doesNotContain("fail");
  }

  @Test
  @Fault(
      value = "the disk fills up while suspended nodes are resumed",
      promise =
          "launch-all fails; once there is room again, the nodes resume from their saved memory")
  void whileItResumes() throws IOException {
    tiny.run("launch-all").succeeded().quiet();
    tiny.run("stop-all", "--suspend").succeeded();
    Vm vm = tiny.vm("worker0");
    Files.writeString(vm.files().console(), "printed before\n");
    fill(0);
    tiny.run("launch-all").exitedWith(1);
    assertThat(vm.files().suspended()).isNotEmptyFile();
    assertThat(vm.files().incoming()).isNotEmptyFile();

    tiny.nodes().forEach(node -> assertThat(tiny.vm(node.name()).status()).isEmpty());
    room();
    tiny.run("launch-all").succeeded();
    // what the guests go on to write soon fills the disk again
    tiny.nodes().forEach(node -> assertThat(tiny.vm(node.name()).alive()).isTrue());
    assertThat(vm.files().console()).content().startsWith("printed before\n");
    assertThat(vm.files().suspended()).doesNotExist();
  }

  @Test
  @Fault(
      value = "the disk is full before a launch",
      promise = "launch-all says so and starts nothing")
  void beforeALaunch() {
    fill(300);
    tiny.run("launch-all")
        .exitedWith(1)
        .complains("2 new disks need about 1024 MiB", "or choose another place with --state");
    assertThat(tiny.pids()).isEmpty();
    assertThat(tiny.layout().state()).doesNotExist();
  }

  @Test
  @Fault(
      value = "the disk fills up while an overlay is created",
      promise =
          "a message names the file, and no partial file is left; the next launch-all continues")
  void whileAnOverlayIsMade() throws IOException {
    whileItRuns("qemu-img", "create");
  }

  @Test
  @Fault(
      value = "the disk fills up while a seed is written",
      promise =
          "a message names the file, and no partial file is left; the next launch-all continues")
  void whileASeedIsWritten() throws IOException {
    whileItRuns("xorriso", "-volid");
  }

  /** The file system fills up in the moment in which a program starts. */
  private void whileItRuns(String program, String argument) throws IOException {
    Path bin = Files.createDirectory(top.resolve("bin"));
    Path real = Commands.find(program).orElseThrow();
    CommandResult.fake(
        bin.resolve(program),
        "case \"$*\" in *%s*) %s esac".formatted(argument, filling(0) + ";"),
        "exec %s \"$@\"".formatted(real));
    tiny.call("launch-all")
        .with("PATH", bin + ":" + System.getenv("PATH"))
        .run()
        .exitedWith(1)
        .complains("No space left on device", "to see it again, run: ");
    assertThat(tiny.pids()).isEmpty();
    assertThat(CommandResult.tree(tiny.layout().state()).keySet())
        .noneMatch(path -> path.contains(".part."));

    room();
    tiny.run("launch-all").succeeded().quiet();
    tiny.assertRuns();
  }
}

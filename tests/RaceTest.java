import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.parallel.Execution;
import org.junit.jupiter.api.parallel.ExecutionMode;

/** Commands that run at the same time, on one cluster. */
@Execution(ExecutionMode.CONCURRENT)
class RaceTest {
  private TinyCluster tiny;

  @BeforeEach
  void make() {
    tiny = TinyCluster.make();
  }

  @AfterEach
  void end() {
    tiny.close();
  }

  private Process start(String script, String out) throws IOException {
    return tiny.call(script).start(tiny.top().resolve(out));
  }

  private String end(Process process, String out) throws IOException {
    int exit = process.onExit().join().exitValue();
    return exit + " " + Files.readString(tiny.top().resolve(out));
  }

  @Test
  @Fault(
      value = "two launch-all run at once",
      promise = "one launches; the other says so and ends, or finds everything running")
  void twoLaunches() throws IOException {
    List<Process> both = new ArrayList<>();
    for (int i = 0; i < 2; i++) {
      both.add(start("launch-all", "out" + i));
    }
    List<String> ends = new ArrayList<>();
    for (int i = 0; i < 2; i++) {
      ends.add(end(both.get(i), "out" + i));
    }
    assertThat(ends).anyMatch(text -> text.startsWith("0 "));
    assertThat(ends)
        .allMatch(
            text ->
                text.startsWith("0 ")
                    || text.contains("another kubenet command is changing the cluster")
                    || text.contains("already taken on 127.0.0.1"));
    tiny.run("launch-all").succeeded();
    tiny.assertRuns();
  }

  @Test
  @Fault(
      value = "launch-all is run while stop-all runs",
      promise =
          "it says that another command is at work, or starts what was stopped; nothing is left"
              + " half done")
  void aLaunchWhileStopping() throws IOException {
    tiny.launch();
    Process stop = start("stop-all", "stop");
    Process launch = start("launch-all", "launch");
    String launched = end(launch, "launch");
    String stopped = end(stop, "stop");

    assertThat(stopped + launched).containsPattern("^0 |(?m)another kubenet command");
    tiny.run("launch-all").succeeded();
    tiny.assertRuns();
  }

  @Test
  @Fault(
      value = "a port is taken",
      promise = "launch-all names the port and its node, and starts nothing")
  void aPortIsTaken() throws IOException {
    int port = tiny.cluster().node("worker0").sshPort();
    try (ServerSocket taken = new ServerSocket(port, 1, InetAddress.getLoopbackAddress())) {
      assertThat(taken.isBound()).isTrue();
      tiny.run("launch-all")
          .exitedWith(1)
          .complains("port %d (worker0)".formatted(port), "sshPorts");
    }
    assertThat(tiny.pids()).isEmpty();
    tiny.launch();
  }

  @Test
  @Fault(
      value = "a VM's QEMU cannot start",
      promise = "launch-all names the node and says where to read why; the other nodes run")
  void aQemuThatDoesNotStart() throws IOException {
    tiny.launch();
    Gone.kill(tiny.vm("worker0").process().orElseThrow());
    Path seed = tiny.layout().node(tiny.cluster().node("worker0")).disk();
    Path aside = seed.resolveSibling("disk.aside");
    Files.move(seed, aside);
    Files.writeString(seed, "no image");
    try {
      tiny.run("launch-all")
          .exitedWith(1)
          .complains("worker0: QEMU did not start", "tmux attach -t tiny-vms");
      assertThat(tiny.vm("gateway").status()).contains("running");
    } finally {
      Files.delete(seed);
      Files.move(aside, seed);
    }
    tiny.launch();
  }
}

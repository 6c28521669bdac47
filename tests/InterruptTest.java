import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Random;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import lib.Commands;
import lib.Wait;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.parallel.Execution;
import org.junit.jupiter.api.parallel.ExecutionMode;

/** Scripts that end in the middle of their work. */
@Execution(ExecutionMode.CONCURRENT)
class InterruptTest {
  /** What a launch itself starts, not tmux for it: each start is a step at which it may end. */
  private static final List<String> PROGRAMS = List.of("ssh-keygen", "qemu-img", "xorriso", "tmux");

  private static final int AT_MOST = Integer.getInteger("kubenet.interrupts", 5);

  @Test
  @Fault(
      value = "kill -9 of launch-all at any step",
      promise =
          "the next launch-all continues from there; no disk or key is made twice or left"
              + " half-made")
  void killedAtAnyStep() throws IOException {
    interruptedAtAnyStep("KILL", 137);
  }

  @Test
  @Fault(
      value = "Ctrl-C in launch-all at any step",
      promise = "it ends at once; the next launch-all continues from there")
  void ctrlCAtAnyStep() throws IOException {
    interruptedAtAnyStep("INT", 130);
  }

  private void interruptedAtAnyStep(String signal, int exit) throws IOException {
    long seed = Long.getLong("kubenet.seed", System.nanoTime());
    try (TinyCluster tiny = TinyCluster.make()) {
      Path bin = counting(tiny);
      launchAndDestroy(tiny, bin, "the first, which imports the image");
      Files.delete(tiny.top().resolve("count"));
      launchAndDestroy(tiny, bin, "one like all that follow");
      int all = Files.readAllLines(tiny.top().resolve("count")).size();
      List<Integer> steps = new ArrayList<>(IntStream.rangeClosed(1, all).boxed().toList());
      Collections.shuffle(steps, new Random(seed));
      List<Integer> tried = steps.subList(0, Math.min(AT_MOST, all));
      System.out.printf("%s of launch-all at steps %s of %d (seed %d)%n", signal, tried, all, seed);
      for (int step : tried) {
        String as = "%s at step %d, seed %d".formatted(signal, step, seed);
        Files.writeString(tiny.top().resolve("at"), step + " " + signal + "\n");
        Files.delete(tiny.top().resolve("count"));
        // a shell has what is in its background ignore Ctrl-C, maybe these tests too, and so what
        // they start
        CommandResult cut = call(tiny, bin).within("env", "--default-signal=INT").run();
        assertThat(cut.exit()).as(as + "\n" + cut).isEqualTo(exit);

        Files.deleteIfExists(tiny.top().resolve("at"));
        launchAndDestroy(tiny, bin, as);
      }
    }
  }

  private static void launchAndDestroy(TinyCluster tiny, Path bin, String as) {
    CommandResult launch = call(tiny, bin).run();
    assertThat(launch.exit()).as(as + "\n" + launch).isZero();
    tiny.assertRuns();
    tiny.run("stop-all", "--destroy", "--yes").succeeded();
  }

  private static CommandResult.Call call(TinyCluster tiny, Path bin) {
    return tiny.call("launch-all").with("PATH", bin + ":" + System.getenv("PATH"));
  }

  /**
   * Programs that count their starts, and at the one in file {@code at} signal who started them.
   */
  private static Path counting(TinyCluster tiny) throws IOException {
    Path bin = Files.createDirectories(tiny.top().resolve("bin"));
    for (String program : PROGRAMS) {
      CommandResult.fake(
          bin.resolve(program),
          "cd '%s'".formatted(tiny.top()),
          "echo %s >> count".formatted(program),
          // two that start at once may both count one more; the first to rename the file signals
          "if [ -f at ] && read step signal < at && [ \"$(wc -l < count)\" -ge $step ]"
              + " && mv at sent 2> /dev/null; then",
          "  kill -$signal $PPID",
          // so that no later step comes before the signal is heeded
          "  for i in $(seq 100); do kill -0 $PPID 2> /dev/null || break; sleep 0.1; done",
          "fi",
          "cd \"$OLDPWD\"",
          "exec %s \"$@\"".formatted(Commands.find(program).orElseThrow()));
    }
    return bin;
  }

  @Test
  @Fault(
      value = "Ctrl-C in launch-all at any moment while its VMs start",
      promise = "the VMs that run keep running; stop-all stops them all")
  void aLaunchThatIsCutOffCanBeStopped() throws IOException {
    long seed = Long.getLong("kubenet.seed", System.nanoTime());
    System.out.printf("launch-all cut off at two moments (seed %d)%n", seed);
    Random random = new Random(seed);
    for (int i = 0; i < 2; i++) {
      try (TinyCluster tiny = TinyCluster.make()) {
        Process launch = tiny.call("launch-all").start(tiny.top().resolve("out"));
        Wait.until(
            Duration.ofSeconds(60),
            () -> !launch.isAlive() || Files.exists(tiny.layout().identity()));
        Wait.until(Duration.ofMillis(random.nextInt(3000)), () -> false); // any moment will do
        // what it has just started, too: a person's Ctrl-C goes to all of them
        List<ProcessHandle> all =
            Stream.concat(Stream.of(launch.toHandle()), launch.descendants()).toList();
        launch.destroy();
        Gone.await(all);
      } // close: stop-all --destroy leaves nothing
    }
  }
}

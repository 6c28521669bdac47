import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Random;
import java.util.TreeSet;
import java.util.regex.MatchResult;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import lib.Commands;
import lib.Host;
import lib.ImageBuild;
import lib.Wait;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** What is made for a moment ends with the process that made it, by whatever signal. */
class OutliveTest {
  private static final List<String> SIGNALS = List.of("TERM", "HUP", "INT", "KILL");
  private static final Duration GONE = Duration.ofSeconds(30);

  private final long seed = Long.getLong("kubenet.seed", System.nanoTime());
  private final Random random = new Random(seed);
  private TinyCluster tiny;
  private Path cache;
  private Path bin;

  @BeforeEach
  void cluster() throws IOException {
    tiny = TinyCluster.make(BootSector.SETTLES, "a b");
    cache = tiny.top().resolve("cache");
    bin = Files.createDirectory(tiny.top().resolve("bin"));
  }

  @AfterEach
  void destroy() {
    tiny.close();
  }

  @Test
  @Fault(
      value = "SIGTERM, SIGHUP, SIGINT or kill -9 of launch-all at any step of making templates",
      promise = "their VMs, sockets and folders go with it; the next launch makes the templates")
  void templates() throws Exception {
    signalled(
        "launch-all",
        List.of("qemu-img", "xorriso", "qemu-system-x86_64"),
        call("launch-all", "--yes", "--no-bake", "--only", "gateway,worker0"),
        2);
    call("launch-all", "--yes", "--no-bake", "--only", "gateway,worker0").run().succeeded();
    assertThat(names(cache.resolve("templates"))).anyMatch(name -> name.startsWith("worker-"));
    tiny.assertRuns();
  }

  @Test
  @Fault(
      value = "SIGTERM, SIGHUP, SIGINT or kill -9 of prepare-image at any step of a bake",
      promise = "its VM, sockets and folder go with it")
  void bake() throws Exception {
    signalled(
        "prepare-image",
        List.of("qemu-img", "xorriso", "qemu-system-x86_64"),
        call("prepare-image", "--yes"), // its VM goes on for ever
        2);
  }

  @Test
  @Fault(
      value = "SIGTERM, SIGHUP, SIGINT or kill -9 of prepare-image at any step of an image's build",
      promise = "mmdebstrap and all that it started end with it, and leave no folder")
  void build() throws Exception {
    assumeTrue(Host.isRoot(), "for another user, mmdebstrap can't have its folder in this one");
    assumeTrue(ImageBuild.isPossible(), "debian-built is made on Debian");
    signalled(
        "prepare-image",
        List.of("mmdebstrap"),
        call("prepare-image", "--yes", "--image", "debian-built").with("TMPDIR", tiny.top()),
        15);
    assertThat(names(tiny.top())).noneMatch(name -> name.startsWith("mmdebstrap"));
  }

  private CommandResult.Call call(String script, String... arguments) {
    return tiny.plain(script, arguments)
        .with("KUBENET_CACHE", cache)
        .with("PATH", bin + ":" + System.getenv("PATH"));
  }

  /** Each signal in turn, some time after a program was started for the nth time. */
  private void signalled(
      String script, List<String> programs, CommandResult.Call call, double seconds)
      throws Exception {
    for (String program : programs) {
      fake(program);
    }
    for (String signal : SIGNALS) {
      int step = 1 + random.nextInt(programs.size() * 2);
      String delay = String.format(Locale.ROOT, "%.2f", random.nextDouble() * seconds);
      String as =
          "%s %s s after step %d of %s, seed %d".formatted(signal, delay, step, script, seed);
      System.out.println(as);
      Files.deleteIfExists(tiny.top().resolve("count"));
      Files.writeString(tiny.top().resolve("at"), "%d %s %s\n".formatted(step, signal, delay));
      Process process = call.start(tiny.top().resolve("out"));
      // one that has fewer steps, or whose VM never ends, is ended all the same
      if (!Wait.until(Duration.ofSeconds(60), () -> !process.isAlive())) {
        Commands.run(lib.Argv.of("kill", "-" + signal, "" + process.pid()));
      }
      process.onExit().join();
      assertNothingIsMadeAnyMore(as);
    }
    bin.toFile().renameTo(tiny.top().resolve("used").toFile());
    Files.createDirectory(bin);
  }

  /** Counts its starts; at one of them it has the process that started it signalled. */
  private void fake(String program) {
    CommandResult.fake(
        bin.resolve(program),
        "cd '%s'".formatted(tiny.top()),
        "echo %s \"$*\" >> count".formatted(program),
        "parent=$PPID",
        "if [ -f at ] && read step signal delay < at && [ \"$(wc -l < count)\" -ge $step ]"
            + " && mv at sent 2> /dev/null; then",
        "  (sleep $delay; kill -$signal $parent) > /dev/null 2>&1 &",
        "fi",
        "cd \"$OLDPWD\"",
        "exec %s \"$@\"".formatted(Commands.find(program).orElseThrow()));
  }

  /** All but what a launch leaves running on purpose. */
  private void assertNothingIsMadeAnyMore(String as) throws IOException {
    Wait.until(GONE, () -> made().isEmpty());
    String said = Files.readString(tiny.top().resolve("out"));
    assertThat(made()).as("%s\n%s", as, said).isEmpty();
    String counted = Files.readString(tiny.top().resolve("count"));
    Pattern socket = Pattern.compile("/tmp/kubenet-[^/ ,]+/(?:template.qmp|bake.qmp|qmp)");
    for (MatchResult path : socket.matcher(counted).results().toList()) {
      assertThat(Path.of(path.group()).getParent()).as(as).doesNotExist();
    }
  }

  private List<String> made() {
    List<String> made = new ArrayList<>();
    for (String store : List.of("images", "templates")) {
      names(cache.resolve(store)).stream().filter(name -> name.startsWith(".")).forEach(made::add);
    }
    processes(tiny.top()).stream()
        .filter(line -> line.matches("\\d+ .*(kubenet-template|kubenet-bake|mmdebstrap|[.]part).*"))
        .forEach(made::add);
    return made;
  }

  private static List<String> names(Path folder) {
    String[] names = folder.toFile().list();
    return names == null ? List.of() : List.copyOf(new TreeSet<>(List.of(names)));
  }

  /** The processes with a folder in their command or environment: number and command. */
  static List<String> processes(Path folder) {
    try (Stream<Path> all = Files.list(Path.of("/proc"))) {
      return all.filter(process -> process.getFileName().toString().matches("[0-9]+"))
          .filter(
              process ->
                  read(process, "cmdline").contains(folder.toString())
                      || read(process, "environ").contains(folder.toString()))
          .map(process -> process.getFileName() + " " + read(process, "cmdline"))
          .toList();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private static String read(Path process, String file) {
    try {
      byte[] bytes = Files.readAllBytes(process.resolve(file));
      return new String(bytes, StandardCharsets.ISO_8859_1).replace('\0', ' ');
    } catch (IOException e) {
      return ""; // it ended meanwhile
    }
  }
}

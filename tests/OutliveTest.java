import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.concurrent.TimeUnit;
import java.util.regex.MatchResult;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import lib.Argv;
import lib.Commands;
import lib.Wait;
import lib.cluster.Host;
import lib.image.ImageBuild;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.parallel.Execution;
import org.junit.jupiter.api.parallel.ExecutionMode;
import org.junit.jupiter.api.parallel.ResourceLock;

/** What is made for a moment ends with the process that made it, by whatever signal. */
@Execution(ExecutionMode.CONCURRENT)
@ResourceLock("OutliveTest") // its own tests one at a time: some are much work
class OutliveTest {
  private static final String[] LAUNCH = {"--yes", "--no-bake", "--only", "gateway,worker0"};
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
      promise =
          "the templates' VMs, sockets and folders go with it; the next launch makes the templates")
  void templates() throws Exception {
    signalled(
        "launch-all",
        List.of("qemu-img", "xorriso", "qemu-system-x86_64"),
        call("launch-all", LAUNCH),
        2);
    call("launch-all", LAUNCH).run().succeeded();
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
      value =
          "SIGTERM, SIGHUP, SIGINT or kill -9 of prepare-image at any step of building an image",
      promise = "mmdebstrap and everything that it started end, too, and leave no folder behind")
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

  @Test
  @Fault(
      value = "kill -9 of a launch-all that makes templates, and of everything that watches it",
      promise =
          "the templates' VMs keep running; the next launch-all, stop-all or prepare-image --prune"
              + " ends them")
  void theNextCommandEndsWhatCouldNotEnd() throws Exception {
    BootSector.WAITS.write(tiny.folder().resolve("tiny.img")); // it says nothing: no template
    Map<String, CommandResult.Call> next = new TreeMap<>();
    String[] cold = Stream.concat(Stream.of(LAUNCH), Stream.of("--cold")).toArray(String[]::new);
    next.put("launch-all", call("launch-all", cold));
    next.put("stop-all", call("stop-all"));
    next.put("prepare-image", call("prepare-image", "--prune", "--yes"));
    for (String script : next.keySet()) {
      Process launch = call("launch-all", LAUNCH).start(tiny.top().resolve("out"));
      awaitTemplateVm();
      for (String line : processes(tiny.top().toString())) {
        if (line.contains("trap '' HUP INT TERM")) { // first, as they would hear of its end
          signal("KILL", Long.parseLong(line.split(" ")[0]));
        }
      }
      signal("KILL", launch.pid());
      launch.onExit().join();
      assertThat(made()).as("left by launch-all").anyMatch(OutliveTest::isTemplateVm);
      assertThat(made()).as("left by launch-all").anyMatch(line -> line.endsWith(".part"));

      next.get(script).run().succeeded();
      assertNothingIsMadeAnyMore(script);
      call("stop-all", "--destroy", "--yes").run().succeeded();
    }
  }

  @Test
  @Fault(
      value = "the terminal is closed while setup makes templates (SIGHUP)",
      promise =
          "the templates' VMs end and leave nothing behind; nodes that run keep running, and the"
              + " next launch continues from there")
  void aClosedTerminal() throws Exception {
    terminal(call("setup", LAUNCH).write(tiny.top().resolve("line")).toString());
    awaitTemplateVm();
    tiny.tmux("kill-session", "-t", "=person");
    assertNothingIsMadeAnyMore("a closed terminal");
    assertThat(processes(tiny.top().toString())).noneMatch(line -> line.contains(" Setup "));
    call("launch-all", LAUNCH).run().succeeded();
    tiny.assertRuns();
  }

  @Test
  @Fault(
      value = "Ctrl-Z in launch-all, then fg (SIGTSTP, SIGCONT)",
      promise =
          "launch-all and its templates stop, then continue; meanwhile other commands say that"
              + " another one is at work")
  void aStoppedLaunchGoesOn() throws Exception {
    terminal("bash --norc -i");
    Path line = call("launch-all", LAUNCH).write(tiny.top().resolve("line"));
    Path exit = tiny.top().resolve("exit");
    String job = "sh -c '%s; echo $? > %s'".formatted(line, exit);
    tiny.tmux("send-keys", "-t", "person", job, "Enter");
    awaitTemplateVm();
    tiny.tmux("send-keys", "-t", "person", "C-z");
    Path launch =
        Path.of("/proc")
            .resolve(
                processes(tiny.top().toString()).stream()
                    .filter(found -> found.contains(" LaunchAll "))
                    .map(found -> found.split(" ")[0])
                    .findFirst()
                    .orElseThrow());
    boolean stopped =
        Wait.until(Duration.ofSeconds(10), () -> read(launch, "status").contains("State:\tT"));
    assertThat(stopped).as(read(launch, "status")).isTrue();
    call("stop-all").run().exitedWith(1).complains("another kubenet command is changing", "end it");
    Wait.until(Duration.ofSeconds(random.nextInt(10)), () -> false);

    tiny.tmux("send-keys", "-t", "person", "fg", "Enter");
    assertThat(Wait.until(Duration.ofSeconds(90), () -> Files.exists(exit))).isTrue();
    assertThat(exit).hasContent("0");
    tiny.tmux("kill-session", "-t", "=person");
    tiny.assertRuns();
    assertThat(names(cache.resolve("templates"))).anyMatch(name -> name.startsWith("worker-"));
  }

  /** Starts a terminal with a command, as a person has it. */
  private void terminal(String command) {
    tiny.tmux("-f", "/dev/null", "new-session", "-d", "-s", "person", "-x", "200", command);
  }

  private void awaitTemplateVm() {
    boolean runs =
        Wait.until(
            Duration.ofSeconds(60), () -> made().stream().anyMatch(OutliveTest::isTemplateVm));
    assertThat(runs).as("a template's VM in %s", made()).isTrue();
  }

  /** Not one of the shells around it. */
  private static boolean isTemplateVm(String line) {
    return line.matches("\\d+ \\S*qemu-system\\S* -name kubenet-template .*");
  }

  @Test
  @Fault(
      value = "SIGTERM, SIGHUP, SIGINT or kill -9 of the tests, a soak, a drill or a bench",
      promise = "their VMs, tmux servers and folders in /tmp go with them")
  void testsAndBenches() throws Exception {
    int ports = Integer.getInteger("kubenet.ports", 31000) + 410;
    String java = Path.of(System.getProperty("java.home"), "bin", "java").toString();
    String classes = System.getProperty("java.class.path");
    CommandResult.Call tests =
        CommandResult.command(
            java, "-Dkubenet.ports=" + ports, "-cp", classes, "AllTests", "--only", "KillTest");
    goes("AllTests", tests, 25);
    goes("soak", bench("tests/soak", "--ports", "" + ports), 25);
    goes("drill", bench("tests/drill", "--ports", "" + ports), 12);
    String race = Commands.find("nc").isPresent() && Host.isRoot() ? "e" : "a";
    goes("race", bench("tests/bench/race", "--contestants", race, "--ports", "" + ports), 60);
  }

  private static CommandResult.Call bench(String script, String... arguments) {
    return CommandResult.script(script, arguments)
        .with("JBANG_LAUNCH_CMD", CommandResult.wrapper());
  }

  private void goes(String name, CommandResult.Call call, int seconds) throws Exception {
    heed(call);
    for (String signal : signals(1)) {
      String mark = "kubenet-outlive-" + random.nextLong();
      String as = "%s of %s, seed %d".formatted(signal, name, seed);
      Process process = call.with("MARK", mark).with("TMUX", null).start(tiny.top().resolve("out"));
      Set<String> folders = new TreeSet<>();
      long end = System.nanoTime() + TimeUnit.SECONDS.toNanos(5 + random.nextInt(seconds));
      Wait.until(
          Duration.ofMinutes(2),
          () -> {
            folders.addAll(folders(mark));
            return !process.isAlive() || !folders.isEmpty() && System.nanoTime() > end;
          });
      String said = Files.readString(tiny.top().resolve("out"));
      assertThat(process.isAlive()).as("%s: %s", as, said).isTrue();
      folders.addAll(folders(mark));
      System.out.printf("%s: %s%n", as, folders);
      signal(signal, process.pid());
      process.onExit().get(60, TimeUnit.SECONDS);
      Wait.until(GONE, () -> processes(mark).isEmpty());
      assertThat(processes(mark)).as(as).isEmpty();
      assertThat(folders).as(as).isNotEmpty().allMatch(folder -> !Files.exists(Path.of(folder)));
    }
  }

  /** The folders of their own that marked processes name. */
  private static Set<String> folders(String mark) {
    Pattern folder = Pattern.compile("(?:/var)?/tmp/(?:kubenet|junit)-[^/ ,:=]+");
    Set<String> folders = new TreeSet<>();
    for (String line : processes(mark)) {
      Path process = Path.of("/proc", line.split(" ")[0]);
      folder
          .matcher(read(process, "cmdline") + " " + read(process, "environ"))
          .results()
          .map(MatchResult::group)
          .forEach(folders::add);
    }
    return folders;
  }

  private static void signal(String signal, long pid) {
    Commands.run(Argv.of("kill", "-" + signal, "" + pid));
  }

  /** What these tests run in may ignore signals: nohup does, and a shell in the background. */
  private static void heed(CommandResult.Call call) {
    call.within("env", "--default-signal=HUP,INT,TERM");
  }

  /** Some of those that end a process. */
  private List<String> signals(int count) {
    List<String> all = new ArrayList<>(List.of("TERM", "HUP", "INT", "KILL"));
    Collections.shuffle(all, random);
    return all.subList(0, Math.min(all.size(), Integer.getInteger("kubenet.signals", count)));
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
    heed(call);
    for (String signal : signals(2)) {
      int step = 1 + random.nextInt(programs.size() * 2);
      String delay = String.format(Locale.ROOT, "%.2f", random.nextDouble() * seconds);
      String as =
          "%s %s s after step %d of %s, seed %d".formatted(signal, delay, step, script, seed);
      System.out.println(as);
      Files.deleteIfExists(tiny.top().resolve("count"));
      Files.writeString(tiny.top().resolve("at"), "%d %s %s\n".formatted(step, signal, delay));
      Process process = call.start(tiny.top().resolve("out"));
      // one that has fewer steps, or whose VM never ends, is ended all the same
      if (!Wait.until(Duration.ofSeconds(20), () -> !process.isAlive())) {
        signal(signal, process.pid());
      }
      process.onExit().get(60, TimeUnit.SECONDS);
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
    String said = Commands.tail(tiny.top().resolve("out"), 100);
    assertThat(made()).as("%s\n%s", as, said).isEmpty();
    String counted = Commands.tail(tiny.top().resolve("count"), 1000);
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
    processes(tiny.top().toString()).stream()
        .filter(line -> line.matches("\\d+ .*(kubenet-template|kubenet-bake|mmdebstrap|[.]part).*"))
        .forEach(made::add);
    return made;
  }

  private static List<String> names(Path folder) {
    String[] names = folder.toFile().list();
    return names == null ? List.of() : List.copyOf(new TreeSet<>(List.of(names)));
  }

  /** The processes with a text in their command or environment: number and command. */
  private static List<String> processes(String text) {
    try (Stream<Path> all = Files.list(Path.of("/proc"))) {
      return all.filter(process -> process.getFileName().toString().matches("[0-9]+"))
          .filter(
              process ->
                  read(process, "cmdline").contains(text)
                      || read(process, "environ").contains(text))
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

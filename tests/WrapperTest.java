import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import lib.Commands;
import lib.cluster.Host;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The wrapper `jbang`, without a network: what it would fetch is served by a program of ours. */
class WrapperTest {
  private static final String VERSION = "0.132.1";
  private static final Path JAVA_HOME = Path.of(System.getProperty("java.home"));

  /** All that the wrapper uses beside a JDK and what fetches. */
  private static final String[] PROGRAMS = {
    "sh", "cat", "cp", "mkdir", "mktemp", "mv", "rm", "readlink", "sed", "sha256sum", "id"
  };

  @TempDir private Path folder;
  private Path bin;
  private Path cache;

  @BeforeEach
  void hidesThisMachine() {
    bin = CommandResult.programs(folder.resolve("bin"), PROGRAMS);
    cache = folder.resolve("cache");
  }

  @Test
  void runsThePinnedVersion() throws IOException {
    keepJar();
    assertThat(wrapper("--version").run().succeeded().err()).isEqualTo(VERSION + "\n");
  }

  @Test
  void runsThroughALinkInAFolderWithASpace() throws IOException {
    keepJar();
    Path elsewhere = Files.createDirectories(folder.resolve("a b/c"));
    Path link = Files.createSymbolicLink(elsewhere.resolve("project"), Project.root());
    CommandResult result =
        isolated(link.resolve("jbang").toString(), "--version").in(elsewhere).run().succeeded();
    Files.delete(link);
    assertThat(result.err()).isEqualTo(VERSION + "\n");
  }

  @Test
  void fetchesOnceWithMaven() throws IOException {
    Path jar = realJar();
    Path calls = folder.resolve("calls");
    maven("cp '%s' \"$target\"".formatted(jar), "echo call >> '%s'".formatted(calls));

    CommandResult first = wrapper("--version").run().succeeded();
    CommandResult second = wrapper("--version").run().succeeded();

    assertThat(first.err())
        .isEqualTo(
            "jbang: fetching JBang %s, once, into %s\n%s\n"
                .formatted(VERSION, cache.resolve("kubenet-wrapper"), VERSION));
    assertThat(second.err()).isEqualTo(VERSION + "\n");
    assertThat(calls).hasContent("call");
    assertThat(kept()).containsExactly("jbang-%s.jar".formatted(VERSION));
  }

  @Test
  void refusesAnotherJarThanThePinnedOne() throws IOException {
    maven("echo not JBang > \"$target\"");
    CommandResult result = wrapper("--version").run().exitedWith(1);
    assertThat(result.out()).isEmpty();
    assertThat(result.err().lines().skip(1))
        .hasSize(2)
        .first()
        .isEqualTo("jbang: the JBang %s from Maven has an unexpected sha256".formatted(VERSION));
    assertThat(result.err()).contains("nothing was kept");
    assertThat(kept()).isEmpty();
  }

  @Test
  void saysThatNothingCouldBeFetched() throws IOException {
    maven("echo no network >&2; exit 1");
    CommandResult result = wrapper("--version").run().exitedWith(1);
    assertThat(result.err().lines().skip(1)).hasSize(2);
    assertThat(result.err()).contains("could not be fetched with mvn, curl or wget", "install it");
    assertThat(kept()).isEmpty();
  }

  @Test
  void anInstalledJBangWins() {
    CommandResult.fake(bin.resolve("jbang"), "printf '<%s>' installed \"$@\"; exit 7");
    CommandResult result = wrapper("a b", "$c", "").run().exitedWith(7).quiet();
    assertThat(result.out()).isEqualTo("<installed><a b><$c><>");
  }

  @Test
  void aWrapperOnThePathIsNoInstalledJBang() throws IOException {
    keepJar();
    Files.copy(Path.of(CommandResult.wrapper()), bin.resolve("jbang"));
    assertThat(bin.resolve("jbang").toFile().setExecutable(true)).isTrue();
    assertThat(wrapper("--version").run().succeeded().err()).isEqualTo(VERSION + "\n");
  }

  @Test
  void saysThatThereIsNoJdk() throws IOException {
    jdk("11");
    CommandResult result =
        wrapperWithoutSystemJdks("--version").with("JAVA_HOME", null).run().exitedWith(1);
    result.complainsInTwoLines(
        "no JDK of version 17 or newer found", "apt install openjdk-17-jdk-headless");
    assertThat(cache).doesNotExist();
  }

  @Test
  void aJdkThatIsTooOldIsPassedOver() throws IOException {
    keepFakeJar();
    jdk("17.0.2");
    jdk("21.0.1");
    CommandResult result =
        wrapperWithoutSystemJdks("x").with("JAVA_HOME", jdk("11.0.9")).run().succeeded();
    assertThat(result.out()).isEqualTo("JDK 21.0.1\n");
  }

  @Test
  void javaHomeComesFirst() throws IOException {
    keepFakeJar();
    jdk("21.0.1");
    CommandResult result =
        wrapperWithoutSystemJdks("x").with("JAVA_HOME", jdk("17.0.2")).run().succeeded();
    assertThat(result.out()).isEqualTo("JDK 17.0.2\n");
  }

  @Test
  void handsOnArgumentsAndExitCode() {
    String odd = "a b'\"$HOME`id`\\*,!";
    CommandResult.jbang("status", "--config", odd)
        .run()
        .exitedWith(1)
        .complainsInTwoLines("there is no %s".formatted(odd), "check --config");
  }

  @Test
  @Fault(
      value = "`HOME` is not set",
      promise = "the home folder in the user's entry is used; nothing is made in `/`")
  void withoutHomeTheUsersEntryTells() throws IOException {
    keepFakeJar();
    Path java = jdk("17.0.2");
    CommandResult.fake(java.resolve("bin/java"), "echo \"$HOME\"");
    CommandResult result =
        wrapper("x").with("JAVA_HOME", java).with("HOME", null).run().succeeded().quiet();
    assertThat(result.out()).isEqualTo(System.getProperty("user.home") + "\n");
  }

  @Test
  @Fault(value = "the user has no entry in `/etc/passwd`", promise = "a message says so")
  void aUserWithoutANameIsTold() throws IOException {
    assumeTrue(Host.isRoot(), "only root can become somebody else");
    String text = Files.readString(Path.of(CommandResult.wrapper()));
    CommandResult.command("sh", "-s", "--", "--version")
        .within("setpriv", "--reuid", "54321", "--regid", "54321", "--clear-groups")
        .in(Path.of("/"))
        .given(text)
        .run()
        .exitedWith(1)
        .complainsInTwoLines("user 54321 has no name on this system", "/etc/passwd");
  }

  @Test
  @Fault(
      value = "only 64 files may be open at once (`ulimit -n 64`)",
      promise = "a message says so, and there is no stack trace")
  void tooFewOpenFilesAreTold() throws IOException {
    keepJar();
    wrapper("--version")
        .within("sh", "-c", "ulimit -n 64; exec \"$@\"", "sh")
        .run()
        .exitedWith(1)
        .complainsInTwoLines("only 64 files may be open at once, 256 are needed", "ulimit -n 1024");
    CommandResult enough =
        wrapper("--version").within("sh", "-c", "ulimit -n 256; exec \"$@\"", "sh").run();
    assertThat(enough.succeeded().err()).isEqualTo(VERSION + "\n");
  }

  @Test
  @Fault(
      value = "a script is started several times at once, for the first time",
      promise =
          "one compiles it and the others wait (with JBang alone, one or more of them would fail)")
  void oneOfFourCompiles() throws Exception {
    keepJar();
    offer("flock");
    Path script = hello(folder);
    Path jars = folder.resolve("jars");
    List<Process> all = new ArrayList<>();
    for (int i = 0; i < 4; i++) {
      all.add(
          wrapper(script.toString())
              .with("JBANG_CACHE_DIR", jars)
              .start(folder.resolve("out" + i)));
    }
    for (int i = 0; i < 4; i++) {
      int exit = all.get(i).waitFor();
      String said = Files.readString(folder.resolve("out" + i));
      assertThat(exit).as(said).isZero();
      assertThat(said.replaceAll("(?m)^\\[jbang\\] Building jar.*\\R", "")).isEqualTo("hello\n");
    }
  }

  @Test
  @Fault(
      value =
          "a locale is not installed, such as a Mac's `LC_CTYPE=UTF-8`, and a folder has an umlaut",
      promise = "kubenet uses `C.UTF-8` instead, and the script in that folder starts")
  void aLocaleThatIsNotInstalled() throws IOException {
    keepJar();
    offer("locale");
    Path umlaut = Files.createDirectory(folder.resolve("\u00fc"));
    Path script = hello(umlaut);
    for (String name : List.of("LC_ALL", "LC_CTYPE", "LANG")) {
      CommandResult result =
          wrapper(script.toString())
              .with("LC_ALL", null)
              .with("LC_CTYPE", null)
              .with("LANG", null)
              .with(name, "UTF-8")
              .run()
              .succeeded();
      assertThat(result.out()).as(name).isEqualTo("hello\n");
    }
  }

  private void offer(String program) {
    Commands.find(program)
        .ifPresent(file -> CommandResult.fake(bin.resolve(program), "exec " + file + " \"$@\""));
  }

  private static Path hello(Path folder) throws IOException {
    return Files.writeString(
        folder.resolve("Hello.java"),
        "class Hello { public static void main(String[] a) { System.out.println(\"hello\"); } }\n");
  }

  /** A run of the wrapper that sees nothing of this machine but {@link #PROGRAMS} and this JDK. */
  private CommandResult.Call wrapper(String... arguments) {
    return isolated(
        Stream.concat(Stream.of(CommandResult.wrapper()), Stream.of(arguments))
            .toArray(String[]::new));
  }

  private CommandResult.Call isolated(String... words) {
    return CommandResult.command(words)
        .in(folder)
        .with("PATH", bin)
        .with("JBANG_DIR", cache)
        .with("JAVA_HOME", JAVA_HOME);
  }

  /** The same with a copy that looks for JDKs in our folder where it looks in the system's. */
  private CommandResult.Call wrapperWithoutSystemJdks(String... arguments) throws IOException {
    String text =
        Files.readString(Path.of(CommandResult.wrapper()))
            .replace("/usr/lib/jvm/*", "'" + folder.resolve("jvm") + "'/*")
            .replaceAll("/(Library|opt|usr/local)/\\S+(Home|jdk)(?=[; ])", "");
    assertThat(text).doesNotContain("/usr/lib/jvm/*", "/opt/homebrew", "/Library/Java");
    Path copy = Files.writeString(folder.resolve("jbang"), text);
    assertThat(copy.toFile().setExecutable(true)).isTrue();
    return isolated(
        Stream.concat(Stream.of(copy.toString()), Stream.of(arguments)).toArray(String[]::new));
  }

  /** What looks like a JDK, and says its version instead of running anything. */
  private Path jdk(String version) throws IOException {
    Path home = folder.resolve("jvm/jdk-" + version);
    CommandResult.fake(home.resolve("bin/javac"), "exit 1");
    CommandResult.fake(home.resolve("bin/java"), "echo JDK " + version);
    Files.writeString(home.resolve("release"), "JAVA_VERSION=\"%s\"\n".formatted(version));
    return home;
  }

  /** A Maven that runs these lines, with the file that it is to make in {@code $target}. */
  private void maven(String... lines) {
    CommandResult.fake(
        bin.resolve("mvn"),
        Stream.concat(
                Stream.of(
                    "for word; do case $word in -DoutputDirectory=*)",
                    "target=${word#*=}/jbang-cli-%s-all.jar;; esac; done".formatted(VERSION)),
                Stream.of(lines))
            .toArray(String[]::new));
  }

  private List<String> kept() throws IOException {
    try (Stream<Path> files = Files.list(cache.resolve("kubenet-wrapper"))) {
      return files.map(file -> file.getFileName().toString()).toList();
    }
  }

  private void keepJar() throws IOException {
    keep(realJar());
  }

  private void keepFakeJar() throws IOException {
    keep(Files.createTempFile(folder, "jbang", ".jar"));
  }

  private void keep(Path jar) throws IOException {
    Path target = cache.resolve("kubenet-wrapper/jbang-%s.jar".formatted(VERSION));
    Files.createDirectories(target.getParent());
    Files.copy(jar, target);
  }

  /** The jar that the wrapper fetched for this user, if it has. */
  private static Path realJar() {
    String given = System.getenv("JBANG_DIR");
    Path home = given != null ? Path.of(given) : Path.of(System.getProperty("user.home"), ".jbang");
    Path jar = home.resolve("kubenet-wrapper/jbang-%s.jar".formatted(VERSION));
    assumeTrue(Files.exists(jar), "the wrapper has not fetched JBang: an installed one is used");
    return jar;
  }
}

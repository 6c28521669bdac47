import static org.assertj.core.api.Assertions.assertThat;

import java.io.File;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.TimeUnit;
import java.util.regex.MatchResult;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import lib.Argv;
import lib.Commands;

/**
 * What a command, run as a process of its own, left behind.
 *
 * @param command its words
 * @param exit its exit code
 * @param out standard output
 * @param err standard error, without JBang's own lines
 */
record CommandResult(List<String> command, int exit, String out, String err) {
  private static final Map<String, List<String>> JAVA = new ConcurrentHashMap<>();

  /** The names of all scripts of the top folder, sorted: {@code launch-all}, ... */
  static List<String> scripts() {
    try (Stream<Path> files = Files.list(Project.root())) {
      return files
          .map(file -> file.getFileName().toString())
          .filter(name -> name.endsWith(".java"))
          .map(name -> name.replace(".java", ""))
          .sorted()
          .toList();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** A script's arguments, {@code more} included: launch-vm takes a node's name first. */
  static String[] arguments(String script, String... more) {
    Stream<String> first = script.equals("launch-vm") ? Stream.of("worker0") : Stream.empty();
    return Stream.concat(first, Stream.of(more)).toArray(String[]::new);
  }

  /** Builds all scripts, so that no later run has to, and learns how JBang would start them. */
  static void buildAll() {
    scripts().parallelStream().forEach(CommandResult::java);
  }

  /** A run of {@code ./jbang SCRIPT.java ARGUMENTS}, as a user types it. */
  static Call jbang(String script, String... arguments) {
    String file = Project.root().resolve(script + ".java").toString();
    return new Call(words(List.of(wrapper(), file), arguments));
  }

  /**
   * The same without JBang's own JVM, which takes most of the time: the very command that JBang
   * would have started.
   */
  static Call script(String script, String... arguments) {
    return new Call(words(java(script), arguments));
  }

  /** A run of any command. */
  static Call command(String... words) {
    return new Call(List.of(words));
  }

  static String wrapper() {
    return Project.root().resolve("jbang").toString();
  }

  /** The JVM's command for a script: program, class path and main class. */
  private static List<String> java(String script) {
    return JAVA.computeIfAbsent(
        script,
        name -> {
          Path file = Project.root().resolve(name + ".java");
          String classPath = classPath(file);
          List<String> words = new ArrayList<>();
          words.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
          words.addAll(List.of("-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC")); // starts sooner
          words.addAll(header(file, "RUNTIME_OPTIONS"));
          words.addAll(List.of("-classpath", classPath));
          words.addAll(header(file, "MAIN"));
          return List.copyOf(words);
        });
  }

  /**
   * The class path of a script: that of this process, if it has the script's class, which spares a
   * build (CopyTest builds each script alone); else that of a script that is built. An edit
   * meanwhile makes another jar necessary.
   */
  private static String classPath(Path script) {
    String main = header(script, "MAIN").get(0);
    if (CommandResult.class.getResource("/" + main + ".class") != null) {
      return System.getProperty("java.class.path");
    }
    for (int attempt = 0; attempt < 5; attempt++) {
      String classPath =
          command(wrapper(), "info", "classpath", script.toString()).run().succeeded().out();
      if (Files.exists(Path.of(classPath.split(File.pathSeparator)[0]))) {
        return classPath.strip();
      }
      command(wrapper(), "build", script.toString()).run().succeeded();
    }
    throw new AssertionError(script + " is changed all the time");
  }

  /** The words after a JBang directive in a script's header. */
  static List<String> header(Path script, String directive) {
    try {
      return Pattern.compile("(?m)^//" + directive + " +(.+?)\\s*$")
          .matcher(Files.readString(script))
          .results()
          .map(MatchResult::group)
          .map(line -> line.substring(directive.length() + 2))
          .map(line -> line.replaceFirst("\\s//\\s.*", "").strip()) // a comment, to JBang, too
          .flatMap(line -> Stream.of(line.split(" +")))
          .toList();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private static List<String> words(List<String> first, String... rest) {
    return Stream.concat(first.stream(), Stream.of(rest)).toList();
  }

  /** Fails unless the command ended with 0. */
  CommandResult succeeded() {
    return exitedWith(0);
  }

  /** Fails unless the command ended with this code. */
  CommandResult exitedWith(int code) {
    assertThat(exit).as("exit code of %s", this).isEqualTo(code);
    return this;
  }

  /** Fails unless each text stands somewhere on standard output. */
  CommandResult prints(String... texts) {
    assertThat(out).as("output of %s", this).contains(texts);
    return this;
  }

  /** Fails unless standard error is a fact of some lines and a hint, and no stack trace. */
  CommandResult complains(String fact, String hint) {
    assertThat(err).as("errors of %s", this).doesNotContain("\tat ", "Exception in thread");
    List<String> lines = err.lines().toList();
    assertThat(lines).as("errors of %s", this).hasSizeGreaterThanOrEqualTo(2);
    int last = err.indexOf("\n(");
    assertThat(last).as("a hint in parentheses in the errors of %s", this).isPositive();
    assertThat(err.substring(0, last)).as("fact of %s", this).contains(fact);
    assertThat(err.substring(last)).as("hint of %s", this).contains(hint);
    assertThat(err.stripTrailing()).endsWith(")");
    return this;
  }

  /** As {@link #complains}, with one line for the fact and one for the hint. */
  CommandResult complainsInTwoLines(String fact, String hint) {
    complains(fact, hint);
    assertThat(err.lines()).as("errors of %s", this).hasSize(2);
    return this;
  }

  /** Fails if there is anything on standard error. */
  CommandResult quiet() {
    assertThat(err).as("errors of %s", this).isEmpty();
    return this;
  }

  @Override
  public String toString() {
    String shown = command.stream().filter(w -> w.length() < 300).collect(Collectors.joining(" "));
    return "`%s` (exit code %d)\n--- out\n%s--- err\n%s---".formatted(shown, exit, out, err);
  }

  /** A run that is not yet started. */
  static final class Call {
    private final List<String> command;
    private final Map<String, String> environment = new HashMap<>();
    private Path folder = Project.root();
    private String input = "";
    private Duration limit = Duration.ofMinutes(2);

    private Call(List<String> command) {
      this.command = new ArrayList<>(command);
    }

    /** Sets the current folder. */
    Call in(Path current) {
      folder = current;
      return this;
    }

    /** Sets a variable of the environment; {@code null} removes it. */
    Call with(String name, Object value) {
      environment.put(name, value == null ? null : value.toString());
      return this;
    }

    /** Puts words before the command, such as those that enter a namespace. */
    Call within(String... words) {
      command.addAll(0, List.of(words));
      return this;
    }

    /** Sets what is on standard input. */
    Call given(String text) {
      input = text;
      return this;
    }

    /** Replaces the JVM of a {@link CommandResult#script}. */
    Call on(Path javaHome) {
      command.set(0, javaHome.resolve("bin/java").toString());
      return this;
    }

    /** Copies a {@link CommandResult#script}'s jars to a folder that other users can read. */
    Call withJarsIn(Path readable) throws IOException {
      int classPath = command.indexOf("-classpath") + 1;
      List<String> copies = new ArrayList<>();
      for (String jar : command.get(classPath).split(File.pathSeparator)) {
        Path copy = readable.resolve(Path.of(jar).getFileName());
        Files.copy(Path.of(jar), copy, StandardCopyOption.REPLACE_EXISTING);
        copies.add(copy.toString());
      }
      command.set(classPath, String.join(File.pathSeparator, copies));
      return this;
    }

    /** Sets how long it may take: else two minutes. */
    Call atMost(Duration time) {
      limit = time;
      return this;
    }

    /** Runs it to its end, in the time that it may take; it and all it started are gone then. */
    CommandResult run() {
      Path work = null;
      try {
        work = Leftovers.folder("kubenet-run-");
        return run(work);
      } catch (IOException e) {
        throw new UncheckedIOException(e);
      } catch (InterruptedException e) {
        throw new AssertionError("interrupted", e);
      } finally {
        remove(work);
      }
    }

    /** Starts it and goes on; what it says goes to a file. */
    Process start(Path out) throws IOException {
      ProcessBuilder builder =
          new ProcessBuilder(command)
              .directory(folder.toFile())
              .redirectInput(new File("/dev/null"))
              .redirectErrorStream(true)
              .redirectOutput(out.toFile());
      withoutThisTerminal(builder.environment());
      environment.forEach((name, value) -> put(builder.environment(), name, value));
      return builder.start();
    }

    /** Writes it as a shell script, for a terminal to run. */
    Path write(Path file) {
      List<String> lines = new ArrayList<>(List.of("cd " + Argv.quote(folder.toString())));
      environment.forEach((name, value) -> lines.add("export " + name + "=" + Argv.quote(value)));
      lines.add("exec " + command.stream().map(Argv::quote).collect(Collectors.joining(" ")));
      return fake(file, lines.toArray(String[]::new));
    }

    private CommandResult run(Path work) throws IOException, InterruptedException {
      Path tmux = Files.createDirectory(work.resolve("tmux"));
      File out = work.resolve("out").toFile();
      File err = work.resolve("err").toFile();
      Path in = Files.writeString(work.resolve("in"), input);
      ProcessBuilder builder =
          new ProcessBuilder(command)
              .directory(folder.toFile())
              .redirectInput(in.toFile())
              .redirectOutput(out)
              .redirectError(err);
      Map<String, String> all = builder.environment();
      withoutThisTerminal(all);
      all.put("TMUX_TMPDIR", tmux.toString());
      environment.forEach((name, value) -> put(all, name, value));
      Process process = builder.start();
      boolean ended;
      try {
        ended = process.waitFor(limit.toSeconds(), TimeUnit.SECONDS);
      } finally {
        process.descendants().forEach(ProcessHandle::destroyForcibly);
        process.destroyForcibly().waitFor();
      }
      CommandResult result =
          new CommandResult(
              command,
              process.exitValue(),
              Files.readString(out.toPath()),
              Files.readString(err.toPath()).replaceAll("(?m)^\\[jbang\\] .*\\R?", ""));
      assertThat(ended).as("ended within %s: %s", limit, result).isTrue();
      assertThat(sockets(tmux)).as("tmux sockets of %s", result).isEmpty();
      return result;
    }

    /** With TMUX, tmux would take the server of whoever runs these tests. */
    private static void withoutThisTerminal(Map<String, String> all) {
      List.of("TMUX", "CI", "JAVA_TOOL_OPTIONS").forEach(all::remove);
    }

    private static List<Path> sockets(Path folder) throws IOException {
      try (Stream<Path> files = Files.walk(folder)) {
        return files.filter(file -> !Files.isDirectory(file)).toList();
      }
    }

    private static void put(Map<String, String> all, String name, String value) {
      if (value == null) {
        all.remove(name);
      } else {
        all.put(name, value);
      }
    }
  }

  /** Every file below a folder, itself included, with all that would show a change of it. */
  static Map<String, String> tree(Path folder) {
    try (Stream<Path> files = Files.walk(folder)) {
      Map<String, String> tree = new TreeMap<>();
      for (Path file : files.toList()) {
        String content = Files.isRegularFile(file) ? " " + Files.size(file) : "";
        tree.put(
            folder.relativize(file).toString(),
            Files.getLastModifiedTime(file) + " " + Files.getPosixFilePermissions(file) + content);
      }
      return tree;
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** Removes a folder and all in it. */
  static void remove(Path folder) {
    if (folder == null || !Files.exists(folder)) {
      return;
    }
    try (Stream<Path> files = Files.walk(folder)) {
      for (Path file : files.sorted(Comparator.reverseOrder()).toList()) {
        Files.delete(file);
      }
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** A folder with these programs of this machine, to be the whole PATH of a run. */
  static Path programs(Path folder, String... names) {
    for (String name : names) {
      Path program =
          Commands.find(name).orElseThrow(() -> new AssertionError(name + " is not on the PATH"));
      fake(folder.resolve(name), "exec %s \"$@\"".formatted(program));
    }
    return folder;
  }

  /** Writes a shell script that stands for a program. */
  static Path fake(Path file, String... lines) {
    try {
      Files.createDirectories(file.getParent());
      Files.writeString(file, "#!/bin/sh\n" + String.join("\n", lines) + "\n");
      assertThat(file.toFile().setExecutable(true)).isTrue();
      return file;
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}

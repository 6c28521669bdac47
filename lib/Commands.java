//DEPS org.zeroturnaround:zt-exec:1.13.0
//DEPS org.slf4j:slf4j-nop:2.0.20
package lib;

import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.FilterOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.io.RandomAccessFile;
import java.lang.ProcessBuilder.Redirect;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.zeroturnaround.exec.ProcessExecutor;
import org.zeroturnaround.exec.listener.ProcessListener;

/** The only file that starts processes. */
public final class Commands {
  private static final Duration LIMIT = Duration.ofMinutes(1);

  /** What a command may say on each output, in bytes: the listings that are read have some KiB. */
  private static final int MOST = 16 << 20;

  /** Programs, and those they start, are also found where an ordinary user's PATH does not look. */
  private static final String PATH =
      System.getenv().getOrDefault("PATH", "/usr/bin:/bin") + ":/usr/sbin:/sbin";

  private Commands() {}

  /**
   * What a command left.
   *
   * @param exit its exit code
   * @param out standard output
   * @param err standard error
   */
  public record Result(Argv command, int exit, String out, String err) {

    /** {@return whether it exited with 0} */
    public boolean succeeded() {
      return exit == 0;
    }

    /** {@return this, if the command succeeded; otherwise throws a {@link Problem}} */
    public Result orProblem() {
      if (succeeded()) {
        return this;
      }
      List<String> said = Stream.of(err, out).flatMap(text -> text.strip().lines()).toList();
      String last = String.join("\n", said.subList(Math.max(0, said.size() - 8), said.size()));
      throw new Problem(
          "`%s` ended with exit code %d%s"
              .formatted(command.program(), exit, last.isEmpty() ? "" : ":\n" + last),
          "to see it again, run: " + command.toShell());
    }
  }

  /**
   * Runs a short command to its end, whatever its exit code.
   *
   * @throws Problem if it can't be started, takes longer than a minute or says more than 16 MiB
   */
  public static Result run(Argv command) {
    return run(command, "", LIMIT, MOST);
  }

  /** The same with a text on its standard input. */
  public static Result run(Argv command, String input) {
    return run(command, input, LIMIT, MOST);
  }

  /** The same with another time after which it is ended. */
  public static Result run(Argv command, Duration limit) {
    return run(command, "", limit, MOST);
  }

  /** The same for a command that may say no more than {@code most} bytes. */
  public static Result run(Argv command, int most) {
    return run(command, "", LIMIT, most);
  }

  private static Result run(Argv command, String input, Duration limit, int most) {
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    ByteArrayOutputStream err = new ByteArrayOutputStream();
    Bound bound = new Bound(most);
    try {
      ProcessExecutor executor = new ProcessExecutor(words(command));
      if (!input.isEmpty()) { // else it is closed
        executor.redirectInput(new ByteArrayInputStream(input.getBytes(StandardCharsets.UTF_8)));
      }
      int exit =
          executor
              .environment("PATH", PATH)
              .redirectOutput(bound.of(out))
              .redirectError(bound.of(err))
              .addListener(bound)
              .timeout(limit.toMillis(), TimeUnit.MILLISECONDS)
              .destroyOnExit()
              .execute()
              .getExitValue();
      if (bound.passed) {
        throw new Problem(
            "`%s` says more than %d MiB".formatted(command.program(), most >> 20),
            "to see what, run: " + command.toShell());
      }
      return new Result(
          command,
          exit,
          out.toString(StandardCharsets.UTF_8),
          err.toString(StandardCharsets.UTF_8));
    } catch (TimeoutException e) {
      throw late(command, limit);
    } catch (IOException e) {
      throw notStarted(command, e);
    } catch (InterruptedException e) {
      throw interrupted(command, e);
    }
  }

  /** Ends a process that says more than so many bytes. */
  private static final class Bound extends ProcessListener {
    private final int most;
    private volatile Process process;
    private volatile boolean passed;

    Bound(int most) {
      this.most = most;
    }

    @Override
    public void afterStart(Process started, ProcessExecutor executor) {
      process = started;
      if (passed) {
        process.destroyForcibly();
      }
    }

    /** What hands on to {@code out} what is not too much, and drops the rest. */
    OutputStream of(OutputStream out) {
      return new FilterOutputStream(out) {
        private long said;

        @Override
        public void write(byte[] bytes, int from, int length) throws IOException {
          said += length;
          if (said <= most) {
            out.write(bytes, from, length);
          } else {
            passed = true;
            if (process != null) {
              process.destroyForcibly();
            }
          }
        }
      };
    }
  }

  /**
   * Runs a command on this terminal, keyboard and all, and returns its exit code. (zt-exec cannot
   * hand on a terminal: its issue #63.)
   */
  public static int onTerminal(Argv command) {
    try {
      return process(command).inheritIO().start().waitFor();
    } catch (IOException e) {
      throw notStarted(command, e);
    } catch (InterruptedException e) {
      throw interrupted(command, e);
    }
  }

  /**
   * Goes before a command, whose process it becomes. What it leaves behind waits until standard
   * input ends, as it does with this process (even by signal 9), and ends the command then: kindly,
   * for a program that tidies up, and after five seconds by force.
   *
   * <p>Before {@code read} returns because the command itself has ended, its number is free; none
   * gets that one again so soon.
   */
  private static final String GUARD =
      """
      exec 3<&0 < /dev/null
      {
        trap '' HUP INT TERM
        read -r _ <&3
        kill -TERM -$$ || kill -TERM $$
        i=0
        while [ $i -lt 50 ] && kill -0 $$; do
          sleep 0.1
          i=$((i + 1))
        done
        kill -KILL -$$ || kill -KILL $$
      } > /dev/null 2>&1 &
      exec "$@" 3<&-
      """;

  /**
   * Starts a command that ends with this process, however this one ends, and with it all that it
   * starts. Its standard error goes to a file. Ctrl-C in a terminal does not reach it.
   */
  public static Process start(Argv command, Path errors) {
    String program = command.program();
    if (!program.contains("/") && find(program).isEmpty()) {
      throw notStarted(command, new IOException("no such file"));
    }
    Argv guard = Argv.of("/bin/sh", "-c", GUARD, "sh").add(words(command).toArray(String[]::new));
    return start(guard, Redirect.to(errors.toFile()));
  }

  private static Process start(Argv shell, Redirect errors) {
    // as the leader of a group, so that one signal ends all; Linux has the one, macOS the other
    Argv leader =
        find("setsid").isPresent()
            ? Argv.of("setsid")
            : find("perl").isPresent()
                ? Argv.of("perl", "-e", "setpgrp(0, 0); exec @ARGV")
                : Argv.empty();
    Argv command = leader.then(shell);
    try {
      return process(command).redirectOutput(Redirect.DISCARD).redirectError(errors).start();
    } catch (IOException e) {
      throw notStarted(command, e);
    }
  }

  /**
   * Runs a long command, which ends with this process as one that is {@link #start}ed.
   *
   * @param limit the time after which it is ended
   * @param errors gets its standard error, and is removed afterwards
   * @throws Problem if it can't be started or takes longer
   */
  public static Result run(Argv command, Duration limit, Path errors) {
    Process process = start(command, errors);
    try {
      if (!process.waitFor(limit.toMillis(), TimeUnit.MILLISECONDS)) {
        throw late(command, limit);
      }
      return new Result(command, process.exitValue(), "", tail(errors, 8));
    } catch (InterruptedException e) {
      throw interrupted(command, e);
    } finally {
      process.destroyForcibly();
      errors.toFile().delete();
    }
  }

  /**
   * A shell script that runs when this process has ended, however it ended; or when it is closed.
   */
  public static final class AtEnd implements AutoCloseable {
    private final Process shell;

    private AtEnd(Process shell) {
      this.shell = shell;
    }

    /** Adds a line to what the script finds in {@code $lines}. */
    public void tell(String line) {
      try {
        shell.outputWriter(StandardCharsets.UTF_8).append(line).append('\n').flush();
      } catch (IOException e) {
        throw new Problem("what would tidy up has ended", "run the same again", e);
      }
    }

    /** Runs it now, and waits until it has ended. */
    @Override
    public void close() {
      try {
        shell.getOutputStream().close();
        shell.waitFor();
      } catch (IOException e) {
        // it has ended
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt(); // it goes on by itself
      }
    }
  }

  /** {@return what will run a script of {@code /bin/sh}, given these arguments} */
  public static AtEnd atEnd(String script, String... arguments) {
    String waiting = "trap '' HUP INT TERM\nlines=$(cat)\n" + script;
    Argv shell = Argv.of("/bin/sh", "-c", waiting, "sh").add(arguments);
    return new AtEnd(start(shell, Redirect.DISCARD));
  }

  /** {@return what will remove folders, whoever still writes into them for a moment} */
  public static AtEnd removeAtEnd(Path... folders) {
    // files of a build may belong to users of a namespace, which this user is root of
    String script =
        """
        i=0
        while [ $i -lt 100 ]; do
          rm -rf -- "$@" || unshare --map-root-user --map-auto -- rm -rf -- "$@"
          left=
          for folder; do [ ! -e "$folder" ] || left=1; done
          [ -n "$left" ] || exit 0
          sleep 0.1
          i=$((i + 1))
        done
        """;
    return atEnd(script, Stream.of(folders).map(Path::toString).toArray(String[]::new));
  }

  /**
   * {@return the file that a program's name means: on the PATH, or in the folders of system
   * programs, which are not on every user's PATH}
   */
  public static Optional<Path> find(String program) {
    return Stream.of(PATH.split(":"))
        .filter(folder -> !folder.isEmpty())
        .map(folder -> Path.of(folder, program))
        .filter(file -> Files.isExecutable(file) && Files.isRegularFile(file))
        .findFirst();
  }

  private static ProcessBuilder process(Argv command) {
    ProcessBuilder builder = new ProcessBuilder(words(command));
    builder.environment().put("PATH", PATH);
    return builder;
  }

  /** The words of a command, its program as the file that {@link #find} found. */
  private static List<String> words(Argv command) {
    List<String> words = new ArrayList<>(command.toList());
    if (!words.get(0).contains("/")) {
      find(words.get(0)).ifPresent(file -> words.set(0, file.toString()));
    }
    return words;
  }

  private static Problem late(Argv command, Duration limit) {
    return new Problem(
        "`%s` did not end within %d s".formatted(command.program(), limit.toSeconds()),
        "to see why, run: " + command.toShell());
  }

  private static Problem notStarted(Argv command, IOException cause) {
    return find(command.program()).isEmpty() && !command.program().startsWith("/")
        ? new Problem(
            "`%s` is not installed".formatted(command.program()),
            "it is in none of the folders of PATH: " + PATH,
            cause)
        : new Problem(
            "`%s` could not be started: %s".formatted(command.program(), cause.getMessage()),
            "to see it again, run: " + command.toShell(),
            cause);
  }

  private static Problem interrupted(Argv command, InterruptedException cause) {
    Thread.currentThread().interrupt();
    return new Problem(
        "interrupted while `%s` ran".formatted(command.program()), "run the same again", cause);
  }

  /**
   * {@return the last lines of a file that may be long or missing, for messages}
   *
   * <p>A console is full of colours and other escape codes: they are left out, not written out.
   */
  public static String tail(Path file, int lines) {
    try (RandomAccessFile end = new RandomAccessFile(file.toFile(), "r")) {
      byte[] bytes = new byte[(int) Math.min(8192, end.length())];
      end.seek(end.length() - bytes.length);
      int read = Math.max(0, end.read(bytes));
      List<String> all =
          new String(bytes, 0, read, StandardCharsets.UTF_8)
              .replaceAll("(\u001b\\[|\u009b)[0-9;?]*[a-zA-Z]", "")
              .replaceAll("[\\p{Cc}\\p{Cf}\\p{Cs}\\p{Zl}\\p{Zp}&&[^\n]]", "")
              .lines()
              .filter(line -> !line.isBlank())
              .toList();
      return all.stream().skip(Math.max(0, all.size() - lines)).collect(Collectors.joining("\n"));
    } catch (IOException e) {
      return "";
    }
  }
}

//DEPS org.zeroturnaround:zt-exec:1.13.0
//DEPS org.slf4j:slf4j-nop:2.0.20
package lib;

import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.File;
import java.io.FilterOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.io.RandomAccessFile;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.function.Consumer;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.zeroturnaround.exec.ProcessExecutor;
import org.zeroturnaround.exec.listener.ProcessListener;
import org.zeroturnaround.exec.stream.LogOutputStream;

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
      if (!succeeded()) {
        String said = (err + out).strip();
        List<String> lines = said.lines().toList();
        throw new Problem(
            "`%s` ended with exit code %d%s"
                .formatted(
                    command.program(),
                    exit,
                    said.isEmpty()
                        ? ""
                        : ":\n"
                            + String.join(
                                "\n", lines.subList(Math.max(0, lines.size() - 8), lines.size()))),
            "to see it again, run: " + command.toShell());
      }
      return this;
    }
  }

  /**
   * Runs a short command to its end, whatever its exit code.
   *
   * @throws Problem if it can't be started, takes longer than a minute or says more than 16 MiB
   */
  public static Result run(Argv command) {
    return run(command, LIMIT, line -> {});
  }

  /** The same with a text on its standard input. */
  public static Result run(Argv command, String input) {
    return run(command, input, LIMIT, line -> {});
  }

  /**
   * The same for a long command.
   *
   * @param limit the time after which it is ended
   * @param lines gets each line of its standard error as it comes
   */
  public static Result run(Argv command, Duration limit, Consumer<String> lines) {
    return run(command, "", limit, lines);
  }

  private static Result run(Argv command, String input, Duration limit, Consumer<String> lines) {
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    Bound bound = new Bound();
    StringBuilder err = new StringBuilder();
    LogOutputStream errors =
        new LogOutputStream() {
          @Override
          protected void processLine(String line) {
            err.append(line).append('\n');
            lines.accept(line);
          }
        };
    try {
      ProcessExecutor executor = new ProcessExecutor(words(command));
      if (!input.isEmpty()) { // else it is closed
        executor.redirectInput(new ByteArrayInputStream(input.getBytes(StandardCharsets.UTF_8)));
      }
      int exit =
          executor
              .environment("PATH", PATH)
              .redirectOutput(bound.of(out))
              .redirectError(bound.of(errors))
              .addListener(bound)
              .timeout(limit.toMillis(), TimeUnit.MILLISECONDS)
              .destroyOnExit()
              .execute()
              .getExitValue();
      if (bound.passed) {
        throw new Problem(
            "`%s` says more than %d MiB".formatted(command.program(), MOST >> 20),
            "to see what, run: " + command.toShell());
      }
      return new Result(command, exit, out.toString(StandardCharsets.UTF_8), err.toString());
    } catch (TimeoutException e) {
      throw new Problem(
          "`%s` did not end within %d s".formatted(command.program(), limit.toSeconds()),
          "to see why, run: " + command.toShell(),
          e);
    } catch (IOException e) {
      throw notStarted(command, e);
    } catch (InterruptedException e) {
      throw interrupted(command, e);
    }
  }

  /** Ends a process that says more than {@link #MOST}. */
  private static final class Bound extends ProcessListener {
    private volatile Process process;
    private volatile boolean passed;

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
          if (said <= MOST) {
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
   * Starts a command that goes on by itself, its standard error going to a file; for trials that
   * end it again.
   */
  public static Process start(Argv command, Path errors) {
    try {
      return process(command)
          .redirectInput(new File("/dev/null"))
          .redirectOutput(new File("/dev/null"))
          .redirectError(errors.toFile())
          .start();
    } catch (IOException e) {
      throw notStarted(command, e);
    }
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

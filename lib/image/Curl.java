package lib.image;

import java.io.IOException;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Optional;
import java.util.regex.MatchResult;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import lib.Argv;
import lib.Commands;
import lib.Plan;
import lib.Problem;
import lib.Terminal;
import lib.Visible;
import lib.Wait;
import lib.qemu.Digest;

/**
 * Fetches a file from the web with curl. The command that runs is the one that a dry run prints.
 *
 * <p>What was received so far stays in a file, and curl goes on from there, after a broken
 * connection as well as in a later run. curl's own {@code --retry} would throw that away each time
 * (curl's issues 1084 and 18035), so this class does the retrying itself.
 *
 * @param url where the file is
 * @param patience how long a server may be silent, in whole seconds
 */
public record Curl(URI url, Duration patience) {
  /** How many times in a row it tries without receiving anything new. */
  private static final int ATTEMPTS = 4;

  private static final Duration PAUSE = Duration.ofSeconds(1);
  private static final int SMALL = 1 << 20;

  /** What curl writes last: the HTTP status, and how long it took to connect. */
  private static final String LAST = "%{stderr}\nstatus %{http_code} %{time_pretransfer}\n";

  private static final Pattern STATUS =
      Pattern.compile("(?:^|\n)status ([0-9]{3}) ([0-9.,]+)\\s*$");
  private static final Pattern ERROR = Pattern.compile("curl: \\([0-9]+\\) (.*)");
  private static final Pattern BAR = Pattern.compile("[# ]*\\b([0-9]{1,3})\\.[0-9]%");

  /** Some of curl's exit codes (curl(1), "EXIT CODES"). */
  private static final int NO_HOST = 6;

  private static final int WRITE_ERROR = 23;
  private static final int TIMEOUT = 28;
  private static final int NO_RANGES = 33;
  private static final int TOO_LARGE = 63;

  /**
   * What curl said.
   *
   * @param exit its exit code
   * @param status the HTTP status; 0 if there was no answer
   * @param connected whether there was a connection, encrypted if it had to be
   * @param error its message; empty if it gave none
   */
  private record Answer(int exit, int status, boolean connected, String error) {
    static Answer of(int exit, String said) {
      Matcher last = STATUS.matcher(said);
      boolean whole = last.find();
      Matcher error = ERROR.matcher(said);
      return new Answer(
          exit,
          whole ? Integer.parseInt(last.group(1)) : 0,
          whole && last.group(2).matches(".*[1-9].*"),
          error.find() ? Visible.line(error.group(1)) : "");
    }

    /** Whether asking again would change nothing. */
    boolean isRefusal() {
      return exit == 0 || exit == NO_RANGES || status >= 300 && status < 500;
    }
  }

  /** The part of the command that is the same for all purposes. */
  private Argv command() {
    return Argv.of("curl", "--disable", "--fail", "--location", "--globoff") // no ~/.curlrc
        .option("--max-redirs", 10)
        .option("--proto", url.getScheme().equals("https") ? "=https" : "=http,https")
        .option("--connect-timeout", Math.min(10, patience.toSeconds()))
        .option("--speed-limit", 1)
        .option("--speed-time", patience.toSeconds())
        .option("--write-out", LAST.replace("\n", "\\n"));
  }

  /**
   * {@return the command that fetches the file, or the rest of it}
   *
   * @param part the file that is written, which may already hold the beginning
   */
  public Argv fetching(Path part) {
    return command()
        .add("--progress-bar", "--no-buffer")
        .option("--continue-at", "-")
        .option("--max-filesize", Math.max(1, free(part)))
        .option("--output", Argv.word(part))
        .add(url.toString());
  }

  private static long free(Path part) {
    Path folder = part.toAbsolutePath().getParent();
    while (!Files.exists(folder)) {
      folder = folder.getParent();
    }
    return folder.toFile().getUsableSpace();
  }

  /**
   * Fetches the whole file.
   *
   * @param part the file that is written, which may already hold the beginning
   * @param sha256 its digest, 64 hexadecimal digits
   * @param errors a file for what curl says, which is removed afterwards
   * @throws Problem if it can't be fetched, or has another digest and is removed
   */
  public void fetch(Path part, String sha256, Path errors, Terminal terminal) {
    int failures = 0;
    long most = part.toFile().length();
    boolean connected = false;
    while (true) {
      long had = part.toFile().length();
      Answer answer = fetch(part, errors, terminal);
      connected |= answer.connected;
      boolean ended =
          answer.exit == 0 && (answer.status == 200 || had > 0 && answer.status == 206)
              || had > 0 && answer.status == 416; // nothing comes after what came before
      if (ended && has(part, sha256)) {
        return;
      }
      if (ended || answer.exit == NO_RANGES && answer.status == 200) {
        new Plan.Remove(part).run();
        if (had == 0) {
          throw problem("what came has another digest than " + sha256);
        }
        terminal.line(
            "  %s; starting anew",
            ended ? "what came before does not fit" : "the server can't send only the rest");
        if (++failures == ATTEMPTS) {
          throw problem(words(answer));
        }
        continue;
      }
      if (answer.exit == WRITE_ERROR && free(part) > SMALL) {
        throw new Problem("cannot write %s: %s".formatted(part, answer.error), "check its owner");
      }
      if (answer.exit == WRITE_ERROR || answer.exit == TOO_LARGE) {
        throw new Problem(
            "cannot write %s: the file needs more than the %d MiB that are free"
                .formatted(part, free(part) >> 20),
            "free some space, then run this again: it goes on from there");
      }
      long has = part.toFile().length();
      failures = has > most ? 0 : failures + 1; // getting the same part twice is no progress
      most = Math.max(most, has);
      if (!connected || failures == ATTEMPTS || answer.isRefusal()) {
        throw problem(words(answer));
      }
      terminal.line("  %s; trying again", words(answer));
      Wait.pause(PAUSE.multipliedBy(1L << failures));
    }
  }

  /** Runs curl once. It ends with this process, however this process ends. */
  private Answer fetch(Path part, Path errors, Terminal terminal) {
    Process process = Commands.start(fetching(part), errors);
    try {
      int shown = -1;
      boolean alive = true;
      while (alive) {
        alive = !Wait.until(Duration.ofMillis(200), () -> !process.isAlive());
        shown = show(errors, shown, terminal);
      }
      if (shown >= 0 && terminal.isInteractive()) {
        terminal.line(""); // ends the line of the bar
      }
      return Answer.of(process.exitValue(), Files.readString(errors));
    } catch (IOException e) {
      throw new Problem("cannot read " + errors + ": " + e.getMessage(), "run this again", e);
    } finally {
      process.destroyForcibly();
      errors.toFile().delete();
    }
  }

  /** Shows how far it has got: curl's bar for a person, otherwise a line for each tenth. */
  private int show(Path errors, int shown, Terminal terminal) {
    Optional<MatchResult> bar =
        BAR.matcher(Commands.tail(errors, 9)).results().reduce((former, latter) -> latter);
    if (bar.isEmpty()) {
      return shown;
    }
    int percent = Integer.parseInt(bar.get().group(1)) / 10 * 10;
    if (terminal.isInteractive()) {
      terminal.redraw(bar.get().group());
    } else if (percent > shown) {
      terminal.line("  %s  %d %%", url.getPath().replaceFirst(".*/", ""), percent);
    }
    return Math.max(percent, shown);
  }

  private static boolean has(Path part, String sha256) {
    try {
      return Files.exists(part) && Digest.of(part).equals(sha256);
    } catch (IOException e) {
      throw new Problem("cannot read " + part + ": " + e.getMessage(), "check its owner", e);
    }
  }

  /**
   * {@return whether the server says that it has no such file, with 404 or 410 (RFC 9110)}
   *
   * @throws Problem if it neither says so nor has the file, or if nobody answers
   */
  public boolean isGone() {
    Argv head = quick().add("--head").option("--output", "/dev/null").add(url.toString());
    Commands.Result result = Commands.run(head);
    Answer answer = Answer.of(result.exit(), result.err());
    boolean gone = answer.status == 404 || answer.status == 410;
    if (!gone && (answer.exit != 0 || answer.status != 200)) {
      throw problem(words(answer));
    }
    return gone;
  }

  /**
   * {@return a small text file, such as SHA256SUMS}
   *
   * @throws Problem if it can't be fetched, or is longer than a MiB
   */
  public String text() {
    Commands.Result result = Commands.run(quick().add(url.toString()), SMALL);
    if (!result.succeeded()) {
      throw problem(words(Answer.of(result.exit(), result.err())));
    }
    return result.out();
  }

  private Argv quick() {
    return command()
        .add("--silent", "--show-error")
        .option("--max-time", patience.toSeconds() * 3 / 2);
  }

  private Problem problem(String words) {
    return new Problem(
        "cannot get %s: %s".formatted(url, words),
        "check the network, and https_proxy if there is a proxy; to see it: curl -I " + url);
  }

  private String words(Answer answer) {
    if (answer.status >= 400 || answer.exit == 0 || answer.exit == NO_RANGES) {
      return "the server answers " + answer.status;
    }
    return switch (answer.exit) {
      case NO_HOST -> "no such host, or no network: " + url.getHost();
      case TIMEOUT -> "the server is silent";
      default -> answer.error.isEmpty() ? "curl ends with exit code " + answer.exit : answer.error;
    };
  }
}

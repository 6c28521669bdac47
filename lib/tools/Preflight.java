package lib.tools;

import java.time.Duration;
import java.util.List;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import lib.Argv;
import lib.Commands;
import lib.Problem;
import lib.Terminal;
import lib.cluster.Host;
import lib.state.HostFacts;

/**
 * The programs that a step needs; missing ones are named with the one command that installs all.
 */
public final class Preflight {
  /**
   * The oldest tmux that will do: it has options of single panes ({@code set-option -p}; tmux's
   * file CHANGES, "FROM 2.9 TO 3.0").
   */
  private static final String TMUX = "3.0";

  private static final Pattern TMUX_VERSION = Pattern.compile("([0-9]+\\.[0-9]+)");

  /**
   * Makes sure that programs are there: installs them if {@code yes} or if the person agrees.
   *
   * @throws Problem naming all missing ones and the command, if they are not installed; or naming
   *     tmux's version, if it is too old
   */
  public static void tools(Terminal terminal, boolean yes, List<Tool> needed) {
    present(terminal, yes, needed);
    if (needed.contains(Tool.TMUX)) {
      tmux(Commands.run(Argv.of("tmux", "-V")).out().strip());
    }
  }

  /**
   * Checks whether tmux is new enough. A version without a number is its newest source.
   *
   * @param said what {@code tmux -V} says: {@code tmux 3.3a}, {@code tmux next-3.5}
   */
  public static void tmux(String said) {
    Matcher version = TMUX_VERSION.matcher(said);
    if (version.find() && HostFacts.older(version.group(1) + ".0", TMUX + ".0")) {
      throw new Problem(
          said + " is too old, " + TMUX + " is needed",
          "upgrade tmux with the system's package manager");
    }
  }

  private static void present(Terminal terminal, boolean yes, List<Tool> needed) {
    List<Tool> missing = needed.stream().distinct().filter(tool -> !tool.isPresent()).toList();
    if (missing.isEmpty()) {
      return;
    }
    String names = missing.stream().map(Tool::program).collect(Collectors.joining(", "));
    Optional<Tool.Manager> manager = Tool.Manager.current(Host.Os.current());
    if (manager.isEmpty()
        || missing.stream().anyMatch(tool -> tool.packageFor(manager.get()).isEmpty())) {
      throw new Problem("missing on this machine: " + names, "install them, then run this again");
    }
    boolean sudo = !Host.isRoot();
    Argv install = manager.get().install(missing, sudo);
    terminal.line("missing on this machine: " + names);
    terminal.line("install them with: " + install.toShell());
    if (!yes && !terminal.confirm("Run that now?")) {
      throw new Problem(
          "missing on this machine: " + names,
          "run `" + install.toShell() + "`, or run this again with --yes");
    }
    manager.get().refresh(sudo).ifPresent(refresh -> install(terminal, refresh));
    install(terminal, install);
    List<Tool> still = missing.stream().filter(tool -> !tool.isPresent()).toList();
    if (!still.isEmpty()) {
      throw new Problem(
          "still missing after installing: "
              + still.stream().map(Tool::program).collect(Collectors.joining(", ")),
          "see what it printed: " + install.toShell());
    }
  }

  private static void install(Terminal terminal, Argv command) {
    if (terminal.isInteractive()) {
      if (Commands.onTerminal(command) != 0) {
        throw new Problem("`" + command.toShell() + "` failed", "see its output above");
      }
    } else {
      // apt asks nothing then; sudo would not pass the variable on from outside
      Argv variable = Argv.of("env", "DEBIAN_FRONTEND=noninteractive");
      Argv quiet =
          command.program().equals("sudo")
              ? Argv.of("sudo").then(variable).then(command.rest())
              : variable.then(command);
      Commands.run(quiet, Duration.ofMinutes(30)).orProblem();
    }
  }
}

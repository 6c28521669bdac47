package lib.tmux;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import lib.Argv;

/**
 * The commands that make and mend tmux sessions. Panes run an argument list, never text typed by
 * {@code send-keys}, and stay when their program ends, so that its last words can be read.
 *
 * <p>Windows and panes are told apart by options of ours, {@code @kubenet-window} and
 * {@code @node}, and are addressed by tmux's ids. Their names and titles are only shown: a person
 * renames them, and where {@code allow-rename} is on, so does any program in them.
 *
 * <p>A window that was made a moment before, by the same command, is addressed as the last one
 * ({@code NAME:{end}}), its newest pane as the active one.
 */
public final class Tmux {
  /** What {@link #listPanes} prints a line for each pane. No names: anything may be in them. */
  private static final String PANE =
      "#{pane_id} #{pane_dead} #{window_id} #{@kubenet-window} #{@node}";

  /** After the prefix key, switches typing in all panes of a window on and off. */
  private static final String SYNC_KEY = "S";

  /** True in a session of ours. */
  private static final String OURS = "#{@kubenet}";

  /** What {@link #boundKey} prints: options of {@code bind-key}, then the bound commands. */
  private static final Pattern BOUND =
      Pattern.compile("bind-key +(-r +)?-T prefix +" + SYNC_KEY + " +(.+)");

  /** Says how to leave, in the status line. */
  public static final String LEAVE = "(#{prefix} d leaves)";

  /** The same in a session with {@link #syncKey}. */
  public static final String SYNC_AND_LEAVE =
      "#{?pane_synchronized,#[reverse] typing in ALL panes #[default],typing in one pane}"
          + " (#{prefix} "
          + SYNC_KEY
          + ") "
          + LEAVE;

  private Tmux() {}

  /**
   * A session that is to be made.
   *
   * @param name its name
   * @param owner what tells its cluster from all others
   * @param state its cluster's state folder, for people
   * @param status the right end of its status line
   */
  public record Session(String name, String owner, Path state, String status) {
    private String newest() {
      return "=" + name + ":{end}";
    }
  }

  /** A window: its name, which is also its mark, and its panes, tiled. */
  public record Window(String name, List<Pane> panes) {}

  /**
   * A pane.
   *
   * @param title a node's name, or what it runs instead
   * @param command at least two words: tmux gives a single one to a shell
   */
  public record Pane(String title, Argv command) {
    public Pane {
      if (command.toList().size() < 2) {
        throw new IllegalArgumentException("tmux gives a single word to a shell: " + command);
      }
    }
  }

  /**
   * A pane that is there.
   *
   * @param window what {@link Window#name} was; empty in a window that kubenet did not make
   * @param windowId tmux's id of its window, such as {@code @2}
   * @param title what {@link Pane#title} was
   * @param id tmux's id of it, such as {@code %3}
   * @param dead whether its program has ended
   */
  public record Found(String window, String windowId, String title, String id, boolean dead) {}

  /**
   * {@return the commands that make a session of at least one window, detached}
   *
   * @param opens the name of the window that it opens on
   */
  public static List<Argv> session(Session session, List<Window> windows, String opens) {
    List<Argv> commands = new ArrayList<>();
    commands.add(newSession(session, windows.get(0)));
    for (Window window : windows) {
      if (window != windows.get(0)) {
        commands.add(newWindow(session.name(), window, window.name().equals(opens)));
      }
      window.panes().stream()
          .skip(1)
          .forEach(pane -> commands.add(newPane(session.newest(), pane)));
    }
    return commands;
  }

  /**
   * {@return the command that makes a session of a window with its first pane, detached}
   *
   * <p>It prints {@code on} where the tmux server ended with its last client until now. That and
   * {@code destroy-unattached} must be off before tmux next looks: at the end of this very command.
   */
  public static Argv newSession(Session session, Window first) {
    int most = first.panes().size();
    String target = "=" + session.name() + ":";
    return Argv.of("tmux", "new-session", "-d")
        .option("-s", session.name())
        .option("-n", first.name())
        .option("-x", 200)
        .option("-y", Math.max(50, 3 * most)) // room to split; a client gives its own size
        .then(program(first.panes().get(0).command()))
        .then(sessionOption(target, "destroy-unattached", "off"))
        .add(";", "show-options", "-s", "-v", "exit-unattached")
        .add(";", "set-option", "-s")
        .option("exit-unattached", "off")
        .then(sessionOption(target, "@kubenet", session.owner()))
        .then(sessionOption(target, "@kubenet-state", session.state().toString()))
        .then(sessionOption(target, "status-right-length", "60"))
        .then(sessionOption(target, "status-right", session.status()))
        .then(settings("=" + session.name() + ":^", first)); // a person's hook may have made more
  }

  /**
   * {@return the command that adds a window with its first pane}
   *
   * @param current whether the session shows it from then on
   */
  public static Argv newWindow(String session, Window window, boolean current) {
    String newest = "=" + session + ":{end}";
    Argv command =
        Argv.of("tmux", "new-window", "-d", "-a")
            .option("-t", newest)
            .option("-n", window.name())
            .then(program(window.panes().get(0).command()))
            .then(settings(newest, window));
    return current ? command.add(";", "select-window").option("-t", newest) : command;
  }

  /**
   * {@return the command that adds a pane to a window and tiles it}
   *
   * @param window tmux's id of the window
   */
  public static Argv newPane(String window, Pane pane) {
    return Argv.of("tmux", "split-window")
        .option("-t", window)
        .then(program(pane.command()))
        .then(title(window, pane.title()))
        .add(";", "select-layout")
        .option("-t", window)
        .add("tiled");
  }

  /** {@return the command that runs a program in a pane whose program has ended} */
  public static Argv respawn(String paneId, Argv command) {
    return Argv.of("tmux", "respawn-pane", "-k").option("-t", paneId).then(program(command));
  }

  /** {@return the command that lists a session's panes, for {@link #panes}} */
  public static Argv listPanes(String session) {
    // without the colon tmux also takes a window of that name, or a longer session name
    return Argv.of("tmux", "list-panes", "-s").option("-t", "=" + session + ":").option("-F", PANE);
  }

  /** {@return what {@link #listPanes} printed; panes that kubenet did not make are left out} */
  public static List<Found> panes(String output) {
    return output
        .lines()
        .map(line -> line.split(" ", 5))
        .filter(words -> words.length == 5 && !words[4].isEmpty())
        .map(words -> new Found(words[3], words[2], words[4], words[0], words[1].equals("1")))
        .toList();
  }

  /** {@return the command that prints a session's owner and its state folder, a line each} */
  public static Argv owner(String session) {
    String target = "=" + session + ":";
    return Argv.of("tmux", "show-options", "-qv")
        .option("-t", target)
        .add("@kubenet", ";", "show-options", "-qv")
        .option("-t", target)
        .add("@kubenet-state");
  }

  /**
   * {@return the command that prints the path of the socket of the server that has a session, once
   * or several times; it fails if there is no such session}
   */
  public static Argv socket(String session) {
    return Argv.of("tmux", "list-panes")
        .option("-t", "=" + session + ":")
        .option("-F", "#{socket_path}");
  }

  /** {@return the same for the server that tmux asks unless it is told another} */
  public static Argv socket() {
    return Argv.of("tmux", "display-message", "-p", "#{socket_path}");
  }

  /** {@return the command that ends a session and all that runs in it} */
  public static Argv killSession(String session) {
    return Argv.of("tmux", "kill-session").option("-t", "=" + session);
  }

  /** {@return the command that prints what a pane shows, as plain text} */
  public static Argv capture(String paneId) {
    return Argv.of("tmux", "capture-pane", "-p", "-J").option("-t", paneId);
  }

  /** {@return the command that shows a session on this terminal} */
  public static Argv attach(String session) {
    return Argv.of("tmux", "attach-session").option("-t", "=" + session);
  }

  /** {@return the same from inside tmux, where sessions do not nest} */
  public static Argv switchClient(String session) {
    return Argv.of("tmux", "switch-client").option("-t", "=" + session);
  }

  /** {@return the command that prints what the key of {@link #syncKey} does now} */
  public static Argv boundKey() {
    return Argv.of("tmux", "list-keys").option("-T", "prefix").add(SYNC_KEY);
  }

  /**
   * {@return the command that makes a key switch typing in all panes of a window of ours on and
   * off; none if it does already}
   *
   * <p>Key bindings belong to the whole tmux server. In other sessions the key does what it did.
   *
   * @param bound what {@link #boundKey} printed; nothing if it failed, as the key was free then
   */
  public static Optional<Argv> syncKey(String bound) {
    if (bound.contains(OURS)) {
      return Optional.empty();
    }
    Matcher person = BOUND.matcher(bound.strip());
    boolean taken = person.matches();
    Argv bind = Argv.of("tmux", "bind-key");
    Argv sync =
        (taken && person.group(1) != null ? bind.add("-r") : bind)
            .option("-T", "prefix")
            .add(SYNC_KEY, "if-shell", "-F", OURS, "set-option -w synchronize-panes");
    // list-keys escapes the semicolons between commands for bind-key; if-shell wants them bare
    return Optional.of(
        taken ? sync.add(word(person.group(2).replaceAll(" (\\\\;)+ ", " ; "))) : sync);
  }

  private static Argv settings(String window, Window made) {
    return Argv.empty()
        .then(windowOption(window, "@kubenet-window", made.name()))
        .then(windowOption(window, "remain-on-exit", "on"))
        .then(windowOption(window, "automatic-rename", "off"))
        .then(windowOption(window, "allow-rename", "off"))
        // -q: an older tmux does not know it
        .add(";", "set-option", "-wq")
        .option("-t", window)
        .option("allow-set-title", "off")
        .then(windowOption(window, "pane-border-status", "top"))
        .then(windowOption(window, "pane-border-format", " #{@node} "))
        .then(title(window, made.panes().get(0).title()));
  }

  private static Argv sessionOption(String target, String name, String value) {
    return Argv.empty().add(";", "set-option").option("-t", target).option(name, word(value));
  }

  private static Argv windowOption(String target, String name, String value) {
    return Argv.empty().add(";", "set-option", "-w").option("-t", target).option(name, value);
  }

  private static Argv title(String target, String title) {
    return Argv.empty()
        .add(";", "set-option", "-p")
        .option("-t", target)
        .option("@node", title)
        .add(";", "select-pane")
        .option("-t", target)
        .option("-T", title);
  }

  private static Argv program(Argv command) {
    List<List<String>> parts =
        command.parts().stream().map(part -> part.stream().map(Tmux::word).toList()).toList();
    return Argv.empty().add("--").then(new Argv(parts));
  }

  /** A word that ends in a semicolon would end tmux's command (tmux(1), COMMAND PARSING). */
  private static String word(String text) {
    return text.replaceFirst(";$", "\\\\;");
  }
}

package lib;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/**
 * The commands that make and mend tmux sessions. Panes run an argument list, never text typed by
 * {@code send-keys}, and stay when their program ends, so that its last words can be read.
 *
 * <p>A pane's node is kept in its user option {@code @node}: programs in the pane can change the
 * pane's title, not this.
 */
public final class Tmux {
  /** What {@link #listPanes} prints a line for each pane: window, node, pane id, 1 if dead. */
  private static final String PANE = "#{window_name} #{@node} #{pane_id} #{pane_dead}";

  /** After the prefix key, switches typing in all panes of a window on and off. */
  public static final String SYNC_KEY = "S";

  private Tmux() {}

  /** A window: its name and its panes, tiled. */
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
   * @param window its window's name
   * @param title what {@link Pane#title} was
   * @param id tmux's id of it, such as {@code %3}
   * @param dead whether its program has ended
   */
  public record Found(String window, String title, String id, boolean dead) {}

  /** {@return the commands that make a session of at least one window, detached} */
  public static List<Argv> session(String session, List<Window> windows) {
    List<Argv> commands = new ArrayList<>();
    commands.add(newSession(session, windows.get(0)));
    for (Window window : windows) {
      if (window != windows.get(0)) {
        commands.add(newWindow(session, window));
      }
      window.panes().stream()
          .skip(1)
          .forEach(pane -> commands.add(newPane(session, window.name(), pane)));
    }
    return commands;
  }

  private static Argv newSession(String session, Window first) {
    int most = first.panes().size();
    return Argv.of("tmux", "new-session", "-d")
        .option("-s", session)
        .option("-n", first.name())
        .option("-x", 200)
        .option("-y", Math.max(50, 3 * most)) // room to split; a client gives its own size
        .then(program(first.panes().get(0)))
        .then(settings(session, first));
  }

  /** {@return the command that adds a window with its first pane} */
  public static Argv newWindow(String session, Window window) {
    return Argv.of("tmux", "new-window", "-d")
        .option("-t", "=" + session + ":")
        .option("-n", window.name())
        .then(program(window.panes().get(0)))
        .then(settings(session, window));
  }

  /** {@return the command that adds a pane to a window and tiles it} */
  public static Argv newPane(String session, String window, Pane pane) {
    String target = "=" + session + ":" + window;
    return Argv.of("tmux", "split-window")
        .option("-t", target)
        .then(program(pane))
        .then(title(target, pane.title()))
        .add(";", "select-layout")
        .option("-t", target)
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
        .map(line -> line.split(" "))
        .filter(words -> words.length == 4 && !words[1].isEmpty())
        .map(words -> new Found(words[0], words[1], words[2], words[3].equals("1")))
        .toList();
  }

  /** {@return the command that marks a session as that of the cluster with this state folder} */
  public static Argv claim(String session, Path state) {
    return Argv.of("tmux", "set-option")
        .option("-t", "=" + session + ":")
        .option("@kubenet", state);
  }

  /** {@return the command that prints what {@link #claim} set} */
  public static Argv owner(String session) {
    return Argv.of("tmux", "show-options", "-qv").option("-t", "=" + session + ":").add("@kubenet");
  }

  /** {@return the command that ends a session and all that runs in it} */
  public static Argv killSession(String session) {
    return Argv.of("tmux", "kill-session").option("-t", "=" + session);
  }

  /** {@return the command that closes a pane} */
  public static Argv killPane(String paneId) {
    return Argv.of("tmux", "kill-pane").option("-t", paneId);
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

  /**
   * {@return the command that makes {@link #SYNC_KEY} work in a session, and says so in its status
   * line}
   *
   * <p>Key bindings belong to the whole tmux server, so the key does nothing in other sessions.
   */
  public static Argv syncKey(String session) {
    String target = "=" + session + ":";
    return Argv.of("tmux", "set-option")
        .option("-t", target)
        .add("status-right-length", "60", ";", "set-option")
        .option("-t", target)
        .option(
            "status-right",
            "#{?pane_synchronized,#[reverse] typing in ALL panes #[default],typing in one pane}"
                + " (#{prefix} "
                + SYNC_KEY
                + ")")
        .add(";", "bind-key")
        .option("-T", "prefix")
        .add(SYNC_KEY, "if-shell", "-F", "#{@kubenet}", "set-option -w synchronize-panes");
  }

  private static Argv settings(String session, Window window) {
    String target = "=" + session + ":" + window.name();
    return Argv.empty()
        .then(windowOption(target, "remain-on-exit", "on"))
        .then(windowOption(target, "automatic-rename", "off"))
        .then(windowOption(target, "pane-border-status", "top"))
        .then(windowOption(target, "pane-border-format", " #{@node} "))
        .then(title(target, window.panes().get(0).title()));
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

  private static Argv program(Pane pane) {
    return program(pane.command());
  }

  /** A word that ends in a semicolon would end tmux's command (tmux(1), COMMAND PARSING). */
  private static Argv program(Argv command) {
    List<List<String>> parts =
        command.parts().stream()
            .map(part -> part.stream().map(w -> w.replaceFirst(";$", "\\\\;")).toList())
            .toList();
    return Argv.empty().add("--").then(new Argv(parts));
  }
}

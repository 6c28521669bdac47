package lib.tmux;

import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.function.Predicate;
import lib.Argv;
import lib.Terminal;
import lib.cluster.Cluster;
import lib.cluster.Node;
import lib.cluster.Role;
import lib.state.Layout;
import lib.state.SshConfig;

/**
 * The tmux session {@code NAME-ssh}: windows {@code gateway}, {@code control}, {@code worker} and
 * {@code nodes} (control and worker), a pane with SSH a node.
 */
public record SshSession(
    String session, List<Tmux.Window> windows, Sessions sessions, Terminal terminal) {

  /** {@return the session for some nodes of a cluster; a window without nodes is left out} */
  public static SshSession of(Cluster cluster, Layout layout, List<Node> nodes, Terminal terminal) {
    List<Tmux.Window> windows = new ArrayList<>();
    for (Role role : Role.values()) {
      windows.add(window(role.word(), nodes, node -> node.role() == role, layout));
    }
    windows.add(window("nodes", nodes, node -> node.role() != Role.GATEWAY, layout));
    windows.removeIf(window -> window.panes().isEmpty());
    return new SshSession(cluster.sshSession(), windows, Sessions.of(layout), terminal);
  }

  private static Tmux.Window window(
      String name, List<Node> nodes, Predicate<Node> member, Layout layout) {
    return new Tmux.Window(
        name,
        nodes.stream()
            .filter(member)
            .map(node -> new Tmux.Pane(node.name(), SshConfig.command(layout, node)))
            .toList());
  }

  /** {@return the commands that make it at once, for a dry run} */
  public List<Argv> commands() {
    List<Argv> commands =
        new ArrayList<>(
            sessions.commands(session, windows, windows.get(0).name(), Tmux.SYNC_AND_LEAVE));
    Tmux.syncKey("").ifPresent(commands::add);
    return commands;
  }

  /**
   * {@return the command that shows it on this terminal}
   *
   * @param inside whether this terminal is a pane of tmux
   */
  public Argv show(boolean inside) {
    return sessions.show(session, inside);
  }

  /**
   * Makes it. If it is there, connects panes anew whose SSH has ended and adds what is missing;
   * what goes on in the other panes is not touched.
   */
  public void open() {
    Tmux.Session whole = sessions.described(session, Tmux.SYNC_AND_LEAVE);
    for (Tmux.Window window : windows) {
      List<Tmux.Found> found = sessions.panes(session);
      for (Tmux.Pane pane : window.panes()) {
        Tmux.Window alone = new Tmux.Window(window.name(), List.of(pane));
        Optional<Tmux.Found> own =
            found.stream()
                .filter(other -> other.window().equals(window.name()))
                .filter(other -> other.title().equals(pane.title()))
                .findFirst();
        if (own.isEmpty() || own.get().dead()) {
          sessions.place(whole, alone, own, false, terminal::line);
        }
      }
    }
    Tmux.syncKey(sessions.run(Tmux.boundKey()).out())
        .ifPresent(command -> sessions.run(command).orProblem());
  }
}

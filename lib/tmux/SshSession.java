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
import lib.seed.SshConfig;
import lib.state.Layout;

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
      window(role.word(), nodes, node -> node.role() == role, layout).ifPresent(windows::add);
    }
    window("nodes", nodes, node -> node.role() != Role.GATEWAY, layout).ifPresent(windows::add);
    return new SshSession(cluster.sshSession(), windows, Sessions.of(layout), terminal);
  }

  private static Optional<Tmux.Window> window(
      String name, List<Node> nodes, Predicate<Node> member, Layout layout) {
    List<Tmux.Pane> panes =
        nodes.stream()
            .filter(member)
            .map(node -> new Tmux.Pane(node.name(), SshConfig.command(layout, node)))
            .toList();
    return panes.isEmpty() ? Optional.empty() : Optional.of(new Tmux.Window(name, panes));
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
    List<Tmux.Found> found = sessions.panes(session);
    for (Tmux.Window window : windows) {
      for (Tmux.Pane pane : window.panes()) {
        Tmux.Window alone = new Tmux.Window(window.name(), List.of(pane));
        if (found.isEmpty()) {
          sessions.make(session, alone, Tmux.SYNC_AND_LEAVE, terminal::line);
          found = sessions.panes(session);
        } else if (found.stream().noneMatch(other -> other.window().equals(window.name()))) {
          sessions.run(Tmux.newWindow(session, alone, false)).orProblem();
          found = sessions.panes(session);
        } else {
          mend(window, found, pane).ifPresent(command -> sessions.run(command).orProblem());
        }
      }
    }
    Tmux.syncKey(sessions.run(Tmux.boundKey()).out())
        .ifPresent(command -> sessions.run(command).orProblem());
  }

  /** The command that makes or respawns a pane of a window that is there, where it is needed. */
  private static Optional<Argv> mend(Tmux.Window window, List<Tmux.Found> found, Tmux.Pane pane) {
    List<Tmux.Found> there =
        found.stream().filter(other -> other.window().equals(window.name())).toList();
    Optional<Tmux.Found> own =
        there.stream().filter(other -> other.title().equals(pane.title())).findFirst();
    if (own.isEmpty()) {
      return Optional.of(Tmux.newPane(there.get(0).windowId(), pane));
    }
    return own.filter(Tmux.Found::dead).map(dead -> Tmux.respawn(dead.id(), pane.command()));
  }
}

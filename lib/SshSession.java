package lib;

import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.function.Predicate;

/**
 * The tmux session {@code NAME-ssh}: windows {@code gateway}, {@code control}, {@code worker} and
 * {@code nodes} (control and worker), a pane with SSH a node.
 */
public record SshSession(String session, List<Tmux.Window> windows, Sessions sessions) {

  /** {@return the session for some nodes of a cluster; a window without nodes is left out} */
  public static SshSession of(Cluster cluster, Layout layout, List<Node> nodes) {
    List<Tmux.Window> windows = new ArrayList<>();
    for (Role role : Role.values()) {
      window(role.word(), nodes, node -> node.role() == role, layout).ifPresent(windows::add);
    }
    window("nodes", nodes, node -> node.role() != Role.GATEWAY, layout).ifPresent(windows::add);
    return new SshSession(cluster.sshSession(), windows, new Sessions(layout.state()));
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

  /** {@return the commands that make it} */
  public List<Argv> commands() {
    List<Argv> commands = sessions.commands(session, windows);
    commands.add(Tmux.syncKey(session));
    return commands;
  }

  /**
   * Makes it. If it is there, connects panes anew whose SSH has ended and adds what is missing;
   * what goes on in the other panes is not touched.
   */
  public void open() {
    List<Tmux.Found> found = sessions.panes(session);
    if (found.isEmpty()) {
      commands().forEach(command -> Commands.run(command).orProblem());
      return;
    }
    for (Tmux.Window window : windows) {
      List<Tmux.Found> there =
          found.stream().filter(pane -> pane.window().equals(window.name())).toList();
      for (Tmux.Pane pane : window.panes()) {
        mend(window, there, pane).ifPresent(command -> Commands.run(command).orProblem());
        if (there.isEmpty()) {
          there = List.of(new Tmux.Found(window.name(), "", "", false)); // now it is there
        }
      }
    }
  }

  private Optional<Argv> mend(Tmux.Window window, List<Tmux.Found> there, Tmux.Pane pane) {
    if (there.isEmpty()) {
      return Optional.of(Tmux.newWindow(session, new Tmux.Window(window.name(), List.of(pane))));
    }
    Optional<Tmux.Found> own =
        there.stream().filter(found -> found.title().equals(pane.title())).findFirst();
    if (own.isEmpty()) {
      return Optional.of(Tmux.newPane(session, window.name(), pane));
    }
    return own.filter(Tmux.Found::dead).map(dead -> Tmux.respawn(dead.id(), pane.command()));
  }
}

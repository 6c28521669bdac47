package lib;

import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.function.Predicate;
import java.util.stream.Collectors;

/**
 * The tmux session {@code NAME-ssh}: windows {@code gateway}, {@code control}, {@code worker} and
 * {@code nodes} (control and worker), a pane with SSH a node.
 */
public record SshSession(String session, List<Tmux.Window> windows) {

  /** {@return the session for some nodes of a cluster; a window without nodes is left out} */
  public static SshSession of(Cluster cluster, Layout layout, List<Node> nodes) {
    List<Tmux.Window> windows = new ArrayList<>();
    for (Role role : Role.values()) {
      window(role.word(), nodes, node -> node.role() == role, layout).ifPresent(windows::add);
    }
    window("nodes", nodes, node -> node.role() != Role.GATEWAY, layout).ifPresent(windows::add);
    return new SshSession(cluster.sshSession(), windows);
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
    List<Argv> commands = new ArrayList<>(Tmux.session(session, windows));
    commands.add(Tmux.syncKey(session));
    return commands;
  }

  /** Makes it; if it is there with the same panes, only connects those anew whose SSH has ended. */
  public void open() {
    List<Tmux.Found> found = VmSession.panes(session);
    if (!found.isEmpty() && titles(found).equals(titles())) {
      found.stream().filter(Tmux.Found::dead).forEach(this::connect);
      return;
    }
    if (!found.isEmpty()) {
      Commands.run(Tmux.killSession(session)).orProblem(); // of other nodes
    }
    commands().forEach(command -> Commands.run(command).orProblem());
  }

  private void connect(Tmux.Found pane) {
    windows.stream()
        .flatMap(window -> window.panes().stream())
        .filter(wanted -> wanted.title().equals(pane.title()))
        .findFirst()
        .ifPresent(wanted -> Commands.run(Tmux.respawn(pane.id(), wanted.command())).orProblem());
  }

  private Set<String> titles() {
    return windows.stream()
        .flatMap(window -> window.panes().stream().map(pane -> window.name() + " " + pane.title()))
        .collect(Collectors.toSet());
  }

  private static Set<String> titles(List<Tmux.Found> panes) {
    return panes.stream()
        .map(pane -> pane.window() + " " + pane.title())
        .collect(Collectors.toSet());
  }
}

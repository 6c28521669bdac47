package lib;

import java.util.List;
import java.util.Optional;
import java.util.stream.Collectors;

/**
 * The tmux session {@code NAME-vms}: a pane a node, each running its {@code launch.sh}, and the LAN
 * switch in a pane of its own. What runs in it goes on when the script ends.
 */
public record VmSession(String session, LanSwitch lan, Sessions sessions) {
  private static final String WINDOW = "vms";

  /** {@return the session of a cluster} */
  public static VmSession of(Cluster cluster, Layout layout) {
    return new VmSession(
        cluster.vmsSession(), new LanSwitch(layout.lan()), new Sessions(layout.state()));
  }

  /** {@return the command of a node's pane} */
  public static Argv command(Layout.Files files, boolean queued) {
    Argv launch = Argv.of("/bin/sh", files.launch().toString());
    return queued ? launch.add("-S") : launch; // -S: wait for the monitor before the first step
  }

  /** Starts the LAN switch, unless it runs. */
  public void startLan() {
    if (!lan.alive()) {
      show(LanSwitch.TITLE, LanSwitch.TITLE, lan.command());
      lan.awaitAlive();
    }
  }

  /** Starts a node in its pane. */
  public void start(Node node, Layout.Files files, boolean queued) {
    show(WINDOW, node.name(), command(files, queued));
  }

  /** {@return the commands that make the whole session, for a dry run} */
  public List<Argv> commands(List<Node> nodes, Layout layout, boolean queued, boolean withLan) {
    List<Tmux.Pane> panes =
        nodes.stream()
            .map(node -> new Tmux.Pane(node.name(), command(layout.node(node), queued)))
            .toList();
    Tmux.Window vms = new Tmux.Window(WINDOW, panes);
    Tmux.Window switches =
        new Tmux.Window(LanSwitch.TITLE, List.of(new Tmux.Pane(LanSwitch.TITLE, lan.command())));
    return sessions.commands(session, withLan ? List.of(switches, vms) : List.of(vms));
  }

  /** Runs a command in the pane of this title: the one that is there, or a new one. */
  private void show(String window, String title, Argv command) {
    List<Tmux.Found> panes = sessions.panes(session);
    Optional<Tmux.Found> own =
        panes.stream().filter(pane -> pane.title().equals(title)).findFirst();
    Tmux.Pane pane = new Tmux.Pane(title, command);
    Argv tmux;
    if (own.isPresent()) {
      tmux = Tmux.respawn(own.get().id(), command);
    } else if (panes.isEmpty()) {
      Tmux.Window first = new Tmux.Window(window, List.of(pane));
      sessions.commands(session, List.of(first)).forEach(step -> Commands.run(step).orProblem());
      return;
    } else if (panes.stream().anyMatch(other -> other.window().equals(window))) {
      tmux = Tmux.newPane(session, window, pane);
    } else {
      tmux = Tmux.newWindow(session, new Tmux.Window(window, List.of(pane)));
    }
    Commands.run(tmux).orProblem();
  }

  /**
   * Ends the session, the LAN switch with it.
   *
   * @throws Problem if a VM runs in it that is not among {@code nodes}, which have ended before
   */
  public void end(List<Node> nodes) {
    List<String> names = nodes.stream().map(Node::name).toList();
    String strangers =
        sessions.panes(session).stream()
            .filter(pane -> !pane.dead() && pane.window().equals(WINDOW))
            .map(Tmux.Found::title)
            .filter(title -> !names.contains(title))
            .collect(Collectors.joining(", "));
    if (!strangers.isEmpty()) {
      throw new Problem(
          "%s still run, and are no nodes of the cluster file".formatted(strangers),
          "raise `count` to what it was, and stop them; or end them in tmux session " + session);
    }
    sessions.end(session);
  }
}

package lib;

import java.util.List;
import java.util.Optional;

/**
 * The tmux session {@code NAME-vms}: a pane a node, each running its {@code launch.sh}, and the LAN
 * switch in a pane of its own. What runs in it goes on when the script ends.
 */
public record VmSession(String session, LanSwitch lan) {
  private static final String WINDOW = "vms";

  /** {@return the session of a cluster} */
  public static VmSession of(Cluster cluster, Layout layout) {
    return new VmSession(cluster.vmsSession(), new LanSwitch(layout.lan()));
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
    return Tmux.session(session, withLan ? List.of(switches, vms) : List.of(vms));
  }

  /** {@return the panes of the session; none if there is no session} */
  public static List<Tmux.Found> panes(String session) {
    Commands.Result result = Commands.run(Tmux.listPanes(session));
    return result.succeeded() ? Tmux.panes(result.out()) : List.of();
  }

  /** Runs a command in the pane of this title: the one that is there, or a new one. */
  private void show(String window, String title, Argv command) {
    List<Tmux.Found> panes = panes(session);
    Optional<Tmux.Found> own =
        panes.stream().filter(pane -> pane.title().equals(title)).findFirst();
    Tmux.Pane pane = new Tmux.Pane(title, command);
    Argv tmux;
    if (own.isPresent()) {
      tmux = Tmux.respawn(own.get().id(), command);
    } else if (panes.isEmpty()) {
      tmux = Tmux.session(session, List.of(new Tmux.Window(window, List.of(pane)))).get(0);
    } else if (panes.stream().anyMatch(other -> other.window().equals(window))) {
      tmux = Tmux.newPane(session, window, pane);
    } else {
      tmux = Tmux.newWindow(session, new Tmux.Window(window, List.of(pane)));
    }
    Commands.run(tmux).orProblem();
  }

  /** Ends the session, the LAN switch with it; the VMs must have ended before. */
  public void end() {
    Commands.run(Tmux.killSession(session)); // there may be none
  }
}

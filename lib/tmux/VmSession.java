package lib.tmux;

import java.time.Duration;
import java.util.List;
import java.util.Optional;
import java.util.stream.Collectors;
import lib.Argv;
import lib.Problem;
import lib.Terminal;
import lib.Wait;
import lib.cluster.Cluster;
import lib.cluster.Node;
import lib.lan.Forward;
import lib.lan.LanSwitch;
import lib.state.ClusterRecord;
import lib.state.Layout;

/**
 * The tmux session {@code NAME-vms}: a pane a node, each running its {@code launch.sh}, and in
 * panes of their own what network {@code user} needs: the LAN switch, and the forward from this
 * host to the virtual IP. What runs in it goes on when the script ends.
 */
public record VmSession(
    String session, LanSwitch lan, Argv forward, Sessions sessions, Terminal terminal) {
  private static final String WINDOW = "vms";

  /** {@return the session of a cluster} */
  public static VmSession of(Cluster cluster, Layout layout, Terminal terminal) {
    return new VmSession(
        cluster.vmsSession(),
        new LanSwitch(layout.lan()),
        Forward.command(layout),
        Sessions.of(layout),
        terminal);
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

  /**
   * Starts the forward, unless it runs.
   *
   * @param anew whether its script has changed, so that one that runs is started again
   */
  public void startForward(boolean anew) {
    if (anew || !forwards()) {
      show(Forward.TITLE, Forward.TITLE, forward);
    }
  }

  /** {@return whether the forward runs, which then has its ports on 127.0.0.1} */
  public boolean forwards() {
    return pane(Forward.TITLE).filter(pane -> !pane.dead()).isPresent();
  }

  /** Starts a node in its pane. */
  public void start(Node node, Layout.Files files, boolean queued) {
    show(WINDOW, node.name(), command(files, queued));
  }

  /** {@return whether what ran in a node's pane has ended} */
  public boolean hasEnded(String node) {
    return ended(node).isPresent();
  }

  /** {@return the last line in the pane of a node that has ended: QEMU's words; else nothing} */
  public String tail(String node) {
    return ended(node).stream()
        .flatMap(pane -> sessions.run(Tmux.capture(pane.id())).out().lines())
        .filter(line -> !line.isBlank() && !line.startsWith("Pane is dead"))
        .reduce("", (before, line) -> line.strip());
  }

  private Optional<Tmux.Found> ended(String node) {
    return pane(node).filter(Tmux.Found::dead);
  }

  private Optional<Tmux.Found> pane(String title) {
    return sessions.panes(session).stream().filter(pane -> pane.title().equals(title)).findFirst();
  }

  /** {@return the commands that make the whole session, for a dry run} */
  public List<Argv> commands(List<Node> nodes, Layout layout, boolean queued, boolean switched) {
    List<Tmux.Pane> panes =
        nodes.stream()
            .map(node -> new Tmux.Pane(node.name(), command(layout.node(node), queued)))
            .toList();
    Tmux.Window vms = new Tmux.Window(WINDOW, panes);
    Tmux.Window switches = window(LanSwitch.TITLE, LanSwitch.TITLE, lan.command());
    Tmux.Window forwards = window(Forward.TITLE, Forward.TITLE, forward);
    return sessions.commands(
        session, switched ? List.of(switches, vms, forwards) : List.of(vms), WINDOW, Tmux.LEAVE);
  }

  private static Tmux.Window window(String name, String title, Argv command) {
    return new Tmux.Window(name, List.of(new Tmux.Pane(title, command)));
  }

  /** Writes down on which tmux server it is. */
  public void record(Layout layout) {
    sessions.socketOf(session).ifPresent(socket -> ClusterRecord.onTmux(layout, socket.toString()));
  }

  /** {@return what a person types to see it} */
  public String attach() {
    return sessions.attach(session);
  }

  /** Runs a command in the pane of this title: the one that is there, or a new one. */
  private void show(String window, String title, Argv command) {
    sessions.place(
        sessions.described(session, Tmux.LEAVE),
        window(window, title, command),
        pane(title),
        window.equals(WINDOW),
        terminal::line);
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
            .filter(pane -> !pane.dead())
            .map(Tmux.Found::title)
            .filter(title -> !names.contains(title))
            .filter(title -> !List.of(LanSwitch.TITLE, Forward.TITLE).contains(title))
            .collect(Collectors.joining(", "));
    if (!strangers.isEmpty()) {
      throw new Problem(
          "%s still run, and are no nodes of the cluster file".formatted(strangers),
          "raise `count` to what it was, and stop them; or end them in tmux session " + session);
    }
    sessions.end(session);
    Wait.until(Duration.ofSeconds(5), () -> !lan.alive()); // a Java takes a moment to end
  }
}

package lib.tmux;

import java.io.IOException;
import java.net.UnixDomainSocketAddress;
import java.nio.channels.SocketChannel;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.function.Consumer;
import lib.Argv;
import lib.Commands;
import lib.Problem;
import lib.state.ClusterRecord;
import lib.state.Layout;
import lib.state.StateFolder;

/**
 * The tmux sessions of one cluster; those of other clusters and people are left alone.
 *
 * @param owner what tells this cluster from all others, on one line
 * @param state its state folder, for people; sessions of an older kubenet have it as their owner
 * @param socket that of the tmux server that has the sessions; none for the one that tmux asks by
 *     itself
 */
public record Sessions(String owner, Path state, Optional<Path> socket) {

  /** {@return the sessions of a cluster, on the tmux server that its record names} */
  public static Sessions of(Layout layout) {
    return new Sessions(
        StateFolder.id(layout),
        layout.state(),
        ClusterRecord.read(layout)
            .map(ClusterRecord::tmux)
            .filter(path -> !path.isEmpty())
            .map(Path::of));
  }

  /**
   * {@return the panes of a session; none if there is no session}
   *
   * @throws Problem if the session is another cluster's
   */
  public List<Tmux.Found> panes(String session) {
    String said = owner(session);
    if (!said.isEmpty() && !isOurs(said)) {
      throw new Problem(
          "tmux session %s belongs to the cluster in %s"
              .formatted(session, said.lines().reduce((first, last) -> last).orElseThrow()),
          "give this cluster another `name` in its cluster.yaml, and other `sshPorts`");
    }
    Commands.Result result = run(Tmux.listPanes(session));
    return result.succeeded() ? Tmux.panes(result.out()) : List.of();
  }

  /** The lines that tell whose a session is; empty if it is a person's, or is not there. */
  private String owner(String session) {
    return run(Tmux.owner(session)).out().strip();
  }

  private boolean isOurs(String said) {
    return said.startsWith(owner + "\n") || said.equals(owner) || said.equals(state.toString());
  }

  /**
   * Runs a pane's command: in the pane that is there, or in a new one. Makes its window and the
   * session where they are missing.
   *
   * @param window the pane's window, with this pane alone
   * @param own the pane that is there
   * @param current whether the session shows a new window from then on
   * @param says gets a line where a setting of the whole tmux server had to be changed
   * @throws Problem if a session of this name is a person's own
   */
  void place(
      Tmux.Session session,
      Tmux.Window window,
      Optional<Tmux.Found> own,
      boolean current,
      Consumer<String> says) {
    Tmux.Pane pane = window.panes().get(0);
    List<Tmux.Found> panes = panes(session.name());
    Optional<String> there =
        panes.stream()
            .filter(other -> other.window().equals(window.name()))
            .map(Tmux.Found::windowId)
            .findFirst();
    if (panes.isEmpty()) {
      make(session, window, says);
    } else if (own.isPresent()) {
      run(Tmux.respawn(own.get().id(), pane.command())).orProblem();
    } else if (there.isPresent()) {
      run(Tmux.newPane(there.get(), pane)).orProblem();
    } else {
      run(Tmux.newWindow(session.name(), window, current)).orProblem();
    }
  }

  /** Makes a session, or a window of ours in one whose panes were all closed. */
  private void make(Tmux.Session session, Tmux.Window first, Consumer<String> says) {
    String name = session.name();
    if (run(Tmux.listPanes(name)).succeeded()) {
      if (!owner(name).isEmpty()) {
        run(Tmux.newWindow(name, first, true)).orProblem();
        return;
      }
      throw new Problem(
          "there is a tmux session %s that kubenet did not make".formatted(name),
          "give it another name: "
              + at(Argv.of("tmux", "rename-session")).option("-t", "=" + name).toShell()
              + " other");
    }
    if (run(Tmux.newSession(session, first)).orProblem().out().strip().equals("on")) {
      says.accept(
          "tmux's option exit-unattached is off now: it would end the nodes' sessions as you"
              + " leave");
    }
  }

  /**
   * {@return the commands that make a session at once, for a dry run}
   *
   * @param opens the name of the window that it opens on
   */
  public List<Argv> commands(
      String session, List<Tmux.Window> windows, String opens, String status) {
    return Tmux.session(described(session, status), windows, opens).stream().map(this::at).toList();
  }

  /** A session of this cluster, with that at the right end of its status line. */
  Tmux.Session described(String session, String status) {
    return new Tmux.Session(session, owner, state, status);
  }

  /** {@return whether a session is there, and another cluster's, as to a copy of a state folder} */
  public boolean isOthers(String session) {
    String said = owner(session);
    return !said.isEmpty() && !isOurs(said);
  }

  /** Ends a session, if it is there and this cluster's. */
  public void endOwn(String session) {
    if (!isOthers(session)) {
      end(session);
    }
  }

  /** Ends a session, if it is there; all that runs in it ends. */
  public void end(String session) {
    if (!panes(session).isEmpty() || !owner(session).isEmpty()) {
      run(Tmux.killSession(session)).orProblem();
    }
  }

  /** {@return the socket of the tmux server that has a session; none if no server has it} */
  public Optional<Path> socketOf(String session) {
    Commands.Result result = run(Tmux.socket(session));
    return result.succeeded() ? result.out().lines().findFirst().map(Path::of) : Optional.empty();
  }

  /** {@return the command for the server that has the sessions} */
  Argv at(Argv tmux) {
    return socket
        .filter(Sessions::answers)
        .map(path -> Argv.of(tmux.program()).option("-S", path).then(tmux.rest()))
        .orElse(tmux);
  }

  /** Runs a command of tmux on the server that has the sessions. */
  Commands.Result run(Argv tmux) {
    return Commands.run(at(tmux));
  }

  /** A server that has ended has no sessions: the next are made where tmux makes them now. */
  private static boolean answers(Path socket) {
    try (SocketChannel channel = SocketChannel.open(UnixDomainSocketAddress.of(socket))) {
      return channel.isConnected();
    } catch (IOException e) {
      return false;
    }
  }

  /**
   * {@return the command that shows a session on this terminal}
   *
   * @param inside whether this terminal is a pane of tmux, in which its sessions do not nest
   */
  public Argv show(String session, boolean inside) {
    if (!isElsewhere()) {
      return inside ? Tmux.switchClient(session) : Tmux.attach(session);
    }
    return at(Tmux.attach(session));
  }

  /** {@return what a person types to see a session} */
  public String attach(String session) {
    Argv tmux = isElsewhere() ? at(Argv.of("tmux")) : Argv.of("tmux");
    return tmux.add("attach").option("-t", session).toShell();
  }

  /** Whether tmux by itself would ask another server. */
  private boolean isElsewhere() {
    if (socket.filter(Sessions::answers).isEmpty()) {
      return false;
    }
    String asked = Commands.run(Tmux.socket()).out().strip();
    return !asked.equals(socket.get().toString());
  }
}

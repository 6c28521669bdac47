package lib;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/** The tmux sessions of one cluster; those of other clusters and people are left alone. */
public record Sessions(Path state) {

  /**
   * {@return the panes of a session; none if there is no session}
   *
   * @throws Problem if the session is another cluster's
   */
  public List<Tmux.Found> panes(String session) {
    String owner = Commands.run(Tmux.owner(session)).out().strip();
    if (!owner.isEmpty() && !owner.equals(state.toString())) {
      throw new Problem(
          "tmux session %s belongs to the cluster in %s".formatted(session, owner),
          "give this cluster another `name` in its cluster.yaml, and other `sshPorts`");
    }
    Commands.Result result = Commands.run(Tmux.listPanes(session));
    return result.succeeded() ? Tmux.panes(result.out()) : List.of();
  }

  /** {@return the commands that make a session and mark it as this cluster's} */
  public List<Argv> commands(String session, List<Tmux.Window> windows) {
    List<Argv> commands = new ArrayList<>(Tmux.session(session, windows));
    commands.add(Tmux.claim(session, state));
    return commands;
  }

  /** Ends a session, if it is there; all that runs in it ends. */
  public void end(String session) {
    if (!panes(session).isEmpty()) {
      Commands.run(Tmux.killSession(session)).orProblem();
    }
  }
}

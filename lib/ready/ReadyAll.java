package lib.ready;

import java.util.List;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import lib.Each;
import lib.Problem;
import lib.Terminal;
import lib.cluster.Cluster;
import lib.cluster.Node;
import lib.state.Layout;

/** Waits for many nodes at once, a progress line for each. */
public record ReadyAll(Cluster cluster, Layout layout, Terminal terminal) {

  /**
   * Waits until every node has reached a stage.
   *
   * @param allAnswer run once, after all others, if SSH of every node answers: whoever logs in
   *     earlier takes from the nodes that still boot
   * @throws Problem naming each node that did not, after all others did
   */
  public void await(List<Node> nodes, Stage goal, Runnable allAnswer) {
    Set<Node> answered = ConcurrentHashMap.newKeySet();
    try (Progress progress = new Progress(terminal, nodes)) {
      Each.run(nodes, node -> await(node, goal, answered, progress)); // each rung has a limit
    } finally {
      if (answered.containsAll(nodes)) {
        allAnswer.run();
      }
    }
  }

  private void await(Node node, Stage goal, Set<Node> answered, Progress progress) {
    try {
      Readiness.of(node, cluster, layout)
          .await(
              goal,
              stage -> {
                progress.reached(node, stage, stage == goal);
                if (stage == Stage.SSH) {
                  answered.add(node);
                }
              });
    } catch (Problem problem) {
      progress.failed(node);
      throw problem;
    } catch (RuntimeException | Error e) { // out of memory, say: that node is not ready
      progress.failed(node);
      throw new Problem(node.name() + ": unexpected: " + e, "--verbose shows where", e);
    }
  }
}

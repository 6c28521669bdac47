package lib.ready;

import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
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
    List<Problem> problems = Collections.synchronizedList(new ArrayList<>());
    Set<Node> answered = ConcurrentHashMap.newKeySet();
    ExecutorService watchers = Executors.newFixedThreadPool(nodes.size());
    try (Progress progress = new Progress(terminal, nodes)) {
      nodes.forEach(
          node -> watchers.execute(() -> await(node, goal, answered, progress, problems)));
      watchers.shutdown();
      watchers.awaitTermination(1, TimeUnit.DAYS); // each rung has a limit of its own
    } catch (InterruptedException e) {
      throw new Problem("interrupted", "run the same again: it goes on from there", e);
    }
    if (answered.containsAll(nodes)) {
      allAnswer.run();
    }
    if (!problems.isEmpty()) {
      throw Problem.all(problems);
    }
  }

  private void await(
      Node node, Stage goal, Set<Node> answered, Progress progress, List<Problem> problems) {
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
      problems.add(problem);
      progress.failed(node);
    } catch (RuntimeException | Error e) { // out of memory, say: that node is not ready
      problems.add(new Problem(node.name() + ": unexpected: " + e, "--verbose shows where", e));
      progress.failed(node);
    }
  }
}

package lib;

import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;

/** Waits for many nodes at once, a progress line for each. */
public record ReadyAll(Cluster cluster, Layout layout, Terminal terminal) {

  /**
   * Waits until every node has reached a stage.
   *
   * @param allAnswer run once, as soon as SSH of every node answers
   * @throws Problem naming each node that did not, after all others did
   */
  public void await(List<Node> nodes, Stage goal, Runnable allAnswer) {
    List<Problem> problems = Collections.synchronizedList(new ArrayList<>());
    CountDownLatch silent = new CountDownLatch(nodes.size());
    ExecutorService watchers = Executors.newFixedThreadPool(nodes.size());
    try (Progress progress = new Progress(terminal, nodes)) {
      nodes.forEach(node -> watchers.execute(() -> await(node, goal, silent, progress, problems)));
      watchers.shutdown();
      silent.await(); // each rung has a limit of its own
      if (problems.isEmpty()) {
        allAnswer.run();
      }
      watchers.awaitTermination(1, TimeUnit.DAYS);
    } catch (InterruptedException e) {
      throw new Problem("interrupted", "run the same again: it goes on from there", e);
    }
    if (!problems.isEmpty()) {
      throw Problem.all(problems);
    }
  }

  private void await(
      Node node, Stage goal, CountDownLatch silent, Progress progress, List<Problem> problems) {
    AtomicBoolean counted = new AtomicBoolean();
    Runnable answers =
        () -> {
          if (counted.compareAndSet(false, true)) {
            silent.countDown();
          }
        };
    try {
      Readiness.of(node, cluster, layout)
          .await(
              goal,
              stage -> {
                progress.reached(node, stage, stage == goal);
                if (stage == Stage.SSH) {
                  answers.run();
                }
              });
    } catch (Problem problem) {
      problems.add(problem);
      progress.failed(node);
    } catch (RuntimeException e) {
      problems.add(new Problem(node.name() + ": unexpected: " + e, "--verbose shows where", e));
      progress.failed(node);
    } finally {
      answers.run(); // a node that failed is not waited for
    }
  }
}

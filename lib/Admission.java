package lib;

import java.time.Duration;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;

/**
 * Lets paused VMs go, as many at a time as the host can boot well. A node that is ready frees its
 * place.
 *
 * @param places how many may boot at a time
 */
public record Admission(Cluster cluster, Layout layout, int places) {

  /**
   * {@return the admission for a host: a place a core under emulation, else no limit}
   *
   * <p>Measured on 2 cores, seven nodes under emulation: all at once 630 s and 1240 CPU-seconds,
   * two at a time 330 s and 620.
   */
  public static Admission of(Cluster cluster, Layout layout, Host host) {
    return new Admission(cluster, layout, host.emulates() ? host.cores() : Integer.MAX_VALUE);
  }

  /**
   * Lets every VM go that waits, in the given order; returns when none waits any more. The last
   * ones are still booting then.
   *
   * @throws Problem naming each node that failed until then
   */
  public void letGoAll(List<Node> nodes, Terminal terminal) {
    List<Node> waiting = nodes.stream().filter(this::waits).toList();
    if (waiting.size() <= places) {
      waiting.forEach(node -> Vm.of(node, layout).letGo());
      return;
    }
    terminal.line("%d boot at a time; the others wait for their turn", places);
    CountDownLatch gone = new CountDownLatch(waiting.size());
    List<Problem> problems = Collections.synchronizedList(new ArrayList<>());
    ExecutorService turns = Executors.newFixedThreadPool(places, Admission::daemon);
    try (Progress progress = new Progress(terminal, waiting)) {
      waiting.forEach(node -> turns.execute(() -> boot(node, gone, progress, problems)));
      gone.await();
    } catch (InterruptedException e) {
      throw new Problem("interrupted", "run launch-all.java again: it goes on from there", e);
    } finally {
      turns.shutdownNow(); // the last ones need nobody to watch them
    }
    if (!problems.isEmpty()) {
      throw Problem.all(problems);
    }
  }

  private boolean waits(Node node) {
    Vm vm = Vm.of(node, layout);
    boolean answers =
        Wait.until(Duration.ofSeconds(20), () -> vm.alive() && vm.status().isPresent());
    if (!answers) {
      throw new Problem(
          node.name() + ": QEMU did not start",
          "its pane shows why: tmux attach -t " + cluster.vmsSession());
    }
    return vm.isQueued();
  }

  private void boot(Node node, CountDownLatch gone, Progress progress, List<Problem> problems) {
    try {
      try {
        Vm.of(node, layout).letGo();
      } finally {
        gone.countDown();
      }
      Readiness.of(node, cluster, layout)
          .await(Stage.READY, stage -> progress.reached(node, stage, stage == Stage.READY));
    } catch (Problem problem) {
      problems.add(problem);
      progress.failed(node);
    }
  }

  private static Thread daemon(Runnable work) {
    Thread thread = new Thread(work);
    thread.setDaemon(true);
    return thread;
  }
}

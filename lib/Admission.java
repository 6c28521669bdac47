package lib;

import java.time.Duration;
import java.util.ArrayList;
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
  private static final Duration START = Duration.ofSeconds(10);

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
   * ones are still booting then, and whether a guest becomes ready is for others to say.
   *
   * @throws Problem naming each node whose QEMU did not start, after all others went
   */
  public void letGoAll(List<Node> nodes, Terminal terminal) {
    List<Problem> problems = new ArrayList<>();
    List<Node> waiting = new ArrayList<>();
    for (Node node : nodes) {
      Vm vm = Vm.of(node, layout);
      if (!Wait.until(START, () -> vm.alive() && vm.status().isPresent())) {
        problems.add(
            new Problem(
                node.name() + ": QEMU did not start",
                "its pane shows why: tmux attach -t " + cluster.vmsSession()));
      } else if (vm.isQueued()) {
        waiting.add(node);
      }
    }
    if (waiting.size() <= places) {
      waiting.forEach(node -> Vm.of(node, layout).letGo());
    } else {
      terminal.line("%d boot at a time; the others wait for their turn", places);
      letGoInTurn(waiting, terminal);
    }
    if (!problems.isEmpty()) {
      throw Problem.all(problems);
    }
  }

  private void letGoInTurn(List<Node> waiting, Terminal terminal) {
    CountDownLatch gone = new CountDownLatch(waiting.size());
    ExecutorService turns = Executors.newFixedThreadPool(places, Admission::daemon);
    try (Progress progress = new Progress(terminal, waiting)) {
      waiting.forEach(node -> turns.execute(() -> boot(node, gone, progress)));
      gone.await();
    } catch (InterruptedException e) {
      throw new Problem("interrupted", "run launch-all.java again: it goes on from there", e);
    } finally {
      turns.shutdownNow(); // the last ones need nobody to watch them
    }
  }

  /** Lets a VM go and keeps its place until it is ready or has failed. */
  private void boot(Node node, CountDownLatch gone, Progress progress) {
    try {
      try {
        Vm.of(node, layout).letGo();
      } finally {
        gone.countDown();
      }
      Readiness.of(node, cluster, layout)
          .await(Stage.READY, stage -> progress.reached(node, stage, stage == Stage.READY));
    } catch (RuntimeException e) {
      progress.failed(node); // ssh-all says why
    }
  }

  private static Thread daemon(Runnable work) {
    Thread thread = new Thread(work);
    thread.setDaemon(true);
    return thread;
  }
}

package lib;

import java.nio.file.Files;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;

/**
 * Lets paused VMs go, as many at a time as the host can boot well. A node that is ready frees its
 * place.
 *
 * @param places how many may boot at a time
 */
public record Admission(Cluster cluster, Layout layout, int places) {
  private static final Duration START = Duration.ofSeconds(10);
  private static final Duration END = Duration.ofSeconds(5);

  /**
   * A guest that is so long without a word on its console, and that nobody reaches, gives its place
   * to the next.
   */
  private static final Duration SILENCE = Duration.ofSeconds(60);

  private static final Duration CLOCK = Duration.ofSeconds(20);

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
   * Nodes that can be started only after some work, which takes a place as a boot does.
   *
   * @param nodes all of one role
   * @param first the work, after which QEMU runs for each of them
   */
  public record Later(List<Node> nodes, Runnable first) {}

  /**
   * Lets every VM go that waits, in the given order; returns when none waits any more. The last
   * ones are still booting then, and whether a guest becomes ready is for others to say.
   *
   * @param nodes those whose QEMU runs
   * @param later those whose QEMU does not run yet
   * @param start starts a node's QEMU anew, which does not take up a saved state again
   * @throws Problem naming each node whose QEMU did not start, after all others went
   */
  public void letGoAll(
      List<Node> nodes, List<Later> later, Consumer<Node> start, Terminal terminal) {
    List<Problem> problems = Collections.synchronizedList(new ArrayList<>());
    List<Node> waiting = new ArrayList<>();
    for (Node node : nodes) {
      awaitStarted(node).ifPresentOrElse(problems::add, () -> waiting.add(node));
    }
    waiting.removeIf(node -> !Vm.of(node, layout).isQueued());
    boolean resumed = waiting.stream().anyMatch(node -> suspension(node).isTaken());
    if (waiting.size() <= places && later.isEmpty() && !resumed) {
      waiting.forEach(node -> letGo(node, start, terminal));
    } else {
      takeTurns(waiting, later, start, terminal, problems);
    }
    if (!problems.isEmpty()) {
      throw Problem.all(problems);
    }
  }

  /** Lets a node's VM go as soon as its QEMU runs, if it has a saved state to load. */
  public void loadLater(Node node) {
    if (Files.exists(layout.node(node).incoming())) {
      daemon(
              () -> {
                if (awaitStarted(node).isEmpty()) {
                  Vm.of(node, layout).letGo();
                  suspension(node).end();
                }
              })
          .start();
    }
  }

  private Suspension suspension(Node node) {
    return new Suspension(Vm.of(node, layout));
  }

  private Optional<Problem> awaitStarted(Node node) {
    Vm vm = Vm.of(node, layout);
    if (Wait.until(START, () -> vm.alive() && vm.status().isPresent())) {
      return Optional.empty();
    }
    return Optional.of(
        vm.alive()
            ? new Problem(
                "%s: QEMU does not answer on %s".formatted(node.name(), vm.files().qmp()),
                "try again; or have its guest power off, and launch it: stop-all.java --only "
                    + node.name())
            : new Problem(
                node.name() + ": QEMU did not start",
                "its pane shows why: tmux attach -t " + cluster.vmsSession()));
  }

  /** A VM whose saved state QEMU does not take boots from its disk. */
  private void letGo(Node node, Consumer<Node> start, Terminal terminal) {
    Vm vm = Vm.of(node, layout);
    try {
      vm.letGo();
    } catch (Problem problem) {
      if (!Files.exists(vm.files().taken()) || !Wait.until(END, () -> !vm.alive())) {
        throw problem;
      }
      terminal.line(
          "%s: QEMU did not take its saved state (its pane shows why); it boots from its disk",
          node.name());
      start.accept(node);
      awaitStarted(node).ifPresent(Admission::fail);
      vm.letGo();
    }
    new Suspension(vm).end();
  }

  private void takeTurns(
      List<Node> waiting,
      List<Later> later,
      Consumer<Node> start,
      Terminal terminal,
      List<Problem> problems) {
    List<Node> all = new ArrayList<>(waiting);
    later.forEach(some -> all.addAll(some.nodes()));
    if (places < all.size()) {
      terminal.line("%d boot at a time; the others wait for their turn", places);
    }
    CountDownLatch gone = new CountDownLatch(all.size());
    CountDownLatch right = new CountDownLatch(all.size()); // clocks
    ExecutorService turns =
        Executors.newFixedThreadPool(Math.min(places, all.size()), Admission::daemon);
    try (Progress progress = new Progress(terminal, all)) {
      Consumer<Node> boot =
          node -> turns.execute(() -> boot(node, start, terminal, gone, right, progress));
      for (Later some : later) { // first, as others wait for them
        some.nodes().forEach(node -> progress.reached(node, Stage.TEMPLATE, false));
        turns.execute(
            () -> {
              try {
                some.first().run();
                some.nodes().forEach(boot);
              } catch (Problem problem) {
                problems.add(problem);
                some.nodes().forEach(progress::failed);
                some.nodes()
                    .forEach(
                        node -> {
                          gone.countDown();
                          right.countDown();
                        });
              }
            });
      }
      waiting.forEach(boot);
      gone.await();
      // a guest that has no SSH gets no clock, and holds nobody up for long
      right.await(CLOCK.toSeconds(), TimeUnit.SECONDS);
    } catch (InterruptedException e) {
      throw new Problem("interrupted", "run launch-all.java again: it goes on from there", e);
    } finally {
      turns.shutdownNow(); // the last ones need nobody to watch them
    }
  }

  /** Lets a VM go and keeps its place until it is ready or has failed. */
  private void boot(
      Node node,
      Consumer<Node> start,
      Terminal terminal,
      CountDownLatch gone,
      CountDownLatch right,
      Progress progress) {
    boolean resumed = false;
    try {
      try {
        awaitStarted(node).ifPresent(Admission::fail);
        resumed = suspension(node).isTaken();
        letGo(node, start, terminal);
      } finally {
        gone.countDown();
        if (!resumed) {
          right.countDown();
        }
      }
      Readiness.of(node, cluster, layout)
          .await(
              Stage.READY, SILENCE, stage -> progress.reached(node, stage, stage == Stage.READY));
    } catch (RuntimeException e) {
      progress.failed(node); // ssh-all says why
    } finally {
      if (resumed) { // who is ready has got the time
        right.countDown();
      }
    }
  }

  private static void fail(Problem problem) {
    throw problem;
  }

  private static Thread daemon(Runnable work) {
    Thread thread = new Thread(work);
    thread.setDaemon(true);
    return thread;
  }
}

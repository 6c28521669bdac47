package lib.ready;

import java.nio.file.Files;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import lib.Problem;
import lib.Terminal;
import lib.Wait;
import lib.cluster.Cluster;
import lib.cluster.Host;
import lib.cluster.Node;
import lib.state.Layout;
import lib.tmux.VmSession;
import lib.vm.Suspension;
import lib.vm.Vm;

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
   * @param start starts a node's QEMU anew
   * @throws Problem naming each node whose QEMU did not start, or did not take its saved state,
   *     after all others went
   */
  public void letGoAll(
      List<Node> nodes, List<Later> later, Consumer<Node> start, Terminal terminal) {
    List<Problem> problems = Collections.synchronizedList(new ArrayList<>());
    List<Node> waiting = new ArrayList<>();
    for (Node node : nodes) {
      Optional<Problem> problem = awaitStarted(node);
      if (problem.isPresent() && isFork(node) && session().hasEnded(node.name())) {
        problem = startFromDisk(node, start, terminal);
      }
      problem.ifPresentOrElse(problems::add, () -> waiting.add(node));
    }
    waiting.removeIf(node -> !Vm.of(node, layout).isQueued());
    boolean resumed = waiting.stream().anyMatch(node -> suspension(node).isSaved());
    if (waiting.size() <= places && later.isEmpty() && !resumed) {
      for (Node node : waiting) {
        try {
          letGo(node, start, terminal);
        } catch (Problem problem) {
          problems.add(problem);
        }
      }
    } else {
      takeTurns(waiting, later, start, terminal, problems);
    }
    if (!problems.isEmpty()) {
      throw Problem.all(problems);
    }
  }

  /** Whether it has a template's memory to go on from, in which there is nothing of a person's. */
  private boolean isFork(Node node) {
    return Files.exists(layout.node(node).incoming()) && !suspension(node).isSaved();
  }

  /** Starts a fork that did not go on from its template's memory. */
  private Optional<Problem> startFromDisk(Node node, Consumer<Node> start, Terminal terminal) {
    terminal.line(
        "%s: QEMU did not take its template's memory%s; it boots from its disk",
        node.name(), pane(node));
    Vm.of(node, layout).removeSaved();
    start.accept(node);
    return awaitStarted(node);
  }

  /** What QEMU said at last, for the middle of a line. */
  private String pane(Node node) {
    String tail = session().tail(node.name());
    return tail.isEmpty() ? "" : " (" + tail + ")";
  }

  private VmSession session() {
    return VmSession.of(cluster, layout, Terminal.current());
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
                node.name() + ": QEMU did not start" + pane(node),
                "its pane shows why: " + session().attach()));
  }

  /** A saved state that QEMU does not take is kept; a template's memory can be done without. */
  private void letGo(Node node, Consumer<Node> start, Terminal terminal) {
    Vm vm = Vm.of(node, layout);
    boolean fork = isFork(node);
    try {
      letGo(vm);
    } catch (Problem problem) {
      if (!fork && !suspension(node).isSaved() || !Wait.until(END, () -> !vm.alive())) {
        throw problem;
      }
      if (!fork) {
        throw new Problem(
            node.name() + ": QEMU did not take its saved state" + pane(node),
            Suspension.KEPT.formatted(node.name()),
            problem);
      }
      startFromDisk(node, start, terminal).ifPresent(Admission::fail);
      letGo(vm);
    }
  }

  private static void letGo(Vm vm) {
    vm.letGo();
    BootRecord.of(vm.files()).ended(Leg.QUEUED, Instant.now());
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
          node -> turns.execute(() -> boot(node, start, terminal, gone, right, progress, problems));
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
      Progress progress,
      List<Problem> problems) {
    boolean resumed = false;
    try {
      try {
        awaitStarted(node).ifPresent(Admission::fail);
        resumed = suspension(node).isSaved();
        letGo(node, start, terminal);
      } catch (Problem problem) {
        problems.add(problem);
        throw problem;
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

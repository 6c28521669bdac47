package lib.ready;

import java.nio.file.Files;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import java.util.function.Predicate;
import java.util.function.Supplier;
import java.util.function.UnaryOperator;
import lib.Problem;
import lib.Terminal;
import lib.Wait;
import lib.cluster.Cluster;
import lib.cluster.Host;
import lib.cluster.Node;
import lib.state.Layout;
import lib.vm.Suspension;
import lib.vm.Vm;

/**
 * Resumes the VMs that wait, as many at a time as the host can boot well. A node that is ready
 * frees its place.
 *
 * @param places how many may boot at a time
 * @param start starts a node's QEMU anew
 * @param panes where it runs
 */
public record Admission(
    Cluster cluster,
    Layout layout,
    int places,
    Consumer<Node> start,
    Panes panes,
    Terminal terminal) {
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
  public static Admission of(
      Cluster cluster,
      Layout layout,
      Host host,
      Consumer<Node> start,
      Panes panes,
      Terminal terminal) {
    int places = host.emulates() ? host.cores() : Integer.MAX_VALUE;
    return new Admission(cluster, layout, places, start, panes, terminal);
  }

  /**
   * The panes in which the nodes' QEMUs run.
   *
   * @param hasEnded whether what ran in a node's pane has ended
   * @param tail the last line in a node's pane that has ended: QEMU's words
   * @param attach what a person types to see them
   */
  public record Panes(
      Predicate<String> hasEnded, UnaryOperator<String> tail, Supplier<String> attach) {}

  /**
   * Nodes that can be started only after some work, which takes a place as a boot does.
   *
   * @param nodes all of one role
   * @param first the work, after which QEMU runs for each of them
   */
  public record Later(List<Node> nodes, Runnable first) {}

  /**
   * Resumes every VM that waits, in the given order; returns when none waits any more. The last
   * ones are still booting then, and whether a guest becomes ready is for others to say.
   *
   * @param nodes those whose QEMU runs
   * @param later those whose QEMU does not run yet
   * @throws Problem naming each node whose QEMU did not start, or did not take its saved state,
   *     after all others were resumed
   */
  public void resumeAll(List<Node> nodes, List<Later> later) {
    List<Problem> problems = Collections.synchronizedList(new ArrayList<>());
    List<Node> waiting = new ArrayList<>(nodes);
    waiting.removeIf(node -> !succeeds(() -> awaitStartedAnyhow(node), problems));
    waiting.removeIf(node -> !vm(node).isQueued());
    boolean saved = waiting.stream().anyMatch(node -> suspension(node).isSaved());
    if (waiting.size() <= places && later.isEmpty() && !saved) {
      waiting.forEach(node -> succeeds(() -> resume(node), problems));
    } else {
      takeTurns(waiting, later, problems);
    }
    Problem.throwAll(problems);
  }

  private static boolean succeeds(Runnable work, List<Problem> problems) {
    try {
      work.run();
      return true;
    } catch (RuntimeException e) {
      problems.add(Problem.of(e));
      return false;
    }
  }

  /** Whether it has a template's memory to go on from, in which there is nothing of a person's. */
  private static boolean isFork(Vm vm) {
    return Files.exists(vm.files().incoming()) && !new Suspension(vm).isSaved();
  }

  /** Starts a fork that did not go on from its template's memory. */
  private void startFromDisk(Node node) {
    terminal.line(
        "%s: QEMU did not take its template's memory%s; it boots from its disk",
        node.name(), pane(node));
    vm(node).removeSaved();
    start.accept(node);
    awaitStarted(node);
  }

  /** What QEMU said at last, for the middle of a line. */
  private String pane(Node node) {
    Wait.until(END, () -> panes.hasEnded.test(node.name())); // tmux takes a moment to see it
    String tail = panes.tail.apply(node.name());
    return tail.isEmpty() ? "" : " (" + tail + ")";
  }

  private Vm vm(Node node) {
    return Vm.of(node, layout);
  }

  private Suspension suspension(Node node) {
    return new Suspension(vm(node));
  }

  /** The same, and starts a fork anew whose QEMU has ended. */
  private void awaitStartedAnyhow(Node node) {
    try {
      awaitStarted(node);
    } catch (Problem problem) {
      if (!isFork(vm(node)) || !panes.hasEnded.test(node.name())) {
        throw problem;
      }
      startFromDisk(node);
    }
  }

  private void awaitStarted(Node node) {
    Vm vm = vm(node);
    if (Wait.until(START, () -> vm.alive() && vm.status().isPresent())) {
      return;
    }
    throw vm.alive()
        ? new Problem(
            "%s: QEMU does not answer on %s".formatted(node.name(), vm.files().qmp()),
            "try again; or have its guest power off, and launch it: stop-all.java --only "
                + node.name())
        : new Problem(
            node.name() + ": QEMU did not start" + pane(node),
            "its pane shows why: " + panes.attach.get());
  }

  /** A saved state that QEMU does not take is kept; a template's memory can be done without. */
  private void resume(Node node) {
    Vm vm = vm(node);
    boolean fork = isFork(vm);
    try {
      resume(vm);
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
      startFromDisk(node);
      resume(vm);
    }
  }

  private static void resume(Vm vm) {
    vm.resume();
    BootRecord.of(vm.files()).ended(Leg.QUEUED, Instant.now());
  }

  private void takeTurns(List<Node> waiting, List<Later> later, List<Problem> problems) {
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
          node -> turns.execute(() -> boot(node, gone, right, progress, problems));
      for (Later some : later) { // first, as others wait for them
        some.nodes().forEach(node -> progress.reached(node, Stage.TEMPLATE, false));
        turns.execute(
            () -> {
              if (succeeds(some.first(), problems)) {
                some.nodes().forEach(boot);
                return;
              }
              for (Node node : some.nodes()) {
                progress.failed(node);
                gone.countDown();
                right.countDown();
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

  /** Resumes a VM and keeps its place until it is ready or has failed. */
  private void boot(
      Node node,
      CountDownLatch gone,
      CountDownLatch right,
      Progress progress,
      List<Problem> problems) {
    boolean saved = suspension(node).isSaved();
    Runnable resume =
        () -> {
          awaitStarted(node);
          resume(node);
        };
    boolean resumed = succeeds(resume, problems);
    gone.countDown();
    if (!saved) {
      right.countDown();
    }
    Runnable ready =
        () ->
            Readiness.of(node, cluster, layout)
                .await(
                    Stage.READY,
                    SILENCE,
                    stage -> progress.reached(node, stage, stage == Stage.READY));
    if (!resumed || !succeeds(ready, new ArrayList<>())) { // ssh-all says why
      progress.failed(node);
    }
    if (saved) { // who is ready has got the time
      right.countDown();
    }
  }

  private static Thread daemon(Runnable work) {
    Thread thread = new Thread(work);
    thread.setDaemon(true);
    return thread;
  }
}

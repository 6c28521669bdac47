package lib;

import java.time.Duration;
import java.util.List;
import java.util.Optional;
import java.util.function.Function;

/** Ends VMs: the power button first, then QEMU's {@code quit}, then kill. */
public record Shutdown(Layout layout, Terminal terminal) {
  private static final Duration TURN = Duration.ofSeconds(15);
  private static final Duration POWER_DOWN = Duration.ofSeconds(90);
  private static final Duration QUIT = Duration.ofSeconds(10);

  /**
   * Shuts nodes down; returns when no QEMU of theirs lives. Emulated guests stop as many at a time
   * as there are cores: 28 at once on 2 cores did not within the limit.
   *
   * @throws Problem naming each node whose QEMU outlives even a kill
   */
  public void stop(List<Node> nodes) {
    each(nodes, node -> stop(node, true));
  }

  /**
   * Ends nodes whose disks nobody needs any more; returns when no QEMU of theirs lives.
   *
   * @throws Problem naming each node whose QEMU outlives even a kill
   */
  public void cut(List<Node> nodes) {
    each(nodes, node -> stop(node, false));
  }

  /**
   * Saves nodes with all that they are doing and ends their QEMU.
   *
   * @throws Problem naming each node that can't be saved, which goes on
   */
  public void suspend(List<Node> nodes) {
    each(nodes, this::suspend);
  }

  private void each(List<Node> nodes, Function<Node, Optional<Problem>> way) {
    List<Node> running = nodes.stream().filter(node -> Vm.of(node, layout).alive()).toList();
    List<Problem> problems = EachNode.map(running, way).stream().flatMap(Optional::stream).toList();
    if (!problems.isEmpty()) {
      throw Problem.all(problems);
    }
  }

  private Optional<Problem> suspend(Node node) {
    Vm vm = Vm.of(node, layout);
    long start = System.nanoTime();
    if (vm.isQueued()) { // it has not begun, or has a saved state that it has not loaded
      return Optional.of(
          new Problem(node.name() + " waits for its turn to boot", "suspend it when it is ready"));
    }
    try {
      new Suspension(vm).begin();
    } catch (Problem problem) {
      return Optional.of(problem);
    }
    long seconds = (System.nanoTime() - start) / 1_000_000_000;
    terminal.line("%-12s %-11s %4d s", node.name(), "suspended", seconds);
    return Optional.empty();
  }

  private Optional<Problem> stop(Node node, boolean inOrder) {
    Vm vm = Vm.of(node, layout);
    long start = System.nanoTime();
    String way = inOrder && powerDown(vm) ? "powered down" : end(vm);
    if (vm.alive()) {
      return Optional.of(
          new Problem(
              node.name()
                  + ": QEMU does not end, process "
                  + vm.process().map(ProcessHandle::pid).orElse(0L),
              "it may hang on a broken disk: see dmesg"));
    }
    long seconds = (System.nanoTime() - start) / 1_000_000_000;
    terminal.line("%-12s %-11s %4d s", node.name(), way, seconds);
    return Optional.empty();
  }

  /** Whether the guest ends by itself within the limit. */
  private static boolean powerDown(Vm vm) {
    boolean pressed =
        Turn.of(
            vm,
            () -> {
              if (!vm.alive()) {
                return true; // it has ended by itself meanwhile
              }
              // who waits before the first instruction, or is paused, would not see the button
              boolean off = vm.status().filter(status -> !status.equals("running")).isPresent();
              if (off || !tell(vm::powerDown)) {
                return false;
              }
              Wait.until(TURN, () -> !vm.alive()); // who hangs holds nobody up for long
              return true;
            });
    return pressed && Wait.until(POWER_DOWN, () -> !vm.alive());
  }

  private static String end(Vm vm) {
    if (tell(vm::quit) && Wait.until(QUIT, () -> !vm.alive())) {
      return "quit";
    }
    vm.kill();
    Wait.until(QUIT, () -> !vm.alive());
    return "killed";
  }

  /** Whether QEMU took it; if not, the next, harder way is due. */
  private static boolean tell(Runnable command) {
    try {
      command.run();
      return true;
    } catch (Problem e) {
      return false;
    }
  }
}

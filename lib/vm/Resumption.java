package lib.vm;

import java.nio.file.Files;
import java.time.Duration;
import lib.Plan;
import lib.Problem;
import lib.Terminal;
import lib.Wait;

/** Makes a VM that is started alone go on from its saved state. */
public final class Resumption {
  private static final Duration START = Duration.ofSeconds(10);

  private Resumption() {}

  /**
   * Has a VM go on from its saved state as soon as its QEMU runs, if it has one.
   *
   * @param terminal gets a line if that fails; QEMU then ends, and has said why
   */
  public static void later(Vm vm, Terminal terminal) {
    if (!Files.exists(vm.files().incoming())) {
      return;
    }
    Thread thread = new Thread(() -> now(vm, terminal));
    thread.setDaemon(true);
    thread.start();
  }

  private static void now(Vm vm, Terminal terminal) {
    String name = vm.node().name();
    boolean fork = !new Suspension(vm).isSaved(); // from a template: no work is lost
    try {
      if (!Wait.until(START, () -> vm.alive() && vm.status().isPresent())) {
        throw new Problem(name + ": QEMU did not start, or does not answer", "see above");
      }
      vm.resume();
    } catch (Problem problem) {
      boolean boots = fork && !vm.alive();
      if (boots) {
        new Plan.Remove(vm.files().incoming()).run();
      }
      terminal.line(
          "%s; %s",
          problem.getMessage(),
          boots ? "run the same again: it boots from its disk" : Suspension.KEPT.formatted(name));
    }
  }
}

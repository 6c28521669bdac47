package lib;

import java.util.concurrent.Semaphore;
import java.util.function.Supplier;

/**
 * Turns for what makes a guest work: under emulation as many guests at a time as there are cores. A
 * login costs such a guest about a CPU-second, an orderly shutdown several, and one that comes too
 * late is asked again: 28 guests on two cores that were asked all at once answered none for ten
 * minutes.
 */
final class Turn {
  private static final Semaphore CORES =
      new Semaphore(Runtime.getRuntime().availableProcessors(), true);

  private Turn() {}

  /**
   * {@return what {@code work} does with the VM, at its turn; at once with an accelerator}
   *
   * @throws Problem if interrupted before it
   */
  static <T> T of(Vm vm, Supplier<T> work) {
    if (!vm.emulated()) {
      return work.get();
    }
    try {
      CORES.acquire();
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new Problem("interrupted", "run the same again: it goes on where it stopped", e);
    }
    try {
      return work.get();
    } finally {
      CORES.release();
    }
  }
}

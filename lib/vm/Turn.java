package lib.vm;

import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import java.util.function.Supplier;
import lib.Problem;

/**
 * Turns for what makes a guest work: under emulation as many guests at a time as there are cores. A
 * login costs such a guest about a CPU-second, an orderly shutdown several, and a guest that
 * answers too late is asked again, which costs it more: 28 guests on two cores that were asked all
 * at once answered none for ten minutes.
 */
public final class Turn {
  private static final Semaphore CORES =
      new Semaphore(Runtime.getRuntime().availableProcessors(), true);

  /** Nobody waits longer for a turn: guests that hang must not hold up those that don't. */
  private static final int SECONDS = 60;

  private Turn() {}

  /**
   * {@return what {@code work} returns, which it does at the VM's turn; at once with an
   * accelerator}
   *
   * @throws Problem if interrupted before it
   */
  public static <T> T of(Vm vm, Supplier<T> work) {
    if (!vm.emulated()) {
      return work.get();
    }
    boolean mine = awaited();
    try {
      return work.get();
    } finally {
      if (mine) {
        CORES.release();
      }
    }
  }

  private static boolean awaited() {
    try {
      return CORES.tryAcquire(SECONDS, TimeUnit.SECONDS);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new Problem("interrupted", "run the same again: it goes on where it stopped", e);
    }
  }
}

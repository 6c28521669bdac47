package lib;

import java.time.Duration;
import java.util.Optional;
import java.util.function.Supplier;

/** Polling with a limit: the one loop that waits. */
public final class Wait {
  private Wait() {}

  /**
   * {@return the first value that {@code attempt} has, or nothing when the limit has passed}
   *
   * @param every the pause between two attempts
   * @param attempt may throw a {@link Problem} to end the wait at once
   */
  public static <T> Optional<T> until(
      Duration limit, Duration every, Supplier<Optional<T>> attempt) {
    long end = System.nanoTime() + limit.toNanos();
    while (true) {
      Optional<T> value = attempt.get();
      if (value.isPresent()) {
        return value;
      }
      if (System.nanoTime() + every.toNanos() > end) {
        return Optional.empty();
      }
      pause(every);
    }
  }

  /** {@return whether {@code condition} came true within the limit} */
  public static boolean until(Duration limit, Condition condition) {
    return until(
            limit,
            Duration.ofMillis(100),
            () -> condition.holds() ? Optional.of(true) : Optional.empty())
        .isPresent();
  }

  /** What is waited for. */
  public interface Condition {
    /** {@return whether it is true now} */
    boolean holds();
  }

  /** Sleeps; an interruption is a {@link Problem}. */
  public static void pause(Duration time) {
    try {
      Thread.sleep(time.toMillis());
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new Problem("interrupted", "run the same again: it goes on where it stopped", e);
    }
  }
}

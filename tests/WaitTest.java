import static org.assertj.core.api.Assertions.assertThat;

import java.time.Duration;
import java.util.Optional;
import java.util.concurrent.atomic.AtomicInteger;
import lib.Problem;
import lib.Wait;
import org.junit.jupiter.api.Test;

class WaitTest {
  private static final Duration EVERY = Duration.ofMillis(10);
  private final AtomicInteger attempts = new AtomicInteger();

  @Test
  void theFirstValueEndsIt() {
    assertThat(
            Wait.until(
                Duration.ofSeconds(10),
                EVERY,
                () -> attempts.incrementAndGet() < 3 ? Optional.empty() : Optional.of("x")))
        .contains("x");
    assertThat(attempts).hasValue(3);
  }

  @Test
  void aValueThatIsThereIsNotWaitedFor() {
    assertThat(Wait.until(Duration.ZERO, Duration.ofHours(1), () -> Optional.of(1))).contains(1);
    assertThat(Wait.until(Duration.ZERO, () -> true)).isTrue();
  }

  @Test
  void theLimitEndsIt() {
    long start = System.nanoTime();
    assertThat(
            Wait.until(
                Duration.ofMillis(500),
                EVERY,
                () -> {
                  attempts.incrementAndGet();
                  return Optional.empty();
                }))
        .isEmpty();

    assertThat(Duration.ofNanos(System.nanoTime() - start))
        .isBetween(Duration.ofMillis(400), Duration.ofMinutes(1));
    assertThat(attempts.get()).isGreaterThan(1);
    assertThat(Wait.until(Duration.ofMillis(150), () -> false)).isFalse();
  }

  @Test
  void aProblemEndsItAtOnce() {
    assertThat(
            Lab.problem(
                () ->
                    Wait.until(
                        Duration.ofHours(1),
                        EVERY,
                        () -> {
                          throw new Problem("dead", "bury it");
                        })))
        .isEqualTo("dead\n(bury it)");
  }

  @Test
  void anInterruptionIsAProblem() {
    Thread.currentThread().interrupt();

    assertThat(Lab.problem(() -> Wait.until(Duration.ofHours(1), () -> false)))
        .isEqualTo("interrupted\n(run the same again: it goes on where it stopped)");
    assertThat(Thread.interrupted()).isTrue();
  }
}

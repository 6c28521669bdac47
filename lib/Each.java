package lib;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.function.Consumer;
import java.util.function.Function;

/** Does the same for many at once: a thread for each, however few cores, as they mostly wait. */
public final class Each {
  private Each() {}

  /**
   * {@return the result for each item, in order}
   *
   * @throws Problem with every failure, in order, after all have ended: nothing may go on when the
   *     caller gives up its lock
   */
  public static <T, R> List<R> map(List<T> items, Function<T, R> work) {
    ExecutorService threads = Executors.newFixedThreadPool(Math.max(1, items.size()));
    List<Future<R>> futures =
        items.stream().map(item -> threads.submit(() -> work.apply(item))).toList();
    threads.shutdown();
    List<R> results = new ArrayList<>();
    List<Problem> problems = new ArrayList<>();
    for (Future<R> future : futures) {
      try {
        results.add(future.get());
      } catch (ExecutionException e) {
        problems.add(Problem.of(e.getCause()));
      } catch (InterruptedException e) {
        throw new Problem("interrupted", "run the same again: it goes on from there", e);
      }
    }
    Problem.throwAll(problems);
    return results;
  }

  /** Does {@code work} for each item. It throws what {@link #map} throws. */
  public static <T> void run(List<T> items, Consumer<T> work) {
    map(
        items,
        item -> {
          work.accept(item);
          return item;
        });
  }
}

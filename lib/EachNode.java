package lib;

import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.function.Consumer;
import java.util.function.Function;

/** Does the same for all nodes at once: a thread a node, however few cores, as they mostly wait. */
public final class EachNode {
  private EachNode() {}

  /**
   * {@return the result for each node, in order}
   *
   * <p>The first failure in that order is thrown, after all have ended: nothing may go on when the
   * caller gives up its lock.
   */
  public static <T> List<T> map(List<Node> nodes, Function<Node, T> work) {
    ExecutorService threads = Executors.newFixedThreadPool(Math.max(1, nodes.size()));
    try {
      List<Future<T>> futures =
          nodes.stream().map(node -> threads.submit(() -> work.apply(node))).toList();
      threads.shutdown();
      List<T> results = new ArrayList<>();
      Optional<Throwable> failure = Optional.empty();
      for (Future<T> future : futures) {
        try {
          results.add(future.get());
        } catch (ExecutionException e) {
          failure = failure.or(() -> Optional.of(e.getCause()));
        }
      }
      if (failure.isPresent()) {
        throw failure.get() instanceof RuntimeException cause
            ? cause
            : new IllegalStateException(failure.get());
      }
      return results;
    } catch (InterruptedException e) {
      throw new Problem("interrupted", "run the same again: it goes on from there", e);
    }
  }

  /** Does {@code work} for each node; the first failure is thrown. */
  public static void run(List<Node> nodes, Consumer<Node> work) {
    map(
        nodes,
        node -> {
          work.accept(node);
          return node;
        });
  }
}

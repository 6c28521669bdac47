package lib;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.function.Consumer;
import java.util.function.Function;

/** Does the same for all nodes at once: a thread a node, however few cores, as they mostly wait. */
public final class EachNode {
  private EachNode() {}

  /** {@return the result for each node, in order; the first failure in that order is thrown} */
  public static <T> List<T> map(List<Node> nodes, Function<Node, T> work) {
    ExecutorService threads = Executors.newFixedThreadPool(Math.max(1, nodes.size()));
    try {
      List<Future<T>> futures =
          nodes.stream().map(node -> threads.submit(() -> work.apply(node))).toList();
      threads.shutdown();
      List<T> results = new ArrayList<>();
      for (Future<T> future : futures) {
        results.add(future.get());
      }
      return results;
    } catch (ExecutionException e) {
      throw e.getCause() instanceof RuntimeException cause
          ? cause
          : new IllegalStateException(e.getCause());
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

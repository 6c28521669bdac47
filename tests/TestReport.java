import java.io.PrintStream;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.platform.engine.TestExecutionResult;
import org.junit.platform.engine.support.descriptor.ClassSource;
import org.junit.platform.launcher.TestExecutionListener;
import org.junit.platform.launcher.TestIdentifier;
import org.junit.platform.launcher.TestPlan;

/**
 * Prints the end of each test class, what failed and why, and the counts. Tests may run at the same
 * time.
 */
final class TestReport implements TestExecutionListener {
  private static final int SLOWEST = 10;
  private static final int FRAMES = 5;

  private final PrintStream out;
  private final Map<String, Long> starts = new HashMap<>();
  private final Map<String, Counts> classes = new LinkedHashMap<>();
  private final List<Timed> tests = new ArrayList<>();
  private final Counts all = new Counts();
  private TestPlan plan;

  TestReport(PrintStream out) {
    this.out = out;
  }

  @Override
  public void testPlanExecutionStarted(TestPlan started) {
    plan = started;
  }

  @Override
  public synchronized void executionStarted(TestIdentifier test) {
    starts.put(test.getUniqueId(), System.nanoTime());
  }

  @Override
  public synchronized void executionSkipped(TestIdentifier test, String reason) {
    long count =
        Stream.concat(Stream.of(test), plan.getDescendants(test).stream())
            .filter(TestIdentifier::isTest)
            .count();
    skipped(test, reason, Math.max(1, (int) count));
    if (isClass(test)) {
      classEnded(test, 0);
    }
  }

  @Override
  public synchronized void executionFinished(TestIdentifier test, TestExecutionResult result) {
    double seconds = (System.nanoTime() - starts.get(test.getUniqueId())) / 1e9;
    if (test.isTest()) {
      tests.add(new Timed(name(test), seconds));
    }
    Throwable thrown = result.getThrowable().orElse(null);
    switch (result.getStatus()) {
      case SUCCESSFUL -> {
        if (test.isTest()) {
          counts(test).passed++;
        }
      }
      case ABORTED -> skipped(test, thrown == null ? "" : String.valueOf(thrown.getMessage()), 1);
      case FAILED -> {
        counts(test).failed++;
        counts(test).lines.add("  FAILED " + name(test) + "\n" + explained(thrown));
      }
    }
    if (isClass(test)) {
      classEnded(test, seconds);
    }
  }

  /** Files that no test reads any more count as failures of a run in which everything else held. */
  void leftOvers(List<String> files) {
    if (all.failed == 0 && all.skipped == 0) {
      files.forEach(file -> out.println("FAILED no test asks for " + file + "\n  (delete it)"));
      all.failed += files.size();
    }
  }

  /** Prints the slowest tests and the counts; the exit code of the run. */
  int end() {
    if (!tests.isEmpty()) {
      out.println("slowest:");
      tests.stream()
          .sorted(Comparator.comparingDouble(Timed::seconds).reversed())
          .limit(SLOWEST)
          .forEach(test -> out.printf("  %6.2f s  %s%n", test.seconds(), test.name()));
    }
    out.println(all.passed + " passed, " + all.failed + " failed, " + all.skipped + " skipped");
    return all.failed > 0 || all.passed == 0 ? 1 : 0;
  }

  private void skipped(TestIdentifier test, String reason, int count) {
    counts(test).skipped += count;
    counts(test).lines.add("  skipped " + name(test) + ": " + reason.strip().replace("\n", " "));
  }

  private void classEnded(TestIdentifier test, double seconds) {
    Counts counts = counts(test);
    out.printf("%-24s %s in %.2f s%n", test.getDisplayName(), counts, seconds);
    counts.lines.forEach(out::println);
    out.flush();
    all.add(counts);
  }

  private Counts counts(TestIdentifier test) {
    return classes.computeIfAbsent(topClass(test).getUniqueId(), id -> new Counts());
  }

  private TestIdentifier topClass(TestIdentifier test) {
    TestIdentifier at = test;
    while (!isClass(at) && plan.getParent(at).isPresent()) {
      at = plan.getParent(at).get();
    }
    return at;
  }

  /** Whether this is a test class that stands in no other. */
  private boolean isClass(TestIdentifier test) {
    return test.getSource().filter(ClassSource.class::isInstance).isPresent()
        && plan.getParent(test).flatMap(TestIdentifier::getSource).isEmpty();
  }

  private String name(TestIdentifier test) {
    return isClass(test) || test.getParentId().isEmpty()
        ? test.getDisplayName()
        : plan.getParent(test).map(this::name).orElse("") + "." + test.getDisplayName();
  }

  private static String explained(Throwable thrown) {
    StringBuilder text = new StringBuilder();
    for (Throwable at = thrown; at != null; at = at.getCause()) {
      String message = at instanceof AssertionError ? at.getMessage() : at.toString();
      text.append(at == thrown ? "" : "caused by: ").append(String.valueOf(message).strip());
      Stream.of(at.getStackTrace())
          .filter(frame -> isOurs(frame.getClassName()))
          .limit(FRAMES)
          .forEach(frame -> text.append("\n  at ").append(frame));
      text.append('\n');
    }
    return text.toString().stripTrailing().indent(4).stripTrailing();
  }

  /** Our classes are those of package lib, and those of scripts and tests, in no package. */
  private static boolean isOurs(String className) {
    return className.startsWith("lib.") || className.indexOf('.') < 0;
  }

  private record Timed(String name, double seconds) {}

  private static final class Counts {
    private final List<String> lines = new ArrayList<>();
    private int passed;
    private int failed;
    private int skipped;

    void add(Counts other) {
      passed += other.passed;
      failed += other.failed;
      skipped += other.skipped;
    }

    @Override
    public String toString() {
      return passed
          + " passed"
          + (failed == 0 ? "" : ", " + failed + " failed")
          + (skipped == 0 ? "" : ", " + skipped + " skipped");
    }
  }
}

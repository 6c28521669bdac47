package lib;

import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Collectors;

/** The only failure kubenet throws on purpose: a fact, and a hint that says the way out. */
public final class Problem extends RuntimeException {
  private static final long serialVersionUID = 1;

  private final String hint;

  /** A problem with a {@code message} (fact, with the value) and a {@code hint} (what to do). */
  public Problem(String message, String hint) {
    super(message);
    this.hint = hint;
  }

  /** As above, keeping the {@code cause} for {@code --verbose}. */
  public Problem(String message, String hint, Throwable cause) {
    super(message, cause);
    this.hint = hint;
  }

  /**
   * {@return the problem that something can't be done with a file}
   *
   * @param what a verb, such as {@code read}
   */
  public static Problem cannot(String what, Path path, IOException cause) {
    return new Problem(
        "cannot " + what + " " + path + ": " + cause.getMessage(), "check its owner", cause);
  }

  /** {@return a failure as a problem: itself if it is one, else a fault in kubenet} */
  public static Problem of(Throwable failure) {
    return failure instanceof Problem problem
        ? problem
        : new Problem(
            "unexpected: " + failure, "this is a fault in kubenet; --verbose shows where", failure);
  }

  /** {@return one problem that says all of {@code problems}, which are at least one} */
  public static Problem all(List<Problem> problems) {
    return problems.size() == 1
        ? problems.get(0)
        : new Problem(
            problems.stream().map(Problem::getMessage).collect(Collectors.joining("\n")),
            problems.stream().map(Problem::hint).distinct().collect(Collectors.joining("\n")),
            problems.get(0));
  }

  /** Throws all of {@code problems} as one, if there are any. */
  public static void throwAll(List<Problem> problems) {
    if (!problems.isEmpty()) {
      throw all(problems);
    }
  }

  /** {@return what the user can do about it} */
  public String hint() {
    return hint;
  }
}

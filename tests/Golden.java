import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.fail;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.stream.Stream;
import org.assertj.core.util.diff.DiffUtils;

/** Expected values that are files below tests/golden, so that a change shows as a diff in git. */
final class Golden {
  private static final Path FOLDER = Project.root().resolve("tests/golden");
  private static final boolean UPDATE = "1".equals(System.getenv("UPDATE_GOLDEN"));
  private static final Set<Path> ASKED = ConcurrentHashMap.newKeySet();

  private Golden() {}

  /**
   * Compares a whole value with tests/golden/NAME; a missing file is written, and fails the test.
   */
  static void check(String name, String actual) {
    Path file = FOLDER.resolve(name);
    ASKED.add(file);
    try {
      boolean missing = !Files.exists(file);
      if (missing || UPDATE) {
        Files.createDirectories(file.getParent());
        Files.writeString(file, actual);
      }
      if (missing && !UPDATE) {
        fail("tests/golden/%s was missing\n(it is written now: read it, then run again)", name);
      }
      String expected = Files.readString(file);
      assertThat(actual)
          .withFailMessage(() -> difference(name, expected, actual))
          .isEqualTo(expected);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** {@return a command of this Java with fixed words for its program and for its classes} */
  static String withoutThisJava(String text) {
    return text.replaceAll("\\S+/bin/java (.*) -cp \\S+", "JAVA $1 -cp CLASSES");
  }

  /** The golden files that no test has asked for yet: after a whole run these are left-overs. */
  static List<String> unasked() {
    if (!Files.isDirectory(FOLDER)) {
      return List.of();
    }
    try (Stream<Path> files = Files.walk(FOLDER)) {
      return files
          .filter(file -> Files.isRegularFile(file) && !ASKED.contains(file))
          .map(file -> Project.root().relativize(file).toString())
          .sorted()
          .toList();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private static String difference(String name, String expected, String actual) {
    List<String> old = List.of(expected.split("\n", -1));
    List<String> lines =
        DiffUtils.generateUnifiedDiff(
            "tests/golden/" + name,
            "actual",
            old,
            DiffUtils.diff(old, List.of(actual.split("\n", -1))),
            2);
    return String.join("\n", lines) + "\n(is the new value right? then run with UPDATE_GOLDEN=1)";
  }
}

import static org.assertj.core.api.Assertions.assertThat;

import java.lang.reflect.Method;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Comparator;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

/** The table in docs/reliability.md is made from the tests; UPDATE_GOLDEN=1 makes it anew. */
class ReliabilityDocTest {
  private static final Path DOC = Project.root().resolve("docs/reliability.md");
  private static final String START = "<!-- made by ReliabilityDocTest from the tests -->\n";
  private static final String END = "<!-- end of the table -->\n";

  @Test
  void theTableIsThatOfTheTests() throws Exception {
    String doc = Files.readString(DOC);
    int start = doc.indexOf(START) + START.length();
    int end = doc.indexOf(END);
    String table = table();
    if (System.getenv("UPDATE_GOLDEN") != null) {
      Files.writeString(DOC, doc.substring(0, start) + table + doc.substring(end));
    } else {
      assertThat(doc.substring(start, end)).isEqualTo(table);
    }
  }

  private static String table() throws Exception {
    List<Method> tests = tests();
    StringBuilder table = new StringBuilder();
    table.append(
        "%d faults:\n\n| fault | what kubenet does | test |\n|---|---|---|\n"
            .formatted(tests.size()));
    for (Method test : tests) {
      Fault fault = test.getAnnotation(Fault.class);
      table.append(
          "| %s | %s | `%s.%s` |\n"
              .formatted(
                  fault.value(),
                  fault.promise(),
                  test.getDeclaringClass().getSimpleName(),
                  test.getName()));
    }
    return table.toString();
  }

  private static List<Method> tests() throws Exception {
    Stream<Method> tests = Stream.empty();
    for (String name : AllTests.testClasses()) {
      tests = Stream.concat(tests, Stream.of(Class.forName(name).getDeclaredMethods()));
    }
    return tests
        .filter(method -> method.isAnnotationPresent(Fault.class))
        .sorted(
            Comparator.comparing((Method method) -> method.getDeclaringClass().getSimpleName())
                .thenComparing(Method::getName))
        .toList();
  }
}

import static org.assertj.core.api.Assertions.assertThat;

import com.google.googlejavaformat.java.FormatterException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

/** Every Java file of the project is formatted. */
class FormatTest {
  @Test
  void filesAreFormatted() throws IOException, FormatterException {
    List<Path> bad = new ArrayList<>();
    for (Path file : Format.files(Project.root())) {
      String source = Files.readString(file);
      if (!Format.formatted(source).equals(source)) {
        bad.add(Project.root().relativize(file));
      }
    }
    assertThat(bad)
        .withFailMessage(() -> "badly formatted: " + bad + "\n(run ./jbang tests/format.java)")
        .isEmpty();
  }

  @Test
  void headerStaysAsItIs() throws FormatterException {
    String header =
        "///usr/bin/env jbang \"$0\" \"$@\" ; exit $?\n//DEPS a:b:1   // why\n\n//MAIN X\n\n";

    assertThat(Format.formatted(header + "class   X{int a=1 ;}"))
        .isEqualTo(header + "class X {\n  int a = 1;\n}\n");
  }
}

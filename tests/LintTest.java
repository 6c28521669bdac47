import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import javax.tools.Diagnostic;
import javax.tools.DiagnosticCollector;
import javax.tools.JavaCompiler;
import javax.tools.JavaFileObject;
import javax.tools.StandardJavaFileManager;
import javax.tools.ToolProvider;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The compiler has nothing to say about any file of the project. */
class LintTest {
  // auxiliaryclass: a hyphenated script cannot be named as its class. path: other jars' manifests.
  // processing: nobody processes annotations here. try: a lock is held, not used.
  private static final String LINT = "-Xlint:all,-auxiliaryclass,-path,-processing,-try";

  @Test
  void compilesWithoutWarning(@TempDir Path classes) throws IOException {
    JavaCompiler javac = ToolProvider.getSystemJavaCompiler();
    DiagnosticCollector<JavaFileObject> found = new DiagnosticCollector<>();
    try (StandardJavaFileManager files = javac.getStandardFileManager(found, null, null)) {
      List<String> options =
          List.of(
              LINT,
              "-proc:none",
              "--release",
              "17",
              "-classpath",
              System.getProperty("java.class.path"),
              "-d",
              classes.toString());
      javac
          .getTask(
              null,
              files,
              found,
              options,
              null,
              files.getJavaFileObjectsFromPaths(Format.files(Project.root())))
          .call();
    }
    List<String> complaints = found.getDiagnostics().stream().map(LintTest::line).toList();
    assertThat(complaints).withFailMessage(() -> String.join("\n", complaints)).isEmpty();
  }

  private static String line(Diagnostic<? extends JavaFileObject> found) {
    String message = found.getMessage(Locale.ROOT);
    return found.getSource() == null
        ? message
        : Project.root().relativize(Path.of(found.getSource().toUri()))
            + ":"
            + found.getLineNumber()
            + ": "
            + message;
  }
}

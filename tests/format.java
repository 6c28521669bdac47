///usr/bin/env jbang "$0" "$@" ; exit $?
//DESCRIPTION Formats every Java file of the project, but leaves the JBang header of each as it is.
//DESCRIPTION Example: ./jbang tests/format.java --check
//JAVA 17+
//MAIN Format
//DEPS com.google.googlejavaformat:google-java-format:1.28.0
//DEPS info.picocli:picocli:4.7.7
//SOURCES Project.java   // where the files are
//RUNTIME_OPTIONS --add-exports=jdk.compiler/com.sun.tools.javac.api=ALL-UNNAMED
//RUNTIME_OPTIONS --add-exports=jdk.compiler/com.sun.tools.javac.code=ALL-UNNAMED
//RUNTIME_OPTIONS --add-exports=jdk.compiler/com.sun.tools.javac.file=ALL-UNNAMED
//RUNTIME_OPTIONS --add-exports=jdk.compiler/com.sun.tools.javac.parser=ALL-UNNAMED
//RUNTIME_OPTIONS --add-exports=jdk.compiler/com.sun.tools.javac.tree=ALL-UNNAMED
//RUNTIME_OPTIONS --add-exports=jdk.compiler/com.sun.tools.javac.util=ALL-UNNAMED
//RUNTIME_OPTIONS -Xmx1g

import com.google.googlejavaformat.java.Formatter;
import com.google.googlejavaformat.java.FormatterException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.Callable;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/**
 * The formatter: google-java-format, which would turn `//DEPS` into `// DEPS` if it saw the header.
 * 1.28.0 is its last version that runs on Java 17.
 */
@Command(
    name = "format",
    mixinStandardHelpOptions = true,
    description = "Formats every Java file of the project in place.")
class Format implements Callable<Integer> {
  private static final Pattern HEADER = Pattern.compile("\\A(?:[ \\t]*\\R|//.*\\R)*");

  @Option(
      names = "--check",
      description = "Change nothing: print the names of badly formatted files, and exit with 1.")
  private boolean check;

  public static void main(String[] args) {
    Locale.setDefault(Locale.ROOT);
    System.exit(new CommandLine(new Format()).execute(args));
  }

  @Override
  public Integer call() throws IOException {
    int bad = 0;
    for (Path file : files(Project.root())) {
      String source = Files.readString(file);
      String formatted;
      try {
        formatted = formatted(source);
      } catch (FormatterException e) {
        System.err.println(file + ": " + e.getMessage());
        bad++;
        continue;
      }
      if (!formatted.equals(source)) {
        System.out.println(Project.root().relativize(file));
        if (check) {
          bad++;
        } else {
          Files.writeString(file, formatted);
        }
      }
    }
    return bad == 0 ? 0 : 1;
  }

  /** The Java files of the project: the scripts, the rooms of lib, tests and benches. */
  static List<Path> files(Path root) throws IOException {
    try (Stream<Path> top = Files.list(root);
        Stream<Path> lib = Files.walk(root.resolve("lib"));
        Stream<Path> tests = Files.walk(root.resolve("tests"))) {
      return Stream.of(top, lib, tests)
          .flatMap(files -> files)
          .filter(file -> file.toString().endsWith(".java"))
          .sorted()
          .toList();
    }
  }

  /** The text as it should be: its header untouched, the rest in Google style. */
  static String formatted(String source) throws FormatterException {
    Matcher header = HEADER.matcher(source);
    int body = header.find() ? header.end() : 0;
    return source.substring(0, body)
        + new Formatter().formatSourceAndFixImports(source.substring(body));
  }
}

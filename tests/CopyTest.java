import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** A script can be taken into another project with the folders that its header names. */
class CopyTest {
  private static final String ROOM = "/package-info.java";

  @TempDir private static Path folder;
  private static Map<String, Copy> copies;

  /** What a copied script did. */
  private record Copy(CommandResult help, CommandResult dryRun, Path home) {}

  @BeforeAll
  static void copiesAndRunsEveryScript() {
    // in parallel: each is a JVM for JBang and one for the script
    copies =
        CommandResult.scripts().parallelStream()
            .collect(Collectors.toMap(script -> script, CopyTest::copy));
  }

  private static Copy copy(String script) {
    Path home = folder.resolve("a copy of " + script);
    strangersProject(home);
    String lines = String.join("\n", commands(script, "'" + home + "'"));
    CommandResult.command("sh", "-euc", lines).run().succeeded().quiet();
    return new Copy(
        jbang(home, script, "--help"),
        jbang(home, script, CommandResult.arguments(script, "--dry-run")),
        home);
  }

  private static CommandResult jbang(Path home, String script, String... arguments) {
    String[] words =
        Stream.concat(Stream.of(CommandResult.wrapper(), script + ".java"), Stream.of(arguments))
            .toArray(String[]::new);
    return CommandResult.command(words).in(home).with("KUBENET_CACHE", home.resolve("cache")).run();
  }

  /** A project that has a folder and a package {@code lib}, and a room in it. */
  private static void strangersProject(Path home) {
    write(
        home.resolve("hello.java"),
        """
        //JAVA 17+
        //SOURCES lib/Words.java
        //SOURCES lib/tool/package-info.java
        class hello {
          public static void main(String... arguments) {
            System.out.println(lib.tool.Greeting.to(lib.Words.WORLD));
          }
        }
        """);
    write(
        home.resolve("lib/Words.java"),
        """
        package lib;

        public interface Words {
          String WORLD = "world";
        }
        """);
    write(home.resolve("lib/tool" + ROOM), "//SOURCES Greeting.java\npackage lib.tool;\n");
    write(
        home.resolve("lib/tool/Greeting.java"),
        """
        package lib.tool;

        public interface Greeting {
          static String to(String whom) {
            return "hello, " + whom;
          }
        }
        """);
  }

  private static void write(Path file, String text) {
    try {
      Files.createDirectories(file.getParent());
      Files.writeString(file, text);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** The commands of README's chapter, run in this project: the script, then the rooms it names. */
  private static List<String> commands(String script, String target) {
    List<String> sources =
        CommandResult.header(Project.root().resolve(script + ".java"), "SOURCES");
    String scripts =
        Stream.concat(
                Stream.of(script + ".java"),
                sources.stream().filter(source -> !source.endsWith(ROOM)))
            .collect(Collectors.joining(" "));
    String rooms =
        sources.stream()
            .filter(source -> source.endsWith(ROOM) && !source.equals("lib" + ROOM))
            .map(source -> source.replace(ROOM, ""))
            .collect(Collectors.joining(" "));
    return List.of(
        "cp -r jbang %s cloud-init %s/".formatted(scripts, target),
        "mkdir -p %1$s/lib && cp lib/*.java %1$s/lib/".formatted(target),
        "cp -r %s %s/lib/".formatted(rooms, target));
  }

  private static String script(JsonNode alias) {
    return alias.path("script-ref").asText();
  }

  static List<String> scripts() {
    return CommandResult.scripts();
  }

  @ParameterizedTest
  @MethodSource("scripts")
  void showsItsHelp(String script) {
    copies.get(script).help().succeeded().quiet().prints("Usage: " + script + " ");
  }

  @ParameterizedTest
  @MethodSource("scripts")
  void runsDryOnTheBuiltInSevenNodes(String script) {
    Copy copy = copies.get(script);
    copy.dryRun().succeeded().quiet();
    if (List.of("launch-all", "setup", "ssh-all", "status").contains(script)) {
      copy.dryRun().prints("worker2");
    }
    assertThat(copy.home().resolve(".kubenet")).doesNotExist();
    assertThat(copy.home().resolve("cache")).doesNotExist();
  }

  @Test
  void theProjectThatItIsCopiedToStillRuns() {
    Path home = copies.get("setup").home();
    CommandResult hello =
        CommandResult.command(CommandResult.wrapper(), "hello.java").in(home).run();
    assertThat(hello.succeeded().quiet().out()).isEqualTo("hello, world\n");
  }

  @Test
  void readmeHasTheseCommands() throws IOException {
    String readme = Files.readString(Project.root().resolve("README.md"));
    for (String command : commands("launch-vm", "../mine")) {
      assertThat(readme).contains("$ " + command + "\n");
    }
  }

  @Test
  void sourcesCompileInAnyLocale() throws IOException {
    // without LANG, as in many containers, javac of JDK 17 takes sources for ASCII
    for (Path file : Format.files(Project.root())) {
      assertThat(Files.readString(file).lines().filter(line -> !line.matches("\\p{ASCII}*")))
          .as("%s", file)
          .isEmpty();
    }
  }

  @Test
  void theCatalogNamesEveryScript() throws IOException {
    Path catalog = Project.root().resolve("jbang-catalog.json");
    JsonNode aliases = new ObjectMapper().readTree(Files.readString(catalog)).path("aliases");
    assertThat(aliases.propertyStream().map(Map.Entry::getKey))
        .containsExactlyInAnyOrderElementsOf(CommandResult.scripts());
    assertThat(aliases.properties())
        .allMatch(alias -> script(alias.getValue()).equals(alias.getKey() + ".java"))
        .allMatch(alias -> !alias.getValue().path("description").asText().isEmpty());
  }
}

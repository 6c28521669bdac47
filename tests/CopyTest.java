import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
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

/** A script can be taken elsewhere with the files that its header names, and nothing else. */
class CopyTest {
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
    copy(script + ".java", home);
    return new Copy(
        jbang(home, script, "--help"),
        jbang(home, script, CommandResult.arguments(script, "--dry-run")),
        home);
  }

  private static CommandResult jbang(Path home, String script, String... arguments) {
    String[] words =
        Stream.concat(Stream.of(CommandResult.wrapper(), script + ".java"), Stream.of(arguments))
            .toArray(String[]::new);
    return CommandResult.command(words)
        .in(home)
        .with("KUBENET_CACHE", folder.resolve("cache"))
        .run();
  }

  /** Copies a file of the project and what its header names. */
  private static void copy(String name, Path home) {
    Path source = Project.root().resolve(name);
    Path target = home.resolve(name);
    try {
      if (Files.exists(target)) {
        return;
      }
      Files.createDirectories(target.getParent());
      Files.copy(source, target);
    } catch (IOException e) {
      throw new AssertionError("the header names " + name, e);
    }
    if (name.endsWith(".java")) {
      Stream.concat(
              CommandResult.header(source, "SOURCES").stream(),
              CommandResult.header(source, "FILES").stream()
                  .map(file -> file.replaceFirst(".*=", "")))
          .forEach(file -> copy(Path.of(name).resolveSibling(file).normalize().toString(), home));
    }
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

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import lib.cluster.Cluster;
import lib.cluster.ClusterFile;
import lib.cluster.Network;
import org.junit.jupiter.api.Test;

/** README says what the code does: its tables are computed here from the code and compared. */
class ReadmeTest {
  private final String readme = read("README.md");

  @Test
  void machinesAreThoseOfTheClusterFile() {
    Cluster cluster = ClusterFile.parse("cluster.yaml", read("cluster.yaml"));
    String rows =
        cluster.nodes().stream()
            .map(
                node -> {
                  Network.Endpoint ssh = cluster.network().ssh(node);
                  return "| %s | %s | %d | %d MiB | %d GiB | %s:%d |\n"
                      .formatted(
                          node.name(),
                          node.address(),
                          node.size().cpus(),
                          node.size().memoryMiB(),
                          node.size().diskGiB(),
                          ssh.host(),
                          ssh.port());
                })
            .collect(Collectors.joining());
    assertThat(readme).contains(rows);
  }

  @Test
  void everyScriptIsExplained() throws IOException {
    try (Stream<Path> files = Files.list(Project.root())) {
      List<String> scripts =
          files
              .map(file -> file.getFileName().toString())
              .filter(name -> name.endsWith(".java"))
              .toList();
      assertThat(scripts).isNotEmpty().allMatch(script -> readme.contains("| `" + script));
    }
  }

  @Test
  void everyOptionExists() {
    String help =
        read("lib/state/Options.java")
            + read("setup.java")
            + read("stop-all.java")
            + read("prepare-image.java")
            + read("prepare-host.java")
            + read("snapshot-all.java")
            + read("lib/image/ImageOptions.java");
    String tests = read("tests/AllTests.java") + read("tests/soak.java") + read("status.java");
    Pattern.compile("`--([a-z-]+)")
        .matcher(readme)
        .results()
        .map(option -> "\"--" + option.group(1) + "\"")
        .forEach(
            option ->
                assertThat(help + tests + "\"--help\" \"--long\"")
                    .as("README's option")
                    .contains(option));
  }

  @Test
  void messagesOfTheTroubleTableAreInTheCode() throws IOException {
    String code;
    try (Stream<Path> files = Files.walk(Project.root().resolve("lib"))) {
      // texts are put together of parts; blanks and line ends in between do not count
      code =
          files
              .filter(Files::isRegularFile)
              .map(file -> squeezed(read(Project.root().relativize(file).toString())))
              .collect(Collectors.joining());
    }
    String table = readme.substring(readme.indexOf("## When something fails"));
    List<String> messages =
        table
            .lines()
            .filter(line -> line.startsWith("| `"))
            .map(line -> line.substring(3, line.indexOf('`', 3)))
            .toList();
    assertThat(messages).hasSizeGreaterThan(8);
    for (String message : messages) {
      for (String part : message.split("\u2026|worker0: |kvm: |\\.\\.\\.|`|stage ssh: | s$")) {
        assertThat(code.contains(squeezed(part)))
            .as("the code has `%s` of README's message `%s`", part, message)
            .isTrue();
      }
    }
  }

  @Test
  void everyFlagOfTheQemuTableIsInTheCommand() {
    String command =
        read("tests/golden/qemu/linux-x86_64-kvm/user-worker0.args")
            + read("tests/golden/qemu/linux-x86_64-tcg/user-worker0.args");
    String table =
        readme.substring(
            readme.indexOf("## The QEMU command"), readme.indexOf("## Debugging one step"));
    List<String> flags =
        table
            .lines()
            .filter(line -> line.startsWith("| ") && line.split("\\|").length > 3)
            .flatMap(
                line ->
                    Pattern.compile("`(-[a-z-]+)")
                        .matcher(line.split("\\|")[2])
                        .results()
                        .map(flag -> flag.group(1)))
            .distinct()
            .toList();
    assertThat(flags).hasSizeGreaterThan(12).allMatch(command::contains);
  }

  private static String squeezed(String text) {
    return text.replaceAll("\"\\s*\\+\\s*\"|[\\s\\\\]", "");
  }

  private static String read(String name) {
    try {
      return Files.readString(Project.root().resolve(name));
    } catch (IOException e) {
      throw new AssertionError(name, e);
    }
  }
}

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import lib.state.Layout;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** People whose language writes numbers with other digits; and other habits of a user's shell. */
class LocaleTest {
  /** As of LC_ALL=ar_EG.UTF-8, where that locale is installed. */
  private static final String ARABIC = "-Duser.language=ar -Duser.country=EG";

  private static final String OTHER_DIGITS = "[\\p{Nd}&&[^0-9]]";

  @Test
  void theDryRunIsTheSame(@TempDir Path folder) {
    CommandResult usual = dryRun(folder).run().succeeded().quiet();
    CommandResult arabic = dryRun(folder).with("JAVA_TOOL_OPTIONS", ARABIC).run().succeeded();
    assertThat(usual.out()).contains("/nodes/worker2/launch.sh (");
    assertThat(arabic.out()).doesNotContainPattern(OTHER_DIGITS);
    assertThat(withoutFreeSpace(arabic.out())).isEqualTo(withoutFreeSpace(usual.out()));
  }

  /** What others write meanwhile changes how large curl lets a file be. */
  private static String withoutFreeSpace(String out) {
    return out.replaceAll("--max-filesize \\d+", "--max-filesize FREE");
  }

  private static CommandResult.Call dryRun(Path folder) {
    return CommandResult.script("launch-all", "--dry-run")
        .in(folder)
        .with("KUBENET_CACHE", folder.resolve("cache"));
  }

  @Test
  @Fault(
      value = "the user's language has digits of its own: `LC_ALL=ar_EG.UTF-8`",
      promise =
          "kubenet uses ASCII digits in everything that it runs and writes, so it works as it does"
              + " in English")
  void aClusterOfAnArabicUserRuns() throws IOException {
    try (TinyCluster tiny = TinyCluster.make()) {
      CommandResult launch =
          tiny.call("launch-all").with("JAVA_TOOL_OPTIONS", ARABIC).run().succeeded();
      assertThat(launch.out()).doesNotContainPattern(OTHER_DIGITS);
      tiny.assertRuns();
      Layout layout = tiny.layout();
      Path script = layout.node(tiny.cluster().node("gateway")).launch();
      for (Path file : List.of(layout.forward(), layout.sshConfig(), layout.knownHosts(), script)) {
        assertThat(Files.readString(file)).doesNotContainPattern(OTHER_DIGITS);
      }
      for (String command : List.of("status", "stop-all")) {
        CommandResult result =
            tiny.call(command).with("JAVA_TOOL_OPTIONS", ARABIC).run().succeeded();
        assertThat(result.out()).doesNotContainPattern(OTHER_DIGITS);
      }
      tiny.assertStopped();
    }
  }

  @Test
  @Fault(
      value = "umask is 077, and TMPDIR names a folder that does not exist",
      promise = "a cluster runs and stops as usual")
  void aStrictUmaskAndAnOddTmpdir() {
    try (TinyCluster tiny = TinyCluster.make()) {
      for (String script : List.of("launch-all", "status", "stop-all")) {
        tiny.call(script)
            .within("sh", "-c", "umask 077; exec \"$@\"", "sh")
            .with("TMPDIR", "/nowhere/a b'\"$x")
            .run()
            .succeeded()
            .quiet();
        if (script.equals("launch-all")) {
          tiny.assertRuns();
        }
      }
      tiny.assertStopped();
    }
  }
}

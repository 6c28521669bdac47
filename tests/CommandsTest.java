import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import lib.Argv;
import lib.Commands;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class CommandsTest {
  @Test
  @Fault(
      value = "a program that kubenet runs prints without end",
      promise = "kubenet kills it after 16 MiB and says so")
  void aProgramThatPrintsForEverIsEnded() {
    // the second without a newline: not even a line ends
    for (String endless : new String[] {"exec yes", "exec cat /dev/zero >&2"}) {
      Argv command = Argv.of("sh", "-c", endless);
      assertThat(Lab.problem(() -> Commands.run(command)))
          .isEqualTo("`sh` says more than 16 MiB\n(to see what, run: " + command.toShell() + ")");
    }
  }

  @Test
  void muchIsTakenWhole() {
    Argv command = Argv.of("sh", "-c", "head -c 15000000 /dev/zero | tr '\\0' x | tee /dev/stderr");
    Commands.Result result = Commands.run(command);
    assertThat(result.exit()).isZero();
    assertThat(result.out()).hasSize(15_000_000);
    assertThat(result.err()).hasSize(15_000_000);
  }

  @Test
  @Fault(
      value = "a guest prints escape codes to its console",
      promise =
          "messages quote its last lines without them; the 8-bit codes and U+202E are removed, too")
  void theTailOfAConsoleHasNoEscapeCodes(@TempDir Path folder) throws Exception {
    Path console = folder.resolve("console.log");
    Files.writeString(
        console,
        "first\n\r\n"
            + "[\u001b[0;32m  OK  \u001b[0m] a\r"
            + "b\n"
            + "\u009b31mred \u009d0;title\u0007 \u0090x\u009c \u202eback"
            + " \u200b\u2028\ufeff\u00fc\n");
    assertThat(Commands.tail(console, 2)).isEqualTo("[  OK  ] ab\nred 0;title x back \u00fc");
    assertThat(Commands.tail(console, 9)).startsWith("first\n[");
    assertThat(Commands.tail(folder.resolve("none"), 9)).isEmpty();
    String all =
        IntStream.range(0, 0x3000).mapToObj(Character::toString).collect(Collectors.joining());
    Files.writeString(console, all.replaceAll("[a-zA-Z]", ""));
    assertThat(Commands.tail(console, 9))
        .doesNotContainPattern("[\\p{Cc}\\p{Cf}\\p{Zl}\\p{Zp}&&[^\n]]");
  }
}

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.Map;
import lib.Argv;
import lib.Commands;
import lib.ready.GuestClock;
import lib.ready.Leg;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class GuestClockTest {
  private static final Instant RECEIVED = Instant.parse("2026-11-22T23:02:03.000Z");

  /** What a guest printed whose clock is an hour late. */
  private static final String SAID =
      """
      1795384981.735311298 /run/systemd/inaccessible
      1795385016.159312238 /run/systemd/units/invocation:systemd-networkd.service
      1795385034.095312728 /run/sshd.pid
      {"v1": {"init": {"errors": [], "finished": 1795385025.8, "start": 1795385017.4},
       "modules-final": {"errors": [], "finished": 1795385067.7510478, "start": 1795385060.1},
       "modules-init": {"finished": null}}}
      clock 1795385068.012007 93.04
      """;

  @Test
  void timesAreThoseOfTheHostsClock() {
    assertThat(GuestClock.read(SAID, RECEIVED))
        .isEqualTo(
            Map.of(
                Leg.QEMU, RECEIVED.minusMillis(93_040),
                Leg.KERNEL, RECEIVED.minusMillis(86_276),
                Leg.SYSTEM, RECEIVED.minusMillis(51_852),
                Leg.SSHD, RECEIVED.minusMillis(33_916),
                Leg.CLOUD_INIT, RECEIVED.minusMillis(260)));
  }

  @Test
  void aShellWithoutAClockTellsNothing() {
    String said = SAID.replace("clock 1795385068.012007 ", "clock ");
    assertThat(GuestClock.read(said, RECEIVED)).isEmpty();
    assertThat(GuestClock.read("", RECEIVED)).isEmpty();
    assertThat(GuestClock.read(SAID + "more\n", RECEIVED)).isEmpty();
  }

  @Test
  void aClockIsWrongOnlyByWhatIsCertain() {
    Instant told = Instant.ofEpochMilli(1795385068012L);
    for (int[] secondsAndBehind :
        new int[][] {{-5, 5, 0}, {0, 9, 0}, {3, 9, 3}, {91, 92, 91}, {-9, -4, -4}}) {
      Instant asked = told.plusSeconds(secondsAndBehind[0]);
      Instant received = told.plusSeconds(secondsAndBehind[1]);
      Duration behind = GuestClock.behind(SAID, asked, received);
      assertThat(behind).isEqualTo(Duration.ofSeconds(secondsAndBehind[2]));
      assertThat(GuestClock.isWrong(behind)).isEqualTo(secondsAndBehind[2] != 0);
    }
    assertThat(GuestClock.behind("", told, told)).isZero();
    assertThat(GuestClock.words(Duration.ofMillis(91_700))).isEqualTo("91 s behind");
    assertThat(GuestClock.words(Duration.ofSeconds(-3))).isEqualTo("3 s ahead");
  }

  @Test
  void settingTheClockHandsRandomBytesToTheKernel(@TempDir Path folder) throws IOException {
    // `sudo` and `date` that only note; the kernel's random numbers are everybody's to add to
    CommandResult.fake(
        folder.resolve("sudo"), "echo \"$@\" > '%s/sudo'; exec \"$@\"".formatted(folder));
    CommandResult.fake(folder.resolve("date"), "echo \"$@\" > '%s/date'".formatted(folder));
    CommandResult.fake(folder.resolve("perl"), "cat > '%s/perl'".formatted(folder));
    String path = "PATH=%s:%s".formatted(folder, System.getenv("PATH"));
    Instant now = Instant.parse("2026-11-22T23:02:03.045Z");
    String set = GuestClock.set(now, new byte[] {0, 10, (byte) 255});
    for (String shell : new String[] {"bash", "dash"}) {
      Commands.run(Argv.of("env", path, shell, "-c", set)).orProblem();
      assertThat(folder.resolve("date"))
          .hasContent("--set=@%d.045".formatted(now.getEpochSecond()));
      assertThat(folder.resolve("perl")).hasContent("000aff");
      assertThat(folder.resolve("sudo")).content().doesNotContain("000aff");
    }
  }

  @Test
  void shellsRunTheCommandWhateverFilesAreMissing() {
    for (String shell : new String[] {"bash", "dash"}) {
      if (Files.exists(Path.of("/bin/" + shell))) {
        Commands.Result result =
            Commands.run(
                    Argv.of("/bin/" + shell, "-c", GuestClock.files() + ";" + GuestClock.clock()))
                .orProblem();
        Map<Leg, Instant> ends = GuestClock.read(result.out(), Instant.now());
        assertThat(ends.containsKey(Leg.QEMU)).isEqualTo(shell.equals("bash"));
        assertThat(ends.values()).allMatch(end -> end.isBefore(Instant.now()));
      }
    }
  }
}

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.util.Map;
import lib.Argv;
import lib.Commands;
import lib.GuestClock;
import lib.Leg;
import org.junit.jupiter.api.Test;

class GuestClockTest {
  private static final Instant RECEIVED = Instant.parse("2026-11-22T23:02:03.000Z");

  /** What a guest printed whose clock is an hour late. */
  private static final String SAID =
      """
      {"v1": {"init": {"errors": []}}}
      1795384981.735311298 /run/systemd/inaccessible
      1795385016.159312238 /run/systemd/units/invocation:systemd-networkd.service
      1795385034.095312728 /run/sshd.pid
      1795385067.751313647 /run/cloud-init/result.json
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
  void shellsRunTheCommandWhateverFilesAreMissing() {
    for (String shell : new String[] {"bash", "dash"}) {
      if (Files.exists(Path.of("/bin/" + shell))) {
        Commands.Result result =
            Commands.run(Argv.of("/bin/" + shell, "-c", GuestClock.command())).orProblem();
        Map<Leg, Instant> ends = GuestClock.read(result.out(), Instant.now());
        assertThat(ends.containsKey(Leg.QEMU)).isEqualTo(shell.equals("bash"));
        assertThat(ends.values()).allMatch(end -> end.isBefore(Instant.now()));
      }
    }
  }
}

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Instant;
import java.util.List;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import lib.ready.BootRecord;
import lib.ready.Leg;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class BootRecordTest {
  private static final Instant START = Instant.parse("2026-11-22T23:00:00Z");

  @TempDir private Path folder;
  private BootRecord record;

  @BeforeEach
  void qemuHasStarted() throws IOException {
    record = new BootRecord(folder.resolve("timeline"), folder.resolve("qemu.pid"));
    starts(START);
  }

  private void starts(Instant when) throws IOException {
    Files.writeString(record.pid(), "7\n");
    Files.setLastModifiedTime(record.pid(), FileTime.from(when));
  }

  private String spans() {
    return record.spans().stream()
        .map(span -> span.leg().word() + " " + span.seconds())
        .collect(Collectors.joining(", "));
  }

  @Test
  void eachLegStartsWhereTheOneBeforeEnded() throws IOException {
    record.ended(Leg.QUEUED, START.plusSeconds(40));
    record.ended(Leg.SSHD, START.plusSeconds(70)); // the host sees it before the guest tells
    record.ended(Leg.KERNEL, START.plusSeconds(50));
    record.ended(Leg.CLOUD_INIT, START.plusMillis(81_500));
    assertThat(spans()).isEqualTo("queued 40.0, kernel 10.0, sshd 20.0, cloud-init 11.5");
    assertThat(record.spans().get(0).start()).isEqualTo(START);
    assertThat(Files.getPosixFilePermissions(record.file()))
        .isEqualTo(PosixFilePermissions.fromString("rw-------"));
  }

  @Test
  void readyCountsForTheQemuThatRuns() throws IOException {
    Instant then = START.plusSeconds(40);
    assertThat(record.readySince(then)).isFalse();
    record.ended(Leg.SSHD, then);
    assertThat(record.readySince(then)).isFalse();
    record.ended(Leg.READY, then);
    assertThat(record.readySince(then)).isTrue();
    assertThat(record.readySince(then.plusMillis(1))).isFalse();
    starts(START.plusSeconds(1)); // it was started anew
    assertThat(record.readySince(then)).isFalse();
  }

  @Test
  void aLaterWatcherSpoilsNothing() {
    record.ended(Leg.CLOUD_INIT, START.plusSeconds(60));
    record.ended(Leg.CLOUD_INIT, START.plusSeconds(600));
    assertThat(spans()).isEqualTo("cloud-init 60.0");
  }

  @Test
  void whatWasBeforeItsStartOrOvertakenIsNoLeg() {
    record.ended(Leg.QUEUED, START.plusSeconds(1));
    record.ended(Leg.KERNEL, START.minusSeconds(3000)); // the template's
    record.ended(Leg.NETWORK, START.plusSeconds(5));
    record.ended(Leg.SSHD, START.plusSeconds(3));
    record.ended(Leg.READY, START.plusSeconds(6));
    assertThat(spans()).isEqualTo("queued 1.0, network 4.0, ready 1.0");
  }

  @Test
  void anotherStartIsAnotherRecord() throws IOException {
    record.ended(Leg.QUEUED, START.plusSeconds(1));
    starts(START.plusSeconds(500));
    assertThat(spans()).as("nothing is known yet").isEmpty();
    record.ended(Leg.KERNEL, START.plusSeconds(504));
    assertThat(spans()).isEqualTo("kernel 4.0");
    assertThat(Files.readAllLines(record.file())).hasSize(1);
  }

  @Test
  void theRecordStaysWhenQemuHasEndedAndNoneIsAdded() throws IOException {
    record.ended(Leg.QUEUED, START.plusSeconds(1));
    Files.delete(record.pid());
    record.ended(Leg.KERNEL, START.plusSeconds(4));
    assertThat(spans()).isEqualTo("queued 1.0");
  }

  @Test
  void foreignAndBrokenLinesDoNotCount() throws IOException {
    assertThat(record.spans()).isEmpty();
    long start = START.toEpochMilli();
    Files.write(
        record.file(),
        List.of(
            "",
            "nonsense",
            start + " teleport " + (start + 1000),
            start + " kernel " + (start + 2000),
            start + " sshd"));
    assertThat(spans()).isEqualTo("kernel 2.0");
  }

  @Test
  void aRecordThatCannotBeWrittenFailsNobody() {
    BootRecord nowhere = new BootRecord(folder.resolve("no/timeline"), record.pid());
    nowhere.ended(Leg.KERNEL, START.plusSeconds(4));
    assertThat(nowhere.spans()).isEmpty();
  }

  @Test
  void manyWatchersMixNoLines() {
    record.ended(Leg.QUEUED, START.plusSeconds(1));
    IntStream.range(0, 200)
        .parallel()
        .forEach(i -> record.ended(Leg.values()[1 + i % 7], START.plusSeconds(2 + i % 7)));
    assertThat(record.spans()).hasSize(8);
  }
}

package lib.ready;

import java.math.BigDecimal;
import java.time.Duration;
import java.time.Instant;
import java.util.Comparator;
import java.util.EnumMap;
import java.util.HexFormat;
import java.util.Map;
import java.util.regex.Pattern;

/**
 * When a guest's legs ended, told by the times of files that its services leave under {@code /run}.
 * To ask systemd itself would start programs, which costs seconds under emulation.
 */
public final class GuestClock {
  /**
   * The file that is made or last changed at a leg's end. systemd makes {@code inaccessible} when
   * it starts, {@code invocation:UNIT} when it starts the unit; networkd writes {@code state}
   * whenever what the machine can reach changes (systemd source, {@code src/shared/mount-setup.c},
   * {@code src/core/unit.c}, {@code src/network/networkd-state-file.c}).
   */
  private static final Map<Leg, String> FILES =
      new EnumMap<>(
          Map.of(
              Leg.KERNEL, "/run/systemd/inaccessible",
              Leg.SYSTEM, "/run/systemd/units/invocation:systemd-networkd.service",
              Leg.NETWORK, "/run/systemd/netif/state",
              Leg.SSHD, "/run/sshd.pid"));

  /** In cloud-init's status.json, the end of each of its stages. */
  private static final Pattern FINISHED = Pattern.compile("\"finished\": ([0-9]+[.][0-9]+)");

  /** Less than that may be what an answer took on its way. */
  private static final Duration TOLERANCE = Duration.ofSeconds(2);

  private GuestClock() {}

  /** {@return what prints the files' times, for the guest's shell; one program} */
  public static String files() {
    return "stat -c '%.Y %n' " + String.join(" ", FILES.values()) + " 2> /dev/null";
  }

  /**
   * {@return what prints the clock and the seconds since the kernel's start, without a program}
   *
   * <p>In a shell that is not bash, the clock is empty.
   */
  public static String clock() {
    return "read -r up idle < /proc/uptime; echo clock $EPOCHREALTIME $up";
  }

  /**
   * {@return the end of each leg that is known, by this host's clock}
   *
   * <p>Nothing is, if the guest's shell does not tell the time. Each is late by what the answer
   * took on its way, some milliseconds.
   *
   * @param out what {@link #files} printed, cloud-init's status.json, and last {@link #clock}
   * @param received when it came
   */
  public static Map<Leg, Instant> read(String out, Instant received) {
    Map<Leg, Instant> ends = new EnumMap<>(Leg.class);
    String[] words = told(out);
    if (words.length == 0) {
      return ends;
    }
    BigDecimal now = new BigDecimal(words[1]);
    ends.put(Leg.QEMU, before(received, new BigDecimal(words[2])));
    for (String line : out.lines().toList()) {
      FILES.forEach(
          (leg, file) -> {
            if (line.matches("[0-9]+[.][0-9]+ \\Q" + file + "\\E")) {
              BigDecimal time = new BigDecimal(line.substring(0, line.indexOf(' ')));
              ends.put(leg, before(received, now.subtract(time)));
            }
          });
    }
    FINISHED
        .matcher(out)
        .results()
        .map(time -> new BigDecimal(time.group(1)))
        .max(Comparator.naturalOrder())
        .ifPresent(time -> ends.put(Leg.CLOUD_INIT, before(received, now.subtract(time))));
    return ends;
  }

  /**
   * {@return how far the guest's clock is behind this host's at least; negative if it is ahead,
   * zero if it may be right or did not tell}
   *
   * @param out ends with what {@link #clock} printed
   * @param asked no later than the guest read its clock
   * @param received no earlier than that
   */
  public static Duration behind(String out, Instant asked, Instant received) {
    String[] words = told(out);
    if (words.length == 0) {
      return Duration.ZERO;
    }
    Instant guest = Instant.ofEpochMilli(new BigDecimal(words[1]).movePointRight(3).longValue());
    return guest.isBefore(asked)
        ? Duration.between(guest, asked)
        : guest.isAfter(received) ? Duration.between(guest, received) : Duration.ZERO;
  }

  /** {@return whether a guest's clock is so wrong that it is to be set} */
  public static boolean isWrong(Duration behind) {
    return behind.abs().compareTo(TOLERANCE) > 0;
  }

  /** {@return what is wrong with a guest's clock, for a reader} */
  public static String words(Duration behind) {
    return "%d s %s".formatted(behind.abs().toSeconds(), behind.isNegative() ? "ahead" : "behind");
  }

  /**
   * {@return what sets the guest's clock to this host's time, for the guest's shell, and gives it
   * random numbers of its own}
   *
   * <p>A guest that has lost time may have gone on from a saved state, and not for the first time:
   * its kernel's random numbers would be those of the last time. Only a system call makes the
   * kernel use what it is given at once (random(4): RNDADDENTROPY and RNDRESEEDCRNG). Perl makes
   * it, as it is in every Debian and Ubuntu and starts ten times sooner than Python; without it the
   * kernel uses them within a minute.
   *
   * @param random secret bytes, which the shell passes on by a pipe: {@code sudo} logs arguments
   */
  public static String set(Instant now, byte[] random) {
    String reseed =
        "open F,q(>),q(/dev/urandom);ioctl F,0x40085203,pack(q(iiH*),%d,%d,<STDIN>);ioctl F,0x5207,0"
            .formatted(8 * random.length, random.length);
    return "printf %%s %s | sudo sh -c \"date --set=@%d.%03d; perl -e '%s' || cat > /dev/urandom\""
        .formatted(
            HexFormat.of().formatHex(random),
            now.getEpochSecond(),
            now.getNano() / 1_000_000,
            reseed);
  }

  /** The words that {@link #clock} printed, the last line; none if it did not tell the time. */
  private static String[] told(String out) {
    String clock = out.lines().reduce("", (all, line) -> line);
    return clock.matches("clock [0-9]+[.][0-9]+ [0-9]+[.][0-9]+")
        ? clock.split(" ")
        : new String[0];
  }

  private static Instant before(Instant received, BigDecimal seconds) {
    return received.minus(Duration.ofMillis(seconds.movePointRight(3).longValue()));
  }
}

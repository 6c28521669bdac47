package lib.ready;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.SeekableByteChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Instant;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import lib.state.Layout;

/**
 * Where the time of one node's last launch went. Its file has a line for each leg that has ended:
 * when QEMU started, the leg, when it ended, as milliseconds since 1970. Whoever sees an end adds a
 * line; several may watch at a time, and the first line of a leg counts.
 *
 * @param file the record
 * @param pid QEMU's pid file, which it writes once, when it starts
 */
public record BootRecord(Path file, Path pid) {

  /** {@return the record of a node} */
  public static BootRecord of(Layout.Files files) {
    return new BootRecord(files.timeline(), files.pid());
  }

  /** Writes down that a leg of the QEMU that runs has ended, unless that was seen before. */
  public void ended(Leg leg, Instant when) {
    try {
      Optional<Long> start = started();
      if (start.isEmpty()) {
        return; // it has just ended
      }
      List<Entry> entries = entries();
      boolean same = !entries.isEmpty() && entries.get(0).start() == start.get();
      if (!same || entries.stream().noneMatch(entry -> entry.leg() == leg)) {
        write(new Entry(start.get(), leg, when.toEpochMilli()), same);
      }
    } catch (IOException e) {
      // such as a full disk: no reason to fail a launch
    }
  }

  /** {@return whether the QEMU that runs was reported ready at {@code when} or later} */
  public boolean readySince(Instant when) {
    try {
      Optional<Long> running = started();
      return entries().stream()
          .anyMatch(
              entry ->
                  entry.leg() == Leg.READY
                      && running.equals(Optional.of(entry.start()))
                      && entry.end() >= when.toEpochMilli());
    } catch (IOException e) {
      return false;
    }
  }

  /** {@return the legs of the last launch, in order; none if nobody watched it} */
  public List<Leg.Span> spans() {
    List<Entry> entries;
    try {
      entries = entries();
      Optional<Long> running = started();
      entries.removeIf(entry -> entry.start() != running.orElse(entry.start()));
    } catch (IOException e) {
      return List.of();
    }
    Map<Leg, Long> ends = new EnumMap<>(Leg.class);
    entries.forEach(entry -> ends.putIfAbsent(entry.leg(), entry.end()));
    List<Leg.Span> spans = new ArrayList<>();
    long start = entries.isEmpty() ? 0 : entries.get(0).start();
    for (Map.Entry<Leg, Long> end : ends.entrySet()) {
      // an earlier end is none of this way's: of the template's boot, or overtaken by another leg
      if (end.getValue() > start) {
        spans.add(
            new Leg.Span(
                end.getKey(), Instant.ofEpochMilli(start), Instant.ofEpochMilli(end.getValue())));
        start = end.getValue();
      }
    }
    return spans;
  }

  /** A line. */
  private record Entry(long start, Leg leg, long end) {}

  /** When the QEMU started whose pid file is there. */
  private Optional<Long> started() throws IOException {
    return Files.exists(pid)
        ? Optional.of(Files.getLastModifiedTime(pid).toMillis())
        : Optional.empty();
  }

  private List<Entry> entries() throws IOException {
    List<Entry> entries = new ArrayList<>();
    if (Files.exists(file)) {
      for (String line : Files.readAllLines(file)) {
        // a line of another kubenet, or one cut off, does not count
        if (line.matches("[0-9]{1,18} [a-z-]+ [0-9]{1,18}")) {
          String[] words = line.split(" ");
          String name = words[1].toUpperCase(Locale.ROOT).replace('-', '_');
          for (Leg leg : Leg.values()) {
            if (leg.name().equals(name)) {
              entries.add(new Entry(Long.parseLong(words[0]), leg, Long.parseLong(words[2])));
            }
          }
        }
      }
    }
    return entries;
  }

  /** In one write at the file's end, so that two who write do not mix their lines. */
  private void write(Entry entry, boolean append) throws IOException {
    String line = "%d %s %d\n".formatted(entry.start(), entry.leg().word(), entry.end());
    if (!append) {
      Files.deleteIfExists(file);
    }
    try (SeekableByteChannel channel =
        Files.newByteChannel(
            file,
            Set.of(StandardOpenOption.CREATE, StandardOpenOption.APPEND),
            PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rw-------")))) {
      channel.write(ByteBuffer.wrap(line.getBytes(StandardCharsets.US_ASCII)));
    }
  }
}

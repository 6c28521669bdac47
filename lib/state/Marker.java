package lib.state;

import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Collectors;
import lib.Problem;

/**
 * The file {@code KUBENET.TAG}, which marks a folder as made by kubenet. No other program writes
 * its first line. (The idea comes from CACHEDIR.TAG, bford.info/cachedir.) kubenet writes into a
 * folder, or removes something from it, only if the folder was empty or has this file.
 *
 * @param facts what else the file says, by key; it always has {@code kind}
 */
public record Marker(Map<String, String> facts) {
  /** The file's name. */
  public static final String FILE = "KUBENET.TAG";

  private static final String SIGNATURE = "Signature: kubenet-folder-9b0f3c5a7d1e4862";
  private static final int MOST = 4096;

  public Marker {
    facts = new LinkedHashMap<>(facts);
  }

  /** A marker that only says what kind of folder it is, such as {@code image}. */
  public static Marker of(String kind) {
    return new Marker(Map.of("kind", kind));
  }

  /** {@return the marker of a folder; empty if it has none} */
  public static Optional<Marker> read(Path folder) {
    Path file = folder.resolve(FILE);
    if (!Files.isRegularFile(file, LinkOption.NOFOLLOW_LINKS)) {
      return Optional.empty();
    }
    try (InputStream in = Files.newInputStream(file)) {
      List<String> lines = new String(in.readNBytes(MOST), StandardCharsets.UTF_8).lines().toList();
      if (lines.isEmpty() || !lines.get(0).equals(SIGNATURE)) {
        return Optional.empty();
      }
      Map<String, String> facts = new LinkedHashMap<>();
      lines.stream()
          .skip(1)
          .map(line -> line.split(": ", 2))
          .filter(words -> words.length == 2)
          .forEach(words -> facts.put(words[0], words[1]));
      return Optional.of(new Marker(facts));
    } catch (IOException e) {
      throw new Problem("cannot read " + file + ": " + e.getMessage(), "check its owner", e);
    }
  }

  /** {@return the value of a key; an empty string if the marker does not have the key} */
  public String fact(String key) {
    return facts.getOrDefault(key, "");
  }

  /** {@return the file's content} */
  public String text() {
    return SIGNATURE
        + "\n"
        + facts.entrySet().stream()
            .map(fact -> fact.getKey() + ": " + fact.getValue() + "\n")
            .collect(Collectors.joining())
        + "# kubenet made this folder, and removes the files in it that it made.\n";
  }

  /**
   * Marks a folder that has no marker yet. If two processes do so at the same time, one wins.
   *
   * @return the marker that the folder has now
   */
  public Marker putNew(Path folder) {
    Path file = folder.resolve(FILE);
    try {
      Path part = part(folder);
      try {
        Files.createLink(file, part); // fails where a file is, which a rename does not
      } catch (FileAlreadyExistsException e) {
        // another process was sooner
      } finally {
        Files.deleteIfExists(part);
      }
    } catch (IOException e) {
      throw failed(file, e);
    }
    return read(folder).orElseThrow(() -> strange(folder));
  }

  /** Marks a folder, and replaces any marker that it already has. */
  public void put(Path folder) {
    Path file = folder.resolve(FILE);
    try {
      Files.move(part(folder), file, StandardCopyOption.ATOMIC_MOVE);
    } catch (IOException e) {
      throw failed(file, e);
    }
  }

  private Path part(Path folder) throws IOException {
    Path part =
        Files.createTempFile(
            folder,
            PART,
            "",
            PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rw-------")));
    Files.writeString(part, text());
    return part;
  }

  private static final String PART = ".part." + FILE;

  /**
   * Refuses a folder that is not kubenet's.
   *
   * @param old whether the caller recognises it as made by an older kubenet, which wrote no markers
   * @throws Problem if the folder has files but no marker, and is not old
   */
  public static void refuseStranger(Path folder, boolean old) {
    if (!old && Files.exists(folder) && read(folder).isEmpty() && !isEmpty(folder)) {
      throw strange(folder);
    }
  }

  private static Problem strange(Path folder) {
    return new Problem(
        "%s has files in it, and kubenet did not make it (it has no %s)".formatted(folder, FILE),
        "choose a folder that is new or empty; nothing in this one was changed");
  }

  private static boolean isEmpty(Path folder) {
    // a file counts as empty: what it is instead is for others to say
    return Layout.list(folder).stream()
        // a process that was killed as it marked the folder leaves half a marker
        .allMatch(file -> file.getFileName().toString().startsWith(PART));
  }

  /** {@return a folder's marker and any partial markers that killed processes left there} */
  public static List<Path> files(Path folder) {
    return Layout.list(folder).stream()
        .filter(file -> file.getFileName().toString().matches("(\\.part\\.)?KUBENET\\.TAG.*"))
        .toList();
  }

  private static Problem failed(Path file, IOException cause) {
    return new Problem(
        "cannot write " + file + ": " + cause.getMessage(),
        "check that the disk has room and the folder is yours",
        cause);
  }
}

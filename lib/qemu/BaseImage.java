//DEPS com.fasterxml.jackson.dataformat:jackson-dataformat-yaml:2.21.8
package lib.qemu;

import com.fasterxml.jackson.annotation.JsonIgnoreProperties;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.SerializationFeature;
import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Duration;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import lib.Argv;
import lib.Commands;
import lib.Plan;
import lib.Problem;
import lib.state.Marker;

/**
 * A base image in the store: a folder with a disk that is only ever read, and {@code image.json},
 * which says what it is, with the digest of each of its files.
 *
 * @param folder in the store
 * @param facts what {@code image.json} says
 */
public record BaseImage(Path folder, Facts facts) {
  private static final String FACTS = "image.json";
  private static final String SEEN = "seen";
  private static final String MEMORY_SEEN = "memory-seen";
  private static final Duration LIMIT = Duration.ofMinutes(30);

  /**
   * What is known of an image.
   *
   * @param name what the user calls it
   * @param arch of the guest, in QEMU's word
   * @param made when, in ISO 8601, UTC
   * @param seconds that it took
   * @param bytes its virtual size
   * @param parent digest of the disk that it was made of; empty if of none
   * @param sha256 the digest of each of its files
   */
  @JsonIgnoreProperties(ignoreUnknown = true)
  public record Facts(
      String name,
      String arch,
      String made,
      long seconds,
      long bytes,
      String parent,
      Map<String, String> sha256) {
    private boolean isWhole() {
      return name != null
          && arch != null
          && made != null
          && made.length() > 10
          && parent != null
          && sha256 != null
          && sha256.containsKey(Image.DISK);
    }
  }

  /**
   * {@return the image in a folder; nothing if there is none}
   *
   * @throws Problem if what it says of itself can't be read
   */
  public static Optional<BaseImage> read(Path folder) {
    Path file = folder.resolve(FACTS);
    if (!Files.exists(file) || !Files.exists(folder.resolve(Image.DISK))) {
      return Optional.empty();
    }
    try {
      Facts facts = new ObjectMapper().readValue(file.toFile(), Facts.class);
      if (facts != null && facts.isWhole()) {
        return Optional.of(new BaseImage(folder, facts));
      }
    } catch (IOException e) {
      // as below
    }
    throw new Problem(
        file + " does not say what image it is",
        "if no disk is based on it, remove it: rm -rf " + Argv.quote(folder.toString()));
  }

  /**
   * Writes down what a finished folder is, and makes its files unwritable.
   *
   * @param facts without digests, which are taken here
   */
  public static BaseImage seal(Path folder, Facts facts) throws IOException {
    List<String> names =
        List.of(
            Image.DISK,
            Image.VMLINUZ,
            Image.INITRD,
            Image.ARGUMENTS,
            Image.PACKAGES,
            Image.DEVICES);
    Map<String, String> digests = new TreeMap<>();
    for (String name : names) {
      Path file = folder.resolve(name);
      if (Files.isRegularFile(file, LinkOption.NOFOLLOW_LINKS)) {
        try (FileChannel written = FileChannel.open(file, StandardOpenOption.WRITE)) {
          written.force(true); // qemu-img leaves that to the system
        }
        digests.put(name, sha256(file));
        Files.setPosixFilePermissions(file, PosixFilePermissions.fromString("r--------"));
      }
    }
    Facts whole =
        new Facts(
            facts.name, facts.arch, facts.made, facts.seconds, facts.bytes, facts.parent, digests);
    ObjectMapper json = new ObjectMapper().enable(SerializationFeature.INDENT_OUTPUT);
    String text = json.writeValueAsString(whole) + "\n";
    new Plan.Write(folder.resolve(FACTS), text, false).run();
    Marker.of("image").putNew(folder);
    BaseImage image = new BaseImage(folder, whole);
    image.remember();
    if (Files.exists(image.memory())) {
      new Plan.Write(folder.resolve(MEMORY_SEEN), image.memoryState(), false).run();
    }
    return image;
  }

  private Path memory() {
    return folder.resolve(Image.MEMORY);
  }

  /**
   * {@return whether nodes can be forked from it: its memory was not touched since it was made}
   *
   * <p>It has no digest: gigabytes take seconds to read, and a cache can be made again.
   */
  public boolean hasMemory() {
    try {
      Path seen = folder.resolve(MEMORY_SEEN);
      return Files.exists(memory())
          && Files.exists(seen)
          && Files.readString(seen).equals(memoryState());
    } catch (IOException e) {
      return false;
    }
  }

  private String memoryState() throws IOException {
    return attributes(Image.MEMORY) + "\n";
  }

  /** {@return its disk} */
  public Path disk() {
    return folder.resolve(Image.DISK);
  }

  /** {@return the digest of its disk} */
  public String digest() {
    return facts.sha256.getOrDefault(Image.DISK, "");
  }

  /** {@return what VMs need to know of it} */
  public Image image() {
    try {
      Path list = folder.resolve(Image.PACKAGES);
      Set<String> packages =
          Files.exists(list) ? new HashSet<>(Files.readAllLines(list)) : Set.of();
      Path arguments = folder.resolve(Image.ARGUMENTS);
      Optional<Image.Kernel> kernel =
          Files.exists(arguments)
              ? Optional.of(
                  new Image.Kernel(
                      folder.resolve(Image.VMLINUZ),
                      folder.resolve(Image.INITRD),
                      Files.readString(arguments).strip()))
              : Optional.empty();
      Optional<Image.Memory> memory =
          hasMemory()
              ? Optional.of(new Image.Memory(memory(), folder.resolve(Image.DEVICES)))
              : Optional.empty();
      return new Image(facts.name, disk(), facts.bytes, packages, kernel, memory);
    } catch (IOException e) {
      throw new Problem("cannot read " + folder + ": " + e.getMessage(), "check its owner", e);
    }
  }

  /**
   * Checks that it is what it was: at once where its files' sizes, times and inode numbers are
   * those last seen, else by their digests.
   *
   * @throws Problem if a file of it was changed, cut off or swapped
   */
  public void verify() {
    try {
      Path seen = folder.resolve(SEEN);
      if (!Files.exists(seen) || !Files.readString(seen).equals(state())) {
        verifyFully();
      }
    } catch (IOException e) {
      throw gone(e);
    }
  }

  /**
   * Checks the digest of each of its files.
   *
   * @throws Problem as {@link #verify}
   */
  public void verifyFully() {
    try {
      for (Map.Entry<String, String> file : facts.sha256.entrySet()) {
        Path path = folder.resolve(file.getKey());
        String digest = sha256(path);
        if (!digest.equals(file.getValue())) {
          throw new Problem(
              "%s is not what it was: its SHA-256 is %s in place of %s"
                  .formatted(path, digest, file.getValue()),
              "no disk that is based on it can be trusted: remove those (stop-all.java --destroy)"
                  + " and it (rm -rf "
                  + Argv.quote(folder.toString())
                  + ")");
        }
      }
      remember();
    } catch (IOException e) {
      throw gone(e);
    }
  }

  /** By the host's own program where there is one: it takes a third of the time. */
  private static String sha256(Path file) throws IOException {
    Argv command = Argv.of("sha256sum", "--binary", Argv.word(file));
    return Commands.find("sha256sum").isPresent()
        ? Commands.run(command, LIMIT)
            .orProblem()
            .out()
            .replaceFirst("(?s)^\\\\?([0-9a-f]{64}) .*", "$1")
        : Digest.of(file);
  }

  private Problem gone(IOException cause) {
    return new Problem(
        "cannot read the base image in %s: %s".formatted(folder, cause),
        "no disk that is based on it can be used: put it back, or remove those (stop-all.java"
            + " --destroy)",
        cause);
  }

  private void remember() throws IOException {
    new Plan.Write(folder.resolve(SEEN), state(), false).run();
  }

  /** What shows that a file was touched: a copy that keeps its date has another change time. */
  private String state() throws IOException {
    StringBuilder state = new StringBuilder();
    for (String name : facts.sha256.keySet()) {
      state.append(name).append(' ').append(attributes(name)).append('\n');
    }
    return state.toString();
  }

  private Map<String, Object> attributes(String name) throws IOException {
    Path file = folder.resolve(name);
    return new TreeMap<>(Files.readAttributes(file, "unix:size,lastModifiedTime,ctime,ino"));
  }
}

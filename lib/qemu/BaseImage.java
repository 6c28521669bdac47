//DEPS com.fasterxml.jackson.dataformat:jackson-dataformat-yaml:2.21.8
package lib.qemu;

import com.fasterxml.jackson.annotation.JsonIgnoreProperties;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashSet;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import lib.Argv;
import lib.Plan;
import lib.Problem;

/**
 * A base image in the store: a folder with a disk that is only ever read, and {@code image.json},
 * which says what it is, with the digest of each of its files.
 *
 * @param folder in the store
 * @param facts what {@code image.json} says
 */
public record BaseImage(Path folder, Facts facts) {
  /** The name of the file that says what the image is. */
  public static final String FACTS = "image.json";

  private static final String SEEN = "seen";
  private static final String MEMORY_SEEN = "memory-seen";

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
    /** {@return the same with the digests of its files} */
    public Facts with(Map<String, String> digests) {
      return new Facts(name, arch, made, seconds, bytes, parent, digests);
    }

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
        String digest = Digest.of(path);
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
      rememberFiles();
    } catch (IOException e) {
      throw gone(e);
    }
  }

  private Problem gone(IOException cause) {
    return new Problem(
        "cannot read the base image in %s: %s".formatted(folder, cause),
        "no disk that is based on it can be used: put it back, or remove those (stop-all.java"
            + " --destroy)",
        cause);
  }

  /**
   * Notes the state of an image that was just made, by which a change is seen later.
   *
   * @throws IOException if its files can't be looked at
   */
  public void remember() throws IOException {
    rememberFiles();
    if (Files.exists(memory())) {
      new Plan.Write(folder.resolve(MEMORY_SEEN), memoryState(), false).run();
    }
  }

  private void rememberFiles() throws IOException {
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

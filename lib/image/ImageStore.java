//DEPS com.fasterxml.jackson.dataformat:jackson-dataformat-yaml:2.21.8
package lib.image;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.SerializationFeature;
import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Duration;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.function.Predicate;
import lib.Argv;
import lib.Commands;
import lib.Lock;
import lib.Plan;
import lib.Problem;
import lib.Terminal;
import lib.cluster.Host;
import lib.qemu.BaseImage;
import lib.qemu.Digest;
import lib.qemu.Image;
import lib.state.CacheFolder;
import lib.state.Layout;
import lib.state.Marker;
import lib.tools.Preflight;
import lib.vm.Abandoned;

/**
 * The base images of a user, which all clusters share: a folder for each, which appears whole or
 * not at all. One process at a time makes or removes images.
 *
 * @param folder the folder of those folders
 */
public record ImageStore(Path folder) {
  private static final Duration LIMIT = Duration.ofMinutes(10);

  /** The files of an image that have digests. Memory has none: it takes seconds to read. */
  private static final List<String> SEALED =
      List.of(
          Image.DISK, Image.VMLINUZ, Image.INITRD, Image.ARGUMENTS, Image.PACKAGES, Image.DEVICES);

  /** {@return the store of this user} */
  public static ImageStore ofUser() {
    return new ImageStore(Layout.cache().resolve("images"));
  }

  /** {@return the same for templates, whose images are in the other one} */
  public static ImageStore ofTemplates() {
    return new ImageStore(Layout.cache().resolve("templates"));
  }

  /** {@return the image that a maker of this key has made} */
  public Optional<BaseImage> find(String key) {
    return BaseImage.read(folder.resolve(key));
  }

  /** {@return all images, the newest first} */
  public List<BaseImage> all() {
    return entries(path -> !hidden(path)).stream()
        .map(ImageStore::whole)
        .flatMap(Optional::stream)
        .sorted(Comparator.comparing((BaseImage image) -> image.facts().made()).reversed())
        .toList();
  }

  /** {@return folders that are no image, or whose description can't be read} */
  public List<Path> damaged() {
    return entries(path -> !hidden(path) && Files.isDirectory(path) && whole(path).isEmpty());
  }

  private static Optional<BaseImage> whole(Path folder) {
    try {
      return BaseImage.read(folder);
    } catch (Problem damaged) {
      return Optional.empty(); // neither used nor removed; `--list` shows it
    }
  }

  /**
   * {@return what runs that were cut short have left, downloads that can go on included; other
   * hidden files are somebody else's}
   */
  public List<Path> unfinished() {
    return entries(ImageStore::isUnfinished);
  }

  private static boolean isUnfinished(Path path) {
    return path.getFileName()
        .toString()
        .matches("\\..+-[0-9a-f]{12}(\\.[0-9]+)?\\.(part|removed|failed|download)");
  }

  private static boolean hidden(Path path) {
    return path.getFileName().toString().startsWith(".");
  }

  private List<Path> entries(Predicate<Path> wanted) {
    return Layout.list(folder).stream().filter(wanted).toList();
  }

  /** {@return the folder in which an image is made} */
  public Path work(String key) {
    return folder.resolve("." + key + ".part");
  }

  /** {@return the lock of {@link CacheFolder#lock}, of this store} */
  public Lock lock(Terminal terminal) {
    return CacheFolder.lock(folder, terminal);
  }

  /** {@return the lock that whoever makes images holds, for minutes} */
  public Lock makingLock(Terminal terminal) {
    String waiting = "waiting for another kubenet, which makes an image";
    return CacheFolder.lock(folder, Abandoned.MAKING, () -> terminal.line(waiting));
  }

  /**
   * {@return the image of a maker, which makes it unless it is there}
   *
   * @throws Problem if it can't be made; nothing but a download that can go on is left then
   */
  public BaseImage get(ImageMaker maker, Host.Arch arch, Terminal terminal, boolean yes) {
    Preflight.tools(terminal, yes, maker.tools());
    try (Lock lock = makingLock(terminal)) {
      Optional<BaseImage> there = find(maker.key());
      if (there.isPresent()) {
        return there.get(); // another process has made it meanwhile
      }
      return make(maker, arch, terminal, yes);
    }
  }

  /**
   * Makes an image; the caller holds the {@link #makingLock}.
   *
   * @throws Problem as {@link #get}
   */
  public BaseImage make(ImageMaker maker, Host.Arch arch, Terminal terminal, boolean yes) {
    try {
      return made(maker, arch, terminal, yes);
    } catch (IOException e) {
      throw new Problem(
          "cannot make image %s in %s: %s".formatted(maker.name(), folder, e.getMessage()),
          "check that the disk has 3 GiB free, then run this again",
          e);
    }
  }

  private BaseImage made(ImageMaker maker, Host.Arch arch, Terminal terminal, boolean yes)
      throws IOException {
    long start = System.nanoTime();
    Abandoned.in(folder, maker.key()).forEach(Abandoned::end);
    // a name of this process's own: what goes with one that was killed is not the next one's
    Path work = work(maker.key() + "." + ProcessHandle.current().pid());
    try (Commands.AtEnd end = Commands.removeAtEnd(work, Layout.of(work).runtime())) {
      new Plan.Folder(work).run();
      maker.make(work, terminal, yes);
      long bytes = maker.bytes(work);
      long seconds = (System.nanoTime() - start) / 1_000_000_000;
      String now = Instant.now().truncatedTo(ChronoUnit.SECONDS).toString();
      BaseImage sealed =
          seal(
              work,
              new BaseImage.Facts(
                  maker.name(), arch.word(), now, seconds, bytes, maker.parentDigest(), Map.of()));
      Path place = folder.resolve(maker.key());
      try (Lock lock = lock(terminal)) {
        remove(place); // half of an image that was being removed
        Files.move(work, place, StandardCopyOption.ATOMIC_MOVE);
      }
      BaseImage image = new BaseImage(place, sealed.facts());
      terminal.line("made %s, %d MiB, in %d s", place, Files.size(image.disk()) >> 20, seconds);
      return image;
    }
  }

  /**
   * Writes down what a finished folder is, and makes its files unwritable.
   *
   * @param facts without digests, which are taken here
   */
  private static BaseImage seal(Path folder, BaseImage.Facts facts) throws IOException {
    Map<String, String> digests = new TreeMap<>();
    for (String name : SEALED) {
      Path file = folder.resolve(name);
      if (Files.isRegularFile(file, LinkOption.NOFOLLOW_LINKS)) {
        try (FileChannel written = FileChannel.open(file, StandardOpenOption.WRITE)) {
          written.force(true); // qemu-img leaves that to the system
        }
        digests.put(name, Digest.of(file));
        Files.setPosixFilePermissions(file, PosixFilePermissions.fromString("r--------"));
      }
    }
    BaseImage image = new BaseImage(folder, facts.with(digests));
    ObjectMapper json = new ObjectMapper().enable(SerializationFeature.INDENT_OUTPUT);
    String text = json.writeValueAsString(image.facts()) + "\n";
    new Plan.Write(folder.resolve(BaseImage.FACTS), text, false).run();
    Marker.of("image").putNew(folder);
    image.remember();
    return image;
  }

  /**
   * Removes an image or what was left unfinished; the caller holds the lock.
   *
   * @param path a folder or file of the store
   */
  public void remove(Path path) {
    if (!Files.exists(path)) {
      return;
    }
    if (Abandoned.isOne(path)) {
      Abandoned.end(path);
      return;
    }
    // first out of the way: half an image must not be taken for one
    Path gone = hidden(path) ? path : path.resolveSibling("." + path.getFileName() + ".removed");
    try {
      Files.move(path, gone);
    } catch (IOException e) {
      gone = path; // a former one is there: both go in the next run
    }
    // files of a build may belong to users of a namespace, which this user is root of
    Argv remove = Argv.of("rm", "-rf", gone.toString());
    Argv namespace = Argv.of("unshare", "--map-root-user", "--map-auto", "--");
    if (!Commands.run(remove, LIMIT).succeeded()) {
      Commands.run(namespace.then(remove), LIMIT).orProblem();
    }
  }
}

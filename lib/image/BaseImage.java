//DEPS com.fasterxml.jackson.dataformat:jackson-dataformat-yaml:2.21.8
package lib.image;

import com.fasterxml.jackson.annotation.JsonIgnoreProperties;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.SerializationFeature;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import lib.Argv;
import lib.Commands;
import lib.Plan;
import lib.Problem;
import lib.qemu.Image;
import lib.state.Layout;
import lib.state.Marker;
import lib.state.StateFolder;

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
  private static final String USERS = "used-by";
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
          && sha256.containsKey(ImageMaker.DISK);
    }
  }

  /**
   * {@return the image in a folder; nothing if there is none}
   *
   * @throws Problem if what it says of itself can't be read
   */
  public static Optional<BaseImage> read(Path folder) {
    Path file = folder.resolve(FACTS);
    if (!Files.exists(file) || !Files.exists(folder.resolve(ImageMaker.DISK))) {
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
  static BaseImage seal(Path folder, Facts facts) throws IOException {
    List<String> names =
        List.of(
            ImageMaker.DISK,
            ImageMaker.VMLINUZ,
            ImageMaker.INITRD,
            ImageMaker.ARGUMENTS,
            ImageMaker.PACKAGES,
            ImageMaker.DEVICES);
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
    return folder.resolve(ImageMaker.MEMORY);
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
    return attributes(ImageMaker.MEMORY) + "\n";
  }

  /** {@return its disk} */
  public Path disk() {
    return folder.resolve(ImageMaker.DISK);
  }

  /** {@return the digest of its disk} */
  public String digest() {
    return facts.sha256.getOrDefault(ImageMaker.DISK, "");
  }

  /** {@return what VMs need to know of it} */
  public Image image() {
    try {
      Path list = folder.resolve(ImageMaker.PACKAGES);
      Set<String> packages =
          Files.exists(list) ? new HashSet<>(Files.readAllLines(list)) : Set.of();
      Path arguments = folder.resolve(ImageMaker.ARGUMENTS);
      Optional<Image.Kernel> kernel =
          Files.exists(arguments)
              ? Optional.of(
                  new Image.Kernel(
                      folder.resolve(ImageMaker.VMLINUZ),
                      folder.resolve(ImageMaker.INITRD),
                      Files.readString(arguments).strip()))
              : Optional.empty();
      Optional<Image.Memory> memory =
          hasMemory()
              ? Optional.of(new Image.Memory(memory(), folder.resolve(ImageMaker.DEVICES)))
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
        ? Commands.run(command, LIMIT, line -> {})
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

  /**
   * Notes, here and in the state folder, that a cluster's disks are based on this image; checks
   * also the templates that are below disks which are there.
   *
   * @throws Problem as {@link #verify}
   */
  public void use(Layout layout) {
    verify();
    List<BaseImage> templates = templates(layout);
    templates.forEach(BaseImage::verify);
    Optional<BaseImage> other = of(layout).filter(base -> !base.digest().equals(digest()));
    if (other.isPresent()) { // another launch was sooner
      throw new Problem(
          "the disks in %s are based on another image by now, %s"
              .formatted(layout.state(), other.get().folder()),
          "run the same again: it takes that one");
    }
    markUse(layout);
    templates.forEach(template -> template.markUse(layout)); // the folder may have been moved
    List<String> noted = noted(layout.state());
    if (noted.isEmpty()) { // else it may name templates, too
      new Plan.Write(layout.image(), note(), false).run();
    }
  }

  /**
   * Notes the same of a template, which is beside the image that it was made of.
   *
   * @throws Problem as {@link #verify}
   */
  public void useTemplate(Layout layout) {
    verify();
    markUse(layout);
    String noted = text(layout.image());
    if (!noted.contains(note())) {
      new Plan.Write(layout.image(), noted + note(), false).run();
    }
  }

  private void markUse(Layout layout) {
    Path users = folder.resolve(USERS);
    Plan.cacheFolder(users);
    new Plan.Write(mark(StateFolder.id(layout)), layout.state().toString(), false).run();
  }

  private String note() {
    return folder + "\n" + digest() + "\n";
  }

  /**
   * {@return the image that a cluster's disks are based on; nothing while it has no disks}
   *
   * @throws Problem if that image is gone, or another one is in its place
   */
  public static Optional<BaseImage> of(Layout layout) {
    List<String> noted = noted(layout.state());
    if (noted.isEmpty()) {
      return Optional.empty();
    }
    return Optional.of(same(layout.state(), Path.of(noted.get(0)), List.of(noted.get(1))));
  }

  /** The image in a folder, if its digest is still one of those that disks there are based on. */
  private static BaseImage same(Path state, Path folder, List<String> digests) {
    Optional<BaseImage> image = read(folder);
    if (image.isEmpty() || !digests.contains(image.get().digest())) {
      throw new Problem(
          "the disks in %s are based on the image in %s, %s"
              .formatted(
                  state, folder, image.isEmpty() ? "which is gone" : "which was made anew since"),
          "put the old one back, or remove the nodes: stop-all.java --destroy");
    }
    return image.get();
  }

  /** The noted templates that a disk is an overlay of; one that lost its disks is nobody's need. */
  private static List<BaseImage> templates(Layout layout) {
    List<String> noted = noted(layout.state());
    Map<Path, List<String>> digests = new TreeMap<>();
    for (int i = 2; i < noted.size(); i += 2) { // after the image
      digests
          .computeIfAbsent(Path.of(noted.get(i)), folder -> new ArrayList<>())
          .add(noted.get(i + 1));
    }
    if (digests.isEmpty()) {
      return List.of();
    }
    Set<Path> below = below(layout);
    return digests.entrySet().stream()
        .filter(template -> below.contains(template.getKey().resolve(ImageMaker.DISK)))
        .map(template -> same(layout.state(), template.getKey(), template.getValue()))
        .toList();
  }

  /** The files that a cluster's disks are overlays of. */
  private static Set<Path> below(Layout layout) {
    try (Stream<Path> folders = Files.list(layout.nodes())) {
      return folders
          .map(node -> node.resolve("disk.qcow2"))
          .filter(Files::exists)
          .map(BaseImage::backing)
          .flatMap(Optional::stream)
          .collect(Collectors.toSet());
    } catch (IOException e) {
      throw new Problem(
          "cannot look into " + layout.nodes() + ": " + e.getMessage(), "check its owner", e);
    }
  }

  /** As the disk's header names it, at once (QEMU's docs/interop/qcow2.txt, bytes 8 to 19). */
  private static Optional<Path> backing(Path disk) {
    try (RandomAccessFile file = new RandomAccessFile(disk.toFile(), "r")) {
      file.seek(8);
      long place = file.readLong();
      byte[] name = new byte[Math.max(0, Math.min(file.readInt(), 1023))];
      file.seek(place);
      file.readFully(name);
      return Optional.of(Path.of(new String(name, StandardCharsets.UTF_8)));
    } catch (IOException | InvalidPathException e) {
      return Optional.empty(); // QEMU will say what is wrong with it
    }
  }

  /**
   * {@return the state folders of the clusters whose disks are based on it}
   *
   * <p>One that is not there may have been moved, or be on a disk that is not mounted: it counts.
   */
  public List<Path> users() {
    return marks().keySet().stream()
        .filter(state -> !Files.exists(state) || isNoted(state))
        .sorted()
        .toList();
  }

  private boolean isNoted(Path state) {
    List<String> noted = noted(state);
    return noted.contains(digest());
  }

  /**
   * {@return what {@link #use} noted beside images for a cluster: to go when its disks are gone}
   */
  public static List<Path> marks(Layout layout) {
    Path note = layout.image();
    List<String> lines = Files.exists(note) ? text(note).lines().toList() : List.of();
    List<Path> marks = new ArrayList<>();
    for (int i = 0; i < lines.size(); i += 2) { // the image, then templates
      read(Path.of(lines.get(i)))
          .ifPresent(
              image -> {
                marks.add(image.mark(StateFolder.id(layout)));
                marks.add(image.mark(layout.state().toString())); // the form before
              });
    }
    return marks;
  }

  /** By the state folder's id, so that one that is moved has one mark. */
  private Path mark(String id) {
    return folder.resolve(USERS).resolve(Digest.of(id).substring(0, 16));
  }

  /** The marks by the state folders that they name. */
  private Map<Path, Path> marks() {
    Path users = folder.resolve(USERS);
    Map<Path, Path> marks = new TreeMap<>();
    if (Files.isDirectory(users)) {
      try (Stream<Path> files = Files.list(users)) {
        files.forEach(mark -> marks.put(path(mark), mark));
      } catch (IOException e) {
        throw new Problem(
            "cannot look into " + users + ": " + e.getMessage(), "check its owner", e);
      }
    }
    return marks;
  }

  /** A mark that names nothing stands for itself: a user that is not known. */
  private static Path path(Path mark) {
    try {
      return Path.of(text(mark));
    } catch (InvalidPathException e) {
      return mark;
    }
  }

  /** {@return whether a cluster has disks, which are based on some image} */
  public static boolean isNeeded(Layout layout) {
    Path nodes = layout.nodes();
    if (!Files.isDirectory(nodes)) {
      return false;
    }
    try (Stream<Path> folders = Files.list(nodes)) {
      return folders.anyMatch(node -> Files.exists(node.resolve("disk.qcow2")));
    } catch (IOException e) {
      throw new Problem("cannot look into " + nodes + ": " + e.getMessage(), "check its owner", e);
    }
  }

  /**
   * The folder and the digest of the image that a state folder's disks are based on, then those of
   * templates that some of them were forked from.
   */
  private static List<String> noted(Path state) {
    Layout layout = new Layout(state, state);
    if (!isNeeded(layout)) {
      return List.of();
    }
    Path note = layout.image();
    List<String> lines = Files.exists(note) ? text(note).lines().toList() : List.of();
    if (lines.size() < 2 || lines.size() % 2 != 0) {
      throw new Problem(
          note + " does not say which image the disks there are based on",
          "qemu-img info of a disk names it: put its folder into a first line, the disk.qcow2 of"
              + " its image.json into a second");
    }
    return lines;
  }

  private static String text(Path file) {
    try {
      return Files.readString(file);
    } catch (IOException e) {
      throw new Problem("cannot read " + file + ": " + e.getMessage(), "check its owner", e);
    }
  }
}

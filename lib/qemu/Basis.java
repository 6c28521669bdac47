package lib.qemu;

import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.stream.Collectors;
import lib.Plan;
import lib.Problem;
import lib.cluster.Cluster;
import lib.cluster.ImageSource;
import lib.state.Layout;
import lib.state.StateFolder;

/**
 * Which base image a cluster's disks are based on, and which templates some of them were forked
 * from. The state folder's file {@code image} records this. A mark beside each image records the
 * same in reverse, so that nobody removes an image that a disk needs.
 *
 * @param layout the cluster's
 */
public record Basis(Layout layout) {
  private static final String USERS = "used-by";

  /**
   * {@return the image that a cluster's disks are based on, or else the one that was chosen for
   * them}
   *
   * @throws Problem naming the step that makes one, if there is none
   */
  public static BaseImage known(Layout layout) {
    return chosen(layout)
        .orElseThrow(
            () ->
                new Problem(
                    "there is no image yet for the nodes", "make one: ./jbang prepare-image.java"));
  }

  /** {@return the same; nothing if there is none} */
  public static Optional<BaseImage> chosen(Layout layout) {
    Basis basis = new Basis(layout);
    if (basis.isNeeded()) {
      return basis.current();
    }
    List<String> lines = basis.lines();
    return lines.isEmpty()
        ? Optional.empty()
        : BaseImage.read(Path.of(lines.get(0))).filter(image -> lines.contains(image.digest()));
  }

  /** {@return the image for a dry run: one that is not made yet is assumed to have a kernel} */
  public static Image chosenOrAssumed(Cluster cluster, Layout layout) {
    Optional<BaseImage> chosen = chosen(layout);
    if (chosen.isPresent()) {
      return chosen.get().image();
    }
    ImageSource first = cluster.images().get(0);
    Path folder = Layout.cache().resolve("images/not-yet-made");
    Image.Kernel kernel =
        new Image.Kernel(
            folder.resolve(Image.VMLINUZ), folder.resolve(Image.INITRD), "root=LABEL=kubenet-root");
    return new Image(first.name(), folder.resolve(Image.DISK), 0, Set.of(), Optional.of(kernel));
  }

  /** Notes which image the disks are to be based on, as long as there are none. */
  public void choose(BaseImage image) {
    if (!isNeeded()) {
      new Plan.Write(layout.image(), note(image), false).run();
    }
  }

  /**
   * Notes, here and beside the image, that disks are based on it. Also checks the templates that
   * existing disks are overlays of.
   *
   * @throws Problem if a file of one was changed, cut off or swapped
   */
  public void use(BaseImage image) {
    image.verify();
    List<BaseImage> templates = templates();
    templates.forEach(BaseImage::verify);
    Optional<BaseImage> other = current().filter(base -> !base.digest().equals(image.digest()));
    if (other.isPresent()) { // another launch got there first
      throw new Problem(
          "the disks in %s are based on another image by now, %s"
              .formatted(layout.state(), other.get().folder()),
          "run the same again: it takes that one");
    }
    mark(image);
    templates.forEach(this::mark); // the folder may have been moved
    if (noted().isEmpty()) { // otherwise it may name templates, too
      new Plan.Write(layout.image(), note(image), false).run();
    }
  }

  /**
   * Notes the same for a template.
   *
   * @throws Problem as {@link #use}
   */
  public void useTemplate(BaseImage template) {
    template.verify();
    mark(template);
    String noted = text(layout.image());
    if (!noted.contains(note(template))) {
      new Plan.Write(layout.image(), noted + note(template), false).run();
    }
  }

  private void mark(BaseImage image) {
    Plan.cacheFolder(image.folder().resolve(USERS));
    new Plan.Write(mark(image, StateFolder.id(layout)), layout.state().toString(), false).run();
  }

  private static String note(BaseImage image) {
    return image.folder() + "\n" + image.digest() + "\n";
  }

  /**
   * {@return the image that the cluster's disks are based on; empty while it has no disks}
   *
   * @throws Problem if that image is gone, or another one is in its place
   */
  public Optional<BaseImage> current() {
    List<String> noted = noted();
    return noted.isEmpty()
        ? Optional.empty()
        : Optional.of(same(Path.of(noted.get(0)), List.of(noted.get(1))));
  }

  /** The image in a folder, if its digest is still one of those that disks here are based on. */
  private BaseImage same(Path folder, List<String> digests) {
    Optional<BaseImage> image = BaseImage.read(folder);
    if (image.isEmpty() || !digests.contains(image.get().digest())) {
      throw new Problem(
          "the disks in %s are based on the image in %s, %s"
              .formatted(
                  layout.state(),
                  folder,
                  image.isEmpty() ? "which is gone" : "which was made anew since"),
          "put the old one back, or remove the nodes: stop-all.java --destroy");
    }
    return image.get();
  }

  /** The noted templates that a disk is an overlay of; one whose disks are gone is not needed. */
  private List<BaseImage> templates() {
    List<String> noted = noted();
    Map<Path, List<String>> digests = new TreeMap<>();
    for (int i = 2; i < noted.size(); i += 2) { // after the image
      digests
          .computeIfAbsent(Path.of(noted.get(i)), folder -> new ArrayList<>())
          .add(noted.get(i + 1));
    }
    if (digests.isEmpty()) {
      return List.of();
    }
    Set<Path> below =
        disks().stream().map(Basis::backing).flatMap(Optional::stream).collect(Collectors.toSet());
    return digests.entrySet().stream()
        .filter(template -> below.contains(template.getKey().resolve(Image.DISK)))
        .map(template -> same(template.getKey(), template.getValue()))
        .toList();
  }

  /** Reads it straight from the disk's header (QEMU's docs/interop/qcow2.txt, bytes 8 to 19). */
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
   * {@return the state folders of the clusters whose disks are based on an image}
   *
   * <p>One that is not there may have been moved, or may be on a disk that is not mounted, so it
   * counts.
   */
  public static List<Path> users(BaseImage image) {
    return Layout.list(image.folder().resolve(USERS)).stream()
        .map(Basis::path)
        .filter(
            state ->
                !Files.exists(state)
                    || new Basis(new Layout(state, state)).noted().contains(image.digest()))
        .distinct()
        .sorted()
        .toList();
  }

  /** {@return the marks that {@link #use} made beside images: they go when the disks are gone} */
  public List<Path> marks() {
    List<String> lines = lines();
    List<Path> marks = new ArrayList<>();
    for (int i = 0; i < lines.size(); i += 2) { // the image, then templates
      BaseImage.read(Path.of(lines.get(i)))
          .ifPresent(
              image -> {
                marks.add(mark(image, StateFolder.id(layout)));
                marks.add(mark(image, layout.state().toString())); // the older form
              });
    }
    return marks;
  }

  /** Named by the state folder's id, so that a folder that is moved keeps one mark. */
  private static Path mark(BaseImage image, String id) {
    return image.folder().resolve(USERS).resolve(Digest.of(id).substring(0, 16));
  }

  /** A mark that names no path stands for itself, as an unknown user. */
  private static Path path(Path mark) {
    try {
      return Path.of(text(mark));
    } catch (InvalidPathException e) {
      return mark;
    }
  }

  /** {@return whether there are disks, and so an image that they are based on} */
  public boolean isNeeded() {
    return !disks().isEmpty();
  }

  private List<Path> disks() {
    return Layout.list(layout.nodes()).stream()
        .map(node -> node.resolve("disk.qcow2"))
        .filter(Files::exists)
        .toList();
  }

  /**
   * The folder and the digest of the image, then those of the templates; empty if there are no
   * disks.
   */
  private List<String> noted() {
    if (!isNeeded()) {
      return List.of();
    }
    List<String> lines = lines();
    if (lines.size() < 2 || lines.size() % 2 != 0) {
      throw new Problem(
          layout.image() + " does not say which image the disks there are based on",
          "qemu-img info of a disk names it: put its folder into a first line, the disk.qcow2 of"
              + " its image.json into a second");
    }
    return lines;
  }

  private List<String> lines() {
    return Files.exists(layout.image()) ? text(layout.image()).lines().toList() : List.of();
  }

  private static String text(Path file) {
    try {
      return Files.readString(file);
    } catch (IOException e) {
      throw new Problem("cannot read " + file + ": " + e.getMessage(), "check its owner", e);
    }
  }
}

import static org.assertj.core.api.Assertions.assertThat;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.io.RandomAccessFile;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import lib.Argv;
import lib.Commands;
import lib.Terminal;
import lib.cluster.Host;
import lib.image.ImageImport;
import lib.image.ImageStore;
import lib.image.Upkeep;
import lib.qemu.BaseImage;
import lib.qemu.Basis;
import lib.qemu.Disk;
import lib.qemu.QemuImg;
import lib.state.Layout;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Base images in a store of the test's own: real qcow2 files, and all that can befall them. */
class ImageStoreTest {
  @TempDir private Path folder;
  private final ByteArrayOutputStream said = new ByteArrayOutputStream();
  private final Terminal terminal =
      Terminal.plain(new PrintStream(said, true, StandardCharsets.UTF_8));
  private ImageStore store;
  private Path file;
  private BaseImage image;

  @BeforeEach
  void importsAnImage() throws IOException {
    store = new ImageStore(folder.resolve("a store"));
    file = image("my image.qcow2", 1);
    image = imported(file);
  }

  /** A qcow2 file of 4 MiB that holds 1 MiB of random bytes. */
  private Path image(String name, int seed) throws IOException {
    Path raw = folder.resolve("raw");
    byte[] bytes = new byte[1 << 20];
    new Random(seed).nextBytes(bytes);
    Files.write(raw, bytes);
    qemuImg("resize", "-q", "-f", "raw", raw.toString(), "4M");
    Path made = folder.resolve(name);
    Commands.run(QemuImg.convert("raw", raw, made)).orProblem();
    return made;
  }

  private BaseImage imported(Path from) {
    ImageImport maker = ImageImport.of(from.toString(), folder);
    return store.get(maker, Host.Arch.X86_64, terminal, false);
  }

  private static void qemuImg(String... arguments) {
    Commands.run(Argv.of("qemu-img").add(arguments)).orProblem();
  }

  /** The state folder of a cluster with a disk that is based on the image. */
  private Layout cluster(String name) throws IOException {
    Layout layout = new Layout(folder.resolve(name), folder.resolve("run"));
    Files.createDirectories(layout.nodes().resolve("worker0"));
    new Basis(layout).use(image);
    Path disk = layout.nodes().resolve("worker0").resolve("disk.qcow2");
    Commands.run(Disk.overlay(image.image(), disk, 1)).orProblem();
    return layout;
  }

  @Test
  void whatIsMadeOnceIsFoundAgainAndCanOnlyBeRead() throws IOException {
    assertThat(said.toString(StandardCharsets.UTF_8))
        .matches("made .*/a store/file-my-image.qcow2-[0-9a-f]{12}, [0-9]+ MiB, in [0-9]+ s\n");
    said.reset();
    assertThat(imported(file)).isEqualTo(image);
    assertThat(said.size()).isZero();
    assertThat(store.all()).containsExactly(image);
    assertThat(image.facts().bytes()).isEqualTo(4 << 20);
    assertThat(PosixFilePermissions.toString(Files.getPosixFilePermissions(image.disk())))
        .isEqualTo("r--------");
    assertThat(image.digest())
        .isEqualTo(
            Commands.run(Argv.of("sha256sum", image.disk().toString())).out().substring(0, 64));
  }

  @Test
  void aFileThatWasTouchedIsAnotherImage() throws IOException {
    Files.setLastModifiedTime(file, FileTime.fromMillis(0));
    assertThat(imported(file).folder()).isNotEqualTo(image.folder());
  }

  @Test
  void anUntouchedImageIsNotReadAgain() throws IOException {
    Path seen = image.folder().resolve("seen");
    Files.setLastModifiedTime(seen, FileTime.fromMillis(0));
    image.verify();
    assertThat(Files.getLastModifiedTime(seen)).isEqualTo(FileTime.fromMillis(0));
  }

  @Test
  @Fault(
      value = "one bit of a base image is flipped",
      promise = "nothing starts; a message gives both digests")
  void aFlippedBitIsFound() throws IOException {
    change(image.disk(), Files.size(image.disk()) / 2);
    assertThat(Lab.problem(image::verify))
        .contains(image.disk() + " is not what it was: its SHA-256 is ")
        .contains("stop-all.java --destroy");
  }

  @Test
  void aFlippedBitBelowAnOldDateIsFound() throws IOException {
    FileTime date = Files.getLastModifiedTime(image.disk());
    change(image.disk(), Files.size(image.disk()) / 2);
    Files.setLastModifiedTime(image.disk(), date);
    assertThat(Lab.problem(image::verify)).contains("is not what it was");
  }

  private static void change(Path path, long place) throws IOException {
    Files.setPosixFilePermissions(path, PosixFilePermissions.fromString("rw-------"));
    try (RandomAccessFile file = new RandomAccessFile(path.toFile(), "rw")) {
      file.seek(place);
      int old = file.read();
      file.seek(place);
      file.write(old ^ 1);
    }
  }

  @Test
  @Fault(value = "a base image is truncated", promise = "nothing starts")
  void aCutOffImageIsFound() throws IOException {
    Files.setPosixFilePermissions(image.disk(), PosixFilePermissions.fromString("rw-------"));
    try (RandomAccessFile disk = new RandomAccessFile(image.disk().toFile(), "rw")) {
      disk.setLength(disk.length() / 2);
    }
    assertThat(Lab.problem(image::verify)).contains("is not what it was");
  }

  @Test
  @Fault(value = "a base image is replaced by another file", promise = "nothing starts")
  void aSwappedImageIsFound() throws IOException {
    Files.delete(image.disk());
    Files.copy(image("other.qcow2", 2), image.disk());
    assertThat(Lab.problem(image::verify)).contains("is not what it was");
  }

  @Test
  void aCopyWithTheSameBytesIsTheSame() throws IOException {
    Path copy = Files.copy(image.disk(), folder.resolve("copy"));
    Files.delete(image.disk());
    Files.move(copy, image.disk());
    image.verify();
    Files.delete(image.disk());
    assertThat(Lab.problem(image::verify))
        .startsWith("cannot read the base image in " + image.folder())
        .contains("put it back");
  }

  @Test
  void disksKnowTheImageTheyAreBasedOn() throws IOException {
    Layout layout = cluster("one");
    assertThat(new Basis(layout).current()).contains(image);
    assertThat(Basis.users(image)).containsExactly(layout.state());
    Lab.remove(layout.nodes().resolve("worker0"));
    assertThat(new Basis(layout).current()).as("without disks, any image will do").isEmpty();
    assertThat(Basis.users(image)).isEmpty();
  }

  @Test
  void anImageThatWasMadeAnewIsNotTheOneThatDisksAreBasedOn() throws IOException {
    Layout layout = cluster("one");
    Files.move(image.folder(), folder.resolve("away"));
    assertThat(Lab.problem(() -> new Basis(layout).current()))
        .isEqualTo(
            """
            the disks in %s are based on the image in %s, which is gone
            (put the old one back, or remove the nodes: stop-all.java --destroy)\
            """
                .formatted(layout.state(), image.folder()));
    Path other = imported(image("other.qcow2", 2)).folder();
    Files.move(other, image.folder());
    assertThat(Lab.problem(() -> new Basis(layout).current()))
        .contains("which was made anew since");
  }

  @Test
  @Fault(
      value = "one bit of a template's disk is flipped, or the template is gone",
      promise =
          "nothing based on it starts; a message gives both digests, or the template's folder")
  void aDamagedTemplateIsFound() throws IOException {
    Layout layout = cluster("one");
    BaseImage template = imported(image("template.qcow2", 2));
    BaseImage unused = imported(image("unused.qcow2", 3));
    new Basis(layout).useTemplate(template);
    new Basis(layout).useTemplate(unused);
    Path disk = Files.createDirectory(layout.nodes().resolve("worker1")).resolve("disk.qcow2");
    Commands.run(Disk.overlay(template.image(), disk, 1)).orProblem();
    new Basis(layout).use(image);

    change(template.disk(), Files.size(template.disk()) / 2);
    change(unused.disk(), Files.size(unused.disk()) / 2);
    assertThat(Lab.problem(() -> new Basis(layout).use(image)))
        .contains(template.disk() + " is not what it was: its SHA-256 is ");
    Files.move(template.folder(), folder.resolve("away"));
    assertThat(Lab.problem(() -> new Basis(layout).use(image)))
        .contains("are based on the image in " + template.folder() + ", which is gone");
    Lab.remove(layout.nodes().resolve("worker1"));
    new Basis(layout).use(image); // no disk needs it any more
  }

  @Test
  void onlyWhatNobodyNeedsIsUnneeded() throws IOException {
    BaseImage used = image;
    cluster("one");
    BaseImage kept = imported(image("kept.qcow2", 2));
    BaseImage unneeded = imported(image("unneeded.qcow2", 3));
    Path part = Files.createDirectory(store.work("killed-0123456789ab.77"));
    Files.writeString(store.folder().resolve(".x-0123456789ab.download"), "half");
    assertThat(new Upkeep(store).unneeded(List.of(kept)))
        .containsExactlyInAnyOrder(
            unneeded.folder(), part, store.folder().resolve(".x-0123456789ab.download"));
    assertThat(new Upkeep(store).table().lines().map(line -> line.replaceAll(" +", " ")))
        .anyMatch(line -> line.endsWith(" " + folder.resolve("one")))
        .anyMatch(line -> line.matches("\\.killed-0123456789ab\\.77\\.part [01] - unfinished"))
        .hasSize(6);
    store.remove(unneeded.folder());
    assertThat(store.all()).containsExactlyInAnyOrder(used, kept);
  }

  @Test
  void whatCanNotBeABaseIsRefused() throws IOException {
    Path overlay = folder.resolve("overlay.qcow2");
    qemuImg(
        "create", "-q", "-f", "qcow2", "-F", "qcow2", "-b", file.toString(), overlay.toString());
    assertThat(Lab.problem(() -> imported(overlay))).contains(overlay + " refers to another file");

    Path data = folder.resolve("data.qcow2");
    String option = "data_file=" + folder.resolve("data.raw");
    qemuImg("create", "-q", "-f", "qcow2", "-o", option, data.toString(), "1M");
    assertThat(Lab.problem(() -> imported(data))).contains(data + " refers to another file");

    Path half = folder.resolve("half.qcow2");
    byte[] bytes = Files.readAllBytes(file);
    Files.write(half, Arrays.copyOf(bytes, bytes.length / 2));
    assertThat(Lab.problem(() -> imported(half))).contains(half + " is damaged or cut off");
    assertThat(store.unfinished()).as("nothing is left").isEmpty();
    assertThat(store.all()).containsExactly(image);
  }
}

package lib.image;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import lib.Argv;
import lib.Commands;
import lib.Problem;
import lib.Terminal;
import lib.qemu.Digest;
import lib.qemu.Image;
import lib.qemu.QemuImg;
import lib.tools.Tool;

/**
 * Copies an image file of this machine into the store: what happens to the file later does not harm
 * the disks that are based on it.
 *
 * @param name what the user calls it
 * @param file the file
 */
public record ImageImport(String name, Path file) implements ImageMaker {

  /**
   * {@return the maker for a file}
   *
   * @param base the folder that relative paths start from
   * @throws Problem if it can't be read
   */
  public static ImageImport of(String name, Path base) {
    Path home = Path.of(System.getProperty("user.home"));
    Path file =
        name.startsWith("~/") ? home.resolve(name.substring(2)) : base.resolve(name).normalize();
    if (!Files.isReadable(file) || !Files.isRegularFile(file)) {
      throw new Problem(
          "image " + name + ": there is no file " + file, "check `images` in cluster.yaml");
    }
    return new ImageImport(name, file);
  }

  /** Another for a file that was touched: its content may be another. */
  @Override
  public String key() {
    try {
      Map<String, Object> state =
          Files.readAttributes(file, "unix:size,lastModifiedTime,ctime,ino,dev");
      String plain = file.getFileName().toString().replaceAll("[^A-Za-z0-9.]+", "-");
      String word = plain.substring(0, Math.min(40, plain.length())).replaceFirst("^[.-]+", "");
      String digest = Digest.of(file + " " + new TreeMap<>(state));
      return "file-" + word + "-" + digest.substring(0, 12);
    } catch (IOException e) {
      throw new Problem("cannot look at " + file + ": " + e.getMessage(), "check its owner", e);
    }
  }

  @Override
  public List<Tool> tools() {
    return List.of(Tool.QEMU_IMG);
  }

  @Override
  public void make(Path work, Terminal terminal, boolean yes) {
    Argv convert = QemuImg.convert(QemuImg.inspect(file).format(), file, work.resolve(Image.DISK));
    Commands.run(convert, Duration.ofMinutes(30)).orProblem();
  }

  @Override
  public List<String> describe(Path work) {
    return List.of(
        QemuImg.convert(QemuImg.inspect(file).format(), file, work.resolve(Image.DISK)).toShell());
  }

  @Override
  public Image expected(Path folder) {
    return new Image(
        name,
        folder.resolve(Image.DISK),
        QemuImg.inspect(file).bytes(),
        Set.of(),
        Optional.empty());
  }
}

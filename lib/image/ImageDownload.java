package lib.image;

import java.io.IOException;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import lib.Argv;
import lib.Commands;
import lib.Plan;
import lib.Problem;
import lib.Terminal;
import lib.cluster.ImageSource;
import lib.qemu.Image;
import lib.qemu.QemuImg;
import lib.tools.Tool;

/**
 * Gets a base image from the web.
 *
 * @param name what the user calls it
 * @param url where it is
 * @param sha256 its digest; empty text as long as nobody has asked the server for it
 */
public record ImageDownload(String name, URI url, String sha256) implements ImageMaker {
  private static final Duration PATIENCE = Duration.ofSeconds(30);

  /** {@return the maker for a published file, whose digest may not be known yet} */
  public static ImageDownload of(String name, ImageSource.Published published) {
    return new ImageDownload(name, published.url(), published.sha256().orElse(""));
  }

  /**
   * {@return the same with its digest, which the server is asked for if need be}
   *
   * @throws Problem if it can't be had
   */
  public ImageDownload withDigest() {
    return sha256.isEmpty() ? new ImageDownload(name, url, published(url)) : this;
  }

  /** The digest in the file SHA256SUMS beside an image. */
  private static String published(URI url) {
    URI sums = url.resolve("SHA256SUMS");
    String file = url.getPath().replaceFirst(".*/", "");
    return new Curl(sums, PATIENCE)
        .text()
        .lines()
        .map(line -> line.split("[ *]+"))
        .filter(words -> words.length == 2 && words[1].equals(file))
        .map(words -> words[0])
        .filter(digest -> digest.matches("[0-9a-f]{64}"))
        .findFirst()
        .orElseThrow(
            () ->
                new Problem(
                    "%s has no digest of %s".formatted(sums, file),
                    "name another image in `images` of cluster.yaml"));
  }

  @Override
  public String key() {
    String word = name.contains("/") ? "url" : name;
    return word + "-" + (sha256.isEmpty() ? "newest" : sha256.substring(0, 12));
  }

  @Override
  public List<Tool> tools() {
    return List.of(Tool.CURL, Tool.QEMU_IMG);
  }

  @Override
  public void make(Path work, Terminal terminal, boolean yes) {
    Path part = part(work);
    terminal.line("getting %s", url);
    new Curl(url, PATIENCE).fetch(part, sha256, work.resolve("errors"), terminal);
    QemuImg image = inspect(part);
    try {
      if (image.format().equals("qcow2")) {
        Files.move(part, work.resolve(Image.DISK), StandardCopyOption.ATOMIC_MOVE);
      } else {
        Argv convert = QemuImg.convert(image.format(), part, work.resolve(Image.DISK));
        Commands.run(convert, Duration.ofMinutes(30)).orProblem();
        Files.delete(part);
      }
    } catch (IOException e) {
      throw new Problem("cannot write " + work + ": " + e.getMessage(), "free some space", e);
    }
  }

  /** What has the right digest and is no base image stays so: it is not kept. */
  private QemuImg inspect(Path part) {
    try {
      return QemuImg.inspect(part);
    } catch (Problem problem) {
      new Plan.Remove(part).run();
      throw new Problem(
          "%s can't be a base image: %s".formatted(url, problem.getMessage()),
          "name another one in `images` of cluster.yaml",
          problem);
    }
  }

  /**
   * {@return whether its server says that it no longer has the image}
   *
   * @throws Problem if that can't be told
   */
  public boolean isGone() {
    return new Curl(url, PATIENCE).isGone();
  }

  /** Beside the folder of this run: a later run goes on with it. */
  private Path part(Path work) {
    return work.resolveSibling("." + key() + ".download");
  }

  @Override
  public List<String> describe(Path work) {
    String digest =
        sha256.isEmpty()
            ? "in SHA256SUMS beside it"
            : "that cluster.yaml or kubenet pins: " + sha256;
    Path part = part(work);
    return List.of(
        Argv.of("mkdir", "-p", work.toString()).toShell(),
        new Curl(url, PATIENCE).fetching(part).toShellLines(),
        "# its SHA-256 must be the one " + digest,
        Argv.of("mv", part.toString(), work.resolve(Image.DISK).toString()).toShell());
  }

  @Override
  public Image expected(Path folder) {
    return new Image(name, folder.resolve(Image.DISK), 0, Set.of(), Optional.empty());
  }
}

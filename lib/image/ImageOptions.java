//DEPS info.picocli:picocli:4.7.7
package lib.image;

import java.nio.file.Path;
import java.util.Optional;
import lib.Problem;
import lib.cluster.Cluster;
import lib.cluster.ImageSource;
import picocli.CommandLine.Option;

/** The options of those scripts that may have to get the base image. */
public final class ImageOptions {
  @Option(
      names = "--image",
      paramLabel = "IMAGE",
      description = "Only this one: a name, a path or an address that `images` has.")
  private String image;

  @Option(
      names = "--no-bake",
      description = "Have each node install its packages, not one VM for all.")
  private boolean noBake;

  /**
   * {@return the image that is insisted on, if one is}
   *
   * @throws Problem if it is none
   */
  public Optional<ImageSource> insisted(Cluster cluster) {
    if (image == null) {
      return Optional.empty();
    }
    Optional<ImageSource> listed =
        cluster.images().stream().filter(source -> source.name().equals(image)).findFirst();
    return Optional.of(listed.orElseGet(this::unlisted));
  }

  private ImageSource unlisted() {
    try {
      ImageSource source = ImageSource.image(image);
      // one that is not in the list is this folder's, whatever the cluster file's folder is
      return source instanceof ImageSource.LocalFile && !image.startsWith("~/")
          ? new ImageSource.LocalFile(Path.of(image).toAbsolutePath().toString())
          : source;
    } catch (IllegalArgumentException e) {
      throw new Problem("--image " + e.getMessage() + ", is `" + image + "`", "see --help", e);
    }
  }

  /** {@return whether the roles' packages may be baked into the image} */
  public boolean bake() {
    return !noBake;
  }
}

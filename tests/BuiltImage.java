import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;

/** The image that tests boot, as this machine's cache keeps it for all of them. */
final class BuiltImage {
  private BuiltImage() {}

  /** Its folder. The image is built, which takes some minutes, unless the cache has it. */
  static Path folder() throws IOException {
    Path empty = Files.createTempDirectory(Path.of("/tmp"), "kubenet-image-");
    try {
      String out =
          CommandResult.script("prepare-image", "--yes", "--image", "debian-built")
              .in(empty) // so with the standard cluster
              .atMost(Duration.ofMinutes(15))
              .run()
              .succeeded()
              .out();
      return Path.of(out.strip().replaceFirst("(?s).*, in ", ""));
    } finally {
      CommandResult.remove(empty);
    }
  }
}

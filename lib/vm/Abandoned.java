package lib.vm;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import lib.Commands;
import lib.Lock;
import lib.Problem;
import lib.state.CacheFolder;
import lib.state.Layout;

/**
 * Leftover folders of images and templates that were never finished. A process was making them, and
 * it was killed together with the shell that would have cleaned up after it, as in a power cut. The
 * next command ends their VMs and removes the folders.
 */
public final class Abandoned {
  /** The lock file in a folder of images. A process holds it while it makes an image. */
  public static final String MAKING = "making.lock";

  private Abandoned() {}

  /**
   * Ends and removes all leftovers. Skips a folder in which another process is making images now.
   */
  public static void endAll() {
    if (!CacheFolder.isOurs()) {
      return;
    }
    for (String name : List.of("images", "templates")) {
      Path images = Layout.cache().resolve(name);
      if (!in(images, "").isEmpty()) {
        try (Lock making = Lock.attempt(images.resolve(MAKING)).orElse(null)) {
          if (making != null) {
            in(images, "").forEach(Abandoned::end);
          }
        }
      }
    }
  }

  /**
   * {@return the leftovers in a folder of images}
   *
   * @param key of the image or template that was being made; empty for any
   */
  public static List<Path> in(Path images, String key) {
    return Layout.list(images).stream()
        .filter(path -> isOne(path) && path.getFileName().toString().startsWith("." + key))
        .toList();
  }

  /** {@return whether a path is a leftover folder; a partial download is a file, so it is none} */
  public static boolean isOne(Path path) {
    return path.getFileName().toString().matches("\\..+-[0-9a-f]{12}(\\.[0-9]+)?\\.part")
        && Files.isDirectory(path);
  }

  /** Ends a leftover's VM if it still runs, and removes the folder. The caller holds the lock. */
  public static void end(Path work) {
    Path runtime = Layout.of(work).runtime();
    for (Path socket : List.of(runtime.resolve("bake.qmp"), runtime.resolve("template.qmp"))) {
      try (Qmp qmp = Qmp.connect(socket, Duration.ofSeconds(2))) {
        qmp.execute("quit");
      } catch (IOException e) {
        // it has ended
      }
    }
    Commands.removeAtEnd(work, runtime).close();
    if (Files.exists(work)) {
      throw new Problem("cannot remove " + work, "check its owner");
    }
  }
}

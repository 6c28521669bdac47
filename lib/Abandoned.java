package lib;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.stream.Stream;

/**
 * Folders in which an image or a template was being made by a process that was killed together with
 * what would have removed them: after a power cut, say. The next command ends and removes them.
 */
public final class Abandoned {
  /** The lock in a folder of images that whoever makes one holds. */
  static final String MAKING = "making.lock";

  private static final Duration LIMIT = Duration.ofMinutes(10);

  private Abandoned() {}

  /** Ends and removes them all, but where another process makes images just now. */
  public static void endAll() {
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
   * {@return those in a folder of images}
   *
   * @param key of what was being made; empty for whatever it was
   */
  static List<Path> in(Path images, String key) {
    if (!Files.isDirectory(images)) {
      return List.of();
    }
    try (Stream<Path> all = Files.list(images)) {
      return all.filter(path -> isOne(path) && path.getFileName().toString().startsWith("." + key))
          .toList();
    } catch (IOException e) {
      throw new Problem("cannot look into " + images + ": " + e.getMessage(), "check its owner", e);
    }
  }

  /** {@return whether a path is such a folder; a download that can go on is a file} */
  static boolean isOne(Path path) {
    return path.getFileName().toString().matches("\\..+-[0-9a-f]{12}(\\.[0-9]+)?\\.part")
        && Files.isDirectory(path);
  }

  /** Ends its VM, if it has one that goes on, and removes it; the caller holds the lock. */
  static void end(Path work) {
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

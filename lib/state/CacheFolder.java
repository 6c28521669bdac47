package lib.state;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.stream.Stream;
import lib.Lock;
import lib.Plan;
import lib.Problem;
import lib.Terminal;

/** Checks and marks the folder that all clusters of a user share, {@link Layout#cache}. */
public final class CacheFolder {
  private CacheFolder() {}

  /**
   * Refuses a folder that is not kubenet's: KUBENET_CACHE can name any folder.
   *
   * @throws Problem if the folder has files in it and kubenet did not make it
   */
  public static void check() {
    Path cache = Layout.cache();
    Marker.refuseStranger(cache, isOld(cache));
  }

  /** {@return whether the folder is there and kubenet's} */
  public static boolean isOurs() {
    Path cache = Layout.cache();
    return Marker.read(cache).isPresent() || isOld(cache);
  }

  /** Makes the folder and marks it. */
  public static void claim() {
    check();
    Path cache = Layout.cache();
    Plan.cacheFolder(cache);
    if (Marker.read(cache).isEmpty()) {
      Marker.of("images and templates").putNew(cache);
    }
  }

  /**
   * {@return the lock of images or templates: whoever bases a disk on one, or removes one, holds it
   * for moments}
   *
   * @param name of the folder: {@code images}, {@code templates}
   */
  public static Lock lock(String name, Terminal terminal) {
    return lock(Layout.cache().resolve(name), terminal);
  }

  /** {@return the same for a folder of images wherever it is} */
  public static Lock lock(Path folder, Terminal terminal) {
    String waiting = "waiting for another kubenet, which has the %s locked";
    return lock(folder, "lock", () -> terminal.line(waiting, folder.getFileName()));
  }

  /**
   * {@return the lock of a file in such a folder; both are made if need be}
   *
   * @param waiting is run if another process holds it
   */
  public static Lock lock(Path folder, String file, Runnable waiting) {
    if (folder.startsWith(Layout.cache())) {
      claim();
    }
    Plan.cacheFolder(folder);
    return Lock.await(folder.resolve(file), waiting);
  }

  /**
   * Whether an older kubenet, which wrote no markers, made the folder. Then it holds only files
   * that such a kubenet leaves, such as images with their descriptions.
   */
  private static boolean isOld(Path cache) {
    return Files.isDirectory(cache)
        && (Layout.list(cache).stream().allMatch(CacheFolder::isKnown) || holdsImages(cache));
  }

  private static boolean isKnown(Path path) {
    return switch (path.getFileName().toString()) {
      case "accelerator", "bake-console.log", "template-console.log" -> true;
      case "images", "templates" ->
          Files.exists(path.resolve("lock"))
              || Files.exists(path.resolve("making.lock"))
              || Files.isDirectory(path) && Layout.list(path).isEmpty();
      default -> false;
    };
  }

  private static boolean holdsImages(Path cache) {
    return Stream.of("images", "templates")
        .map(cache::resolve)
        .flatMap(folder -> Layout.list(folder).stream())
        .anyMatch(CacheFolder::isImage);
  }

  private static boolean isImage(Path folder) {
    Path facts = folder.resolve("image.json");
    try {
      return Files.isRegularFile(facts) && Files.readString(facts).contains("\"sha256\"");
    } catch (IOException e) {
      return false; // not one that kubenet wrote
    }
  }
}

package lib;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.stream.Stream;

/** The folder that all clusters of a user share ({@link Layout#cache}), as kubenet's own. */
public final class CacheFolder {
  private CacheFolder() {}

  /**
   * Refuses a folder of somebody else, which KUBENET_CACHE may name.
   *
   * @throws Problem if it has files in it and kubenet did not make it
   */
  public static void check() {
    Path cache = Layout.cache();
    Marker.refuseStranger(cache, isOld(cache));
  }

  /** Makes it, and marks it. */
  static void claim() {
    check();
    Path cache = Layout.cache();
    Plan.cacheFolder(cache);
    if (Marker.read(cache).isEmpty()) {
      Marker.of("images and templates").putNew(cache);
    }
  }

  /** Whether a kubenet that wrote no markers made it: what is in it is what that one left. */
  private static boolean isOld(Path cache) {
    if (!Files.isDirectory(cache)) {
      return false;
    }
    try (Stream<Path> all = Files.list(cache)) {
      return all.allMatch(CacheFolder::isOurs);
    } catch (IOException e) {
      throw new Problem("cannot look into " + cache + ": " + e.getMessage(), "check its owner", e);
    }
  }

  private static boolean isOurs(Path path) {
    return switch (path.getFileName().toString()) {
      case "accelerator", "bake-console.log", "template-console.log" -> true;
      case "images", "templates" ->
          Files.exists(path.resolve("making.lock")) || Files.exists(path.resolve("lock"));
      default -> false;
    };
  }
}

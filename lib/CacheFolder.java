package lib;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
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

  /**
   * Whether a kubenet that wrote no markers made it: there is nothing in it but what that one left,
   * images with their descriptions included.
   */
  private static boolean isOld(Path cache) {
    return Files.isDirectory(cache) && children(cache).stream().allMatch(CacheFolder::isOurs);
  }

  private static boolean isOurs(Path path) {
    return switch (path.getFileName().toString()) {
      case "accelerator", "bake-console.log", "template-console.log" -> true;
      case "images", "templates" ->
          Files.exists(path.resolve("lock"))
              || Files.exists(path.resolve("making.lock"))
              || children(path).stream().anyMatch(CacheFolder::isImage);
      default -> false;
    };
  }

  private static boolean isImage(Path folder) {
    Path facts = folder.resolve("image.json");
    try {
      return Files.isRegularFile(facts) && Files.readString(facts).contains("\"sha256\"");
    } catch (IOException e) {
      return false; // not one that kubenet wrote
    }
  }

  private static List<Path> children(Path folder) {
    try (Stream<Path> all = Files.list(folder)) {
      return all.toList();
    } catch (IOException e) {
      throw new Problem("cannot look into " + folder + ": " + e.getMessage(), "check its owner", e);
    }
  }
}

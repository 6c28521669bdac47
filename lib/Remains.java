package lib;

import java.io.IOException;
import java.nio.file.DirectoryNotEmptyException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.stream.Stream;

/** What kubenet has left on this machine for some nodes: only files that it knows it made. */
public final class Remains {
  private Remains() {}

  /**
   * {@return the files and folders that are there, contents before their folder}
   *
   * @param shared whether to include what all nodes share: login key, {@code ssh_config}, …
   */
  public static List<Path> of(Cluster cluster, Layout layout, List<Node> nodes, boolean shared) {
    List<Path> paths = new ArrayList<>();
    for (Node node : nodes) {
      Layout.Files files = layout.node(node);
      paths.addAll(tree(files.folder()));
      paths.add(files.qmp());
    }
    if (shared) {
      paths.addAll(
          List.of(
              layout.nodes(),
              layout.identity(),
              layout.identityPublic(),
              layout.knownHosts(),
              layout.sshConfig(),
              layout.lock()));
      paths.add(layout.state());
      paths.add(layout.runtime());
    }
    return paths.stream().filter(Files::exists).toList();
  }

  private static List<Path> tree(Path folder) {
    if (!Files.isDirectory(folder)) {
      return List.of();
    }
    try (Stream<Path> files = Files.walk(folder)) {
      return files.sorted(Comparator.reverseOrder()).toList();
    } catch (IOException e) {
      throw new Problem("cannot look into " + folder + ": " + e.getMessage(), "check its owner", e);
    }
  }

  /** {@return the paths for a reader: a folder in place of all that is in it} */
  public static List<Path> summary(List<Path> paths) {
    return paths.stream()
        .filter(path -> paths.stream().noneMatch(other -> isIn(path, other)))
        .toList();
  }

  private static boolean isIn(Path path, Path folder) {
    return !path.equals(folder) && path.startsWith(folder);
  }

  /** Removes them; a folder that holds a stranger's file stays. */
  public static void remove(List<Path> paths) {
    for (Path path : paths) {
      try {
        Files.deleteIfExists(path);
      } catch (DirectoryNotEmptyException e) {
        // somebody put a file of his own there
      } catch (IOException e) {
        throw new Problem("cannot remove " + path + ": " + e.getMessage(), "check its owner", e);
      }
    }
  }
}

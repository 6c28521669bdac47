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
   * @param shared whether to include what all nodes share: login key, {@code ssh_config}, ...
   */
  public static List<Path> of(Cluster cluster, Layout layout, List<Node> nodes, boolean shared) {
    List<Path> paths = new ArrayList<>();
    for (Node node : nodes) {
      Layout.Files files = layout.node(node);
      tree(files.folder()).stream().filter(path -> isOurs(path, files)).forEach(paths::add);
      paths.add(files.qmp());
    }
    if (shared) {
      paths.addAll(tree(layout.snapshots()));
      paths.addAll(
          List.of(
              layout.nodes(),
              layout.identity(),
              layout.identityPublic(),
              layout.knownHosts(),
              layout.sshConfig(),
              layout.image(),
              layout.restoring(),
              layout.version(),
              layout.forward(),
              layout.hosts(),
              layout.lock()));
      paths.add(layout.state());
      paths.add(layout.lan()); // the switch leaves its socket
      paths.add(layout.runtime());
    }
    return paths.stream().filter(Files::exists).toList();
  }

  /** Whether it is one of a node's files; a run that was killed leaves half-made ones. */
  private static boolean isOurs(Path path, Layout.Files files) {
    String name = path.getFileName().toString().replaceFirst("^\\.part\\.", "");
    Path whole = path.resolveSibling(name);
    Path seed = files.seedFolder();
    return Stream.of(
            Stream.of(files.folder(), files.disk(), files.seed(), files.efiVariables()),
            Stream.of(files.launch(), files.console(), files.pid(), files.kernel(), files.initrd()),
            Stream.of(files.incoming(), files.taken(), files.suspended(), files.suspension()),
            Stream.of(files.hostKey(), files.hostKeyPublic(), seed, files.timeline()),
            Stream.of("user-data", "meta-data", "network-config", Identity.FILE).map(seed::resolve))
        .flatMap(ours -> ours)
        .anyMatch(whole::equals);
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

  /**
   * Removes them; a folder that holds a stranger's file stays.
   *
   * @return the strangers' files
   */
  public static List<Path> remove(List<Path> paths) {
    List<Path> kept = new ArrayList<>();
    for (Path path : paths) {
      try {
        Files.deleteIfExists(path);
      } catch (DirectoryNotEmptyException e) {
        kept.add(path); // somebody put a file of his own there
      } catch (IOException e) {
        throw new Problem("cannot remove " + path + ": " + e.getMessage(), "check its owner", e);
      }
    }
    return kept.stream()
        .flatMap(folder -> tree(folder).stream())
        .filter(path -> !Files.isDirectory(path))
        .distinct()
        .sorted()
        .toList();
  }
}

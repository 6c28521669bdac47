package lib.stop;

import java.io.IOException;
import java.nio.file.DirectoryNotEmptyException;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import lib.Plan;
import lib.Problem;
import lib.cluster.Node;
import lib.qemu.Basis;
import lib.state.ClusterRecord;
import lib.state.Layout;
import lib.state.Marker;
import lib.vm.SavedState;
import lib.vm.Vm;

/**
 * What kubenet has left on this machine for some nodes.
 *
 * @param paths files and folders that kubenet made, contents before their folder
 * @param strangers files among them that it did not make, which stay, with the folders they are in
 */
public record Remains(List<Path> paths, List<Path> strangers) {

  /**
   * {@return what is there}
   *
   * @param shared whether to include what all nodes share: login key, {@code ssh_config}, ..., and
   *     nodes that the cluster file no longer has
   */
  public static Remains of(Layout layout, List<Node> nodes, boolean shared) {
    List<Path> made = new ArrayList<>();
    List<Path> searched = new ArrayList<>();
    List<Layout.Files> all = new ArrayList<>(nodes.stream().map(layout::node).toList());
    if (shared) {
      // those of nodes that nobody knows of any more, too
      nodeNames(layout).stream()
          .map(name -> layout.node(name))
          .filter(files -> !all.contains(files))
          .forEach(all::add);
    }
    for (Layout.Files files : all) {
      tree(files.folder()).stream().filter(path -> isOurs(path, files)).forEach(made::add);
      made.add(files.qmp());
      made.add(SavedState.stream(files.qmp())); // a suspension that was killed leaves it
      searched.add(files.folder());
    }
    if (shared) {
      made.addAll(SnapshotSet.files(layout));
      made.addAll(
          List.of(
              layout.nodes(),
              layout.identity(),
              layout.identityPublic(),
              layout.knownHosts(),
              layout.sshConfig(),
              layout.image(),
              layout.restoring(),
              layout.forward(),
              layout.hosts(),
              layout.record(),
              layout.version(),
              layout.lock()));
      made.addAll(Marker.files(layout.state()));
      made.add(layout.state());
      made.add(layout.lan()); // the switch leaves its socket
      made.addAll(Marker.files(layout.runtime()));
      made.add(layout.runtime());
      searched.add(layout.state());
      searched.add(layout.runtime());
    }
    return of(layout, made, searched);
  }

  /**
   * Refuses to remove anything while a VM runs that is none of the nodes that were stopped.
   *
   * @param nodes those that are about to be stopped
   */
  public static void refuseOthersThatRun(Layout layout, List<Node> nodes) {
    Set<String> names = nodes.stream().map(Node::name).collect(Collectors.toSet());
    String running =
        nodeNames(layout).stream()
            .filter(name -> !names.contains(name) && Vm.lives(layout.node(name)))
            .sorted()
            .collect(Collectors.joining(", "));
    if (!running.isEmpty()) {
      throw new Problem(
          "%s: running, and neither in the cluster file nor in %s"
              .formatted(running, layout.record()),
          "raise `count` in the cluster file to what it was, then stop it; nothing was changed");
    }
  }

  private static Remains of(Layout layout, List<Path> made, List<Path> searched) {
    Set<Path> ours = new HashSet<>(made);
    List<Path> strangers =
        searched.stream()
            .flatMap(folder -> tree(folder).stream())
            .filter(path -> !ours.contains(path))
            .filter(
                path ->
                    !Files.isDirectory(path, LinkOption.NOFOLLOW_LINKS)
                        || Layout.list(path).isEmpty())
            .distinct()
            .sorted()
            .toList();
    // what makes a folder kubenet's goes last: without it kubenet would not touch the rest
    Set<Path> frame = new HashSet<>(Marker.files(layout.state()));
    frame.addAll(List.of(layout.version(), layout.lock()));
    boolean whole = strangers.stream().noneMatch(path -> path.startsWith(layout.state()));
    List<Path> paths =
        made.stream()
            .filter(path -> Files.exists(path, LinkOption.NOFOLLOW_LINKS))
            .filter(path -> strangers.stream().noneMatch(stranger -> stranger.startsWith(path)))
            .filter(path -> whole || !frame.contains(path))
            .distinct()
            .toList();
    return new Remains(paths, strangers);
  }

  /** Whether it is one of a node's files; a run that was killed leaves half-made ones. */
  private static boolean isOurs(Path path, Layout.Files files) {
    String name = path.getFileName().toString().replaceFirst("^\\.part\\.", "");
    Path whole = path.resolveSibling(name);
    Path seed = files.seedFolder();
    return Stream.of(
            Stream.of(files.folder(), files.disk(), files.seed(), files.efiVariables()),
            Stream.of(files.launch(), files.console(), files.pid(), files.kernel(), files.initrd()),
            Stream.of(files.incoming(), files.taken(), files.suspended(), files.efiCode()),
            Stream.of(files.suspension()),
            Stream.of(files.hostKey(), files.hostKeyPublic(), seed, files.timeline()),
            Stream.of(files.forkSeed()),
            Stream.of("user-data", "meta-data", "network-config").map(seed::resolve))
        .flatMap(ours -> ours)
        .anyMatch(whole::equals);
  }

  /** A folder of another name is somebody's own, such as a copy that was put there. */
  private static List<String> nodeNames(Layout layout) {
    return Layout.list(layout.nodes()).stream()
        .map(folder -> folder.getFileName().toString())
        .filter(name -> name.matches(Node.NAME))
        .toList();
  }

  private static List<Path> tree(Path folder) {
    if (!Files.isDirectory(folder)) {
      return List.of();
    }
    try (Stream<Path> files = Files.walk(folder)) {
      return files.sorted(Comparator.reverseOrder()).toList();
    } catch (IOException e) {
      throw Problem.cannot("look into", folder, e);
    }
  }

  /** {@return the paths for a reader: a folder in place of all that is in it} */
  public List<Path> summary() {
    Set<Path> all = new HashSet<>(paths);
    return paths.stream().filter(path -> !all.contains(path.getParent())).toList();
  }

  /** {@return what is about to go, and what stays, a line each} */
  public List<String> announced() {
    List<String> lines = new ArrayList<>();
    summary().forEach(path -> lines.add("will remove " + path));
    strangers.forEach(path -> lines.add("will leave %s: kubenet did not make it".formatted(path)));
    return lines;
  }

  /**
   * Removes the paths, what says that nodes exist, and the marks beside their images.
   *
   * @param nodes those whose remains these are
   * @param shared whether what all nodes share is among them
   * @return what was done, a line each
   */
  public List<String> removeFor(Layout layout, List<Node> nodes, boolean shared) {
    List<Path> marks = shared ? new Basis(layout).marks() : List.of();
    remove();
    marks.forEach(mark -> new Plan.Remove(mark).run()); // prune may take the images from now on
    if (Files.exists(layout.record())) {
      ClusterRecord.remove(layout, nodes);
    }
    List<String> lines = new ArrayList<>();
    lines.add("removed %d files and folders".formatted(paths.size()));
    strangers.forEach(path -> lines.add("left %s: kubenet did not make it".formatted(path)));
    return lines;
  }

  /** Removes the paths; a folder into which somebody has just put a file stays. */
  public void remove() {
    for (Path path : paths) {
      try {
        Files.deleteIfExists(path);
      } catch (DirectoryNotEmptyException e) {
        // as the next look will say
      } catch (IOException e) {
        throw Problem.cannot("remove", path, e);
      }
    }
  }
}

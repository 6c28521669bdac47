package lib;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;

/**
 * The state of all nodes at one moment, under a name: of each disk a snapshot inside its file
 * (qemu-img manual, "snapshot"), of each suspended node its memory in a folder of the set. The list
 * of its nodes is written last, so half a set is none.
 *
 * @param name letters, digits and dashes, at most 40
 */
public record SnapshotSet(Layout layout, String name) {

  /**
   * A set of this name, which need not be there.
   *
   * @throws Problem if it is no name for one
   */
  public SnapshotSet {
    if (!name.matches("[A-Za-z0-9][A-Za-z0-9-]{0,39}")) {
      throw new Problem(
          "`%s` is no name for a snapshot".formatted(Visible.line(name)),
          "take letters, digits and dashes, at most 40, such as before-chapter-5");
    }
  }

  /** {@return all whole sets, by name} */
  public static List<SnapshotSet> all(Layout layout) {
    if (!Files.isDirectory(layout.snapshots())) {
      return List.of();
    }
    try (Stream<Path> folders = Files.list(layout.snapshots())) {
      return folders
          .map(folder -> folder.getFileName().toString())
          .filter(name -> name.matches("[A-Za-z0-9][A-Za-z0-9-]{0,39}"))
          .map(name -> new SnapshotSet(layout, name))
          .filter(SnapshotSet::isWhole)
          .sorted(Comparator.comparing(SnapshotSet::name))
          .toList();
    } catch (IOException e) {
      throw failed("look into", layout.snapshots(), e);
    }
  }

  /**
   * {@return the files of all sets, also of half-made ones, contents before their folder}
   *
   * <p>A folder that is no set's, and files of other names in a set's, are somebody else's.
   */
  static List<Path> files(Layout layout) {
    if (!Files.isDirectory(layout.snapshots())) {
      return List.of();
    }
    try (Stream<Path> all = Files.walk(layout.snapshots(), 2)) {
      return all.filter(path -> isOurs(layout, path)).sorted(Comparator.reverseOrder()).toList();
    } catch (IOException e) {
      throw failed("look into", layout.snapshots(), e);
    }
  }

  private static boolean isOurs(Layout layout, Path path) {
    if (path.equals(layout.snapshots())) {
      return true;
    }
    Path folder = path.getParent().equals(layout.snapshots()) ? path : path.getParent();
    boolean ours = Files.isRegularFile(folder.resolve("nodes")) || Marker.read(folder).isPresent();
    String name = path.getFileName().toString();
    return ours
        && (path.equals(folder)
            || name.matches("(\\.part\\.)?([a-z]+[0-9]*\\.memory|nodes|KUBENET\\.TAG.*)"));
  }

  /** {@return whether it is there, and whole} */
  public boolean isWhole() {
    return Files.exists(list());
  }

  private Path folder() {
    return layout.snapshots().resolve(name);
  }

  /** A line a node: its name, and whether its memory is in the set. */
  private Path list() {
    return folder().resolve("nodes");
  }

  private Path memory(String node) {
    return folder().resolve(node + ".memory");
  }

  /**
   * Makes the set; the nodes' QEMU has ended, and they are suspended or were shut down.
   *
   * @param nodes those that have disks
   */
  public void make(List<Node> nodes) {
    if (isWhole()) {
      throw new Problem(
          "there is a snapshot %s already".formatted(name), "take another name, or --remove it");
    }
    remove(nodes); // half of one
    Marker.refuseStranger(folder(), false);
    new Plan(List.of(new Plan.Folder(layout.snapshots()), new Plan.Folder(folder()))).run();
    Marker.of("snapshot").putNew(folder());
    StringBuilder list = new StringBuilder();
    for (Node node : nodes) {
      Vm vm = Vm.of(node, layout);
      boolean suspended = Files.exists(vm.files().incoming());
      if (suspended && !Files.exists(vm.files().suspended())) {
        throw new Problem(
            node.name() + " was never started: it has no state to save",
            "run launch-all.java, then try again");
      }
      snapshot(node, "-c");
      if (suspended) {
        link(vm.files().suspended(), memory(node.name()));
      }
      list.append(node.name()).append(suspended ? " memory\n" : " disk\n");
    }
    new Plan.Write(list(), list.toString(), false).run();
  }

  /**
   * Takes all nodes back to it; their QEMU has ended. Cut off, it is to be run again: until then no
   * node starts.
   *
   * @throws Problem before anything is changed, if a node or its part of the set is missing
   */
  public void restore(Cluster cluster) {
    Map<Node, Boolean> nodes = new LinkedHashMap<>();
    for (String line : lines()) {
      String[] words = line.split(" ");
      nodes.put(cluster.node(words[0]), words[1].equals("memory"));
    }
    nodes.forEach(this::check);
    new Plan.Write(layout.restoring(), name, false).run();
    nodes.forEach(
        (node, suspended) -> {
          Layout.Files files = layout.node(node);
          // first what would be taken up: it does not fit the disk that comes now
          new Plan(List.of(new Plan.Remove(files.incoming()), new Plan.Remove(files.suspended())))
              .run();
          snapshot(node, "-a");
          if (suspended) {
            link(memory(node.name()), files.suspended());
            new Suspension(Vm.of(node, layout)).resumeNext();
          }
        });
    new Plan.Remove(layout.restoring()).run();
  }

  private List<String> lines() {
    if (!isWhole()) {
      throw new Problem(
          "there is no snapshot " + name,
          "those that are there: "
              + String.join(", ", all(layout).stream().map(SnapshotSet::name).toList()));
    }
    try {
      return Files.readAllLines(list());
    } catch (IOException e) {
      throw failed("read", list(), e);
    }
  }

  private void check(Node node, boolean suspended) {
    Path disk = layout.node(node).disk();
    if (!Files.exists(disk) || !QemuImg.snapshots(disk).contains(name)) {
      throw new Problem(
          "the disk of %s is another one than in snapshot %s".formatted(node.name(), name),
          "nothing was changed; a disk that was destroyed takes its snapshots with it");
    }
    if (suspended && !Files.exists(memory(node.name()))) {
      throw new Problem(
          "snapshot %s has lost %s".formatted(name, memory(node.name())), "nothing was changed");
    }
  }

  /** Removes it, or what there is of it; the nodes' QEMU has ended. */
  public void remove(List<Node> nodes) {
    new Plan.Remove(list()).run(); // first: half a set is none
    for (Node node : nodes) {
      Path disk = layout.node(node).disk();
      if (Files.exists(disk) && QemuImg.snapshots(disk).contains(name)) {
        snapshot(node, "-d");
      }
    }
    if (Files.isDirectory(folder())) {
      try (Stream<Path> files = Files.walk(folder())) {
        List<Path> all = new ArrayList<>(files.sorted(Comparator.reverseOrder()).toList());
        all.forEach(path -> new Plan.Remove(path).run());
      } catch (IOException e) {
        throw failed("look into", folder(), e);
      }
    }
  }

  private void snapshot(Node node, String how) {
    Argv command = Argv.of("qemu-img", "snapshot", "-q").option(how, name);
    Commands.run(command.add(Argv.word(layout.node(node).disk()))).orProblem();
  }

  /** A second name for the file: it is only ever read, and removed by its first name once used. */
  private static void link(Path from, Path to) {
    try {
      Files.deleteIfExists(to);
      Files.createLink(to, from);
    } catch (IOException e) {
      throw failed("link " + from + " to", to, e);
    }
  }

  private static Problem failed(String what, Path path, IOException cause) {
    return new Problem(
        "cannot " + what + " " + path + ": " + cause.getMessage(), "check its owner", cause);
  }
}

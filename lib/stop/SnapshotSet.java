package lib.stop;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import lib.Argv;
import lib.Commands;
import lib.Each;
import lib.Plan;
import lib.Problem;
import lib.Visible;
import lib.cluster.Cluster;
import lib.cluster.Node;
import lib.qemu.QemuImg;
import lib.state.Layout;
import lib.state.Marker;
import lib.vm.Suspension;
import lib.vm.Vm;

/**
 * The state of all nodes at one moment, under a name: of each disk a snapshot inside its file
 * (qemu-img manual, "snapshot"), of each suspended node its memory in a folder of the set. The list
 * of its nodes is written last, so half a set is none.
 *
 * @param name letters, digits and dashes, at most 40
 */
public record SnapshotSet(Layout layout, String name) {
  private static final String NAME = "[A-Za-z0-9][A-Za-z0-9-]{0,39}";

  /** The names of files in a set's folder. */
  private static final String FILE =
      "(\\.part\\.)?(" + Node.NAME + "\\.(memory|json)|nodes|KUBENET\\.TAG.*)";

  /**
   * A set of this name, which need not be there.
   *
   * @throws Problem if it is no name for one
   */
  public SnapshotSet {
    if (!name.matches(NAME)) {
      throw new Problem(
          "`%s` is no name for a snapshot".formatted(Visible.line(name)),
          "take letters, digits and dashes, at most 40, such as before-chapter-5");
    }
  }

  /** {@return all whole sets, by name} */
  public static List<SnapshotSet> all(Layout layout) {
    return Layout.list(layout.snapshots()).stream()
        .map(folder -> folder.getFileName().toString())
        .filter(name -> name.matches(NAME))
        .map(name -> new SnapshotSet(layout, name))
        .filter(SnapshotSet::isWhole)
        .toList();
  }

  /**
   * {@return the files of all sets, also of half-made ones, contents before their folder}
   *
   * <p>A folder that is no set's, and files of other names in a set's, are somebody else's.
   */
  static List<Path> files(Layout layout) {
    List<Path> ours = new ArrayList<>();
    for (Path folder : Layout.list(layout.snapshots())) {
      if (Files.isDirectory(folder, LinkOption.NOFOLLOW_LINKS)
          && (Files.isRegularFile(folder.resolve("nodes")) || Marker.read(folder).isPresent())) {
        Layout.list(folder).stream()
            .filter(file -> file.getFileName().toString().matches(FILE))
            .forEach(ours::add);
        ours.add(folder);
      }
    }
    if (Files.isDirectory(layout.snapshots())) {
      ours.add(layout.snapshots());
    }
    return ours;
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

  private Path memory(Node node) {
    return folder().resolve(node.name() + ".memory");
  }

  /** What its memory is of, as beside a suspended node's; sets of the form before have none. */
  private Path facts(Node node) {
    return folder().resolve(node.name() + ".json");
  }

  /**
   * {@return the names of the whole sets that a node is part of: without its disk they are lost}
   */
  public static List<String> with(Node node, Layout layout) {
    return all(layout).stream()
        .filter(set -> set.lines().stream().anyMatch(line -> line.startsWith(node.name() + " ")))
        .map(SnapshotSet::name)
        .toList();
  }

  /** {@return a line for each snapshot that can't be restored without one of these nodes} */
  public static List<String> lost(List<Node> nodes, Layout layout) {
    String line = "snapshot %s can't be restored without %s";
    return nodes.stream()
        .flatMap(node -> with(node, layout).stream().map(set -> line.formatted(set, node.name())))
        .toList();
  }

  /**
   * Looks whether the set can be made.
   *
   * @param nodes those that have disks
   * @throws Problem if not; nothing was changed
   */
  public void checkMake(List<Node> nodes) {
    if (isWhole()) {
      throw new Problem(
          "there is a snapshot %s already".formatted(name), "take another name, or --remove it");
    }
    checkRestored();
    Marker.refuseStranger(folder(), Files.isRegularFile(list()));
    for (Node node : nodes) {
      Suspension suspension = Suspension.of(node, layout);
      if (suspension.vm().alive()) {
        if (suspension.vm().isQueued()) {
          throw new Problem(
              node.name() + " waits for its turn to boot", "try again when it is ready");
        }
      } else {
        suspension.settle();
        if (Files.exists(layout.node(node).incoming()) && !suspension.isSaved()) {
          throw new Problem(
              node.name() + " was never started: it has no state to save",
              "run launch-all.java, then try again");
        }
      }
    }
  }

  /**
   * Refuses to destroy some nodes while they are taken back to a set that needs them.
   *
   * @throws Problem if one of them is in the set that a restore was cut off from
   */
  public static void refuseWhileRestored(Layout layout, List<Node> nodes) {
    Optional<SnapshotSet> half = new SnapshotSet(layout, "x").restoring();
    if (half.isPresent()
        && nodes.stream().anyMatch(node -> with(node, layout).contains(half.get().name))) {
      throw new Problem(
          "the nodes are only in part back at snapshot %s, which needs all of its nodes"
              .formatted(half.get().name),
          "first run snapshot-all.java %s --restore again; or destroy all nodes"
              .formatted(half.get().name));
    }
  }

  /** No set but the one that a restore was cut off from, until that is done. */
  private void checkRestored() {
    Optional<SnapshotSet> half = restoring().filter(set -> !set.name.equals(name));
    if (half.isPresent() && half.get().isWhole()) {
      throw new Problem(
          "the nodes are only in part back at snapshot " + half.get().name,
          "first run snapshot-all.java %s --restore again".formatted(half.get().name));
    }
  }

  private Optional<SnapshotSet> restoring() {
    try {
      return Files.exists(layout.restoring())
          ? Optional.of(new SnapshotSet(layout, Files.readString(layout.restoring()).strip()))
          : Optional.empty();
    } catch (IOException e) {
      throw Problem.cannot("read", layout.restoring(), e);
    }
  }

  /**
   * Makes the set; the nodes' QEMU has ended, and they are suspended or were shut down.
   *
   * @param nodes those that have disks
   */
  public void make(List<Node> nodes) {
    checkMake(nodes);
    remove(nodes); // half of one
    new Plan(List.of(new Plan.Folder(layout.snapshots()), new Plan.Folder(folder()))).run();
    Marker.of("snapshot").putNew(folder());
    StringBuilder list = new StringBuilder();
    for (Node node : nodes) {
      Layout.Files files = layout.node(node);
      boolean suspended = Suspension.of(node, layout).isSaved();
      snapshot(node, "-c");
      if (suspended) {
        link(files.suspended(), memory(node));
        if (Files.exists(files.suspension())) {
          link(files.suspension(), facts(node));
        }
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
  public void restore(List<Node> all) {
    checkRestore(all);
    new Plan.Write(layout.restoring(), name, false).run();
    nodes(all)
        .forEach(
            (node, suspended) -> {
              Suspension suspension = Suspension.of(node, layout);
              // first what would be taken up: it does not fit the disk that comes now
              suspension.discard();
              snapshot(node, "-a");
              if (suspended) {
                Layout.Files files = layout.node(node);
                link(memory(node), files.suspended());
                if (Files.exists(facts(node))) {
                  link(facts(node), files.suspension());
                }
                suspension.resumeNext();
              }
            });
    new Plan.Remove(layout.restoring()).run();
  }

  /**
   * Looks whether all nodes can be taken back to it; their QEMU may run.
   *
   * @param all those of the cluster file, and those that exist beside them
   * @return the nodes that are in it
   * @throws Problem with a line for each fault; nothing was changed
   */
  public List<Node> checkRestore(List<Node> all) {
    checkRestored();
    Map<Node, Boolean> nodes = nodes(all);
    Each.run(List.copyOf(nodes.keySet()), node -> check(node, nodes.get(node)));
    return List.copyOf(nodes.keySet());
  }

  /** The nodes in it, and whether their memory is, too. */
  private Map<Node, Boolean> nodes(List<Node> all) {
    Map<Node, Boolean> nodes = new LinkedHashMap<>();
    for (String line : lines()) {
      String[] words = line.split(" ");
      nodes.put(Cluster.select(all, List.of(words[0])).get(0), words[1].equals("memory"));
    }
    return nodes;
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
      throw Problem.cannot("read", list(), e);
    }
  }

  private void check(Node node, boolean suspended) {
    if (!isOnDisk(node)) {
      throw new Problem(
          "the disk of %s is another one than in snapshot %s".formatted(node.name(), name),
          "nothing was changed; a disk that was destroyed takes its snapshots with it");
    }
    if (!suspended) {
      return;
    }
    Path memory = memory(node);
    if (!Files.exists(memory)) {
      throw new Problem("snapshot %s has lost %s".formatted(name, memory), "nothing was changed");
    }
    String disk = Vm.of(node, layout).instance().orElse("");
    Problem.throwAll(
        Suspension.Facts.read(facts(node)).stream()
            .flatMap(facts -> facts.misfits(node, memory, disk).stream())
            .map(
                fact ->
                    new Problem(
                        "%s: its memory in snapshot %s %s".formatted(node.name(), name, fact),
                        "nothing was changed; undo the change in cluster.yaml, then try again"))
            .toList());
  }

  private boolean isOnDisk(Node node) {
    Path disk = layout.node(node).disk();
    return Files.exists(disk) && QemuImg.snapshots(disk).contains(name);
  }

  /**
   * Looks whether the set can be removed.
   *
   * @throws Problem if not; nothing was changed
   */
  public void checkRemove(List<Node> nodes) {
    if (!Files.isDirectory(folder()) && nodes.stream().noneMatch(this::isOnDisk)) {
      lines(); // says which there are
    }
    if (restoring().filter(set -> set.name.equals(name) && isWhole()).isPresent()) {
      throw new Problem(
          "the nodes are only in part back at snapshot %s: it is still needed".formatted(name),
          "first run snapshot-all.java %s --restore again".formatted(name));
    }
    for (Node node : nodes) {
      Vm vm = Vm.of(node, layout);
      String status = vm.alive() ? vm.status().orElse("no answer from QEMU") : "running";
      // before a state is loaded and after it was saved the image is not QEMU's to write to
      if (!Set.of("running", "paused", "prelaunch", "io-error").contains(status)) {
        throw new Problem(
            "%s is neither running nor stopped: %s".formatted(node.name(), status),
            "run launch-all.java, then try again");
      }
    }
  }

  /**
   * Removes it, or what there is of it; nodes that run go on.
   *
   * @param nodes those that have disks
   */
  public void remove(List<Node> nodes) {
    List<Path> ours = files(layout).stream().filter(path -> path.startsWith(folder())).toList();
    new Plan.Remove(list()).run(); // first: half a set is none
    for (Node node : nodes) {
      if (isOnDisk(node)) {
        Vm vm = Vm.of(node, layout);
        if (vm.alive()) {
          vm.removeSnapshot(name);
        } else {
          snapshot(node, "-d");
        }
      }
    }
    for (Path path : ours) {
      if (!path.equals(folder()) || Layout.list(path).isEmpty()) { // a stranger's file stays
        new Plan.Remove(path).run();
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
      throw Problem.cannot("link " + from + " to", to, e);
    }
  }
}

package lib.vm;

import java.nio.file.Files;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import lib.Problem;
import lib.cluster.Cluster;
import lib.cluster.Network;
import lib.cluster.Node;
import lib.state.ClusterRecord;
import lib.state.Layout;

/**
 * Finds changes in the cluster file that cannot apply to nodes that exist. A running QEMU keeps its
 * memory size, and cloud-init sets up the network and the user of a disk only once.
 */
public final class Changes {

  /** The state of a node that exists. It decides what can still be changed. */
  private enum Being {
    RUNS("runs with", "stop them first: stop-all.java --only "),
    SUSPENDED("is suspended with", "discard what they were doing: stop-all.java --discard --only "),
    STOPPED("was made with", "make them anew: stop-all.java --destroy --only ");

    private final String words;
    private final String way;

    Being(String words, String way) {
      this.words = words;
      this.way = way;
    }

    String way(List<String> nodes) {
      return way + String.join(",", nodes);
    }

    static Optional<Being> of(Node node, Layout layout) {
      Vm vm = Vm.of(node, layout);
      if (vm.alive()) {
        return Optional.of(RUNS);
      }
      if (!Files.exists(vm.files().disk())) {
        return Optional.empty();
      }
      return Optional.of(new Suspension(vm).isSaved() ? SUSPENDED : STOPPED);
    }
  }

  private final Cluster wished;
  private final ClusterRecord record;
  private final String file;
  private final List<String> facts = new ArrayList<>();
  private final Map<Being, List<String>> names = new LinkedHashMap<>();

  private Changes(Cluster wished, ClusterRecord record, String file) {
    this.wished = wished;
    this.record = record;
    this.file = file;
  }

  /**
   * Refuses changes that cannot apply.
   *
   * @param wished what the cluster file says
   * @param file the name of the cluster file, for messages
   * @throws Problem if there are any; it has a line with both values for each node, and both ways
   *     out
   */
  public static void refuse(Cluster wished, Layout layout, String file) {
    Optional<ClusterRecord> record = ClusterRecord.read(layout);
    if (record.isPresent()) {
      Changes changes = new Changes(wished, record.get(), file);
      ClusterRecord.made(layout)
          .forEach(
              node ->
                  Being.of(node, layout)
                      .ifPresent(being -> changes.look(asSaved(node, being, layout), being)));
      changes.end();
    }
  }

  /** A snapshot that was restored may be of another size than what was launched last. */
  private static Node asSaved(Node node, Being being, Layout layout) {
    return being == Being.SUSPENDED
        ? Suspension.of(node, layout).size().map(node::withSize).orElse(node)
        : node;
  }

  private void look(Node made, Being being) {
    List<String> differences =
        wished.nodes().stream()
            .filter(node -> node.name().equals(made.name()))
            .findFirst()
            .map(node -> differences(made, node, being))
            .orElseGet(() -> taken(made));
    if (!differences.isEmpty()) {
      facts.add(
          "%s %s %s".formatted(made.name(), being.words, String.join("; with ", differences)));
      names.computeIfAbsent(being, key -> new ArrayList<>()).add(made.name());
    }
  }

  private List<String> differences(Node made, Node after, Being being) {
    List<String> differences = new ArrayList<>();
    differ(differences, "address", made.address(), after.address(), file);
    differ(differences, "virtual IP", record.vip(), wished.vip(), file);
    differ(differences, "network", record.network(), wished.network().word(), file);
    differ(differences, "user", record.user(), wished.user(), file);
    differ(differences, "disk", made.size().diskGiB() + "G", after.size().diskGiB() + "G", file);
    if (being != Being.STOPPED) {
      differences.addAll(sizes(made.size(), after.size(), file));
    }
    if (being == Being.RUNS) {
      differ(differences, "cluster name", record.cluster(), wished.name(), file);
    }
    if (being == Being.RUNS && wished.network() instanceof Network.User) {
      differ(differences, "SSH port", made.sshPort(), after.sshPort(), file);
    }
    return differences;
  }

  /** {@return the differences in what a VM that runs or is suspended cannot change} */
  static List<String> sizes(Node.Size made, Node.Size after, String file) {
    List<String> differences = new ArrayList<>();
    differ(differences, "cpus", made.cpus(), after.cpus(), file);
    differ(differences, "memory", made.memoryMiB() + "M", after.memoryMiB() + "M", file);
    return differences;
  }

  private static void differ(
      List<String> differences, String what, Object made, Object after, String file) {
    if (!made.equals(after)) {
      differences.add("%s %s, and %s says %s".formatted(what, made, file, after));
    }
  }

  /**
   * The conflict of a node that is no longer in the file and keeps its address. The list is empty
   * unless the file gives that address to another node.
   */
  private List<String> taken(Node gone) {
    return wished.nodes().stream()
        .filter(node -> node.address().equals(gone.address()))
        .map(
            node ->
                "address %s, and %s gives it to %s".formatted(gone.address(), file, node.name()))
        .toList();
  }

  private void end() {
    if (!facts.isEmpty()) {
      StringBuilder hint = new StringBuilder("undo the change in " + file);
      names.forEach((being, all) -> hint.append("\nor ").append(being.way(all)));
      throw new Problem(String.join("\n", facts), hint.toString());
    }
  }
}

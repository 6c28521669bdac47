//DEPS com.fasterxml.jackson.dataformat:jackson-dataformat-yaml:2.21.8
package lib.state;

import com.fasterxml.jackson.annotation.JsonIgnoreProperties;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.SerializationFeature;
import java.io.IOException;
import java.nio.file.Files;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import lib.Plan;
import lib.Problem;
import lib.Visible;
import lib.cluster.Cluster;
import lib.cluster.Network;
import lib.cluster.Node;
import lib.cluster.Role;
import lib.cluster.Subnet;

/**
 * What was launched from a state folder, as written in its {@code record.json}. Scripts use the
 * record for what exists, and the cluster file for what to make next.
 *
 * @param cluster the cluster's name
 * @param config its cluster file, relative to the parent of the state folder; empty if built in
 * @param owner the user who launched it
 * @param subnet the cluster LAN
 * @param vip the virtual IP
 * @param network its kind, as the cluster file has it, such as {@code user}
 * @param user the login name in every guest
 * @param image the folder of the image that the disks are based on
 * @param sessions the names of the two tmux sessions: for the VMs, and for SSH
 * @param tmux the socket of the tmux server that has them; empty until there is one
 * @param runtime the folder of the sockets
 * @param nodes the nodes that were made and have not been destroyed
 */
@JsonIgnoreProperties(ignoreUnknown = true)
public record ClusterRecord(
    String cluster,
    String config,
    String owner,
    String subnet,
    String vip,
    String network,
    String user,
    String image,
    List<String> sessions,
    String tmux,
    String runtime,
    List<Made> nodes) {

  /**
   * A node as it was made.
   *
   * @param index its number in the cluster
   * @param memory in MiB
   * @param disk in GiB
   * @param ssh the address and port of its SSH server, as seen from this host
   */
  @JsonIgnoreProperties(ignoreUnknown = true)
  public record Made(
      String name,
      String role,
      int index,
      int cpus,
      int memory,
      int disk,
      String address,
      int sshPort,
      String ssh) {

    private static Made of(Node node, Network network) {
      Node.Size size = node.size();
      return new Made(
          node.name(),
          node.role().word(),
          node.index(),
          size.cpus(),
          size.memoryMiB(),
          size.diskGiB(),
          node.address(),
          node.sshPort(),
          network.ssh(node).toString());
    }

    private Node node(Subnet subnet) {
      return new Node(
          index,
          name,
          Role.valueOf(role.toUpperCase(Locale.ROOT)),
          new Node.Size(cpus, memory, disk),
          subnet,
          sshPort - index);
    }
  }

  /**
   * {@return the record of a state folder; empty if nothing was launched from it}
   *
   * @throws Problem if it can't be read
   */
  public static Optional<ClusterRecord> read(Layout layout) {
    if (!Files.exists(layout.record())) {
      return Optional.empty();
    }
    try {
      ClusterRecord record =
          new ObjectMapper().readValue(layout.record().toFile(), ClusterRecord.class);
      record.nodes.forEach(made -> made.node(Subnet.parse(record.subnet)));
      return Optional.of(record);
    } catch (IOException | RuntimeException e) {
      throw new Problem(
          layout.record() + " does not say what was launched",
          "put it back as it was; or remove it: then the cluster file alone says which nodes there"
              + " are, so make sure that it does",
          e);
    }
  }

  /**
   * Records that nodes are about to be made or started. The entries of other nodes stay.
   *
   * @param config the cluster file, as {@link #config} names it
   * @param image the folder of the image that their disks are based on
   */
  public static void add(
      Cluster cluster, Layout layout, String config, List<Node> starting, String image) {
    Map<String, Made> nodes = new LinkedHashMap<>();
    Optional<ClusterRecord> before = read(layout);
    before.ifPresent(record -> record.nodes.forEach(made -> nodes.put(made.name(), made)));
    starting.forEach(node -> nodes.put(node.name(), Made.of(node, cluster.network())));
    new ClusterRecord(
            cluster.name(),
            config,
            System.getProperty("user.name"),
            cluster.subnet().toString(),
            cluster.vip(),
            cluster.network().word(),
            cluster.user(),
            image,
            List.of(cluster.vmsSession(), cluster.sshSession()),
            before.map(ClusterRecord::tmux).orElse(""),
            layout.runtime().toString(),
            nodes.values().stream().sorted(Comparator.comparing(Made::index)).toList())
        .write(layout);
  }

  /** Records which tmux server has the sessions. */
  public static void onTmux(Layout layout, String socket) {
    read(layout)
        .filter(record -> !record.tmux.equals(socket))
        .ifPresent(record -> record.with(socket, record.nodes).write(layout));
  }

  /** Removes nodes from the record, because they have been destroyed. */
  public static void remove(Layout layout, List<Node> gone) {
    List<String> names = gone.stream().map(Node::name).toList();
    read(layout)
        .ifPresent(
            record ->
                record
                    .with(
                        record.tmux,
                        record.nodes.stream().filter(made -> !names.contains(made.name())).toList())
                    .write(layout));
  }

  private ClusterRecord with(String otherTmux, List<Made> otherNodes) {
    return new ClusterRecord(
        cluster,
        config,
        owner,
        subnet,
        vip,
        network,
        user,
        image,
        sessions,
        otherTmux,
        runtime,
        otherNodes);
  }

  private void write(Layout layout) {
    try {
      ObjectMapper json = new ObjectMapper().enable(SerializationFeature.INDENT_OUTPUT);
      new Plan.Write(layout.record(), json.writeValueAsString(this) + "\n", false).run();
    } catch (IOException e) {
      throw new IllegalStateException(e); // texts and numbers can always be written
    }
  }

  /**
   * {@return the cluster of the file, but with the name, network and user of the nodes that exist}
   *
   * @param config the cluster file, as {@link #config} names it
   * @throws Problem if the state folder belongs to another cluster, which has another name and
   *     comes from another file
   */
  public static Cluster existing(Cluster cluster, Layout layout, String config) {
    Optional<ClusterRecord> record = read(layout).filter(found -> !found.nodes.isEmpty());
    if (record.isEmpty()) {
      return cluster;
    }
    ClusterRecord found = record.get();
    if (!found.cluster.equals(cluster.name()) && !found.config.equals(config)) {
      throw new Problem(
          "the nodes in %s are those of cluster `%s` from %s, and %s says `name: %s`"
              .formatted(
                  layout.state(),
                  Visible.line(found.cluster),
                  words(found.config),
                  words(config),
                  cluster.name()),
          "give each cluster a state folder of its own: --state");
    }
    Cluster same = cluster.withName(found.cluster).withUser(found.user);
    return cluster.network().word().equals(found.network)
        ? same
        : same.withNetwork(Network.parse(found.network));
  }

  private static String words(String config) {
    return config.isEmpty() ? "the built-in cluster file" : Visible.line(config);
  }

  /**
   * {@return all nodes: first those in the file, then those that exist but are no longer in the
   * file. A node that exists is returned as it was made}
   */
  public static List<Node> nodes(Cluster cluster, Layout layout) {
    Map<String, Node> nodes = new LinkedHashMap<>();
    cluster.nodes().forEach(node -> nodes.put(node.name(), node));
    made(layout).forEach(node -> nodes.put(node.name(), node));
    return List.copyOf(nodes.values());
  }

  /** {@return the nodes of the file as it is, then those that exist and are no longer in it} */
  public static List<Node> wished(Cluster cluster, Layout layout) {
    List<Node> nodes = new ArrayList<>(cluster.nodes());
    List<String> gone = gone(cluster, layout);
    made(layout).stream().filter(node -> gone.contains(node.name())).forEach(nodes::add);
    return nodes;
  }

  /** {@return the nodes that exist, as they were made} */
  public static List<Node> made(Layout layout) {
    return read(layout)
        .map(
            record ->
                record.nodes.stream().map(made -> made.node(Subnet.parse(record.subnet))).toList())
        .orElse(List.of());
  }

  /** {@return the names of nodes that exist but are no longer in the file} */
  public static List<String> gone(Cluster cluster, Layout layout) {
    List<String> names = cluster.nodes().stream().map(Node::name).toList();
    return made(layout).stream().map(Node::name).filter(name -> !names.contains(name)).toList();
  }
}

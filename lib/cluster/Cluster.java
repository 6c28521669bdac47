package lib.cluster;

import java.util.ArrayList;
import java.util.EnumMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Collectors;
import lib.Problem;

/**
 * What {@code cluster.yaml} says, and the nodes that follow from it.
 *
 * @param name names the tmux sessions {@code NAME-vms} and {@code NAME-ssh}
 * @param subnet the cluster LAN
 * @param vip the virtual IP, called {@code kubernetes} on every node
 * @param loadBalancer what the virtual IP offers
 * @param boot which way guests boot
 * @param network how VMs reach each other, the outside and the host
 * @param user login in every guest
 * @param images the base images to try, in order
 * @param sshPorts the first port on 127.0.0.1 for SSH; node <em>i</em> has this plus <em>i</em>
 * @param groups count and size of each role
 */
public record Cluster(
    String name,
    Subnet subnet,
    String vip,
    LoadBalancer loadBalancer,
    BootChoice boot,
    Network network,
    String user,
    List<ImageSource> images,
    int sshPorts,
    Map<Role, Group> groups) {

  /**
   * The nodes of one role.
   *
   * @param count how many, 1 to 100
   * @param size the virtual hardware of each
   */
  public record Group(int count, Node.Size size) {}

  /**
   * What the virtual IP offers: TCP ports that the gateway balances over the control nodes.
   *
   * @param ports the services, first the Kubernetes API
   * @param scheduler how the gateway chooses a control node: a word of IPVS
   * @param check when a control node serves the first: {@code tcp} if it takes a connection, or the
   *     path of an https URL if that answers with 200; the others always by a connection
   * @param hostPorts the first port on 127.0.0.1 in network {@code user}; service <em>i</em> has
   *     this plus <em>i</em>
   */
  public record LoadBalancer(List<Integer> ports, String scheduler, String check, int hostPorts) {
    public LoadBalancer {
      ports = List.copyOf(ports);
    }

    /** {@return the port on 127.0.0.1 of service {@code i}} */
    public int hostPort(int i) {
      return hostPorts + i;
    }
  }

  /** Which way guests boot. */
  public enum BootChoice {
    /** The one that is ready soonest: firmware with an accelerator, the kernel without. */
    AUTO,
    /** UEFI firmware, then the image's boot loader. */
    FIRMWARE,
    /** QEMU loads the image's kernel itself. */
    KERNEL,
    /** The BIOS that QEMU brings along, then the image's boot loader; on x86_64 only. */
    BIOS
  }

  public Cluster {
    images = List.copyOf(images);
    groups = new EnumMap<>(groups);
  }

  /** {@return the built-in cluster of seven nodes, which is also what {@code cluster.yaml} says} */
  public static Cluster standard() {
    return new Cluster(
        "kubenet",
        Subnet.parse("10.240.0.0/24"),
        "10.240.0.5",
        new LoadBalancer(List.of(6443), "rr", "tcp", 6443),
        BootChoice.AUTO,
        new Network.User(),
        "ubuntu",
        List.of("ubuntu-24.04", "debian-built").stream()
            .map(name -> ImageSource.known(name).orElseThrow())
            .toList(),
        2200,
        Map.of(
            Role.GATEWAY, new Group(1, new Node.Size(2, 2048, 20)),
            Role.CONTROL, new Group(3, new Node.Size(2, 2048, 20)),
            Role.WORKER, new Group(3, new Node.Size(4, 4096, 20))));
  }

  /** {@return the same on another network} */
  public Cluster withNetwork(Network other) {
    return new Cluster(
        name, subnet, vip, loadBalancer, boot, other, user, images, sshPorts, groups);
  }

  /** {@return the same under another name} */
  public Cluster withName(String other) {
    return new Cluster(
        other, subnet, vip, loadBalancer, boot, network, user, images, sshPorts, groups);
  }

  /** {@return the same with another login} */
  public Cluster withUser(String other) {
    return new Cluster(
        name, subnet, vip, loadBalancer, boot, network, other, images, sshPorts, groups);
  }

  /** {@return all nodes in the order of their numbers; a lone gateway has no number in its name} */
  public List<Node> nodes() {
    List<Node> nodes = new ArrayList<>();
    groups.forEach(
        (role, group) -> {
          for (int i = 0; i < group.count(); i++) {
            boolean lone = role == Role.GATEWAY && group.count() == 1;
            String name = lone ? role.word() : role.word() + i;
            nodes.add(new Node(nodes.size(), name, role, group.size(), subnet, sshPorts));
          }
        });
    return nodes;
  }

  /** {@return the nodes of one role, in order} */
  public List<Node> nodes(Role role) {
    return nodes().stream().filter(node -> node.role() == role).toList();
  }

  /**
   * {@return the nodes with these names, in the cluster's order; all nodes if there are no names}
   *
   * @throws Problem if a name is no node's
   */
  public List<Node> select(List<String> names) {
    return select(nodes(), names);
  }

  /** {@return the nodes of a list with these names; all if there are no names} */
  public static List<Node> select(List<Node> nodes, List<String> names) {
    Set<String> unknown = new LinkedHashSet<>(names);
    nodes.forEach(node -> unknown.remove(node.name()));
    if (!unknown.isEmpty()) {
      throw new Problem(
          "unknown node "
              + unknown.stream().map(n -> "`" + n + "`").collect(Collectors.joining(", ")),
          "nodes are: " + nodes.stream().map(Node::name).collect(Collectors.joining(", ")));
    }
    return names.isEmpty()
        ? nodes
        : nodes.stream().filter(node -> names.contains(node.name())).toList();
  }

  /** {@return the node of this name, or a {@link Problem} that lists the names} */
  public Node node(String name) {
    return select(List.of(name)).get(0);
  }

  /** {@return every name on the LAN with its address, lines for {@code /etc/hosts}} */
  public String hosts() {
    return vip
        + " kubernetes\n"
        + nodes().stream()
            .map(node -> node.address() + " " + node.name() + "\n")
            .collect(Collectors.joining());
  }

  /** {@return the tmux session with a pane a VM} */
  public String vmsSession() {
    return name + "-vms";
  }

  /** {@return the tmux session with SSH to every node} */
  public String sshSession() {
    return name + "-ssh";
  }
}

package lib.seed;

import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import lib.Yaml;
import lib.cluster.Cluster;
import lib.cluster.Node;
import lib.cluster.Role;

/**
 * The values of the virtual IP, in one file on the gateway and the control nodes. The units and
 * programs that read it are in {@code cloud-init/gateway.yaml} and {@code control.yaml}.
 */
public final class VirtualIp {
  /** The file on a node. */
  public static final String FILE = "/etc/kubenet/virtual-ip";

  private static final String UNIT = "kubenet-virtual-ip.service";

  private VirtualIp() {}

  /**
   * {@return the file's content: lines that a shell and systemd's {@code EnvironmentFile=} read
   * alike}
   *
   * <p>It is the same on all nodes, so that they can be forked from one template. {@code
   * ClusterFile} lets no quote into a value, so none can end early.
   */
  public static String values(Cluster cluster) {
    Cluster.LoadBalancer balancer = cluster.loadBalancer();
    return """
    # Made by kubenet from cluster.yaml: the values that the virtual IP's units and programs read.
    VIRTUAL_IP='%s'
    # what it serves; the first port is the Kubernetes API's
    PORTS='%s'
    # how IPVS chooses a control node: ipvsadm(8)
    SCHEDULER='%s'
    # when a control node serves the first port: tcp, or the path of an https URL that answers 200
    CHECK='%s'
    # the control nodes
    REAL_SERVERS='%s'
    """
        .formatted(
            cluster.vip(),
            balancer.ports().stream().map(String::valueOf).collect(Collectors.joining(" ")),
            balancer.scheduler(),
            balancer.check(),
            cluster.nodes(Role.CONTROL).stream()
                .map(Node::address)
                .collect(Collectors.joining(" ")));
  }

  /** {@return whether nodes of a role are given the values} */
  static boolean concerns(Role role) {
    return role != Role.WORKER;
  }

  /**
   * {@return a line for each role whose file sets up no virtual IP}
   *
   * <p>Until November 2026 kubenet added that part itself, so an older file does not have it.
   *
   * @param fresh the nodes that are to be made; one with a disk has what it was made with
   * @param roles the tree of each role's file
   */
  public static List<String> missing(Cluster cluster, List<Node> fresh, Map<Role, Yaml> roles) {
    return fresh.stream()
        .map(Node::role)
        .distinct()
        .filter(role -> concerns(role) && !Yaml.write(roles.get(role).plain()).contains(FILE))
        .map(
            role ->
                ("%s: new nodes have no part in the virtual IP %s, as nothing in your"
                        + " cloud-init/%1$s.yaml reads %s; copy that part from kubenet's own"
                        + " %1$s.yaml")
                    .formatted(role.word(), cluster.vip(), FILE))
        .toList();
  }

  /** {@return whether a command of {@code runcmd} only starts the virtual IP, on any node alike} */
  static boolean starts(Object command) {
    return command instanceof List<?> words
        && words.contains(UNIT)
        && "systemctl".equals(words.get(0));
  }
}

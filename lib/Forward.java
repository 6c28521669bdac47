package lib;

import java.util.ArrayList;
import java.util.List;
import java.util.stream.Collectors;

/**
 * The way from this host to the virtual IP in network {@code user}, where the host is not on the
 * LAN: ssh, carried by one node after the other.
 */
public final class Forward {
  /** The title of its tmux pane. */
  public static final String TITLE = "forward";

  private Forward() {}

  /** {@return the command that runs it in the foreground} */
  public static Argv command(Layout layout) {
    return Argv.of("/bin/sh", layout.forward().toString());
  }

  /** {@return where the first service is on this host, and what it is there} */
  public static String words(Cluster cluster) {
    Cluster.LoadBalancer balancer = cluster.loadBalancer();
    return "127.0.0.1:%d is %s:%d"
        .formatted(balancer.hostPorts(), cluster.vip(), balancer.ports().get(0));
  }

  /** {@return the script that {@link #command} runs} */
  public static String script(Cluster cluster, Layout layout) {
    // not the control nodes: to each of them the virtual IP is itself
    List<Node> carriers = new ArrayList<>(cluster.nodes(Role.WORKER));
    carriers.add(cluster.nodes(Role.GATEWAY).get(0));
    return """
    #!/bin/sh
    # Brings the services of the virtual IP to 127.0.0.1: a node carries them until it ends, then
    # the next one does.
    while :; do
      for node in %s; do
        echo "$(date +%%T) carried by $node"
        %s "$node"
      done
      sleep 1
    done
    """
        .formatted(
            carriers.stream().map(Node::name).collect(Collectors.joining(" ")),
            ssh(cluster, layout).toShell());
  }

  /** A node that hangs is given up after 15 s; of one that is killed, ssh is told at once. */
  private static Argv ssh(Cluster cluster, Layout layout) {
    Argv ssh =
        Argv.of("ssh", "-N")
            .option("-F", layout.sshConfig())
            .option("-o", "ExitOnForwardFailure=yes")
            .option("-o", "ConnectTimeout=10")
            .option("-o", "ServerAliveInterval=5")
            .option("-o", "ServerAliveCountMax=3");
    Cluster.LoadBalancer balancer = cluster.loadBalancer();
    for (int i = 0; i < balancer.ports().size(); i++) {
      ssh =
          ssh.option(
              "-L",
              "127.0.0.1:%d:%s:%d"
                  .formatted(balancer.hostPort(i), cluster.vip(), balancer.ports().get(i)));
    }
    return ssh;
  }
}

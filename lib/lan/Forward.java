package lib.lan;

import lib.Argv;
import lib.cluster.Cluster;
import lib.cluster.Role;
import lib.state.Layout;

/**
 * The way from this host to the virtual IP in network {@code user}, where the host is not on the
 * LAN: ssh to the gateway. Of all nodes this one has to be there anyway, if the virtual IP is; and
 * to it, unlike to the control nodes, the virtual IP is not just itself.
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
    return """
    #!/bin/sh
    # Brings the services of the virtual IP to 127.0.0.1, whenever the gateway is there.
    while :; do
      echo "$(date +%%T) %s"
      %s
      sleep 1
    done
    """
        .formatted(words(cluster), ssh(cluster, layout).toShell());
  }

  /** Of a gateway that is killed ssh is told at once; one that hangs is given up after 15 s. */
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
    return ssh.add(cluster.nodes(Role.GATEWAY).get(0).name());
  }
}

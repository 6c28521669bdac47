package lib.state;

import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import lib.Argv;
import lib.Problem;
import lib.cluster.Cluster;
import lib.cluster.Network;
import lib.cluster.Node;

/**
 * The files by which OpenSSH reaches the nodes: {@code ssh_config} and {@code known_hosts}. Host
 * keys are known before a node boots; nothing is trusted on first use and {@code ~/.ssh} is not
 * touched.
 */
public final class SshConfig {
  private SshConfig() {}

  /** {@return the file for {@code ssh -F}} */
  public static String config(Cluster cluster, List<Node> nodes, Layout layout) {
    String hosts =
        nodes.stream()
            .map(node -> host(node, cluster.network().ssh(node)))
            .collect(Collectors.joining());
    return """
    # Made by kubenet: ssh -F %s NODE
    %s
    Host *
      User %s
      IdentityFile %s
      IdentitiesOnly yes
      IdentityAgent none
      UserKnownHostsFile %s
      GlobalKnownHostsFile /dev/null
      StrictHostKeyChecking yes
      UpdateHostKeys no
      HostKeyAlgorithms ssh-ed25519
      PreferredAuthentications publickey
      ForwardAgent no
      ConnectTimeout 60
      ServerAliveInterval 15
      ServerAliveCountMax 8
      LogLevel ERROR
    """
        .formatted(
            Argv.quote(layout.sshConfig().toString()),
            hosts,
            cluster.user(),
            quoted(layout.identity()),
            quoted(layout.knownHosts()));
  }

  /** The alias makes the key follow the node's name, not the address and port it is reached by. */
  private static String host(Node node, Network.Endpoint endpoint) {
    return """
    Host %s
      HostName %s
      Port %d
      HostKeyAlias %1$s
    """
        .formatted(node.name(), endpoint.host(), endpoint.port());
  }

  /** {@return the file with the host key of each node under its name} */
  public static String knownHosts(List<Node> nodes, Map<Node, SshKey> hostKeys) {
    return nodes.stream()
        .map(node -> node.name() + " " + hostKeys.get(node).publicWords() + "\n")
        .collect(Collectors.joining());
  }

  /** {@return the command that opens a node's shell} */
  public static Argv command(Layout layout, Node node) {
    return Argv.of("ssh").option("-F", layout.sshConfig()).add(node.name());
  }

  /**
   * A path for ssh_config: percent signs are tokens (ssh_config(5), TOKENS).
   *
   * @throws Problem for a path that ssh_config can't say: <code>${...}</code> names an environment
   *     variable there, and can't be escaped
   */
  private static String quoted(Path path) {
    String text = path.toString();
    if (text.contains("${") || text.contains("\n")) {
      throw new Problem(
          "ssh cannot use the state folder " + text + ": its name has a `${` or a line break",
          "choose another one with --state");
    }
    return '"' + text.replace("\\", "\\\\").replace("\"", "\\\"").replace("%", "%%") + '"';
  }
}

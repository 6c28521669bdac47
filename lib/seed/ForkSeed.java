//DEPS com.fasterxml.jackson.dataformat:jackson-dataformat-yaml:2.21.8
package lib.seed;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.SerializationFeature;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import lib.Argv;
import lib.Yaml;
import lib.cluster.Cluster;
import lib.cluster.Network;
import lib.cluster.Node;
import lib.state.SshKey;

/**
 * The file of a node's seed that {@code fork.py} reads. That program turns a copy of a template
 * into the node, without cloud-init. The file has what the nodes of a role do not share: name,
 * keys, network and commands. The seed's other files tell cloud-init the same.
 */
public final class ForkSeed {
  /**
   * Keys of a role's file that its template can work off for all nodes; and the two keys of
   * commands, which each node runs for itself.
   */
  private static final List<String> SHARED =
      List.of(
          "locale",
          "locale_configfile",
          "timezone",
          "keyboard",
          "packages",
          "package_update",
          "package_upgrade",
          "apt",
          "ca_certs",
          "ca-certs",
          "users",
          "groups",
          "write_files",
          "bootcmd",
          "runcmd");

  private ForkSeed() {}

  /** {@return the first key of a role's file that each node must do for itself; empty if none} */
  public static String ownWork(Yaml role) {
    return role.keys().keySet().stream()
        .filter(key -> !SHARED.contains(key))
        .findFirst()
        .orElse("");
  }

  /**
   * {@return the file's content}
   *
   * @param instance the instance-id, as in {@link CloudInit#metaData}
   * @param login public key that may log in
   */
  public static String json(
      Cluster cluster, Node node, String instance, Yaml role, String login, SshKey hostKey) {
    Map<String, Object> tree = new LinkedHashMap<>();
    tree.put("hostname", node.name());
    tree.put("instance", instance);
    tree.put("user", cluster.user());
    tree.put("login", login + "\n");
    tree.put("host_key", hostKey.privateKey());
    tree.put("host_key_public", hostKey.publicKey() + "\n");
    tree.put("netplan", Yaml.write(Map.of("network", CloudInit.network(cluster, node))));
    tree.put("networkd", networkd(cluster, node));
    tree.put("commands", commands(role));
    try {
      ObjectMapper json = new ObjectMapper().enable(SerializationFeature.INDENT_OUTPUT);
      return json.writeValueAsString(tree) + "\n";
    } catch (JsonProcessingException e) {
      throw new IllegalStateException(e);
    }
  }

  /** What netplan makes of {@link CloudInit#network}: systemd.network(5). */
  private static Map<String, String> networkd(Cluster cluster, Node node) {
    Map<String, String> files = new LinkedHashMap<>();
    String lan = "[Match]\nPermanentMACAddress=%s\n\n".formatted(node.lanMac());
    boolean outside = cluster.network() instanceof Network.User;
    if (outside) {
      files.put(
          "10-netplan-wan.network",
          """
          [Match]
          PermanentMACAddress=%s

          [Network]
          DHCP=ipv4
          LinkLocalAddressing=ipv6

          [DHCP]
          ClientIdentifier=mac
          RouteMetric=100
          UseMTU=true
          """
              .formatted(node.wanMac()));
      lan += "[Link]\nRequiredForOnline=no\n\n";
    }
    lan += "[Network]\nLinkLocalAddressing=ipv6\n";
    for (String address : CloudInit.addresses(cluster, node)) {
      lan += "Address=" + address + "\n";
    }
    if (!outside) {
      String host = cluster.subnet().host(1);
      lan += "DNS=%s\n\n[Route]\nDestination=0.0.0.0/0\nGateway=%s\n".formatted(host, host);
    }
    files.put("10-netplan-lan.network", lan);
    return files;
  }

  /** The commands of a role's file as one script, as cloud-init makes it; empty if it has none. */
  private static String commands(Yaml role) {
    StringBuilder script = new StringBuilder();
    for (String key : List.of("bootcmd", "runcmd")) {
      Yaml items = role.map().get(key);
      if (items != null) {
        for (Yaml item : items.list()) {
          if (key.equals("bootcmd") || !VirtualIp.starts(item.plain())) { // the template did that
            script.append(command(item.plain())).append('\n');
          }
        }
      }
    }
    return script.isEmpty() ? "" : "#!/bin/sh\n" + script;
  }

  private static String command(Object item) {
    return item instanceof List<?> words
        ? String.join(" ", words.stream().map(word -> Argv.quote(String.valueOf(word))).toList())
        : String.valueOf(item);
  }
}

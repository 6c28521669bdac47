package lib.seed;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import lib.Problem;
import lib.Yaml;
import lib.cluster.Cluster;
import lib.cluster.Network;
import lib.cluster.Node;
import lib.cluster.Role;
import lib.state.SshKey;

/**
 * The three files of a seed, which cloud-init reads at a node's first boot. They are what people
 * wrote in {@code cloud-init/ROLE.yaml}, merged as typed values with what kubenet computes. What
 * the nodes of a role share ({@link #shared}) is apart from what each has for itself ({@link
 * #own}).
 */
public final class CloudInit {
  /** Keys that only kubenet sets: a node keeps its identity, and nobody logs in by password. */
  private static final Set<String> RESERVED =
      Set.of(
          "hostname",
          "fqdn",
          "preserve_hostname",
          "manage_etc_hosts",
          "ssh_keys",
          "ssh_deletekeys",
          "ssh_pwauth",
          "disable_root",
          "chpasswd",
          "password");

  /** The hostname of a template, before it is a node; {@code fork.py} knows it, too. */
  private static final String TEMPLATE = "kubenet-template";

  private CloudInit() {}

  /**
   * {@return a role's file as a tree}
   *
   * @param file its name in messages
   * @throws Problem with a line for each fault: no YAML, no map, a key that kubenet sets itself
   */
  public static Yaml role(String file, String text) {
    List<String> faults = new ArrayList<>();
    Yaml role = Yaml.parse(file, text, faults);
    if (!text.startsWith("#cloud-config\n")) {
      faults.add(file + ":1:1: the first line must be `#cloud-config`");
    }
    if (role.value() != null && !(role.value() instanceof Map)) {
      faults.add(role.place() + ": must be a map, is " + role.described());
    }
    role.keys()
        .forEach(
            (key, place) -> {
              if (RESERVED.contains(key)) {
                faults.add(place + ": `" + key + "` is set by kubenet for each node; remove it");
              }
            });
    for (String key : List.of("packages", "users", "write_files", "runcmd")) {
      Yaml items = role.map().get(key);
      if (items != null && !(items.value() instanceof List)) {
        faults.add(items.place() + ": `" + key + "` must be a list, is " + items.described());
      }
    }
    if (!faults.isEmpty()) {
      throw new Problem(
          String.join("\n", faults), "cloud-init files are described in README.md, \"cloud-init\"");
    }
    return role;
  }

  /** {@return the packages that a role's file names without a version, in its order} */
  public static List<String> packages(Yaml role) {
    return list(role, "packages").stream()
        .filter(name -> name instanceof String text && text.matches("[a-z0-9][a-z0-9+.-]+"))
        .map(String.class::cast)
        .toList();
  }

  /**
   * {@return {@code user-data} of a node}
   *
   * @param role the tree of its role's file
   * @param installed packages that the image has already, so that no boot waits for a package list
   * @param login public key that may log in
   * @param hostKey the node's SSH host key, made before it boots
   */
  public static String userData(
      Cluster cluster, Node node, Yaml role, Set<String> installed, String login, SshKey hostKey) {
    Map<String, Object> tree = shared(cluster, node.role(), role, installed, login);
    tree.putAll(own(node, hostKey));
    return "#cloud-config\n# Made by kubenet for %s: edit cloud-init/%s.yaml instead.\n%s"
        .formatted(node.name(), node.role().word(), Yaml.write(tree));
  }

  /** {@return what all nodes of a role have in common} */
  public static Map<String, Object> shared(
      Cluster cluster, Role of, Yaml role, Set<String> installed, String login) {
    Map<String, Object> tree = new LinkedHashMap<>();
    role.map().forEach((key, value) -> tree.put(key, value.plain()));
    tree.put("disable_root", true);
    tree.put("ssh_deletekeys", true);
    tree.put("manage_etc_hosts", false);
    tree.put("users", joined(List.of(user(cluster, login)), list(role, "users")));
    List<Object> files = new ArrayList<>(List.of(hosts(cluster), sshd()));
    if (VirtualIp.concerns(of)) {
      files.add(file(VirtualIp.FILE, "0644", VirtualIp.values(cluster)));
    }
    tree.put("write_files", joined(files, list(role, "write_files")));
    List<Object> missing =
        list(role, "packages").stream().filter(name -> !installed.contains(name)).toList();
    if (missing.isEmpty()) {
      tree.remove("packages"); // even for an empty list cloud-init fetches package lists
    } else {
      tree.put("packages", missing);
    }
    return tree;
  }

  /** {@return what only this node has} */
  public static Map<String, Object> own(Node node, SshKey hostKey) {
    Map<String, Object> tree = new LinkedHashMap<>();
    tree.put("hostname", node.name());
    tree.put(
        "ssh_keys",
        ordered("ed25519_private", hostKey.privateKey(), "ed25519_public", hostKey.publicKey()));
    return tree;
  }

  /**
   * {@return {@code meta-data} of a node}
   *
   * @param instance the instance-id. Each disk has its own: cloud-init does its work once for each
   *     id
   */
  public static String metaData(Node node, String instance) {
    return metaData(node.name(), instance);
  }

  private static String metaData(String hostname, String instance) {
    return Yaml.write(ordered("instance-id", instance, "local-hostname", hostname));
  }

  /**
   * {@return {@code user-data} of a template: what all nodes of a role share}
   *
   * <p>Nobody can log in. The commands of the role's file are left to the nodes, because they may
   * depend on the node; only the virtual IP is started here already.
   *
   * @param command what the template runs at last
   * @param program the file of that command, and its text
   */
  public static String templateData(
      Cluster cluster,
      Role of,
      Yaml role,
      Set<String> installed,
      List<String> command,
      Map.Entry<String, String> program) {
    Map<String, Object> tree = shared(cluster, of, role, installed, "");
    tree.remove("bootcmd");
    Map<String, Object> user = user(cluster, "");
    user.remove("ssh_authorized_keys");
    tree.put("users", joined(List.of(user), list(role, "users")));
    Map<String, Object> file = file(program.getKey(), "0700", program.getValue());
    tree.put("write_files", joined(list(tree.get("write_files")), List.of(file)));
    List<Object> starts = list(role, "runcmd").stream().filter(VirtualIp::starts).toList();
    tree.put("runcmd", joined(starts, List.of(command)));
    tree.put("hostname", TEMPLATE);
    return "#cloud-config\n" + Yaml.write(tree);
  }

  /** {@return {@code meta-data} of a template} */
  public static String templateMetaData(Role role) {
    return metaData(TEMPLATE, TEMPLATE + "-" + role.word());
  }

  /**
   * {@return {@code network-config} of a template: only a way to the outside}
   *
   * @param mac of the NIC that leads there; no node has it
   */
  public static String templateNetwork(String mac) {
    return Yaml.write(ordered("version", 2, "ethernets", ordered("outside", nic(mac, true))));
  }

  /**
   * {@return {@code network-config} of a node, version 2; NICs are found by MAC, so their names in
   * the guest don't matter}
   */
  public static String networkConfig(Cluster cluster, Node node) {
    return Yaml.write(network(cluster, node));
  }

  /**
   * {@return the addresses of a node on the LAN, the virtual IP among them, with their prefixes}
   */
  static List<String> addresses(Cluster cluster, Node node) {
    List<String> addresses = new ArrayList<>();
    addresses.add(node.address() + "/" + cluster.subnet().prefix());
    if (node.equals(cluster.nodes(Role.GATEWAY).get(0))) {
      addresses.add(cluster.vip() + "/32");
    }
    return addresses;
  }

  /** {@return what {@link #networkConfig} says, as a tree} */
  static Map<String, Object> network(Cluster cluster, Node node) {
    Map<String, Object> nics = new LinkedHashMap<>();
    Map<String, Object> lan = nic(node.lanMac(), false);
    lan.put("addresses", addresses(cluster, node));
    if (cluster.network() instanceof Network.User) {
      Map<String, Object> wan = nic(node.wanMac(), true);
      wan.put("dhcp-identifier", "mac");
      nics.put("wan", wan);
      lan.put("optional", true); // the boot does not wait for other nodes or the switch
    } else {
      String host = cluster.subnet().host(1);
      // cloud-init 22.4 (Debian 12) fails on the word `default`
      lan.put("routes", List.of(ordered("to", "0.0.0.0/0", "via", host)));
      lan.put("nameservers", ordered("addresses", List.of(host)));
    }
    nics.put("lan", lan);
    return ordered("version", 2, "ethernets", nics);
  }

  private static Map<String, Object> nic(String mac, boolean dhcp) {
    return ordered("match", ordered("macaddress", mac), "dhcp4", dhcp, "dhcp6", false);
  }

  private static Map<String, Object> user(Cluster cluster, String login) {
    Map<String, Object> user = ordered("name", cluster.user(), "groups", List.of("adm", "sudo"));
    user.putAll(ordered("shell", "/bin/bash", "sudo", "ALL=(ALL) NOPASSWD:ALL"));
    user.putAll(ordered("lock_passwd", true, "ssh_authorized_keys", List.of(login)));
    return user;
  }

  /** It is the same on all nodes: even a node's own name means its address on the LAN. */
  private static Map<String, Object> hosts(Cluster cluster) {
    String fixed = "127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\n";
    return file("/etc/hosts", "0644", fixed + cluster.hosts());
  }

  /** A file, because {@code ssh_pwauth} would restart sshd in the middle of a boot. */
  private static Map<String, Object> sshd() {
    return file(
        "/etc/ssh/sshd_config.d/10-kubenet.conf",
        "0644",
        "PasswordAuthentication no\nKbdInteractiveAuthentication no\n");
  }

  private static Map<String, Object> file(String path, String permissions, String content) {
    return ordered("path", path, "permissions", permissions, "content", content);
  }

  private static List<Object> joined(List<Object> first, List<Object> others) {
    List<Object> all = new ArrayList<>(first);
    all.addAll(others);
    return all;
  }

  private static List<Object> list(Object items) {
    return items instanceof List<?> list ? new ArrayList<>(list) : List.of();
  }

  private static List<Object> list(Yaml role, String key) {
    Yaml items = role.map().get(key);
    return list(items == null ? null : items.plain());
  }

  private static Map<String, Object> ordered(Object... keysAndValues) {
    Map<String, Object> map = new LinkedHashMap<>();
    for (int i = 0; i < keysAndValues.length; i += 2) {
      map.put((String) keysAndValues[i], keysAndValues[i + 1]);
    }
    return map;
  }
}

package lib.cluster;

import java.io.IOException;
import java.nio.charset.MalformedInputException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.function.Function;
import lib.Problem;
import lib.Yaml;

/** Reads {@code cluster.yaml} strictly: every fault at once, each with file:line:column. */
public final class ClusterFile {
  /** Those of IPVS that need no settings of their own (ipvsadm(8), --scheduler). */
  private static final List<String> SCHEDULERS =
      List.of(
          "rr", "wrr", "lc", "wlc", "lblc", "lblcr", "dh", "sh", "mh", "sed", "nq", "fo", "ovf");

  private static final String NAME = "[a-z][a-z0-9-]*";

  private final List<String> faults = new ArrayList<>();
  private final YamlFields fields = new YamlFields(faults);

  private ClusterFile() {}

  /**
   * {@return the cluster of a file}
   *
   * @throws Problem if it can't be read, or with a line for each fault in it
   */
  public static Cluster read(Path path) {
    try {
      return parse(path.toString(), Files.readString(path));
    } catch (NoSuchFileException e) {
      throw new Problem(
          "there is no " + path,
          "check --config; without a cluster.yaml the built-in seven nodes serve",
          e);
    } catch (MalformedInputException e) {
      throw new Problem(path + " is not UTF-8 text", "save it as UTF-8", e);
    } catch (IOException e) {
      throw new Problem("cannot read " + path + ": " + e.getMessage(), "check its owner", e);
    }
  }

  /**
   * {@return the cluster that {@code text} describes; what it leaves out is as in {@link
   * Cluster#standard}}
   *
   * @param file its name in messages
   * @throws Problem with a line for each fault
   */
  public static Cluster parse(String file, String text) {
    ClusterFile reader = new ClusterFile();
    Cluster cluster = reader.cluster(Yaml.parse(file, text, reader.faults));
    if (!reader.faults.isEmpty()) {
      throw new Problem(
          String.join("\n", reader.faults),
          "the keys and their values are described in README.md, \"The cluster file\"");
    }
    return cluster;
  }

  private Cluster cluster(Yaml root) {
    Cluster standard = Cluster.standard();
    Map<String, Yaml> keys =
        fields.keys(
            root.value() == null ? new Yaml(root.place(), Map.of(), Map.of()) : root,
            "the cluster",
            List.of(
                "name",
                "subnet",
                "vip",
                "loadBalancer",
                "boot",
                "network",
                "user",
                "images",
                "sshPorts",
                "roles"));
    int before = faults.size();
    Cluster cluster =
        new Cluster(
            fields.text(keys.get("name"), "name", standard.name(), name(40)),
            fields.text(keys.get("subnet"), "subnet", standard.subnet(), Subnet::parse),
            fields.text(
                keys.get("vip"), "vip", standard.vip(), v -> Subnet.text(Subnet.address(v))),
            loadBalancer(keys.get("loadBalancer"), standard.loadBalancer()),
            fields.text(keys.get("boot"), "boot", standard.boot(), ClusterFile::boot),
            fields.text(keys.get("network"), "network", standard.network(), Network::parse),
            fields.text(keys.get("user"), "user", standard.user(), ClusterFile::user),
            ImageSource.read(fields, keys.get("images"), standard.images()),
            fields.number(keys.get("sshPorts"), "sshPorts", standard.sshPorts(), 1024, 65535),
            roles(keys.get("roles"), standard.groups()));
    if (faults.size() == before) {
      together(cluster, root, keys);
    }
    return cluster;
  }

  /** The rules that concern more than one key. */
  private void together(Cluster cluster, Yaml root, Map<String, Yaml> keys) {
    Subnet subnet = cluster.subnet();
    String subnetPlace = placeOf(keys.get("subnet"), root);
    String vipPlace = placeOf(keys.get("vip"), root);
    if (subnet.overlaps(Network.User.WAN)) {
      faults.add(
          "%s: `subnet` must not overlap %s, the guests' network to the outside, is `%s`"
              .formatted(subnetPlace, Network.User.WAN, subnet));
    }
    if (!subnet.hasHost(cluster.vip())) {
      faults.add(
          "%s: `vip` must be a host in the subnet %s, is `%s`"
              .formatted(vipPlace, subnet, cluster.vip()));
    }
    if (!(cluster.network() instanceof Network.User) && cluster.vip().equals(subnet.host(1))) {
      faults.add(
          "%s: `vip` must not be the subnet's first address, this host's in network %s, is `%s`"
              .formatted(vipPlace, cluster.network().word(), cluster.vip()));
    }
    List<Node> nodes = cluster.nodes();
    Node last = nodes.get(nodes.size() - 1);
    if (Node.FIRST_HOST + last.index() >= subnet.size() - 1) {
      faults.add(
          "%s: `subnet` must hold the addresses of all %d nodes, is `%s`; %s would be %s"
              .formatted(subnetPlace, nodes.size(), subnet, last.name(), last.address()));
    }
    nodes.stream()
        .filter(node -> node.address().equals(cluster.vip()))
        .forEach(
            node ->
                faults.add(
                    "%s: `vip` must not be a node's address, is `%s`, the address of %s"
                        .formatted(vipPlace, cluster.vip(), node.name())));
    if (last.sshPort() > 65535) {
      faults.add(
          "%s: `sshPorts` must leave a port up to 65535 for each of %d nodes, is `%d`"
              .formatted(placeOf(keys.get("sshPorts"), root), nodes.size(), cluster.sshPorts()));
    }
    Cluster.LoadBalancer balancer = cluster.loadBalancer();
    int services = balancer.ports().size();
    String hostPortsPlace = placeOf(keys.get("loadBalancer"), root, "hostPorts");
    if (balancer.hostPort(services - 1) > 65535) {
      faults.add(
          "%s: `loadBalancer.hostPorts` must leave a port up to 65535 for each of %d services,"
                  .formatted(hostPortsPlace, services)
              + " is `%d`".formatted(balancer.hostPorts()));
    }
    if (balancer.hostPorts() <= last.sshPort()
        && cluster.sshPorts() <= balancer.hostPort(services - 1)) {
      faults.add(
          "%s: `loadBalancer.hostPorts` must be apart from the nodes' SSH ports %d to %d, is `%d`"
              .formatted(hostPortsPlace, cluster.sshPorts(), last.sshPort(), balancer.hostPorts()));
    }
  }

  /** The place of a key in a map; where there is none, of what is there. */
  private static String placeOf(Yaml map, Yaml otherwise, String key) {
    return map == null ? otherwise.place() : placeOf(map.map().get(key), map);
  }

  private static String placeOf(Yaml yaml, Yaml otherwise) {
    return yaml == null ? otherwise.place() : yaml.place();
  }

  private Cluster.LoadBalancer loadBalancer(Yaml yaml, Cluster.LoadBalancer standard) {
    if (yaml == null) {
      return standard;
    }
    Map<String, Yaml> keys =
        fields.keys(yaml, "`loadBalancer`", List.of("ports", "scheduler", "check", "hostPorts"));
    String path = "loadBalancer.";
    return new Cluster.LoadBalancer(
        ports(keys.get("ports"), path + "ports", standard.ports()),
        fields.text(
            keys.get("scheduler"),
            path + "scheduler",
            standard.scheduler(),
            ClusterFile::scheduler),
        fields.text(keys.get("check"), path + "check", standard.check(), ClusterFile::check),
        fields.number(
            keys.get("hostPorts"), path + "hostPorts", standard.hostPorts(), 1024, 65535));
  }

  private List<Integer> ports(Yaml yaml, String path, List<Integer> standard) {
    if (yaml == null) {
      return standard;
    }
    if (yaml.list().isEmpty()) {
      fields.fault(yaml, path, "must be a list of at least one port");
      return standard;
    }
    List<Integer> ports = new ArrayList<>();
    for (int i = 0; i < yaml.list().size(); i++) {
      Yaml item = yaml.list().get(i);
      int port = fields.number(item, path + "[" + i + "]", 0, 1, 65535);
      if (port > 0 && ports.contains(port)) {
        fields.fault(item, path + "[" + i + "]", "must be there once");
      }
      ports.add(port);
    }
    return ports;
  }

  private Map<Role, Cluster.Group> roles(Yaml yaml, Map<Role, Cluster.Group> standard) {
    Map<Role, Cluster.Group> groups = new EnumMap<>(standard);
    if (yaml == null) {
      return groups;
    }
    List<String> words = List.of(Role.values()).stream().map(Role::word).toList();
    fields
        .keys(yaml, "`roles`", words)
        .forEach(
            (word, group) -> {
              Role role = Role.valueOf(word.toUpperCase(Locale.ROOT));
              groups.put(role, group(group, "roles." + word, standard.get(role)));
            });
    return groups;
  }

  private Cluster.Group group(Yaml yaml, String path, Cluster.Group standard) {
    Map<String, Yaml> keys =
        fields.keys(yaml, "`" + path + "`", List.of("count", "cpus", "memory", "disk"));
    Node.Size size = standard.size();
    return new Cluster.Group(
        fields.number(keys.get("count"), path + ".count", standard.count(), 1, 100),
        new Node.Size(
            fields.number(keys.get("cpus"), path + ".cpus", size.cpus(), 1, 64),
            fields.amount(
                keys.get("memory"),
                path + ".memory",
                size.memoryMiB(),
                YamlFields.MIB,
                "256M",
                "1024G"),
            fields.amount(
                keys.get("disk"), path + ".disk", size.diskGiB(), YamlFields.GIB, "4G", "16T")));
  }

  private static Function<String, String> name(int longest) {
    return text -> {
      if (!text.matches(NAME) || text.length() > longest) {
        throw new IllegalArgumentException(
            "must match " + NAME + " and have at most " + longest + " characters");
      }
      return text;
    };
  }

  private static String user(String text) {
    if (text.equals("root")) {
      throw new IllegalArgumentException("must not be root: nobody logs in as root");
    }
    return name(32).apply(text);
  }

  private static String scheduler(String word) {
    if (!SCHEDULERS.contains(word)) {
      throw new IllegalArgumentException("must be one of " + String.join(", ", SCHEDULERS));
    }
    return word;
  }

  /** A path goes into a script of the gateway: nothing that a shell reads may be in it. */
  private static String check(String text) {
    if (!text.equals("tcp") && !text.matches("/[A-Za-z0-9._~/?=&-]{0,200}")) {
      throw new IllegalArgumentException("must be tcp, or a path such as /readyz");
    }
    return text;
  }

  private static Cluster.BootChoice boot(String word) {
    return List.of(Cluster.BootChoice.values()).stream()
        .filter(boot -> boot.name().toLowerCase(Locale.ROOT).equals(word))
        .findFirst()
        .orElseThrow(
            () -> new IllegalArgumentException("must be one of auto, firmware, kernel, bios"));
  }
}

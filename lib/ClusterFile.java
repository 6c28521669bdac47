package lib;

import java.io.IOException;
import java.net.URI;
import java.net.URISyntaxException;
import java.nio.charset.MalformedInputException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.function.Function;
import java.util.stream.Collectors;

/** Reads {@code cluster.yaml} strictly: every fault at once, each with file:line:column. */
public final class ClusterFile {
  /** Those of IPVS that need no settings of their own (ipvsadm(8), --scheduler). */
  private static final List<String> SCHEDULERS =
      List.of(
          "rr", "wrr", "lc", "wlc", "lblc", "lblcr", "dh", "sh", "mh", "sed", "nq", "fo", "ovf");

  private static final String NAME = "[a-z][a-z0-9-]*";
  private static final Map<String, Integer> MIB = Map.of("M", 1, "G", 1024);
  private static final Map<String, Integer> GIB = Map.of("G", 1, "T", 1024);

  private final List<String> faults = new ArrayList<>();

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
        keys(
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
            text(keys.get("name"), "name", standard.name(), name(40)),
            text(keys.get("subnet"), "subnet", standard.subnet(), Subnet::parse),
            text(keys.get("vip"), "vip", standard.vip(), v -> Subnet.text(Subnet.address(v))),
            loadBalancer(keys.get("loadBalancer"), standard.loadBalancer()),
            text(keys.get("boot"), "boot", standard.boot(), ClusterFile::boot),
            text(keys.get("network"), "network", standard.network(), Network::parse),
            text(keys.get("user"), "user", standard.user(), ClusterFile::user),
            images(keys.get("images"), standard.images()),
            number(keys.get("sshPorts"), "sshPorts", standard.sshPorts(), 1024, 65535),
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
        keys(yaml, "`loadBalancer`", List.of("ports", "scheduler", "check", "hostPorts"));
    String path = "loadBalancer.";
    return new Cluster.LoadBalancer(
        ports(keys.get("ports"), path + "ports", standard.ports()),
        text(
            keys.get("scheduler"),
            path + "scheduler",
            standard.scheduler(),
            ClusterFile::scheduler),
        text(keys.get("check"), path + "check", standard.check(), ClusterFile::check),
        number(keys.get("hostPorts"), path + "hostPorts", standard.hostPorts(), 1024, 65535));
  }

  private List<Integer> ports(Yaml yaml, String path, List<Integer> standard) {
    if (yaml == null) {
      return standard;
    }
    if (yaml.list().isEmpty()) {
      fault(yaml, path, "must be a list of at least one port");
      return standard;
    }
    List<Integer> ports = new ArrayList<>();
    for (int i = 0; i < yaml.list().size(); i++) {
      Yaml item = yaml.list().get(i);
      int port = number(item, path + "[" + i + "]", 0, 1, 65535);
      if (port > 0 && ports.contains(port)) {
        fault(item, path + "[" + i + "]", "must be there once");
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
    keys(yaml, "`roles`", words)
        .forEach(
            (word, group) -> {
              Role role = Role.valueOf(word.toUpperCase(Locale.ROOT));
              groups.put(role, group(group, "roles." + word, standard.get(role)));
            });
    return groups;
  }

  private Cluster.Group group(Yaml yaml, String path, Cluster.Group standard) {
    Map<String, Yaml> keys =
        keys(yaml, "`" + path + "`", List.of("count", "cpus", "memory", "disk"));
    Node.Size size = standard.size();
    return new Cluster.Group(
        number(keys.get("count"), path + ".count", standard.count(), 1, 100),
        new Node.Size(
            number(keys.get("cpus"), path + ".cpus", size.cpus(), 1, 64),
            amount(keys.get("memory"), path + ".memory", size.memoryMiB(), MIB, "256M", "1024G"),
            amount(keys.get("disk"), path + ".disk", size.diskGiB(), GIB, "4G", "16T")));
  }

  private List<ImageSource> images(Yaml yaml, List<ImageSource> standard) {
    if (yaml == null) {
      return standard;
    }
    if (yaml.list().isEmpty()) {
      fault(yaml, "images", "must be a list of at least one image");
      return standard;
    }
    List<ImageSource> images = new ArrayList<>();
    for (int i = 0; i < yaml.list().size(); i++) {
      images.add(image(yaml.list().get(i), "images[" + i + "]"));
    }
    return images;
  }

  /** A name or path; or {@code debian-built} with wishes; or an address with its digest. */
  private ImageSource image(Yaml yaml, String path) {
    ImageSource standard = new ImageSource.LocalFile("");
    if (!(yaml.value() instanceof Map)) {
      return text(yaml, path, standard, ClusterFile::image);
    }
    if (yaml.map().containsKey(ImageSource.Built.NAME)) {
      Map<String, Yaml> keys = keys(yaml, "`" + path + "`", List.of(ImageSource.Built.NAME));
      return debianBuilt(keys.get(ImageSource.Built.NAME), path + ".debian-built");
    }
    if (yaml.map().containsKey("url")) {
      ImageSource.Published published = published(yaml, path);
      return new ImageSource.Web(
          published.url().toString(),
          Map.of(Host.Arch.X86_64, List.of(published), Host.Arch.AARCH64, List.of(published)));
    }
    Map<Host.Arch, List<ImageSource.Published>> places = new EnumMap<>(Host.Arch.class);
    if (yaml.map().containsKey("sha256")) {
      fault(yaml, path, "must have `url`");
      return standard;
    }
    keys(yaml, "`" + path + "`", List.of("url", "sha256", "x86_64", "aarch64", "debian-built"))
        .forEach(
            (arch, place) ->
                places.put(
                    Host.Arch.valueOf(arch.toUpperCase(Locale.ROOT)),
                    List.of(published(place, path + "." + arch))));
    if (places.isEmpty()) {
      fault(yaml, path, "must have `url` and `sha256`, of its own or below `x86_64` or `aarch64`");
      return standard;
    }
    String name = places.values().iterator().next().get(0).url().toString();
    return new ImageSource.Web(name, places);
  }

  private ImageSource.Published published(Yaml yaml, String path) {
    Map<String, Yaml> keys = keys(yaml, "`" + path + "`", List.of("url", "sha256"));
    for (String key : List.of("url", "sha256")) {
      if (!keys.containsKey(key) && yaml.value() instanceof Map) {
        fault(yaml, path, "must have `" + key + "`");
      }
    }
    URI url = text(keys.get("url"), path + ".url", URI.create("https:///"), ClusterFile::url);
    String sha256 = text(keys.get("sha256"), path + ".sha256", "", ClusterFile::sha256);
    return new ImageSource.Published(url, Optional.of(sha256));
  }

  private ImageSource debianBuilt(Yaml yaml, String path) {
    Map<String, Yaml> keys = keys(yaml, "`" + path + "`", List.of("suite", "packages"));
    Optional<String> suite =
        text(keys.get("suite"), path + ".suite", Optional.empty(), v -> Optional.of(suite(v)));
    List<String> packages = new ArrayList<>();
    Yaml wanted = keys.get("packages");
    if (wanted != null && !(wanted.value() instanceof List)) {
      fault(wanted, path + ".packages", "must be a list");
    } else if (wanted != null) {
      for (int i = 0; i < wanted.list().size(); i++) {
        String item = path + ".packages[" + i + "]";
        packages.add(text(wanted.list().get(i), item, "", ClusterFile::packageName));
      }
    }
    return new ImageSource.Built(suite, packages);
  }

  /** The entries of a map whose keys are all in {@code known}; a fault for each other key. */
  private Map<String, Yaml> keys(Yaml yaml, String what, List<String> known) {
    if (!(yaml.value() instanceof Map)) {
      faults.add("%s: %s must be a map, is %s".formatted(yaml.place(), what, yaml.described()));
      return Map.of();
    }
    yaml.keys().entrySet().stream()
        .filter(key -> !known.contains(key.getKey()))
        .forEach(
            key ->
                faults.add(
                    "%s: unknown key `%s`; %s has the keys %s"
                        .formatted(key.getValue(), key.getKey(), what, String.join(", ", known))));
    return yaml.map().entrySet().stream()
        .filter(entry -> known.contains(entry.getKey()))
        .collect(Collectors.toMap(Map.Entry::getKey, Map.Entry::getValue));
  }

  /** A text that {@code parse} takes; it throws IllegalArgumentException with the rule if not. */
  private <T> T text(Yaml yaml, String path, T standard, Function<String, T> parse) {
    if (yaml == null) {
      return standard;
    }
    if (!(yaml.value() instanceof String)) {
      fault(yaml, path, "must be a text");
      return standard;
    }
    try {
      return parse.apply((String) yaml.value());
    } catch (IllegalArgumentException e) {
      fault(yaml, path, e.getMessage());
      return standard;
    }
  }

  private int number(Yaml yaml, String path, int standard, int least, int most) {
    if (yaml == null) {
      return standard;
    }
    if (yaml.value() instanceof Integer number && number >= least && number <= most) {
      return number;
    }
    fault(yaml, path, "must be a whole number from " + least + " to " + most);
    return standard;
  }

  /** An amount such as {@code 2G} in the unit that has factor 1. */
  private int amount(
      Yaml yaml, String path, int standard, Map<String, Integer> units, String least, String most) {
    if (yaml == null) {
      return standard;
    }
    Optional<Integer> amount = amount(yaml.value(), units);
    if (amount.isPresent()
        && amount.get() >= amount(least, units).orElseThrow()
        && amount.get() <= amount(most, units).orElseThrow()) {
      return amount.get();
    }
    fault(yaml, path, "must be an amount such as " + least + ", from that to " + most);
    return standard;
  }

  private static Optional<Integer> amount(Object value, Map<String, Integer> units) {
    String text = String.valueOf(value);
    if (!text.matches("[1-9][0-9]{0,5}[A-Z]")) {
      return Optional.empty();
    }
    int end = text.length() - 1;
    return Optional.ofNullable(units.get(text.substring(end)))
        .map(unit -> unit * Integer.parseInt(text.substring(0, end)));
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

  /**
   * {@return the image that a text of {@code images} or {@code --image} means}
   *
   * @throws IllegalArgumentException with the rule, if it means none
   */
  static ImageSource image(String text) {
    Optional<ImageSource> known = ImageSource.known(text);
    if (known.isEmpty() && !text.matches("(\\.{1,2}/|/|~/)[^\\p{Cntrl}]+")) {
      String names =
          ImageSource.known().stream().map(ImageSource::name).collect(Collectors.joining(", "));
      throw new IllegalArgumentException(
          "must be one of " + names + ", a path such as ./my.img, or a map with url and sha256");
    }
    return known.orElseGet(() -> new ImageSource.LocalFile(text));
  }

  /** {@return a Debian release} as {@link #image} does. */
  static String suite(String text) {
    return matching(text, "[a-z][a-z0-9-]{0,40}", "a Debian release such as trixie");
  }

  /** {@return a Debian package} as {@link #image} does. */
  static String packageName(String text) {
    return matching(text, "[a-z0-9][a-z0-9+.-]+", "the name of a package");
  }

  private static String sha256(String text) {
    return matching(text, "[0-9a-f]{64}", "64 hexadecimal digits, in lower case");
  }

  private static String matching(String text, String pattern, String what) {
    if (!text.matches(pattern)) {
      throw new IllegalArgumentException("must be " + what);
    }
    return text;
  }

  /** What others can change on its way must not come by plain http, digest or not. */
  private static URI url(String text) {
    try {
      URI url = new URI(text);
      boolean loopback =
          "http".equals(url.getScheme())
              && List.of("127.0.0.1", "localhost", "[::1]").contains(url.getHost());
      if (url.getHost() != null && (loopback || "https".equals(url.getScheme()))) {
        return url;
      }
    } catch (URISyntaxException e) {
      // as below
    }
    throw new IllegalArgumentException(
        "must be an address that starts with https:// (http:// is for 127.0.0.1 only)");
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

  private void fault(Yaml yaml, String path, String rule) {
    faults.add("%s: `%s` %s, is %s".formatted(yaml.place(), path, rule, yaml.described()));
  }
}

package lib;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Collectors;

/**
 * What network {@code bridge} changes on a Linux host, as commands that follow from what was found
 * there: what is so already is left alone. All but the names in {@code /etc/hosts} is gone after a
 * reboot, and so is the record of it in {@link #RUN}.
 *
 * @param user who runs QEMU, and may open the taps
 */
public record HostNetwork(Cluster cluster, String user) {
  /** Root's own record of what was there before and what was made. */
  public static final Path RUN = Path.of("/run/kubenet");

  /** The name of the bridge, and the mark on what is in tables of others. */
  public static final String NAME = Network.Bridge.NAME;

  private static final String TAP = NAME + "-[0-9]+";
  private static final String HOSTS = "/etc/hosts";
  private static final String BEGIN = "# begin kubenet: made by prepare-host.java";
  private static final String BROKEN_LINE = BEGIN + " after a line without end";
  private static final String END = "# end kubenet\n";

  /**
   * A command, as root or with sudo.
   *
   * @param input what is on its standard input
   */
  public record Step(Argv command, String input) {
    private Step(String program, String... arguments) {
      this(Argv.of(program, arguments), "");
    }

    /** The whole content of a file; {@code tee} keeps its owner, mode and place. */
    private static Step write(String file, String content) {
      return new Step(Argv.of("tee", file), content);
    }

    /** {@return the same for a user who is not root} */
    public Step withSudo() {
      return new Step(Argv.of("sudo").then(command), input);
    }

    /** {@return lines that can be pasted into a shell} */
    public String toShell() {
      if (!command.toList().contains("tee")) {
        return command.toShell();
      }
      return input.isEmpty() || input.endsWith("\n")
          ? command.toShell() + " > /dev/null <<'END'\n" + input + "END"
          : "printf %s " + Argv.quote(input) + " | " + command.toShell() + " > /dev/null";
    }
  }

  /**
   * A network interface.
   *
   * @param master the bridge that it is in, or empty
   * @param user who may open it, if it is a tap; or empty
   * @param busy whether it has a carrier: a tap, that QEMU has opened it
   * @param subnets of its addresses, and what it is the way to
   */
  public record Link(String name, String master, String user, boolean busy, List<Subnet> subnets) {}

  /**
   * What is on the host.
   *
   * @param forwarding whether it passes packets on
   * @param records the content of each file in {@link #RUN}
   * @param dnsmasq the number of our dnsmasq, if it runs
   * @param resolvers who else answers DNS on an address that ours needs, by address
   * @param table whether nftables has our table
   * @param firewall what iptables-save says of table {@code filter}
   * @param firewalld the zone of our bridge, {@code none}; empty where firewalld does not run
   * @param hosts the content of {@code /etc/hosts}
   */
  public record Found(
      List<Link> links,
      boolean forwarding,
      Map<String, String> records,
      Optional<Long> dnsmasq,
      List<String> resolvers,
      boolean table,
      List<String> firewall,
      String firewalld,
      String hosts) {

    private Optional<Link> link(String name) {
      return links.stream().filter(link -> link.name().equals(name)).findFirst();
    }

    private List<Link> ours() {
      return links.stream()
          .filter(link -> link.name().equals(NAME) || link.name().matches(TAP))
          .toList();
    }

    private boolean has(String record, String content) {
      return content.equals(records.get(record));
    }
  }

  /** {@return the host's own address on the bridge: the guests' way out, and their DNS server} */
  public String address() {
    return cluster.subnet().host(1);
  }

  /** {@return what is in the way, each with its way out} */
  public List<Problem> obstacles(Found found) {
    List<Problem> obstacles = new ArrayList<>();
    boolean recorded = found.records().containsKey("before");
    List<Link> ours = found.ours();
    if (!recorded && !ours.isEmpty()) {
      String name = ours.get(0).name();
      obstacles.add(
          new Problem(
              "there is a network interface " + name + " that prepare-host.java did not make",
              "if nothing needs it, remove it: sudo ip link delete " + name));
    }
    if (recorded) {
      found
          .link(NAME)
          .filter(bridge -> !bridge.subnets().isEmpty())
          .filter(bridge -> !bridge.subnets().contains(cluster.subnet()))
          .ifPresent(
              bridge ->
                  obstacles.add(
                      new Problem(
                          "the bridge has the subnet %s, cluster.yaml says %s"
                              .formatted(bridge.subnets().get(0), cluster.subnet()),
                          "stop the VMs, then run prepare-host.java --undo before this")));
    }
    for (Link link : found.links()) {
      link.subnets().stream()
          .filter(subnet -> !link.name().equals(NAME) && subnet.overlaps(cluster.subnet()))
          .findFirst()
          .ifPresent(
              subnet ->
                  obstacles.add(
                      new Problem(
                          "%s of %s overlaps the cluster's subnet %s"
                              .formatted(subnet, link.name(), cluster.subnet()),
                          "choose another `subnet:` (and `vip:`) in cluster.yaml")));
    }
    for (String resolver : found.resolvers()) {
      obstacles.add(
          new Problem(
              "another DNS server has %s already, and so %s:53".formatted(resolver, address()),
              "have it listen on its own addresses only (dnsmasq: bind-interfaces and"
                  + " except-interface="
                  + NAME
                  + "), or stop it"));
    }
    return obstacles;
  }

  /** {@return what makes the host ready, in order} */
  public List<Step> prepare(Found found) {
    List<Step> steps = new ArrayList<>();
    if (!found.records().containsKey("before")) {
      steps.add(new Step("mkdir", "-p", "-m", "755", RUN.toString()));
      steps.add(
          Step.write(
              RUN.resolve("before").toString(),
              "net.ipv4.ip_forward=" + (found.forwarding() ? 1 : 0) + "\n"));
    }
    steps.addAll(bridge(found));
    for (Node node : cluster.nodes()) {
      steps.addAll(tap(found, Network.Bridge.tap(node)));
    }
    if (!found.table() || !found.has("nftables.conf", nftables())) {
      String file = RUN.resolve("nftables.conf").toString();
      steps.add(Step.write(file, nftables()));
      steps.add(new Step("nft", "-f", file));
    }
    for (List<String> rule : rules(found.firewall())) {
      steps.add(new Step(Argv.of("iptables", "-w", "-I").add(rule.toArray(String[]::new)), ""));
    }
    if (found.firewalld().equals("none")) {
      steps.add(new Step("firewall-cmd", "--zone=trusted", "--add-interface=" + NAME));
    }
    if (!found.forwarding()) {
      steps.add(new Step("sysctl", "-q", "-w", "net.ipv4.ip_forward=1"));
    }
    steps.addAll(dnsmasq(found));
    String hosts = hosts(found.hosts());
    if (!hosts.equals(found.hosts())) {
      steps.add(Step.write(HOSTS, hosts));
    }
    return steps;
  }

  /**
   * {@return what leaves the host as it was before}
   *
   * @throws Problem if a VM runs on it
   */
  public static List<Step> undo(Found found) {
    List<Step> steps = new ArrayList<>();
    String before = found.records().get("before");
    List<Link> links = before == null ? List.of() : found.ours();
    String busy =
        links.stream()
            .filter(link -> link.name().matches(TAP) && link.busy())
            .map(Link::name)
            .collect(Collectors.joining(", "));
    if (!busy.isEmpty()) {
      throw new Problem("VMs run on " + busy, "stop them first: stop-all.java");
    }
    String hosts = withoutBlock(found.hosts());
    if (!hosts.equals(found.hosts())) {
      steps.add(Step.write(HOSTS, hosts));
    }
    found.dnsmasq().ifPresent(pid -> steps.add(end(pid)));
    for (String line : found.firewall()) {
      if (line.startsWith("-A ") && (line + " ").contains(" --comment " + NAME + " ")) {
        steps.add(
            new Step(
                Argv.of("iptables", "-w", "-D").add(line.substring("-A ".length()).split(" ")),
                ""));
      }
    }
    if (found.firewalld().equals("trusted")) {
      steps.add(new Step("firewall-cmd", "--zone=trusted", "--remove-interface=" + NAME));
    }
    if (found.table()) {
      steps.add(new Step("nft", "delete", "table", "ip", NAME));
    }
    links.forEach(link -> steps.add(new Step("ip", "link", "delete", link.name())));
    if (before != null && before.contains("=0") && found.forwarding()) {
      steps.add(new Step("sysctl", "-q", "-w", before.strip()));
    }
    if (!found.records().isEmpty()) {
      steps.add(new Step("rm", "-r", RUN.toString()));
    }
    return steps;
  }

  private List<Step> bridge(Found found) {
    Optional<Link> bridge = found.link(NAME);
    List<Step> steps = new ArrayList<>();
    if (bridge.isEmpty()) {
      // an address of its own: a bridge without takes that of a tap, and changes it with the taps
      Argv add = Argv.of("ip", "link", "add", "name", NAME, "address", "52:54:00:4c:ff:ff");
      steps.add(new Step(add.add("type", "bridge", "forward_delay", "0"), ""));
    }
    if (bridge.isEmpty() || !bridge.get().subnets().contains(cluster.subnet())) {
      String address = address() + "/" + cluster.subnet().prefix();
      steps.add(new Step("ip", "address", "add", address, "dev", NAME));
      steps.add(new Step("ip", "link", "set", NAME, "up"));
    }
    return steps;
  }

  private List<Step> tap(Found found, String name) {
    Optional<Link> tap = found.link(name);
    List<Step> steps = new ArrayList<>();
    boolean another = tap.isPresent() && !tap.get().user().equals(user);
    if (another) {
      steps.add(new Step("ip", "link", "delete", name));
    }
    if (another || tap.isEmpty()) {
      steps.add(new Step("ip", "tuntap", "add", "dev", name, "mode", "tap", "user", user));
    }
    if (another || tap.isEmpty() || !tap.get().master().equals(NAME)) {
      steps.add(new Step("ip", "link", "set", name, "master", NAME, "up"));
    }
    return steps;
  }

  private String nftables() {
    String subnet = cluster.subnet().toString();
    return """
    # made anew as a whole, however often it is loaded
    table ip %1$s
    delete table ip %1$s
    table ip %1$s {
      chain out {
        type nat hook postrouting priority srcnat; policy accept;
        ip saddr %2$s ip daddr != %2$s masquerade
      }
      chain in {
        # other machines reach guests only by answering them
        type filter hook forward priority filter; policy accept;
        iifname != "%1$s" oifname "%1$s" ct state new drop
      }
    }
    """
        .formatted(NAME, subnet);
  }

  /**
   * The rules that are missing where iptables' table {@code filter} is in use. What one table drops
   * no other can let through: so these stand in its chains (Docker's own for users, where it is),
   * first of all.
   */
  private static List<List<String>> rules(List<String> firewall) {
    String mark = " -m comment --comment " + NAME + " -j ACCEPT";
    List<String> wanted = new ArrayList<>();
    if (filters(firewall, "FORWARD")) {
      String chain = has(firewall, "DOCKER-USER") ? "DOCKER-USER" : "FORWARD";
      wanted.add(chain + " -i " + NAME + mark);
      wanted.add(chain + " -o " + NAME + " -m conntrack --ctstate RELATED,ESTABLISHED" + mark);
    }
    if (filters(firewall, "INPUT")) {
      for (String port : List.of("udp 53", "tcp 53", "udp 67")) {
        String[] words = port.split(" ");
        wanted.add(
            "INPUT -i %s -p %s -m %2$s --dport %s".formatted(NAME, words[0], words[1]) + mark);
      }
    }
    return wanted.stream()
        .map(rule -> List.of(rule.split(" ")))
        .filter(
            rule ->
                firewall.stream()
                    .filter(line -> line.startsWith("-A " + rule.get(0) + " "))
                    .noneMatch(line -> Set.of(distinct(line)).containsAll(rule)))
        .toList();
  }

  private static String[] distinct(String line) {
    return List.of(line.split(" ")).stream().distinct().toArray(String[]::new);
  }

  private static boolean has(List<String> firewall, String chain) {
    return firewall.stream().anyMatch(line -> line.startsWith(":" + chain + " "));
  }

  /** A chain that lets all through needs no rule of ours, and may not be there but in the list. */
  private static boolean filters(List<String> firewall, String chain) {
    return firewall.stream()
        .anyMatch(
            line -> line.startsWith(":" + chain + " DROP") || line.startsWith("-A " + chain + " "));
  }

  private List<Step> dnsmasq(Found found) {
    List<Step> steps = new ArrayList<>();
    String file = RUN.resolve("dnsmasq.conf").toString();
    boolean same = found.has("dnsmasq.conf", dnsmasqConf());
    if (!same) {
      found.dnsmasq().ifPresent(pid -> steps.add(end(pid)));
      steps.add(Step.write(file, dnsmasqConf()));
    }
    if (!same || found.dnsmasq().isEmpty()) {
      steps.add(new Step("dnsmasq", "--conf-file=" + file));
    }
    return steps;
  }

  private String dnsmasqConf() {
    StringBuilder conf = new StringBuilder();
    Subnet subnet = cluster.subnet();
    conf.append(
        """
        interface=%s
        except-interface=lo
        listen-address=%s
        bind-interfaces
        pid-file=%s/dnsmasq.pid
        dhcp-leasefile=%3$s/dnsmasq.leases
        no-hosts
        domain-needed
        bogus-priv
        dhcp-range=%s,static,%s
        host-record=kubernetes,%s
        """
            .formatted(NAME, address(), RUN, subnet.host(0), subnet.netmask(), cluster.vip()));
    for (Node node : cluster.nodes()) {
      conf.append("host-record=%s,%s\n".formatted(node.name(), node.address()));
      conf.append("dhcp-host=%s,%s,%s\n".formatted(node.lanMac(), node.address(), node.name()));
    }
    return conf.toString();
  }

  /** Ends our DNS server and waits until it has gone; a dead process has no command line. */
  private static Step end(long pid) {
    return new Step(
        "sh",
        "-c",
        "kill %d; while grep -qs dnsmasq /proc/%1$d/cmdline; do sleep 0.1; done".formatted(pid));
  }

  /** The file with our names: where they are already, else at its end. */
  private String hosts(String now) {
    String block = BEGIN + "\n" + cluster.hosts() + END;
    int begin = now.indexOf(BEGIN);
    if (begin >= 0 && now.indexOf(END, begin) >= 0) {
      int names = now.indexOf('\n', begin) + 1;
      return now.substring(0, names) + cluster.hosts() + now.substring(now.indexOf(END, begin));
    }
    return now.isEmpty() || now.endsWith("\n")
        ? now + block
        : now + "\n" + BROKEN_LINE + block.substring(BEGIN.length());
  }

  private static String withoutBlock(String hosts) {
    int begin = hosts.indexOf(BEGIN);
    int end = begin < 0 ? -1 : hosts.indexOf(END, begin);
    if (end < 0) {
      return hosts;
    }
    boolean broken = hosts.startsWith(BROKEN_LINE, begin) && begin > 0;
    return hosts.substring(0, broken ? begin - 1 : begin) + hosts.substring(end + END.length());
  }
}

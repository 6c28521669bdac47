package lib.bridge;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Collectors;
import lib.Argv;
import lib.Problem;
import lib.cluster.Cluster;
import lib.cluster.Network;
import lib.cluster.Node;
import lib.cluster.Subnet;

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
  private static final Path HOSTS = Path.of("/etc/hosts");

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
   * @param hosts the content of {@code /etc/hosts}
   */
  public record Found(
      List<Link> links,
      boolean forwarding,
      Map<String, String> records,
      Optional<Long> dnsmasq,
      List<String> resolvers,
      HostFirewall firewall,
      String hosts) {

    private Optional<Link> link(String name) {
      return links.stream().filter(link -> link.name().equals(name)).findFirst();
    }

    private List<Link> ours() {
      return links.stream()
          .filter(link -> link.name().equals(NAME) || link.name().matches(TAP))
          .toList();
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
  public List<HostStep> prepare(Found found) {
    List<HostStep> steps = new ArrayList<>();
    if (!found.records().containsKey("before")) {
      steps.add(new HostStep("mkdir", "-p", "-m", "755", RUN.toString()));
      steps.add(
          HostStep.write(
              RUN.resolve("before"), "net.ipv4.ip_forward=" + (found.forwarding() ? 1 : 0) + "\n"));
    }
    steps.addAll(bridge(found));
    for (Node node : cluster.nodes()) {
      steps.addAll(tap(found, Network.Bridge.tap(node)));
    }
    Path table = RUN.resolve("nftables.conf");
    steps.addAll(
        found.firewall().open(cluster.subnet(), table, found.records().get("nftables.conf")));
    if (!found.forwarding()) {
      steps.add(new HostStep("sysctl", "-q", "-w", "net.ipv4.ip_forward=1"));
    }
    steps.addAll(
        new Dnsmasq(cluster, RUN, address())
            .start(found.dnsmasq(), found.records().get(Dnsmasq.SETTINGS)));
    String hosts = new HostsFile(found.hosts()).with(cluster.hosts());
    if (!hosts.equals(found.hosts())) {
      steps.add(HostStep.write(HOSTS, hosts));
    }
    return steps;
  }

  /**
   * {@return what leaves the host as it was before}
   *
   * @throws Problem if a VM runs on it
   */
  public static List<HostStep> undo(Found found) {
    List<HostStep> steps = new ArrayList<>();
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
    String hosts = new HostsFile(found.hosts()).without();
    if (!hosts.equals(found.hosts())) {
      steps.add(HostStep.write(HOSTS, hosts));
    }
    found.dnsmasq().ifPresent(pid -> steps.add(Dnsmasq.end(pid)));
    steps.addAll(found.firewall().close());
    links.forEach(link -> steps.add(new HostStep("ip", "link", "delete", link.name())));
    if (before != null && before.contains("=0") && found.forwarding()) {
      steps.add(new HostStep("sysctl", "-q", "-w", before.strip()));
    }
    if (!found.records().isEmpty()) {
      steps.add(new HostStep("rm", "-r", RUN.toString()));
    }
    return steps;
  }

  private List<HostStep> bridge(Found found) {
    Optional<Link> bridge = found.link(NAME);
    List<HostStep> steps = new ArrayList<>();
    if (bridge.isEmpty()) {
      // an address of its own: a bridge without takes that of a tap, and changes it with the taps
      Argv add = Argv.of("ip", "link", "add", "name", NAME, "address", "52:54:00:4c:ff:ff");
      steps.add(new HostStep(add.add("type", "bridge", "forward_delay", "0"), ""));
    }
    if (bridge.isEmpty() || !bridge.get().subnets().contains(cluster.subnet())) {
      String address = address() + "/" + cluster.subnet().prefix();
      steps.add(new HostStep("ip", "address", "add", address, "dev", NAME));
      steps.add(new HostStep("ip", "link", "set", NAME, "up"));
    }
    return steps;
  }

  private List<HostStep> tap(Found found, String name) {
    Optional<Link> tap = found.link(name);
    List<HostStep> steps = new ArrayList<>();
    boolean another = tap.isPresent() && !tap.get().user().equals(user);
    if (another) {
      steps.add(new HostStep("ip", "link", "delete", name));
    }
    if (another || tap.isEmpty()) {
      steps.add(new HostStep("ip", "tuntap", "add", "dev", name, "mode", "tap", "user", user));
    }
    if (another || tap.isEmpty() || !tap.get().master().equals(NAME)) {
      steps.add(new HostStep("ip", "link", "set", name, "master", NAME, "up"));
    }
    return steps;
  }
}

package lib.host;

import java.io.IOException;
import java.net.InetAddress;
import java.net.InterfaceAddress;
import java.net.NetworkInterface;
import java.net.ServerSocket;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Optional;
import java.util.function.BooleanSupplier;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import lib.Argv;
import lib.Commands;
import lib.Problem;
import lib.Terminal;
import lib.cluster.Cluster;
import lib.cluster.Host;
import lib.cluster.Network;
import lib.cluster.Node;
import lib.cluster.Subnet;
import lib.cluster.VmnetWay;
import lib.state.Layout;
import lib.vm.Vm;

/**
 * What must hold before a step touches anything. All obstacles are reported at once, each with its
 * way out; missing programs with the one command that installs them all.
 */
public final class Preflight {
  /** Of QEMU itself, beside the guest's memory, in MiB; translated code comes on top under tcg. */
  private static final int OVERHEAD_MIB = 64;

  /**
   * The oldest tmux that will do: it has options of single panes ({@code set-option -p}; tmux's
   * file CHANGES, "FROM 2.9 TO 3.0").
   */
  private static final String TMUX = "3.0";

  private static final Pattern TMUX_VERSION = Pattern.compile("([0-9]+\\.[0-9]+)");

  private final List<Problem> obstacles = new ArrayList<>();

  /**
   * Makes sure that programs are there: installs them if {@code yes} or if the person agrees.
   *
   * @throws Problem naming all missing ones and the command, if they are not installed; or naming
   *     tmux's version, if it is too old
   */
  public static void tools(Terminal terminal, boolean yes, List<Tool> needed) {
    present(terminal, yes, needed);
    if (needed.contains(Tool.TMUX)) {
      tmux(Commands.run(Argv.of("tmux", "-V")).out().strip());
    }
  }

  /**
   * Checks whether tmux is new enough. A version without a number is its newest source.
   *
   * @param said what {@code tmux -V} says: {@code tmux 3.3a}, {@code tmux next-3.5}
   */
  public static void tmux(String said) {
    Matcher version = TMUX_VERSION.matcher(said);
    if (version.find() && older(version.group(1) + ".0", TMUX + ".0")) {
      throw new Problem(
          said + " is too old, " + TMUX + " is needed",
          "upgrade tmux with the system's package manager");
    }
  }

  private static void present(Terminal terminal, boolean yes, List<Tool> needed) {
    List<Tool> missing = needed.stream().distinct().filter(tool -> !tool.isPresent()).toList();
    if (missing.isEmpty()) {
      return;
    }
    String names = missing.stream().map(Tool::program).collect(Collectors.joining(", "));
    Optional<Tool.Manager> manager = Tool.Manager.current(Host.Os.current());
    if (manager.isEmpty()
        || missing.stream().anyMatch(tool -> tool.packageFor(manager.get()).isEmpty())) {
      throw new Problem("missing on this machine: " + names, "install them, then run this again");
    }
    boolean sudo = !Host.isRoot();
    Argv install = manager.get().install(missing, sudo);
    terminal.line("missing on this machine: " + names);
    terminal.line("install them with: " + install.toShell());
    if (!yes && !terminal.confirm("Run that now?")) {
      throw new Problem(
          "missing on this machine: " + names,
          "run `" + install.toShell() + "`, or run this again with --yes");
    }
    manager.get().refresh(sudo).ifPresent(refresh -> install(terminal, refresh));
    install(terminal, install);
    List<Tool> still = missing.stream().filter(tool -> !tool.isPresent()).toList();
    if (!still.isEmpty()) {
      throw new Problem(
          "still missing after installing: "
              + still.stream().map(Tool::program).collect(Collectors.joining(", ")),
          "see what it printed: " + install.toShell());
    }
  }

  private static void install(Terminal terminal, Argv command) {
    if (terminal.isInteractive()) {
      if (Commands.onTerminal(command) != 0) {
        throw new Problem("`" + command.toShell() + "` failed", "see its output above");
      }
    } else {
      // apt asks nothing then; sudo would not pass the variable on from outside
      Argv variable = Argv.of("env", "DEBIAN_FRONTEND=noninteractive");
      Argv quiet =
          command.program().equals("sudo")
              ? Argv.of("sudo").then(variable).then(command.rest())
              : variable.then(command);
      Commands.run(quiet, Duration.ofMinutes(30), line -> {}).orProblem();
    }
  }

  /**
   * Checks whether this host has room for VMs.
   *
   * @param all the nodes that will run then
   * @param starting those of them that do not run yet
   * @param forwards whether this cluster's own forward runs, which then has the services' ports
   */
  public static void room(
      Cluster cluster,
      List<Node> all,
      List<Node> starting,
      Host host,
      Layout layout,
      BooleanSupplier forwards,
      Terminal terminal) {
    Preflight preflight = new Preflight();
    preflight.memory(all, host);
    preflight.disk(starting, layout);
    preflight.ports(cluster, starting, layout);
    if (!starting.isEmpty()) {
      preflight.servicePorts(cluster, forwards);
    }
    preflight.socketPaths(cluster, host.os(), layout);
    preflight.network(cluster, host, terminal);
    if (cluster.network() instanceof Network.Bridge && host.os() == Host.Os.LINUX) {
      preflight.taps(starting);
    }
    preflight.orProblem();
  }

  /** Checks whether this host's QEMU is new enough for a network. */
  public static void qemu(Probe probe, Network network) {
    Preflight preflight = new Preflight();
    preflight.qemuVersion(probe, network);
    preflight.orProblem();
  }

  /** Measured and reported minimums: README, "Requirements". */
  private void qemuVersion(Probe probe, Network network) {
    Host host = probe.host();
    // `stream` and `dgram`, which connect the nodes, came with 7.2, vmnet with 7.1 (QEMU's
    // ChangeLog)
    String least = "7.2.0";
    String hint = "upgrade QEMU with the system's package manager";
    if (host.os() == Host.Os.DARWIN && host.arch() == Host.Arch.AARCH64) {
      least = "8.2.1"; // before, guests on newer Apple chips do not boot (QEMU issue #1990)
    } else if (network instanceof Network.Bridge) {
      least = "6.2.0"; // that of Ubuntu 22.04, the oldest system that kubenet is built for
    } else if (host.os() == Host.Os.LINUX) {
      hint += ", or use `network: bridge` in cluster.yaml, for which 6.2.0 will do";
    }
    if (!probe.qemuVersion().isEmpty() && older(probe.qemuVersion(), least)) {
      obstacle("QEMU " + probe.qemuVersion() + " is too old, " + least + " is needed", hint);
    }
  }

  /** {@return whether version {@code a} comes before {@code b}; both have three numbers} */
  static boolean older(String a, String b) {
    String[] left = a.split("\\.");
    String[] right = b.split("\\.");
    for (int i = 0; i < 3; i++) {
      int order = Integer.compare(Integer.parseInt(left[i]), Integer.parseInt(right[i]));
      if (order != 0) {
        return order < 0;
      }
    }
    return false;
  }

  private void memory(List<Node> nodes, Host host) {
    long needed = nodes.stream().mapToLong(node -> node.size().memoryMiB() + OVERHEAD_MIB).sum();
    if (needed > host.memoryMiB()) {
      obstacle(
          "the cluster's VMs need %d MiB of memory, this machine has %d"
              .formatted(needed, host.memoryMiB()),
          "lower `memory` or `count` of the roles in cluster.yaml");
    }
  }

  /** Disks are sparse; a fresh node writes a few hundred MiB to its own. */
  private void disk(List<Node> starting, Layout layout) {
    long fresh = starting.stream().filter(node -> !Files.exists(layout.node(node).disk())).count();
    Path existing = layout.state();
    while (!Files.exists(existing)) {
      existing = existing.getParent();
    }
    // File asks the file system itself; Files.getFileStore wants it in the table of mounts, where
    // the root of a chroot is not
    long free = existing.toFile().getUsableSpace() >> 20;
    if (free < fresh * 512) {
      obstacle(
          "%d new disks need about %d MiB, the file system of %s has %d free"
              .formatted(fresh, fresh * 512, existing, free),
          "free some space, or choose another place with --state");
    }
  }

  /** Asks whether a node runs once more: one that a killed launch started may run by now. */
  private void ports(Cluster cluster, List<Node> starting, Layout layout) {
    if (!(cluster.network() instanceof Network.User)) {
      return;
    }
    String taken =
        starting.stream()
            .filter(node -> !isFree(node.sshPort()) && !Vm.of(node, layout).alive())
            .map(node -> node.sshPort() + " (" + node.name() + ")")
            .collect(Collectors.joining(", "));
    if (!taken.isEmpty()) {
      obstacle(
          "already taken on 127.0.0.1: port " + taken,
          "give this cluster other ports with `sshPorts:` in cluster.yaml, or stop what uses them");
    }
  }

  /** Those of the virtual IP's services, unless it is this cluster's own forward that has them. */
  private void servicePorts(Cluster cluster, BooleanSupplier forwards) {
    if (!(cluster.network() instanceof Network.User)) {
      return;
    }
    Cluster.LoadBalancer balancer = cluster.loadBalancer();
    String taken =
        IntStream.range(0, balancer.ports().size())
            .filter(i -> !isFree(balancer.hostPort(i)))
            .mapToObj(i -> balancer.hostPort(i) + " (kubernetes:" + balancer.ports().get(i) + ")")
            .collect(Collectors.joining(", "));
    if (!taken.isEmpty() && !forwards.getAsBoolean()) {
      obstacle(
          "already taken on 127.0.0.1: port " + taken,
          "give this cluster other ports with `loadBalancer: {hostPorts: ...}` in cluster.yaml, or"
              + " stop what uses them");
    }
  }

  private static boolean isFree(int port) {
    try (ServerSocket socket = new ServerSocket(port, 1, InetAddress.getLoopbackAddress())) {
      return socket.isBound();
    } catch (IOException e) {
      return false;
    }
  }

  /** sockaddr_un holds 104 bytes on macOS and 108 on Linux, the closing zero included. */
  private void socketPaths(Cluster cluster, Host.Os os, Layout layout) {
    int most = os == Host.Os.DARWIN ? 103 : 107;
    cluster.nodes().stream()
        .map(node -> layout.node(node).qmp().toString())
        .filter(path -> path.getBytes(StandardCharsets.UTF_8).length > most)
        .findFirst()
        .ifPresent(
            path ->
                obstacle(
                    "the socket path %s is longer than %d bytes".formatted(path, most),
                    "shorten the cluster's `name`"));
  }

  private void network(Cluster cluster, Host host, Terminal terminal) {
    boolean fits =
        cluster.network() instanceof Network.User
            || cluster.network() instanceof Network.Bridge == (host.os() == Host.Os.LINUX);
    if (!fits) {
      obstacle(
          "`network: %s` does not exist on this system".formatted(cluster.network().word()),
          "bridge is Linux's, vmnet is macOS's, user works on both");
    }
    if (fits && cluster.network() instanceof Network.Vmnet vmnet) {
      vmnet(vmnet.way(), cluster.subnet());
      // macOS 15 and later; no route to host without it (UTM issue #6692)
      terminal.line(
          "note: if macOS asks, let this terminal reach the local network (System Settings, Privacy"
              + " & Security, Local Network): it can't reach the nodes else");
    }
    clash(cluster.subnet())
        .ifPresent(
            nic -> {
              String fact =
                  "the network of %s overlaps the cluster's subnet %s"
                      .formatted(nic, cluster.subnet());
              String hint = "choose another `subnet:` (and `vip:`) in cluster.yaml";
              if (cluster.network() instanceof Network.User) {
                // the cluster's LAN never meets the host's; only guests can't reach that network
                terminal.line("note: %s; guests cannot reach that network (%s)", fact, hint);
              } else if (!nic.startsWith("kubenet") && !nic.startsWith("bridge1")) {
                obstacle(fact, hint);
              }
            });
  }

  private void vmnet(VmnetWay way, Subnet subnet) {
    if (way.kind() == VmnetWay.Kind.ROOT && !Host.isRoot()) {
      obstacle(
          "`network: vmnet` needs QEMU to run as root: macOS opens vmnet to no other user",
          VmnetWay.hint(Path.of("/"), Host.Os.major(), subnet));
    }
    boolean served = way.kind() != VmnetWay.Kind.SOCKET || isOwn(subnet.host(1));
    if (!served) { // the daemon has its bridge as long as it runs
      obstacle(
          "socket_vmnet at %s serves another subnet: this host has no address %s"
              .formatted(way.path(), subnet.host(1)),
          "start it with --vmnet-gateway=" + subnet.host(1));
    }
  }

  /** Made by {@code prepare-host.java} for one user, and gone after a reboot. */
  private void taps(List<Node> starting) {
    Path nics = Path.of("/sys/class/net");
    String missing =
        starting.stream()
            .map(Network.Bridge::tap)
            .filter(tap -> !Files.exists(nics.resolve(tap).resolve("master")))
            .collect(Collectors.joining(", "));
    if (!missing.isEmpty()) {
      obstacle(
          "this host is not ready for `network: bridge`: it has no " + missing,
          "make it so: ./jbang prepare-host.java");
      return;
    }
    String foreign =
        starting.stream()
            .map(Network.Bridge::tap)
            .filter(tap -> !Host.isRoot() && !owner(nics.resolve(tap)).equals(uid()))
            .collect(Collectors.joining(", "));
    if (!foreign.isEmpty()) {
      obstacle(
          "not this user's: " + foreign,
          "run prepare-host.java as the user who runs QEMU, or with --user");
    }
    Path tun = Path.of("/dev/net/tun");
    if (!Files.isReadable(tun) || !Files.isWritable(tun)) {
      obstacle(tun + " is not open to this user", "open it as other systems do: chmod 666 " + tun);
    }
  }

  private static String owner(Path nic) {
    try {
      return Files.readString(nic.resolve("owner")).strip();
    } catch (IOException e) {
      return ""; // no tap
    }
  }

  private static String uid() {
    try {
      return Files.getAttribute(Path.of("/proc/self"), "unix:uid").toString();
    } catch (IOException e) {
      return "";
    }
  }

  /** {@return the network interface whose own network overlaps a subnet} */
  private static Optional<String> clash(Subnet subnet) {
    return interfaces().stream()
        .filter(nic -> addresses(nic).anyMatch(address -> subnet.overlaps(around(address))))
        .map(NetworkInterface::getName)
        .findFirst();
  }

  private static boolean isOwn(String address) {
    return interfaces().stream()
        .flatMap(Preflight::addresses)
        .anyMatch(own -> own.getAddress().getHostAddress().equals(address));
  }

  private static List<NetworkInterface> interfaces() {
    try {
      return Collections.list(NetworkInterface.getNetworkInterfaces());
    } catch (IOException e) {
      return List.of(); // a host that hides its interfaces shows no clash
    }
  }

  private static Stream<InterfaceAddress> addresses(NetworkInterface nic) {
    return nic.getInterfaceAddresses().stream()
        .filter(address -> address.getAddress().getAddress().length == 4);
  }

  private static Subnet around(InterfaceAddress address) {
    return Subnet.around(address.getAddress().getHostAddress(), address.getNetworkPrefixLength());
  }

  private void obstacle(String fact, String hint) {
    obstacles.add(new Problem(fact, hint));
  }

  private void orProblem() {
    if (!obstacles.isEmpty()) {
      throw Problem.all(obstacles);
    }
  }
}

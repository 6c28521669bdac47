package lib.vm;

import java.io.IOException;
import java.net.InetAddress;
import java.net.InterfaceAddress;
import java.net.NetworkInterface;
import java.net.ServerSocket;
import java.net.UnixDomainSocketAddress;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Optional;
import java.util.function.BooleanSupplier;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import lib.Problem;
import lib.Terminal;
import lib.cluster.Cluster;
import lib.cluster.Host;
import lib.cluster.Network;
import lib.cluster.Node;
import lib.cluster.Subnet;
import lib.cluster.VmnetWay;
import lib.state.CacheFolder;
import lib.state.ClusterRecord;
import lib.state.HostFacts;
import lib.state.Layout;

/** What must hold on this host before VMs start. All obstacles are reported at once. */
public final class Checks {
  /** What QEMU itself needs beside the guest's memory, in MiB; tcg's translated code is extra. */
  private static final int OVERHEAD_MIB = 64;

  private final List<Problem> obstacles = new ArrayList<>();

  private Checks() {}

  /**
   * Checks what can be checked before anything is installed or made.
   *
   * @param nodes those that are to run
   * @param forwards whether this cluster's own forward is running, and so has the services' ports
   * @throws Problem naming everything that is in the way on this host
   */
  public static void beforeLaunch(
      Cluster cluster,
      List<Node> nodes,
      Layout layout,
      BooleanSupplier forwards,
      Terminal terminal) {
    CacheFolder.check();
    if (Host.isRoot() && !(cluster.network() instanceof Network.Vmnet)) {
      terminal.line("note: run by root, QEMU is root's too; an ordinary user can do all of it");
    }
    List<Node> starting = nodes.stream().filter(node -> !Vm.of(node, layout).alive()).toList();
    List<Node> all =
        cluster.nodes().stream()
            .filter(node -> nodes.contains(node) || Vm.of(node, layout).alive())
            .toList();
    Host host = HostFacts.here(Host.Accelerator.TCG, Optional.empty(), false);
    room(cluster, all, starting, host, layout, forwards, terminal);
  }

  /**
   * Checks what may have changed before this command got the lock.
   *
   * @param file the name of the cluster file, for messages
   * @throws Problem if QEMU is too old, or the nodes that exist do not allow a launch
   */
  public static void underLock(Cluster cluster, Layout layout, HostFacts facts, String file) {
    qemu(facts, cluster.network());
    unchanged(cluster, layout, file);
  }

  /**
   * Checks that nothing about the nodes that exist prevents others from being started beside them.
   *
   * @param file the name of the cluster file, for messages
   * @throws Problem if their cluster file was changed in a way that can't apply to them, their
   *     sockets are gone, or they were only partly restored to a snapshot
   */
  public static void unchanged(Cluster cluster, Layout layout, String file) {
    Changes.refuse(cluster, layout, file);
    refuseLostSockets(cluster, layout);
    if (Files.exists(layout.restoring())) {
      throw new Problem(
          "the nodes are only in part back at a snapshot: " + layout.restoring() + " names it",
          "run snapshot-all.java --restore with that name again");
    }
  }

  /** If the sockets of running nodes are gone, new sockets would not reach these nodes. */
  private static void refuseLostSockets(Cluster cluster, Layout layout) {
    List<String> running =
        ClusterRecord.wished(cluster, layout).stream()
            .filter(node -> Vm.of(node, layout).alive())
            .map(Node::name)
            .toList();
    if (!running.isEmpty() && !Files.exists(layout.runtime())) {
      throw new Problem(
          "%s: running, and the sockets by which kubenet talks to them are gone from %s"
              .formatted(String.join(", ", running), layout.runtime()),
          "stop them with stop-all.java, which asks the guests themselves, then launch again");
    }
  }

  /**
   * Checks that the LAN switch is running, if QEMU is to connect to it.
   *
   * @throws Problem naming the step that starts it
   */
  public static void lan(Cluster cluster, Layout layout) {
    if (cluster.network() instanceof Network.User) {
      try (SocketChannel lan = SocketChannel.open(UnixDomainSocketAddress.of(layout.lan()))) {
        return;
      } catch (IOException e) {
        throw new Problem("the LAN switch does not run", "start it: ./jbang lan.java", e);
      }
    }
  }

  /**
   * Checks that the ports of the virtual IP's services are free on this host.
   *
   * @param forwards as for {@link #room}
   */
  public static void services(Cluster cluster, BooleanSupplier forwards) {
    Checks checks = new Checks();
    checks.servicePorts(cluster, forwards);
    checks.orProblem();
  }

  /**
   * Checks whether this host has room for VMs.
   *
   * @param all the nodes that will run then
   * @param starting those of them that are not running yet
   * @param forwards whether this cluster's own forward is running, and so has the services' ports
   */
  public static void room(
      Cluster cluster,
      List<Node> all,
      List<Node> starting,
      Host host,
      Layout layout,
      BooleanSupplier forwards,
      Terminal terminal) {
    Checks checks = new Checks();
    checks.memory(all, host);
    checks.disk(starting, layout);
    checks.ports(cluster, starting, layout);
    if (!starting.isEmpty()) {
      checks.servicePorts(cluster, forwards);
    }
    checks.socketPaths(cluster, host.os(), layout);
    checks.network(cluster, host, terminal);
    if (cluster.network() instanceof Network.Bridge && host.os() == Host.Os.LINUX) {
      checks.taps(starting);
    }
    checks.orProblem();
  }

  /** Checks whether this host's QEMU is new enough for a network. */
  public static void qemu(HostFacts facts, Network network) {
    Checks checks = new Checks();
    checks.qemuVersion(facts, network);
    checks.orProblem();
  }

  /** Measured and reported minimums: README, "Requirements". */
  private void qemuVersion(HostFacts facts, Network network) {
    Host host = facts.host();
    // `stream` and `dgram`, which connect the nodes, came with 7.2, vmnet with 7.1 (QEMU's
    // ChangeLog)
    String least = "7.2.0";
    String hint = "upgrade QEMU with the system's package manager";
    if (host.os() == Host.Os.DARWIN && host.arch() == Host.Arch.AARCH64) {
      least = "8.2.1"; // below that, guests on newer Apple chips do not boot (QEMU issue #1990)
    } else if (network instanceof Network.Bridge) {
      least = "6.2.0"; // that of Ubuntu 22.04, the oldest system that kubenet is built for
    } else if (host.os() == Host.Os.LINUX) {
      hint += ", or use `network: bridge` in cluster.yaml, for which 6.2.0 will do";
    }
    if (!facts.qemu().isEmpty() && HostFacts.older(facts.qemu(), least)) {
      obstacle("QEMU " + facts.qemu() + " is too old, " + least + " is needed", hint);
    }
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
    // File asks the file system itself; Files.getFileStore looks in the table of mounts, which
    // lacks the root of a chroot
    long free = existing.toFile().getUsableSpace() >> 20;
    if (free < fresh * 512) {
      obstacle(
          "%d new disks need about %d MiB, the file system of %s has %d free"
              .formatted(fresh, fresh * 512, existing, free),
          "free some space, or choose another place with --state");
    }
  }

  /** Asks again whether a node is running: one that a killed launch started may be by now. */
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

  /** The ports of the virtual IP's services, unless this cluster's own forward has them. */
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

  /** sockaddr_un holds 104 bytes on macOS and 108 on Linux, including the final zero. */
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

  /** They are made by {@code prepare-host.java} for one user, and are gone after a reboot. */
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
        .flatMap(Checks::addresses)
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

package lib.cluster;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import lib.Argv;

/** How the VMs reach each other, the outside and the host: one NIC list and one SSH way each. */
public sealed interface Network {

  /**
   * A NIC of a node.
   *
   * @param id its fixed word: {@code wan} or {@code lan}
   * @param netdevs arguments of QEMU's {@code -netdev}, one of which has the NIC's id
   * @param mac its hardware address
   */
  record Nic(String id, List<String> netdevs, String mac) {
    /** A NIC with one host side. */
    public Nic(String id, String netdev, String mac) {
      this(id, List.of(netdev), mac);
    }
  }

  /** Where a node's SSH server is reached from the host. */
  record Endpoint(String host, int port) {
    @Override
    public String toString() {
      return host + ":" + port;
    }
  }

  /** {@return its word in {@code cluster.yaml}} */
  default String word() {
    return getClass().getSimpleName().toLowerCase(Locale.ROOT);
  }

  /**
   * {@return the NICs of a node, in the guest's order}
   *
   * @param lan the LAN switch's socket (used by {@link User})
   */
  List<Nic> nics(Node node, Path lan);

  /** {@return where SSH of a node is reached from the host} */
  Endpoint ssh(Node node);

  /** {@return the command that runs QEMU on it, where QEMU must be started by another program} */
  default Argv around(Argv qemu, Node node) {
    return qemu;
  }

  /** {@return all networks, the default first} */
  static List<Network> all() {
    return List.of(new User(), new Bridge(), new Vmnet());
  }

  /** {@return the words of all networks, for messages} */
  static String words() {
    return all().stream().map(Network::word).collect(Collectors.joining(", "));
  }

  /**
   * No root on any system: {@code wan} is QEMU's user networking (outbound, and SSH forwarded from
   * 127.0.0.1 only), {@code lan} a port of the LAN switch that connects the nodes.
   *
   * <p>QEMU connects to the switch once; only 8.0 and later can do it again by itself. So the NIC
   * is in a hub inside QEMU, and the switch in another port of that hub: there it can be taken out
   * and put in again while the guest runs, which sees nothing of it but frames that got lost.
   */
  record User() implements Network {
    /** What QEMU's user networking uses inside (QEMU manual, "-netdev user", net=). */
    public static final Subnet WAN = Subnet.parse("10.0.2.0/24");

    /** QEMU's number of the hub. */
    private static final int HUB = 0;

    @Override
    public List<Nic> nics(Node node, Path lan) {
      String forward = "tcp:127.0.0.1:" + node.sshPort() + "-:22";
      return List.of(
          new Nic("wan", outside("wan", "hostfwd", forward), node.wanMac()),
          new Nic(
              "lan",
              Stream.concat(
                      Stream.of(Argv.suboptions("hubport", "id", "lan", "hubid", HUB)),
                      uplink(lan, "").stream().map(User::netdev))
                  .toList(),
              node.lanMac()));
    }

    /**
     * {@return the host side of a NIC that reaches the outside, by IPv4 only: by IPv6 a guest would
     * also reach what listens on the host's {@code ::1}, at {@code fec0::2}}
     *
     * @param more keys and values in turn
     */
    public static String outside(String id, Object... more) {
      return Argv.suboptions(
          "user", Stream.concat(Stream.of("id", id, "ipv6", "off"), Stream.of(more)).toArray());
    }

    /**
     * {@return the host side of {@code lan}, from the switch to the hub, each the arguments of
     * QEMU's QMP command {@code netdev_add}}
     *
     * @param suffix of the ids; none for what QEMU is started with
     */
    public static List<Map<String, Object>> uplink(Path lan, String suffix) {
      Map<String, Object> plug = new LinkedHashMap<>();
      plug.put("type", "stream");
      plug.put("id", "switch" + suffix);
      Map<String, Object> address = new LinkedHashMap<>();
      address.put("type", "unix");
      address.put("path", lan.toString());
      plug.put("addr", address);
      Map<String, Object> port = new LinkedHashMap<>();
      port.put("type", "hubport");
      port.put("id", "uplink" + suffix);
      port.put("hubid", HUB);
      port.put("netdev", "switch" + suffix);
      return List.of(plug, port);
    }

    private static String netdev(Map<String, Object> added) {
      List<Object> keysAndValues = new ArrayList<>();
      added.forEach(
          (key, value) -> {
            if (value instanceof Map<?, ?> nested) {
              nested.forEach(
                  (inner, word) -> keysAndValues.addAll(List.of(key + "." + inner, word)));
            } else if (!key.equals("type")) { // which is the leading word
              keysAndValues.addAll(List.of(key, value));
            }
          });
      return Argv.suboptions(added.get("type").toString(), keysAndValues.toArray());
    }

    @Override
    public Endpoint ssh(Node node) {
      return new Endpoint("127.0.0.1", node.sshPort());
    }
  }

  /** Linux: a tap made beforehand for this user, in a bridge that the host routes. */
  record Bridge() implements Network {
    /** The bridge's name, and the beginning of the taps'. */
    public static final String NAME = "kubenet";

    @Override
    public List<Nic> nics(Node node, Path lan) {
      return List.of(
          new Nic(
              "lan",
              Argv.suboptions(
                  "tap", "id", "lan", "ifname", tap(node), "script", "no", "downscript", "no"),
              node.lanMac()));
    }

    /** {@return the name of a node's tap: at most 15 characters, the kernel's limit} */
    public static String tap(Node node) {
      return NAME + "-" + node.index();
    }

    @Override
    public Endpoint ssh(Node node) {
      return new Endpoint(node.address(), 22);
    }
  }

  /**
   * macOS: the vmnet framework's shared network, as in the seed. Its bridge goes with the last VM,
   * and comes back with the next: nothing on the host is bound to it.
   *
   * @param way how QEMU comes to it
   */
  record Vmnet(VmnetWay way) implements Network {
    /** With QEMU run by root, which every macOS allows. */
    public Vmnet() {
      this(VmnetWay.ROOT);
    }

    @Override
    public List<Nic> nics(Node node, Path lan) {
      return List.of(new Nic("lan", way.netdev(node.subnet()), node.lanMac()));
    }

    @Override
    public Argv around(Argv qemu, Node node) {
      return way.around(qemu, node.subnet());
    }

    @Override
    public Endpoint ssh(Node node) {
      return new Endpoint(node.address(), 22);
    }
  }

  /**
   * {@return the network that a word of {@code cluster.yaml} means}
   *
   * @throws IllegalArgumentException with the rule, if there is none
   */
  static Network parse(String word) {
    return all().stream()
        .filter(network -> network.word().equals(word))
        .findFirst()
        .orElseThrow(() -> new IllegalArgumentException("must be one of " + words()));
  }

  /** {@return the arguments of {@code -device} for a NIC} */
  static String device(Nic nic) {
    // an empty romfile: no network boot ROM, which firmware would load and wait for
    return Argv.suboptions("virtio-net-pci", "netdev", nic.id(), "mac", nic.mac(), "romfile", "");
  }
}

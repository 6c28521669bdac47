package lib.seed;

import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import lib.Argv;
import lib.Yaml;
import lib.cluster.Cluster;
import lib.cluster.Host;
import lib.cluster.Network;
import lib.cluster.Node;
import lib.cluster.Role;
import lib.qemu.BaseImage;
import lib.qemu.Boot;
import lib.qemu.Digest;
import lib.qemu.Qemu;
import lib.state.HostFacts;
import lib.state.Layout;

/**
 * What a template is made of: a VM that is booted once for all nodes of a role and saved, with its
 * memory, when cloud-init has done the role's work. A node forked from it has an overlay of its
 * disk and a private view of its memory. The host keeps only one copy of each page that no node has
 * changed. In the guest, {@code fork.py} prepares for the fork, and then turns the guest into the
 * node.
 *
 * <p>A <em>held boot</em> is described in the same way: a boot that was saved just before
 * cloud-init. Up to that point it is the same for all roles of the same size, and their templates
 * go on from it.
 *
 * @param name what is made, for messages
 * @param kind what its folder's name starts with: the role of the nodes, or {@code held}
 * @param parent the image that its disk is based on, which nodes of this role would boot
 * @param node one of those that will go on from it, for what they all share: size and NICs
 * @param boot how it boots
 * @param seed the files of its seed by their names
 * @param last the word that the guest says when it can be saved
 * @param limit how long that may take under emulation; with an accelerator, a fifth of that
 */
public record Template(
    String name,
    String kind,
    BaseImage parent,
    Cluster cluster,
    Node node,
    HostFacts facts,
    Boot boot,
    Map<String, String> seed,
    String last,
    Duration limit) {
  private static final String VERSION = "3";
  private static final String PROGRAM = "/run/kubenet/fork.py";

  /**
   * {@return the template of a node's role}
   *
   * @param role the tree of the role's file
   */
  public static Template of(
      BaseImage parent, Cluster cluster, Node node, Yaml role, HostFacts facts, Boot boot) {
    return new Template(
        "template of " + node.role().word() + " nodes, of " + parent.facts().name(),
        node.role().word(),
        parent,
        cluster,
        node,
        facts,
        boot,
        seed(parent, cluster, node.role(), role),
        "settled",
        Duration.ofMinutes(15)); // it may install packages
  }

  private static Map<String, String> seed(BaseImage parent, Cluster cluster, Role role, Yaml file) {
    String userData =
        CloudInit.templateData(
            cluster,
            role,
            file,
            parent.image().packages(),
            List.of("systemd-run", "--no-block", "--unit", "kubenet-fork", "python3", PROGRAM),
            Map.entry(PROGRAM, RoleFiles.bundled("image/fork.py")));
    return Map.of(
        "user-data",
        userData,
        "meta-data",
        CloudInit.templateMetaData(role),
        "network-config",
        CloudInit.templateNetwork(mac(0)));
  }

  /**
   * {@return the held boot that it can go on from; nothing if its image has no {@code hold-boot}
   * ({@code lib/image/after.sh}), or boots by a loader, which is given no command line}
   */
  public Optional<Template> heldBoot() {
    if (!(boot instanceof Boot.ByKernel direct)
        || !direct.kernel().arguments().contains("root=LABEL=kubenet-root")) {
      return Optional.empty(); // the label is debian-built's, and stays when more is baked into it
    }
    return Optional.of(
        new Template(
            "held boot of " + parent.facts().name(),
            "held",
            parent,
            cluster,
            node,
            facts,
            direct.with("kubenet.hold"),
            Map.of("held", "Nothing is in this seed: the boot waits for another one.\n"),
            "held",
            Duration.ofMinutes(5)));
  }

  /**
   * {@return the name of its folder: a different one for another image, QEMU, size, network, seed
   * or boot path, so that whatever is found under it fits}
   */
  public String key() {
    Layout.Files anywhere = new Layout.Files(Path.of("/template"), Path.of("/template.qmp"));
    String input =
        String.join(
            "\n",
            VERSION,
            parent.digest(),
            facts.qemu(),
            qemu(anywhere, Path.of("/memory")).toShell(),
            String.valueOf(node.size().diskGiB()),
            String.join("\n", new TreeMap<>(seed).values()));
    return kind + "-" + Digest.of(input).substring(0, 12);
  }

  /** {@return the folder of all templates} */
  public static Path store() {
    return Layout.cache().resolve("templates");
  }

  /** {@return what was made from this description, if its memory is intact} */
  public Optional<BaseImage> found() {
    return BaseImage.read(store().resolve(key())).filter(BaseImage::hasMemory);
  }

  /** {@return the machine that it runs on} */
  public Host host() {
    return facts.host();
  }

  /** {@return its disk's virtual size in bytes} */
  public long bytes() {
    return (long) node.size().diskGiB() << 30;
  }

  /**
   * {@return the node's own command, except for the host's side of the NICs, and with memory in a
   * file}
   *
   * <p>Its devices are a node's, in the same order, so that QEMU accepts the state of one for the
   * other.
   */
  public Argv qemu(Layout.Files files, Path memory) {
    List<Network.Nic> nics = new ArrayList<>();
    for (Network.Nic nic : nics()) {
      int number = nics.size();
      String netdev =
          number == 0
              ? Network.User.outside(nic.id())
              : Argv.suboptions("hubport", "id", nic.id(), "hubid", number);
      nics.add(new Network.Nic(nic.id(), netdev, mac(number)));
    }
    return Qemu.guest("kubenet-template", node.size(), nics, host(), boot, files)
        .then(Qemu.memory(host(), node.size(), memory, true))
        .add("-no-reboot");
  }

  /** {@return the NICs of its nodes} */
  public List<Network.Nic> nics() {
    return cluster.network().nics(node, Path.of("/"));
  }

  /** The MAC of one of its NICs, which no node has. */
  private static String mac(int nic) {
    return String.format("52:54:00:57:ff:%02x", 0xf0 + nic);
  }
}

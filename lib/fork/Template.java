package lib.fork;

import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import lib.Terminal;
import lib.Yaml;
import lib.cluster.Cluster;
import lib.cluster.Host;
import lib.cluster.Node;
import lib.cluster.Role;
import lib.host.Tool;
import lib.image.BaseImage;
import lib.image.Digest;
import lib.image.ImageMaker;
import lib.image.RecipeFiles;
import lib.qemu.Boot;
import lib.qemu.Image;
import lib.seed.CloudInit;

/**
 * Makes a template: a VM that was booted once for all nodes of a role, saved with its memory when
 * cloud-init had done the role's work. A node forked from it is an overlay of its disk and a
 * private view of its memory, of which the host holds each page that no node has changed only once.
 * In the guest {@code image/fork.py} prepares for that, and makes the node of it. A {@link
 * HeldBoot} is made in the same way.
 *
 * @param vm boots it
 * @param kind what its folder's name starts with: the role of the nodes, or {@code held}
 * @param qemuVersion what QEMU calls itself: another one's state may not fit
 * @param held the boot that it goes on from; nothing if it boots from the start
 */
public record Template(TemplateVm vm, String kind, String qemuVersion, Optional<BaseImage> held)
    implements ImageMaker {
  private static final String VERSION = "3";
  private static final String PROGRAM = "/run/kubenet/fork.py";

  /**
   * {@return the template of a role}
   *
   * @param parent the image that nodes of this role would boot
   * @param node one of the role, for what all of them have: size and NICs
   * @param role the tree of the role's file
   */
  public static Template of(
      BaseImage parent,
      Cluster cluster,
      Node node,
      Yaml role,
      Host host,
      Boot boot,
      String qemuVersion) {
    String name = "template of " + node.role().word() + " nodes, of " + parent.facts().name();
    TemplateVm vm =
        new TemplateVm(
            name,
            parent,
            cluster,
            node,
            host,
            boot,
            seed(parent, cluster, node.role(), role),
            "settled",
            Duration.ofMinutes(15)); // it may install packages
    return new Template(vm, node.role().word(), qemuVersion, Optional.empty());
  }

  private static Map<String, String> seed(BaseImage parent, Cluster cluster, Role role, Yaml file) {
    String userData =
        CloudInit.templateData(
            cluster,
            role,
            file,
            parent.image().packages(),
            List.of("systemd-run", "--no-block", "--unit", "kubenet-fork", "python3", PROGRAM),
            Map.entry(PROGRAM, RecipeFiles.text("fork.py")));
    return Map.of(
        "user-data",
        userData,
        "meta-data",
        CloudInit.templateMetaData(role),
        "network-config",
        CloudInit.templateNetwork(TemplateVm.mac(0)));
  }

  /** {@return the same, made from a boot that was held} */
  public Template from(BaseImage boot) {
    return new Template(vm, kind, qemuVersion, Optional.of(boot));
  }

  @Override
  public String name() {
    return vm.name();
  }

  @Override
  public String key() {
    String input = VERSION + "\n" + vm.input(qemuVersion);
    return kind + "-" + Digest.of(input).substring(0, 12);
  }

  @Override
  public String parentDigest() {
    return vm.parent().digest();
  }

  @Override
  public List<Tool> tools() {
    return vm.tools();
  }

  @Override
  public Image expected(Path folder) {
    return vm.expected(folder);
  }

  @Override
  public long bytes(Path work) {
    return vm.bytes();
  }

  @Override
  public void make(Path work, Terminal terminal, boolean yes) {
    vm.make(work, held);
  }

  @Override
  public List<String> describe(Path work) {
    return vm.describe(work);
  }
}

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import lib.Argv;
import lib.Commands;
import lib.Wait;
import lib.cluster.Cluster;
import lib.cluster.Host;
import lib.cluster.Node;
import lib.cluster.Role;
import lib.host.Probe;
import lib.image.ImageStore;
import lib.qemu.BaseImage;
import lib.qemu.Boot;
import lib.qemu.Disk;
import lib.qemu.Image;
import lib.qemu.Qemu;
import lib.state.Layout;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * A real bake: one VM installs a package that its image lacks; what is made of the result has it
 * without any network.
 */
class BakeTest {
  private static final Duration LIMIT = Duration.ofMinutes(15);

  /** Small, and nothing else depends on it. */
  private static final String PACKAGE = "tree";

  @TempDir private static Path folder;
  private static Commands.Result baking;

  @BeforeAll
  static void bakes() throws IOException {
    // the image that the other tests boot, as a file of which nothing is known
    Files.writeString(
        folder.resolve("cluster.yaml"),
        "images: ['%s/disk.qcow2']\n".formatted(BuiltImage.folder()));
    Path roles = Files.createDirectory(folder.resolve("cloud-init"));
    for (Role role : Role.values()) {
      Files.writeString(
          roles.resolve(role.word() + ".yaml"),
          "#cloud-config\npackages: [%s]\n".formatted(PACKAGE));
    }
    baking = prepare();
  }

  private static Commands.Result prepare() {
    Argv command =
        Argv.of("env", "-C", folder.toString())
            .add("KUBENET_CACHE=" + folder.resolve("cache")) // its own
            .add(CommandResult.wrapper(), "--quiet")
            .add(Project.root().resolve("prepare-image.java").toString(), "--yes");
    return Commands.run(command, LIMIT);
  }

  private static BaseImage baked() {
    return new ImageStore(folder.resolve("cache/images"))
        .all().stream()
            .filter(image -> !image.facts().parent().isEmpty())
            .findFirst()
            .orElseThrow();
  }

  @Test
  void thePackageIsInTheImageAndItsKernelBesideIt() throws IOException {
    assertThat(baking.exit()).as(baking.err() + baking.out()).isZero();
    assertThat(baking.out()).contains("baking: ", ", with the roles' packages baked in, in ");
    Image image = baked().image();
    assertThat(image.packages()).contains(PACKAGE, "cloud-init", "openssh-server");
    assertThat(image.kernel().orElseThrow().arguments())
        .isEqualTo("root=LABEL=kubenet-root ro loglevel=4");
    baked().verifyFully();
    // what the VM wrote and removed again takes no room
    long parent = Files.size(parent().disk());
    assertThat(Files.size(image.disk())).isLessThan(parent + (32 << 20));
  }

  private static BaseImage parent() {
    return new ImageStore(folder.resolve("cache/images"))
        .all().stream()
            .filter(image -> image.digest().equals(baked().facts().parent()))
            .findFirst()
            .orElseThrow();
  }

  @Test
  void itIsDoneOnce() {
    Commands.Result again = prepare();
    assertThat(again.exit()).as(again.err()).isZero();
    assertThat(again.out()).doesNotContain("baking").contains("baked in, in " + baked().folder());
  }

  @Test
  void aNodeWithoutANetworkHasThePackageAndIsItself() throws IOException {
    Host host = Probe.facts();
    Boot boot = Boot.choose(Cluster.BootChoice.KERNEL, host, baked().image());
    Layout.Files files = new Layout.Files(folder.resolve("vm"), folder.resolve("qmp"));
    Files.createDirectories(files.seedFolder());
    boot.copies(files).forEach(BakeTest::copy);
    Files.writeString(files.seedFolder().resolve("meta-data"), "instance-id: own\n");
    Files.writeString(
        files.seedFolder().resolve("user-data"),
        """
        #cloud-config
        users: []
        runcmd:
          - echo "FOUND $(command -v tree) $(cat /var/lib/cloud/data/instance-id) $(ls /etc/ssh/*key.pub)" > /dev/console
        """);
    Commands.run(Disk.seed(host.os(), files.seedFolder(), files.seed())).orProblem();
    Commands.run(Disk.overlay(baked().image(), files.disk(), 8)).orProblem();
    Node.Size size = new Node.Size(2, 768, 8);
    Argv command = Qemu.guest("baked", size, List.of(), host, boot, files);
    Process qemu = Commands.start(command, folder.resolve("errors"));
    try {
      boolean found =
          Wait.until(
              LIMIT,
              () -> Commands.tail(files.console(), 100).contains("FOUND ") || !qemu.isAlive());
      assertThat(found).as(Commands.tail(files.console(), 20)).isTrue();
      assertThat(Commands.tail(files.console(), 100))
          .contains("FOUND /usr/bin/tree own /etc/ssh/ssh_host_ed25519_key.pub");
    } finally {
      qemu.destroyForcibly().onExit().join();
    }
  }

  private static void copy(Path target, Path from) {
    try {
      Files.copy(from, target);
    } catch (IOException e) {
      throw new AssertionError(e);
    }
  }
}

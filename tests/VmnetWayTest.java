import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assumptions.assumeThat;

import java.io.IOException;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Duration;
import lib.Argv;
import lib.Commands;
import lib.Wait;
import lib.cluster.Cluster;
import lib.cluster.Host;
import lib.cluster.Network;
import lib.cluster.Node;
import lib.cluster.Subnet;
import lib.cluster.VmnetWay;
import lib.vm.Qmp;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** On file trees like those of Macs; what comes of it is taken by the real QEMU. */
class VmnetWayTest {
  private static final String HELPER = "opt/vmnet-helper/bin/vmnet-run";
  private static final String BREWED = "opt/homebrew/opt/vmnet-helper/libexec/vmnet-run";

  private final Node node = Cluster.standard().node("worker0");

  @TempDir private Path root;

  private Path program(String path) throws IOException {
    Path file = root.resolve(path);
    Files.createDirectories(file.getParent());
    Files.writeString(file, "");
    for (Path part = file; !part.equals(root); part = part.getParent()) {
      Files.setPosixFilePermissions(part, PosixFilePermissions.fromString("rwxr-xr-x"));
    }
    return file;
  }

  @Test
  void aMacWithNeitherNeedsRoot() {
    assertThat(VmnetWay.find(root, 15)).isEqualTo(VmnetWay.ROOT);
    assertThat(VmnetWay.find(root, 26)).isEqualTo(VmnetWay.ROOT);
  }

  @Test
  void theSocketOfADaemonGoesFirst() throws IOException {
    Path socket = program("var/run/kubenet.vmnet");
    program(HELPER);
    assertThat(VmnetWay.find(root, 15)).isEqualTo(new VmnetWay(VmnetWay.Kind.SOCKET, socket));
  }

  @Test
  void aHelperThatIsRootsIsTaken() throws IOException {
    assumeThat(Host.isRoot()).as("files of this test are root's").isTrue();
    Path helper = program(HELPER);
    program(BREWED);
    assertThat(VmnetWay.find(root, 15)).isEqualTo(new VmnetWay(VmnetWay.Kind.HELPER, helper));
  }

  @Test
  void aHelperThatSudoRunsIsNoOneElses() throws IOException {
    Path helper = program(HELPER);
    for (Path part : new Path[] {helper, helper.getParent(), root.resolve("opt")}) {
      Files.setPosixFilePermissions(part, PosixFilePermissions.fromString("rwxrwxr-x"));
      assertThat(VmnetWay.find(root, 15)).as("%s", part).isEqualTo(VmnetWay.ROOT);
      assertThat(VmnetWay.hint(root, 15, Subnet.parse("10.240.0.0/24")))
          .contains("sudo chown root %1$s && sudo chmod go-w %1$s".formatted(part));
      Files.setPosixFilePermissions(part, PosixFilePermissions.fromString("rwxr-xr-x"));
    }
  }

  @Test
  void homebrewsIsTakenOnlyWhereItNeedsNoRoot() throws IOException {
    Path helper = program(BREWED);
    assertThat(VmnetWay.find(root, 15)).isEqualTo(VmnetWay.ROOT);
    assertThat(VmnetWay.find(root, 26)).isEqualTo(new VmnetWay(VmnetWay.Kind.HELPER, helper));
  }

  @Test
  void theWaysOutAreNamed() {
    assertThat(VmnetWay.hint(root, 15, Subnet.parse("10.240.0.0/24")))
        .isEqualTo(
            "start socket_vmnet, installed from its source: sudo"
                + " /opt/socket_vmnet/bin/socket_vmnet --vmnet-gateway=10.240.0.1"
                + " --vmnet-dhcp-end=10.240.0.2 --vmnet-mask=255.255.255.0 /var/run/kubenet.vmnet;"
                + " or install vmnet-helper (QEMU and it then run as you); or run this as root; or"
                + " use `network: user`");
  }

  /** QEMU as it is on this machine, without a guest. */
  private static Argv qemu(Network network, Node node, Path qmp) {
    Argv qemu =
        Argv.of("qemu-system-x86_64", "-nodefaults", "-nographic", "-S")
            .option("-machine", "none")
            .option("-netdev", network.nics(node, qmp).get(0).netdevs().get(0))
            .option("-qmp", "unix:" + qmp + ",server=on,wait=off");
    return network.around(qemu, node);
  }

  @Test
  void theRealQemuConnectsToTheDaemonsSocket() throws Exception {
    Path socket = root.resolve("daemon");
    try (ServerSocketChannel daemon = ServerSocketChannel.open(StandardProtocolFamily.UNIX)) {
      daemon.bind(UnixDomainSocketAddress.of(socket));
      daemon.configureBlocking(false);
      Network network = new Network.Vmnet(new VmnetWay(VmnetWay.Kind.SOCKET, socket));
      Path errors = root.resolve("errors");
      Process process = Commands.start(qemu(network, node, root.resolve("qmp")), errors);
      try {
        assertThat(Wait.until(Duration.ofMinutes(1), () -> accepted(daemon)))
            .as("%s", Commands.tail(errors, 5))
            .isTrue();
      } finally {
        process.destroyForcibly().onExit().join();
      }
    }
  }

  private static boolean accepted(ServerSocketChannel daemon) {
    try (SocketChannel client = daemon.accept()) {
      return client != null;
    } catch (IOException e) {
      return false;
    }
  }

  /** In place of vmnet-run, which is macOS's: the same words, and the same number of descriptor. */
  @Test
  void theRealQemuTakesTheHelpersDescriptor() throws Exception {
    Path helper = program("vmnet-run");
    Files.writeString(
        helper,
        """
        #!/usr/bin/env python3
        import os, socket, sys
        words = sys.argv[sys.argv.index("--") + 1:]
        print(sys.argv[1:sys.argv.index("--")], file=sys.stderr, flush=True)
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        ours.set_inheritable(True)
        os.dup2(os.dup(theirs.fileno()), 4)
        os.execvp(words[0], words)
        """);
    Network network = new Network.Vmnet(new VmnetWay(VmnetWay.Kind.HELPER, helper));
    Path errors = root.resolve("errors");
    Path qmp = root.resolve("qmp");
    Process process = Commands.start(qemu(network, node, qmp), errors);
    try {
      assertThat(Wait.until(Duration.ofMinutes(1), () -> answers(qmp)))
          .as("%s", Commands.tail(errors, 5))
          .isTrue();
      assertThat(Commands.tail(errors, 5))
          .startsWith(
              "['--operation-mode=shared', '--start-address', '10.240.0.1', '--end-address',"
                  + " '10.240.0.254', '--subnet-mask', '255.255.255.0']");
    } finally {
      process.destroyForcibly().onExit().join();
    }
  }

  private static boolean answers(Path qmp) {
    try (Qmp conversation = Qmp.connect(qmp, Duration.ofSeconds(5))) {
      return true;
    } catch (IOException e) {
      return false;
    }
  }
}

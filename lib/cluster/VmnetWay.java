package lib.cluster;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.stream.Stream;
import lib.Argv;

/**
 * How QEMU comes to macOS's vmnet framework, which macOS opens to root alone: as root itself,
 * through the daemon of socket_vmnet, or started by vmnet-helper. Which of them there is, is a
 * matter of the host.
 *
 * @param kind which one
 * @param path the daemon's socket, or the program {@code vmnet-run}; empty for root
 */
public record VmnetWay(Kind kind, Path path) {
  /** The ways. */
  public enum Kind {
    ROOT,
    SOCKET,
    HELPER
  }

  /** QEMU opens vmnet itself. */
  public static final VmnetWay ROOT = new VmnetWay(Kind.ROOT, Path.of(""));

  /** Where kubenet looks for a socket_vmnet that serves its cluster alone. */
  public static final Path SOCKET = Path.of("/var/run/kubenet.vmnet");

  /** Where both projects install what is root's: a prefix that only root can write. */
  private static final String DAEMON = "/opt/socket_vmnet/bin/socket_vmnet";

  private static final String HELPER = "opt/vmnet-helper/bin/vmnet-run";

  /** From macOS 26 on vmnet-helper needs no root (its README), so that any prefix will do. */
  private static final List<String> ROOTLESS_HELPERS =
      List.of(
          HELPER,
          "opt/homebrew/opt/vmnet-helper/libexec/vmnet-run",
          "usr/local/opt/vmnet-helper/libexec/vmnet-run");

  private static final int ROOTLESS = 26;

  /** {@return a cluster; on {@code vmnet} by the way that this Mac has for who is not root} */
  public static Cluster onThisHost(Cluster cluster) {
    return cluster.network() instanceof Network.Vmnet && !Host.isRoot()
        ? cluster.withNetwork(new Network.Vmnet(find(Path.of("/"), Host.Os.major())))
        : cluster;
  }

  /**
   * {@return the way that a user has who is not root; {@link #ROOT} if there is none}
   *
   * @param root the file system's root; another folder in tests
   * @param macos the first number of macOS's version
   */
  public static VmnetWay find(Path root, int macos) {
    Path socket = root.resolve(SOCKET.toString().substring(1));
    if (Files.exists(socket)) {
      return new VmnetWay(Kind.SOCKET, socket);
    }
    Stream<Path> helpers =
        macos >= ROOTLESS
            ? ROOTLESS_HELPERS.stream().map(root::resolve)
            : Stream.of(root.resolve(HELPER)).filter(helper -> unsafe(root, helper).isEmpty());
    return helpers
        .filter(Files::isExecutable)
        .findFirst()
        .map(helper -> new VmnetWay(Kind.HELPER, helper))
        .orElse(ROOT);
  }

  /**
   * {@return what must be done where a user who is not root has no way}
   *
   * @param macos the first number of macOS's version
   */
  public static String hint(Path root, int macos, Subnet subnet) {
    String daemon =
        "sudo %s --vmnet-gateway=%s --vmnet-dhcp-end=%s --vmnet-mask=%s %s"
            .formatted(DAEMON, subnet.host(1), subnet.host(2), subnet.netmask(), SOCKET);
    Optional<Path> unsafe =
        macos >= ROOTLESS ? Optional.empty() : unsafe(root, root.resolve(HELPER));
    String helper =
        unsafe
            .map(path -> "sudo chown root %1$s && sudo chmod go-w %1$s".formatted(path))
            .orElse("install vmnet-helper (QEMU and it then run as you)");
    return "start socket_vmnet, installed from its source: "
        + daemon
        + "; or "
        + helper
        + "; or run this as root; or use `network: user`";
  }

  /**
   * A program that sudo runs is root's gift to whoever can replace it: so neither it nor a folder
   * above it may be another's, as Homebrew's are.
   *
   * @return the first of them that others than root can write; nothing if it is not there
   */
  private static Optional<Path> unsafe(Path root, Path program) {
    for (Path path = program; Files.exists(path); path = path.getParent()) {
      try {
        int mode = (int) Files.getAttribute(path, "unix:mode");
        int owner = (int) Files.getAttribute(path, "unix:uid");
        if (owner != 0 || (mode & 022) != 0) {
          return Optional.of(path);
        }
      } catch (IOException e) {
        return Optional.of(path);
      }
      if (path.equals(root)) {
        break;
      }
    }
    return Optional.empty();
  }

  /** {@return the argument of {@code -netdev}} */
  String netdev(Subnet subnet) {
    return switch (kind) {
      case ROOT ->
          Argv.suboptions(
              "vmnet-shared",
              "id",
              "lan",
              "start-address",
              subnet.host(1),
              "end-address",
              subnet.host(subnet.size() - 2),
              "subnet-mask",
              subnet.netmask());
      // its stream has a length before each packet, as QEMU's has (socket_vmnet, README, "QEMU")
      case SOCKET ->
          Argv.suboptions(
              "stream", "id", "lan", "server", "off", "addr.type", "unix", "addr.path", path);
      // vmnet-run opens it as number 4 (vmnet-helper, docs/integration.md)
      case HELPER -> Argv.suboptions("dgram", "id", "lan", "local.type", "fd", "local.str", 4);
    };
  }

  /** {@return the command that runs QEMU on it} */
  Argv around(Argv qemu, Subnet subnet) {
    if (kind != Kind.HELPER) {
      return qemu;
    }
    return Argv.of(path.toString())
        .add("--operation-mode=shared")
        .option("--start-address", subnet.host(1))
        .option("--end-address", subnet.host(subnet.size() - 2))
        .option("--subnet-mask", subnet.netmask())
        .add("--")
        .then(qemu);
  }
}

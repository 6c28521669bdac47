import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.nio.charset.Charset;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Comparator;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Stream;
import lib.Problem;
import lib.cluster.Cluster;
import lib.cluster.Firmware;
import lib.cluster.Host;
import lib.cluster.Network;
import lib.cluster.Node;
import lib.cluster.Role;
import lib.cluster.VmnetWay;
import lib.qemu.Boot;
import lib.qemu.Image;
import lib.state.Layout;
import lib.state.SshKey;
import org.assertj.core.api.Assertions;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;

/** What tests share: a cluster below /lab that is on no machine, and hosts of every kind. */
final class Lab {
  static final Layout LAYOUT = new Layout(Path.of("/lab"), Path.of("/run/lab"));

  static final Image IMAGE =
      new Image(
          "debian-built",
          Path.of("/images/disk.qcow2"),
          3L << 30,
          Set.of("ipvsadm", "ldirectord", "curl"),
          Optional.of(
              new Image.Kernel(
                  Path.of("/images/vmlinuz"),
                  Path.of("/images/initrd.img"),
                  "root=LABEL=kubenet-root ro")));

  static final SshKey LOGIN = key("login");
  static final SshKey HOST_KEY = key("host");

  private static final Firmware OVMF =
      firmware("/usr/share/OVMF/OVMF_CODE_4M.fd", "/usr/share/OVMF/OVMF_VARS_4M.fd");
  private static final Firmware AAVMF =
      firmware("/usr/share/AAVMF/AAVMF_CODE.fd", "/usr/share/AAVMF/AAVMF_VARS.fd");
  private static final Firmware BREW_X86_64 =
      firmware(
          "/opt/homebrew/share/qemu/edk2-x86_64-code.fd",
          "/opt/homebrew/share/qemu/edk2-i386-vars.fd");
  private static final Firmware BREW_AARCH64 =
      firmware(
          "/opt/homebrew/share/qemu/edk2-aarch64-code.fd",
          "/opt/homebrew/share/qemu/edk2-arm-vars.fd");

  static final Network VMNET_BY_SOCKET =
      new Network.Vmnet(new VmnetWay(VmnetWay.Kind.SOCKET, VmnetWay.SOCKET));
  static final Network VMNET_BY_HELPER =
      new Network.Vmnet(
          new VmnetWay(VmnetWay.Kind.HELPER, Path.of("/opt/vmnet-helper/bin/vmnet-run")));

  private Lab() {}

  /** The hosts that golden files are kept for. */
  static List<Host> hosts() {
    return List.of(
        host(Host.Os.LINUX, Host.Arch.X86_64, Host.Accelerator.KVM),
        host(Host.Os.LINUX, Host.Arch.X86_64, Host.Accelerator.TCG),
        host(Host.Os.LINUX, Host.Arch.AARCH64, Host.Accelerator.KVM),
        host(Host.Os.LINUX, Host.Arch.AARCH64, Host.Accelerator.TCG),
        host(Host.Os.DARWIN, Host.Arch.AARCH64, Host.Accelerator.HVF),
        host(Host.Os.DARWIN, Host.Arch.AARCH64, Host.Accelerator.TCG),
        host(Host.Os.DARWIN, Host.Arch.X86_64, Host.Accelerator.HVF),
        host(Host.Os.DARWIN, Host.Arch.X86_64, Host.Accelerator.TCG));
  }

  static Host host(Host.Os os, Host.Arch arch, Host.Accelerator accelerator) {
    boolean x86 = arch == Host.Arch.X86_64;
    Firmware firmware =
        os == Host.Os.LINUX ? (x86 ? OVMF : AAVMF) : (x86 ? BREW_X86_64 : BREW_AARCH64);
    boolean sandbox = os == Host.Os.LINUX;
    return new Host(os, arch, accelerator, Optional.of(firmware), 8, 32768, sandbox);
  }

  /** The networks that an operating system has. */
  static List<Network> networks(Host.Os os) {
    return os == Host.Os.LINUX
        ? List.of(new Network.User(), new Network.Bridge())
        : List.of(new Network.User(), new Network.Vmnet(), VMNET_BY_SOCKET, VMNET_BY_HELPER);
  }

  /** A node of each role. */
  static List<Node> nodes(Cluster cluster) {
    return cluster.select(List.of("gateway", "control0", "worker0"));
  }

  /** The standard cluster with another network. */
  static Cluster cluster(Network network) {
    return changed(network, "ubuntu", 2200, Cluster.standard().groups());
  }

  /** The standard cluster with another login and other ports on 127.0.0.1. */
  static Cluster cluster(String user, int sshPorts) {
    return changed(new Network.User(), user, sshPorts, Cluster.standard().groups());
  }

  /** The standard cluster with other numbers of nodes. */
  static Cluster cluster(int gateways, int controls, int workers) {
    Map<Role, Cluster.Group> groups = new EnumMap<>(Role.class);
    int[] counts = {gateways, controls, workers};
    for (Role role : Role.values()) {
      groups.put(role, new Cluster.Group(counts[role.ordinal()], new Node.Size(1, 512, 10)));
    }
    return changed(new Network.User(), "ubuntu", 2200, groups);
  }

  private static Cluster changed(
      Network network, String user, int sshPorts, Map<Role, Cluster.Group> groups) {
    Cluster standard = Cluster.standard();
    return new Cluster(
        standard.name(),
        standard.subnet(),
        standard.vip(),
        standard.loadBalancer(),
        standard.boot(),
        network,
        user,
        standard.images(),
        sshPorts,
        groups);
  }

  static Boot boot(Host host) {
    return Boot.choose(Cluster.BootChoice.AUTO, host, IMAGE);
  }

  private static Firmware firmware(String code, String variables) {
    return new Firmware(Path.of(code), "raw", Path.of(variables), "raw");
  }

  /** A key pair that looks like one. */
  private static SshKey key(String what) {
    return new SshKey(
        "-----BEGIN OPENSSH PRIVATE KEY-----\n"
            + ("fake " + what + " key").repeat(5)
            + "\n-----END OPENSSH PRIVATE KEY-----\n",
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5fake" + what + " " + what);
  }

  /** A name with everything that shells, QEMU, ssh and tmux may trip over. */
  static String nastyName() {
    String nasty = "a b,c=d%h'e\"f$HOME\\g#h;i";
    String umlaut = "\u00fc\u65e5";
    // in the POSIX locale Java has no paths of other than ASCII letters
    boolean unicode =
        Charset.forName(System.getProperty("sun.jnu.encoding")).newEncoder().canEncode(umlaut);
    return unicode ? nasty + umlaut : nasty;
  }

  /** Fact and hint of the problem that some code ends with, as a user sees them. */
  static String problem(ThrowingCallable code) {
    Problem problem = Assertions.catchThrowableOfType(Problem.class, code);
    Assertions.assertThat(problem).as("the problem").isNotNull();
    return problem.getMessage() + "\n(" + problem.hint() + ")";
  }

  /** A port on 127.0.0.1 that nobody uses now. */
  static int freePort() throws IOException {
    try (ServerSocket socket = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
      return socket.getLocalPort();
    }
  }

  /** Removes a folder and what is in it. */
  static void remove(Path folder) throws IOException {
    try (Stream<Path> files = Files.walk(folder)) {
      for (Path file : files.sorted(Comparator.reverseOrder()).toList()) {
        Files.delete(file);
      }
    }
  }
}

package lib.tools;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import lib.Argv;
import lib.Commands;
import lib.cluster.Host;

/**
 * A program that a step needs, and the package that holds it for each package manager.
 *
 * @param program its name on the PATH; or, for what is no program, the absolute path of its file
 * @param apt Debian, Ubuntu
 * @param dnf Fedora
 * @param pacman Arch
 * @param brew Homebrew on macOS; empty where macOS has the program itself
 */
public record Tool(String program, String apt, String dnf, String pacman, String brew) {
  public static final Tool QEMU_IMG =
      new Tool("qemu-img", "qemu-utils", "qemu-img", "qemu-img", "qemu");
  public static final Tool CURL = new Tool("curl", "curl", "curl", "curl", "");
  public static final Tool TMUX = same("tmux");
  public static final Tool SSH =
      new Tool("ssh", "openssh-client", "openssh-clients", "openssh", "");
  public static final Tool SSH_KEYGEN =
      new Tool("ssh-keygen", "openssh-client", "openssh-clients", "openssh", "");
  public static final Tool XORRISO =
      new Tool("xorriso", "xorriso", "xorriso", "libisoburn", "xorriso");
  public static final Tool HDIUTIL = new Tool("hdiutil", "", "", "", "");
  public static final Tool MMDEBSTRAP =
      new Tool("mmdebstrap", "mmdebstrap", "mmdebstrap", "mmdebstrap", "");
  public static final Tool MKE2FS =
      new Tool("mke2fs", "e2fsprogs", "e2fsprogs", "e2fsprogs", "e2fsprogs");
  public static final Tool SFDISK = new Tool("sfdisk", "fdisk", "util-linux", "util-linux", "");
  public static final Tool MFORMAT = new Tool("mformat", "mtools", "mtools", "mtools", "mtools");
  public static final Tool NEWUIDMAP =
      new Tool("newuidmap", "uidmap", "shadow-utils", "shadow", "");

  public static final Tool IP = new Tool("ip", "iproute2", "iproute", "iproute2", "");
  public static final Tool NFT = new Tool("nft", "nftables", "nftables", "nftables", "");
  public static final Tool DNSMASQ = new Tool("dnsmasq", "dnsmasq-base", "dnsmasq", "dnsmasq", "");
  public static final Tool SYSCTL = new Tool("sysctl", "procps", "procps-ng", "procps-ng", "");

  /** What openSUSE calls otherwise than Fedora; a file's path means the package that holds it. */
  private static final Map<String, String> SUSE =
      Map.of(
          "qemu-system-x86_64", "qemu-x86",
          "qemu-system-aarch64", "qemu-arm",
          "qemu-img", "/usr/bin/qemu-img",
          "ip", "iproute2",
          "sysctl", "procps",
          "newuidmap", "shadow",
          "mmdebstrap", "");

  /** How a host installs packages. */
  public enum Manager {
    APT("apt-get", Argv.of("apt-get", "install", "--yes", "--no-install-recommends")),
    DNF("dnf", Argv.of("dnf", "install", "--assumeyes")),
    PACMAN("pacman", Argv.of("pacman", "-S", "--noconfirm", "--needed")),
    /** openSUSE; names are Fedora's but for {@link #SUSE}. */
    ZYPPER("zypper", Argv.of("zypper", "--non-interactive", "install")),
    BREW("brew", Argv.of("brew", "install")),
    /** MacPorts; names are Homebrew's. */
    PORT("port", Argv.of("port", "-N", "install"));

    private final String program;
    private final Argv install;

    Manager(String program, Argv install) {
      this.program = program;
      this.install = install;
    }

    /** {@return the one this host has, Homebrew and MacPorts only on macOS} */
    public static Optional<Manager> current(Host.Os os) {
      return List.of(values()).stream()
          .filter(manager -> (manager == BREW || manager == PORT) == (os == Host.Os.DARWIN))
          .filter(manager -> Commands.find(manager.program).isPresent())
          .findFirst();
    }

    /**
     * {@return the one command that installs tools}
     *
     * @param sudo whether it must be run with sudo, which brew refuses
     */
    public Argv install(Iterable<Tool> tools, boolean sudo) {
      Set<String> packages = new LinkedHashSet<>();
      tools.forEach(tool -> packages.add(tool.packageFor(this)));
      Argv command = install.add(packages.toArray(String[]::new));
      return sudo && this != BREW ? Argv.of("sudo").then(command) : command;
    }

    /** {@return the command that fetches the lists of packages first, where that is needed} */
    public Optional<Argv> refresh(boolean sudo) {
      Argv update = Argv.of("apt-get", "update", "--quiet");
      return this != APT
          ? Optional.empty()
          : Optional.of(sudo ? Argv.of("sudo").then(update) : update);
    }
  }

  private static Tool same(String name) {
    return new Tool(name, name, name, name, name);
  }

  /** {@return the QEMU program of an architecture} */
  public static Tool qemu(Host.Arch arch) {
    return arch == Host.Arch.X86_64
        ? new Tool(arch.qemu(), "qemu-system-x86", "qemu-system-x86", "qemu-system-x86", "qemu")
        : new Tool(
            arch.qemu(), "qemu-system-arm", "qemu-system-aarch64", "qemu-system-aarch64", "qemu");
  }

  /** {@return the UEFI firmware of Debian and Ubuntu, whose QEMU does not bring it along} */
  public static Tool debianFirmware(Host.Arch arch) {
    return arch == Host.Arch.X86_64
        ? new Tool("/usr/share/OVMF/OVMF_CODE_4M.fd", "ovmf", "", "", "")
        : new Tool("/usr/share/AAVMF/AAVMF_CODE.fd", "qemu-efi-aarch64", "", "", "");
  }

  /** {@return what makes the seed on an operating system} */
  public static Tool isoMaker(Host.Os os) {
    return os == Host.Os.DARWIN ? HDIUTIL : XORRISO;
  }

  /** {@return whether it is there} */
  public boolean isPresent() {
    return program.startsWith("/")
        ? Files.exists(Path.of(program))
        : Commands.find(program).isPresent();
  }

  /** {@return the package that holds it} */
  public String packageFor(Manager manager) {
    return switch (manager) {
      case APT -> apt;
      case DNF -> dnf;
      case PACMAN -> pacman;
      case ZYPPER -> SUSE.getOrDefault(program, dnf);
      case BREW, PORT -> brew;
    };
  }
}

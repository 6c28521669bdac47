package lib.cluster;

import java.util.Locale;
import java.util.Optional;
import lib.Problem;

/**
 * The machine that runs the VMs: facts, found once (see {@code Probe}) and faked in tests.
 *
 * @param os operating system
 * @param arch CPU architecture, of host and guests alike
 * @param accelerator what runs the guests' code
 * @param firmware UEFI firmware for guests, where the host has it
 * @param cores processors that the host has
 * @param memoryMiB main memory of the host in MiB
 * @param sandbox whether QEMU can have system calls forbidden to it (Linux's seccomp)
 */
public record Host(
    Os os,
    Arch arch,
    Accelerator accelerator,
    Optional<Firmware> firmware,
    int cores,
    long memoryMiB,
    boolean sandbox) {

  /** Operating systems that kubenet runs on. */
  public enum Os {
    LINUX,
    DARWIN;

    /**
     * {@return the one that Java runs on}
     *
     * @throws Problem on any other
     */
    public static Os current() {
      String name = System.getProperty("os.name");
      return switch (name.toLowerCase(Locale.ROOT)) {
        case "linux" -> LINUX;
        case "mac os x", "darwin" -> DARWIN;
        default -> throw new Problem("kubenet does not run on " + name, "use Linux or macOS");
      };
    }

    /** {@return the first number of its version: 26 of macOS 26.1, 6 of Linux 6.18} */
    public static int major() {
      return Integer.parseInt(System.getProperty("os.version").replaceFirst("\\D.*", ""));
    }
  }

  /** CPU architectures of host and guests. */
  public enum Arch {
    X86_64,
    AARCH64;

    /**
     * {@return the one that Java runs on}
     *
     * @throws Problem on any other
     */
    public static Arch current() {
      String name = System.getProperty("os.arch");
      return switch (name) {
        case "amd64", "x86_64" -> X86_64;
        case "aarch64" -> AARCH64;
        default ->
            throw new Problem(
                "kubenet does not run on " + name + " processors", "use x86_64 or aarch64");
      };
    }

    /** {@return the word for it in QEMU's program names and descriptors} */
    public String word() {
      return name().toLowerCase(Locale.ROOT);
    }

    /** {@return the name of its QEMU program} */
    public String qemu() {
      return "qemu-system-" + word();
    }

    /** {@return the word for it in Debian's package names} */
    public String debian() {
      return this == X86_64 ? "amd64" : "arm64";
    }

    /** {@return the QEMU machine type} */
    public String machine() {
      return this == X86_64 ? "q35" : "virt";
    }

    /** {@return the kernel's name of the first serial port of that machine} */
    public String console() {
      return this == X86_64 ? "ttyS0" : "ttyAMA0";
    }
  }

  /** What runs the guests' code. */
  public enum Accelerator {
    /** The Linux kernel's virtual machine. */
    KVM,
    /** macOS's Hypervisor framework. */
    HVF,
    /** QEMU's own translator: works everywhere, many times slower, no isolation boundary. */
    TCG;

    /** {@return its name for QEMU} */
    public String word() {
      return name().toLowerCase(Locale.ROOT);
    }
  }

  /** {@return whether this process is root's} */
  public static boolean isRoot() {
    return System.getProperty("user.name").equals("root");
  }

  /** {@return whether guests are emulated, which makes every guest instruction dear} */
  public boolean emulates() {
    return accelerator == Accelerator.TCG;
  }

  /** {@return a name for golden files and messages: {@code linux-x86_64-kvm}} */
  @Override
  public String toString() {
    return os.name().toLowerCase(Locale.ROOT) + "-" + arch.word() + "-" + accelerator.word();
  }
}

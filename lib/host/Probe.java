package lib.host;

import com.sun.management.OperatingSystemMXBean;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.function.Supplier;
import lib.Argv;
import lib.Commands;
import lib.Plan;
import lib.Problem;
import lib.cluster.Host;
import lib.qemu.Image;
import lib.state.CacheFolder;

/**
 * Finds the facts about this host. An accelerator counts only if QEMU starts with it: that {@code
 * /dev/kvm} opens proves nothing.
 *
 * @param host the facts
 * @param accelerator one line: the accelerator, and why it is this one
 * @param qemuVersion what QEMU calls itself, such as {@code 7.2.22}; empty if it is not installed
 */
public record Probe(Host host, String accelerator, String qemuVersion) {

  /**
   * {@return the facts about this host}
   *
   * @param kernel what a trial boots until its first line; without one, UEFI firmware
   * @param memory where the outcome of a trial is kept until the host or QEMU is another one
   * @param remember whether to keep it
   * @throws Problem if QEMU is installed and does not say which version it is and whether it has a
   *     sandbox
   */
  public static Probe run(Optional<Image.Kernel> kernel, Path memory, boolean remember) {
    Host.Os os = Host.Os.current();
    Host.Arch arch = Host.Arch.current();
    Host.Accelerator wanted = os == Host.Os.DARWIN ? Host.Accelerator.HVF : Host.Accelerator.KVM;
    Optional<Path> qemu = Commands.find(arch.qemu());
    Host accelerated = facts(os, arch, wanted, qemu);
    Host emulated = facts(os, arch, Host.Accelerator.TCG, qemu);
    if (qemu.isEmpty()) {
      return new Probe(emulated, "tcg: assumed, " + arch.qemu() + " is not installed", "");
    }
    Optional<String> obstacle = os == Host.Os.LINUX ? kvmObstacle() : Optional.empty();
    if (obstacle.isPresent()) { // not remembered: the user is told how to take it away
      String line = wanted.word() + ": " + obstacle.get() + "; using tcg (slow)";
      return of(emulated, line, Trial.ask(emulated));
    }
    Verdict verdict =
        new Memory(memory, key(qemu.get(), kernel), remember)
            .recall(() -> tried(accelerated, emulated, kernel));
    if (verdict.failure().isEmpty()) {
      // without either nothing has run yet, and a guest may still fail to
      boolean ran = kernel.isPresent() || accelerated.firmware().isPresent();
      String how = ran || os == Host.Os.DARWIN ? "works" : "QEMU starts with it";
      return of(accelerated, wanted.word() + ": " + how, verdict.qemu());
    }
    String line = "%s: %s; using tcg (slow)".formatted(wanted.word(), verdict.failure());
    return of(emulated, line, verdict.qemu());
  }

  private static Probe of(Host host, String line, Trial.Answer qemu) {
    boolean lacks = host.os() == Host.Os.LINUX && !qemu.sandbox();
    String all = line + (lacks ? "; this QEMU was built without a sandbox" : "");
    return new Probe(on(host, qemu), all, qemu.version());
  }

  private static Verdict tried(Host host, Host emulated, Optional<Image.Kernel> kernel) {
    Trial.Outcome first = trial(host, kernel);
    Trial.Outcome outcome = first.settled() ? first : trial(host, kernel);
    Trial.Answer qemu = outcome.qemu().orElseGet(() -> Trial.ask(emulated));
    if (outcome.failure().isEmpty()) {
      return new Verdict(qemu, "", true);
    }
    String failure =
        host.os() == Host.Os.LINUX
            ? "/dev/kvm opens, but " + outcome.failure()
            : outcome.failure() + hint(outcome.failure(), entitlements(host.arch()));
    return new Verdict(qemu, failure, outcome.settled());
  }

  private static Trial.Outcome trial(Host host, Optional<Image.Kernel> kernel) {
    return host.os() == Host.Os.LINUX
        ? Trial.of(host, kernel, host.firmware())
        : Trial.of(host, Optional.empty(), Optional.empty());
  }

  /** What codesign says of QEMU's program; only it may use the hypervisor that is signed for it. */
  private static String entitlements(Host.Arch arch) {
    return Commands.find(arch.qemu())
        .filter(qemu -> Commands.find("codesign").isPresent())
        .map(
            qemu -> Commands.run(Argv.of("codesign", "-d", "--entitlements", "-", qemu.toString())))
        .map(said -> said.out() + said.err())
        .orElse("");
  }

  /**
   * {@return what helps where Hypervisor.framework fails; nothing if that is not known}
   *
   * @param failure what the trial says
   * @param entitlements what codesign says; empty if it was not asked
   */
  public static String hint(String failure, String entitlements) {
    if (failure.contains("host-arm-cpu.sme")) {
      return " (before 10.0 QEMU does not know this chip's SME: upgrade it)"; // lima #3032, #3226
    }
    boolean signed = entitlements.contains("com.apple.security.hypervisor");
    return entitlements.isEmpty() || signed
        ? ""
        : " (QEMU is not signed with the entitlement com.apple.security.hypervisor: reinstall it)";
  }

  /** The host with what only QEMU itself can say. */
  private static Host on(Host host, Trial.Answer qemu) {
    return new Host(
        host.os(),
        host.arch(),
        host.accelerator(),
        host.firmware(),
        host.cores(),
        host.memoryMiB(),
        qemu.sandbox());
  }

  /**
   * What a verdict depends on: this boot of the host, the QEMU program, the kernel. The word before
   * them tells it from those of an older kubenet, which remembered silence.
   */
  private static String key(Path qemu, Optional<Image.Kernel> kernel) {
    try {
      Path boot = Path.of("/proc/sys/kernel/random/boot_id");
      return String.join(
          " ",
          "settled",
          Files.readString(boot).strip(),
          qemu.toRealPath().toString(),
          Files.getLastModifiedTime(qemu).toString(),
          kernel.map(image -> image.vmlinuz().toString()).orElse("firmware"));
    } catch (IOException e) {
      return ""; // such as on macOS, where a trial is quick: then nothing is remembered
    }
  }

  /** {@return the facts that need no QEMU; as if it could only emulate} */
  public static Host facts() {
    Host.Arch arch = Host.Arch.current();
    return facts(Host.Os.current(), arch, Host.Accelerator.TCG, Commands.find(arch.qemu()));
  }

  private static Host facts(
      Host.Os os, Host.Arch arch, Host.Accelerator accelerator, Optional<Path> qemu) {
    OperatingSystemMXBean system =
        (OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean();
    return new Host(
        os,
        arch,
        accelerator,
        FirmwareSearch.find(Path.of("/"), config(), arch.word(), arch.machine(), shares(qemu)),
        Runtime.getRuntime().availableProcessors(),
        system.getTotalMemorySize() >> 20,
        false); // QEMU was not asked
  }

  /**
   * The outcome of a trial.
   *
   * @param qemu what QEMU says of itself
   * @param failure why the accelerator can't be used; empty if it can
   * @param settled whether another trial would end the same way
   */
  private record Verdict(Trial.Answer qemu, String failure, boolean settled) {}

  /**
   * The last verdict in a file of four lines: key, version, sandbox, failure. A trial that fails
   * may take seconds; a host that fails it will not do better until it is booted anew. A trial that
   * settled nothing is not kept.
   */
  private record Memory(Path file, String key, boolean remember) {
    Verdict recall(Supplier<Verdict> trial) {
      try {
        List<String> lines = Files.exists(file) ? Files.readAllLines(file) : List.of();
        if (lines.size() == 4 && !key.isEmpty() && lines.get(0).equals(key)) {
          boolean sandbox = Boolean.parseBoolean(lines.get(2));
          return new Verdict(new Trial.Answer(lines.get(1), sandbox), lines.get(3), true);
        }
      } catch (IOException e) {
        // unreadable: try again
      }
      Verdict verdict = trial.get();
      Trial.Answer qemu = verdict.qemu();
      String content =
          String.join("\n", key, qemu.version(), "" + qemu.sandbox(), verdict.failure()) + "\n";
      if (remember && verdict.settled()) {
        CacheFolder.claim();
        new Plan.Write(file, content, false).run();
      }
      return verdict;
    }
  }

  /** The user's own folder for settings (XDG Base Directory Specification). */
  private static Path config() {
    String chosen = System.getenv("XDG_CONFIG_HOME");
    return chosen != null && chosen.startsWith("/")
        ? Path.of(chosen)
        : Path.of(System.getProperty("user.home"), ".config");
  }

  /** Where QEMU's own firmware may be: the user's folder, and beside the program. */
  private static List<Path> shares(Optional<Path> qemu) {
    List<Path> shares = new ArrayList<>();
    shares.add(Path.of(System.getProperty("user.home"), ".local/share/qemu"));
    qemu.ifPresent(
        program -> {
          try {
            shares.add(program.toRealPath().resolve("../../share/qemu").normalize());
          } catch (IOException e) {
            // a program that just went away has no firmware
          }
        });
    return shares;
  }

  /** Why /dev/kvm can't even be opened, told apart by what the user can do. */
  private static Optional<String> kvmObstacle() {
    Path device = Path.of("/dev/kvm");
    if (!Files.exists(device)) {
      return Optional.of("/dev/kvm is not there (virtualisation is off in the firmware setup?)");
    }
    if (!Files.isReadable(device) || !Files.isWritable(device)) {
      return Optional.of(
          "/dev/kvm is not open to this user (sudo usermod -aG kvm %s, then log in again)"
              .formatted(System.getProperty("user.name")));
    }
    return Optional.empty();
  }
}

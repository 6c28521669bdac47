package lib.host;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import lib.Argv;
import lib.Commands;
import lib.Problem;
import lib.cluster.Firmware;
import lib.cluster.Host;
import lib.qemu.Image;
import lib.state.HostFacts;

/**
 * Finds the facts about this host. An accelerator counts only if QEMU starts with it: that {@code
 * /dev/kvm} opens proves nothing.
 */
public final class Probe {
  private Probe() {}

  /**
   * {@return the facts about this host: those that were kept, or else those of a new trial}
   *
   * @param kernel what a trial boots until its first line; without one, UEFI firmware
   * @param keep whether to keep what a trial finds
   * @throws Problem if QEMU is installed and does not say which version it is and whether it has a
   *     sandbox
   */
  public static HostFacts run(Optional<Image.Kernel> kernel, boolean keep) {
    String tried = kernel.map(image -> image.vmlinuz().toString()).orElse("firmware");
    Optional<HostFacts> kept = HostFacts.kept().filter(HostFacts::settled);
    Optional<Firmware> firmware = facts().firmware(); // it may have been installed since
    if (kept.filter(facts -> facts.holdsFor(tried, firmware)).isPresent()) {
      return kept.get();
    }
    HostFacts found = find(kernel, tried);
    if (keep && (found.settled() || kept.isEmpty())) {
      found.keep();
    }
    return found;
  }

  private static HostFacts find(Optional<Image.Kernel> kernel, String tried) {
    Host.Os os = Host.Os.current();
    Host.Arch arch = Host.Arch.current();
    Host.Accelerator wanted = os == Host.Os.DARWIN ? Host.Accelerator.HVF : Host.Accelerator.KVM;
    Optional<Path> qemu = Commands.find(arch.qemu());
    Host emulated = facts(Host.Accelerator.TCG, qemu, false);
    if (qemu.isEmpty()) {
      String line = "tcg: assumed, " + arch.qemu() + " is not installed";
      return new HostFacts(emulated, line, "", tried, false);
    }
    Optional<String> obstacle = os == Host.Os.LINUX ? kvmObstacle() : Optional.empty();
    if (obstacle.isPresent()) {
      String line = wanted.word() + ": " + obstacle.get() + "; using tcg (slow)";
      return of(emulated, line, new Verdict(Trial.ask(emulated), "", true), tried);
    }
    Host accelerated = facts(wanted, qemu, false);
    Verdict verdict = tried(accelerated, emulated, kernel);
    if (verdict.failure().isEmpty()) {
      // without either nothing has run yet, and a guest may still fail to
      boolean ran = kernel.isPresent() || accelerated.firmware().isPresent();
      String how = ran || os == Host.Os.DARWIN ? "works" : "QEMU starts with it";
      return of(accelerated, wanted.word() + ": " + how, verdict, tried);
    }
    String line = "%s: %s; using tcg (slow)".formatted(wanted.word(), verdict.failure());
    return of(emulated, line, verdict, tried);
  }

  private static HostFacts of(Host host, String line, Verdict verdict, String tried) {
    Trial.Answer qemu = verdict.qemu();
    boolean lacks = host.os() == Host.Os.LINUX && !qemu.sandbox();
    String all = line + (lacks ? "; this QEMU was built without a sandbox" : "");
    Host whole = HostFacts.here(host.accelerator(), host.firmware(), qemu.sandbox());
    return new HostFacts(whole, all, qemu.version(), tried, verdict.settled());
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

  /** {@return the facts that need no QEMU; as if it could only emulate} */
  public static Host facts() {
    return facts(Host.Accelerator.TCG, Commands.find(Host.Arch.current().qemu()), false);
  }

  private static Host facts(Host.Accelerator accelerator, Optional<Path> qemu, boolean sandbox) {
    Host.Arch arch = Host.Arch.current();
    Optional<Firmware> firmware =
        FirmwareSearch.find(Path.of("/"), config(), arch.word(), arch.machine(), shares(qemu));
    return HostFacts.here(accelerator, firmware, sandbox);
  }

  /**
   * The outcome of a trial.
   *
   * @param qemu what QEMU says of itself
   * @param failure why the accelerator can't be used; empty if it can
   * @param settled whether another trial would end the same way
   */
  private record Verdict(Trial.Answer qemu, String failure, boolean settled) {}

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

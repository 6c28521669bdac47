//DEPS com.fasterxml.jackson.dataformat:jackson-dataformat-yaml:2.21.8
package lib.state;

import com.fasterxml.jackson.annotation.JsonIgnoreProperties;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.SerializationFeature;
import com.sun.management.OperatingSystemMXBean;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Optional;
import lib.Argv;
import lib.Commands;
import lib.Lock;
import lib.Plan;
import lib.Problem;
import lib.cluster.Firmware;
import lib.cluster.Host;

/**
 * What {@code check-host} found out about this machine. It is kept in the cache's {@code host.json}
 * and holds until the machine reboots, QEMU changes, or access to {@code /dev/kvm} changes. {@code
 * check-host} also checks whether the firmware is still the same.
 *
 * @param host the machine
 * @param accelerator one line: the accelerator, and why it was chosen
 * @param qemu what QEMU calls itself, such as {@code 7.2.22}; empty if it is not installed
 * @param tried what the trial booted: a kernel's path, or {@code firmware}
 * @param settled whether another trial would end the same way
 */
public record HostFacts(Host host, String accelerator, String qemu, String tried, boolean settled) {

  /** The file's content: strings and numbers. */
  @JsonIgnoreProperties(ignoreUnknown = true)
  private record Kept(
      String of,
      String accelerator,
      String because,
      Flash firmware,
      boolean sandbox,
      String qemu,
      String tried,
      boolean settled) {}

  /** {@link Firmware} as strings. */
  private record Flash(
      String code, String codeFormat, String variables, String variablesFormat, boolean small) {
    static Flash of(Firmware firmware) {
      return new Flash(
          firmware.code().toString(),
          firmware.codeFormat(),
          firmware.variables().toString(),
          firmware.variablesFormat(),
          firmware.small());
    }

    Firmware firmware() {
      return new Firmware(Path.of(code), codeFormat, Path.of(variables), variablesFormat, small);
    }
  }

  /** {@return the file} */
  public static Path file() {
    return Layout.cache().resolve("host.json");
  }

  /** {@return the facts that were kept; nothing if there are none, or if they no longer hold} */
  public static Optional<HostFacts> kept() {
    try {
      if (!Files.exists(file())) {
        return Optional.empty();
      }
      Kept kept = new ObjectMapper().readValue(file().toFile(), Kept.class);
      if (kept == null || now().isEmpty() || !now().equals(kept.of)) {
        return Optional.empty();
      }
      Host host =
          here(
              Host.Accelerator.valueOf(kept.accelerator),
              Optional.ofNullable(kept.firmware).map(Flash::firmware),
              kept.sandbox);
      return Optional.of(new HostFacts(host, kept.because, kept.qemu, kept.tried, kept.settled));
    } catch (IOException | RuntimeException e) {
      return Optional.empty(); // they will be found out again
    }
  }

  /** {@return whether these facts hold for a trial that boots {@code what} with this firmware} */
  public boolean holdsFor(String what, Optional<Firmware> firmware) {
    return tried.equals(what) && host.firmware().equals(firmware);
  }

  /**
   * {@return the facts that were kept}
   *
   * @throws Problem naming the step that makes them, if there are none or they are not settled
   */
  public static HostFacts known() {
    return kept()
        .filter(HostFacts::settled)
        .orElseThrow(
            () ->
                new Problem(
                    "this machine was not checked since it started, or since QEMU changed",
                    "check it: ./jbang check-host.java"));
  }

  /** {@return what a dry run assumes where nothing is known: a machine that emulates} */
  public static HostFacts assumed() {
    Firmware firmware =
        Host.Arch.current() == Host.Arch.X86_64
            ? new Firmware(
                Path.of("/usr/share/OVMF/OVMF_CODE_4M.fd"),
                "raw",
                Path.of("/usr/share/OVMF/OVMF_VARS_4M.fd"),
                "raw")
            : new Firmware(
                Path.of("/usr/share/AAVMF/AAVMF_CODE.fd"),
                "raw",
                Path.of("/usr/share/AAVMF/AAVMF_VARS.fd"),
                "raw");
    String because = "tcg: assumed; ./jbang check-host.java finds out";
    return new HostFacts(
        here(Host.Accelerator.TCG, Optional.of(firmware), true), because, "", "", false);
  }

  /** {@return this machine, given what can't be seen at a glance} */
  public static Host here(
      Host.Accelerator accelerator, Optional<Firmware> firmware, boolean sandbox) {
    OperatingSystemMXBean system =
        (OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean();
    return new Host(
        Host.Os.current(),
        Host.Arch.current(),
        accelerator,
        firmware,
        Runtime.getRuntime().availableProcessors(),
        system.getTotalMemorySize() >> 20,
        sandbox);
  }

  /** Writes the file. */
  public void keep() {
    Kept kept =
        new Kept(
            now(),
            host.accelerator().name(),
            accelerator,
            host.firmware().map(Flash::of).orElse(null),
            host.sandbox(),
            qemu,
            tried,
            settled);
    try {
      ObjectMapper json = new ObjectMapper().enable(SerializationFeature.INDENT_OUTPUT);
      String text = json.writeValueAsString(kept) + "\n";
      try (Lock one = CacheFolder.lock(Layout.cache(), "host.lock", () -> {})) {
        new Plan.Write(file(), text, false).run();
      }
    } catch (IOException e) {
      throw new IllegalStateException(e); // strings and numbers can always be written
    }
  }

  /** {@return whether version {@code a} comes before {@code b}; both have three numbers} */
  public static boolean older(String a, String b) {
    String[] left = a.split("\\.");
    String[] right = b.split("\\.");
    for (int i = 0; i < 3; i++) {
      int order = Integer.compare(Integer.parseInt(left[i]), Integer.parseInt(right[i]));
      if (order != 0) {
        return order < 0;
      }
    }
    return false;
  }

  /** What the facts depend on: this boot of the machine, this QEMU, and whether KVM opens. */
  private static String now() {
    Path kvm = Path.of("/dev/kvm");
    String opens = Files.isReadable(kvm) && Files.isWritable(kvm) ? "kvm opens" : "no kvm";
    try {
      Optional<Path> qemu = Commands.find(Host.Arch.current().qemu());
      String program =
          qemu.isEmpty()
              ? "no QEMU"
              : qemu.get().toRealPath() + " " + Files.getLastModifiedTime(qemu.get());
      return String.join(", ", boot(), program, opens);
    } catch (IOException | Problem e) {
      return ""; // QEMU just went away, or this system has no id for a boot: nothing holds
    }
  }

  private static String boot() throws IOException {
    Path id = Path.of("/proc/sys/kernel/random/boot_id");
    return Files.exists(id)
        ? Files.readString(id).strip()
        : Commands.run(Argv.of("sysctl", "-n", "kern.bootsessionuuid")).orProblem().out().strip();
  }
}

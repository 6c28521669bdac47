package lib;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Optional;

/**
 * Whether an accelerator works, found by using it: QEMU is started with the host's very machine,
 * accelerator and CPU, and boots a kernel until its first line.
 *
 * <p>That {@code /dev/kvm} opens and QEMU starts proves nothing: in some clouds' nested KVM the
 * guest's code runs a hundred times slower than emulated (seen with kvm_pvm on Linux 6.18).
 */
public final class Trial {
  private static final Duration LIMIT = Duration.ofSeconds(5);

  private Trial() {}

  /**
   * What a trial found.
   *
   * @param qemuVersion what QEMU calls itself, such as {@code 7.2.22}; empty if it never answered
   * @param failure what went wrong, to follow "but"; empty if nothing did
   */
  public record Outcome(String qemuVersion, String failure) {}

  /** {@return the outcome for a host; without a kernel, that QEMU answers must do} */
  public static Outcome of(Host host, Optional<Image.Kernel> kernel) {
    Path folder = null;
    Process process = null;
    try {
      folder = Files.createTempDirectory(Path.of("/tmp"), "kubenet-trial-");
      Path qmp = folder.resolve("qmp");
      Path console = folder.resolve("console");
      Path errors = folder.resolve("errors");
      process = Commands.start(Qemu.trial(host, kernel, console, qmp), errors);
      return watch(process, kernel, console, qmp, errors);
    } catch (IOException e) {
      return new Outcome("", "could not be tried: " + e.getMessage());
    } finally {
      if (process != null) {
        process.destroyForcibly();
      }
      remove(folder);
    }
  }

  private static Outcome watch(
      Process process, Optional<Image.Kernel> kernel, Path console, Path qmp, Path errors) {
    Optional<String> version =
        Wait.until(LIMIT, Duration.ofMillis(20), () -> answer(process, qmp))
            .filter(v -> !v.isEmpty());
    boolean spoke =
        version.isPresent()
            && (kernel.isEmpty() || Wait.until(LIMIT, () -> !process.isAlive() || speaks(console)));
    if (spoke && process.isAlive()) {
      return new Outcome(version.get(), "");
    }
    if (!process.isAlive()) {
      return new Outcome(version.orElse(""), "QEMU stopped with \"" + lastWords(errors) + "\"");
    }
    return new Outcome(
        version.orElse(""),
        (version.isPresent() ? "a kernel printed nothing" : "QEMU did not answer")
            + " within %d s".formatted(LIMIT.toSeconds()));
  }

  /** QEMU's version; empty text once it has ended; nothing while it is not up yet. */
  private static Optional<String> answer(Process process, Path qmp) {
    if (!process.isAlive()) {
      return Optional.of("");
    }
    try (Qmp conversation = Qmp.connect(qmp, LIMIT)) {
      return Optional.of(conversation.version());
    } catch (IOException e) {
      return Optional.empty();
    }
  }

  private static boolean speaks(Path console) {
    return Commands.tail(console, 1000).contains("Linux version");
  }

  /** The line that says why: an assertion that fails in its wake says less. */
  private static String lastWords(Path errors) {
    return Commands.tail(errors, 20)
        .lines()
        .filter(line -> !line.contains("Assertion") && !line.startsWith("**"))
        .findFirst()
        .orElse("no message")
        .replaceFirst("^qemu-system-[a-z0-9_]+: ", "");
  }

  private static void remove(Path folder) {
    if (folder == null) {
      return;
    }
    for (String name : new String[] {"qmp", "console", "errors", "."}) {
      try {
        Files.deleteIfExists(folder.resolve(name).normalize());
      } catch (IOException e) {
        // a few bytes stay in /tmp
      }
    }
  }
}

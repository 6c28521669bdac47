package lib;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Optional;

/**
 * Whether an accelerator works, found by using it: QEMU is started with the host's very machine,
 * accelerator and CPU, and boots a kernel, or else firmware, until its first line.
 *
 * <p>That {@code /dev/kvm} opens and QEMU starts proves nothing: in some clouds' nested KVM the
 * guest's code runs a hundred times slower than emulated (seen with kvm_pvm on Linux 6.18).
 */
public final class Trial {
  private static final Duration LIMIT = Duration.ofSeconds(5);
  private static final Duration FIRMWARE = Duration.ofSeconds(12);

  private Trial() {}

  /**
   * What QEMU says of itself.
   *
   * @param version such as {@code 7.2.22}; empty if it never answered
   * @param sandbox whether it was built with {@code -sandbox}
   */
  public record Answer(String version, boolean sandbox) {
    static final Answer NONE = new Answer("", false);
  }

  /**
   * What a trial found.
   *
   * @param qemu what QEMU says of itself
   * @param failure what went wrong, to follow "but"; empty if nothing did
   */
  public record Outcome(Answer qemu, String failure) {}

  /** {@return the outcome for a host; without a kernel and firmware, that QEMU answers must do} */
  public static Outcome of(Host host, Optional<Image.Kernel> kernel, Optional<Firmware> firmware) {
    Commands.AtEnd end = null;
    Process process = null;
    try {
      Path folder = Files.createTempDirectory(Path.of("/tmp"), "kubenet-trial-");
      end = Commands.removeAtEnd(folder);
      Path qmp = folder.resolve("qmp");
      Path console = folder.resolve("console");
      Path errors = folder.resolve("errors");
      process = Commands.start(Qemu.trial(host, kernel, firmware, console, qmp), errors);
      Optional<String> first =
          kernel.isPresent()
              ? Optional.of("Linux version")
              : firmware.map(flash -> ""); // whatever it prints
      Duration limit = kernel.isPresent() ? LIMIT : FIRMWARE;
      return watch(process, first, limit, console, qmp, errors);
    } catch (IOException e) {
      return new Outcome(Answer.NONE, "could not be tried: " + e.getMessage());
    } finally {
      if (process != null) {
        process.destroyForcibly();
      }
      if (end != null) {
        end.close();
      }
    }
  }

  private static Outcome watch(
      Process process,
      Optional<String> first,
      Duration limit,
      Path console,
      Path qmp,
      Path errors) {
    Answer answer =
        Wait.until(LIMIT, Duration.ofMillis(20), () -> answer(process, qmp)).orElse(Answer.NONE);
    boolean answered = !answer.version().isEmpty();
    boolean spoke =
        answered
            && (first.isEmpty()
                || Wait.until(
                    limit,
                    () -> !process.isAlive() || speaks(console, first.get()) || fails(errors)));
    if (spoke && process.isAlive() && !fails(errors)) {
      return new Outcome(answer, "");
    }
    if (!process.isAlive()) {
      return new Outcome(answer, "QEMU stopped with \"" + lastWords(errors) + "\"");
    }
    if (fails(errors)) {
      return new Outcome(answer, "a guest ended with \"KVM internal error\"");
    }
    return new Outcome(
        answer,
        (answered ? "a guest printed nothing" : "QEMU did not answer")
            + " within %d s".formatted((answered ? limit : LIMIT).toSeconds()));
  }

  /** {@link Answer#NONE} once it has ended; nothing while it is not up yet. */
  private static Optional<Answer> answer(Process process, Path qmp) {
    if (!process.isAlive()) {
      return Optional.of(Answer.NONE);
    }
    try (Qmp conversation = Qmp.connect(qmp, LIMIT)) {
      return Optional.of(new Answer(conversation.version(), conversation.takes("sandbox")));
    } catch (IOException e) {
      return Optional.empty();
    }
  }

  private static boolean speaks(Path console, String word) {
    String said = Commands.tail(console, 1000);
    return !said.isEmpty() && said.contains(word);
  }

  /** The VM stops then, QEMU does not. */
  private static boolean fails(Path errors) {
    return Commands.tail(errors, 1000).contains("KVM internal error");
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
}

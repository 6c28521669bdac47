package lib.host;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Optional;
import lib.Commands;
import lib.Problem;
import lib.Wait;
import lib.cluster.Firmware;
import lib.cluster.Host;
import lib.qemu.Image;
import lib.qemu.Qemu;
import lib.vm.Qmp;

/**
 * Whether an accelerator works, found by using it: QEMU is started with the host's very machine,
 * accelerator and CPU, and boots a kernel, or else firmware, until its first line.
 *
 * <p>That {@code /dev/kvm} opens and QEMU starts proves nothing: in some clouds' nested KVM the
 * guest's code runs a hundred times slower than emulated (seen with kvm_pvm on Linux 6.18).
 */
public final class Trial {
  /** Until QEMU greets: a busy host starts any program slowly, which says nothing of this one. */
  private static final Duration GREETING = Duration.ofSeconds(30);

  /** The same where nothing can be done without its answer. */
  private static final Duration ANSWER = Duration.ofSeconds(60);

  private static final Duration LIMIT = Duration.ofSeconds(5);
  private static final Duration FIRMWARE = Duration.ofSeconds(12);

  private Trial() {}

  /**
   * What QEMU says of itself.
   *
   * @param version such as {@code 7.2.22}
   * @param sandbox whether it was built with {@code -sandbox}
   */
  public record Answer(String version, boolean sandbox) {}

  /**
   * What a trial found.
   *
   * @param qemu what QEMU says of itself; nothing if it did not answer
   * @param failure what went wrong, to follow "but"; empty if nothing did
   * @param settled whether another trial would end the same way; silence settles nothing
   */
  public record Outcome(Optional<Answer> qemu, String failure, boolean settled) {}

  /** {@return the outcome for a host; without a kernel and firmware, that QEMU answers must do} */
  public static Outcome of(Host host, Optional<Image.Kernel> kernel, Optional<Firmware> firmware) {
    return of(host, kernel, firmware, GREETING);
  }

  /**
   * {@return what QEMU says of itself}
   *
   * @param host one that emulates, so that no accelerator can be in the way
   * @throws Problem if it does not answer: a guess would leave the guests without a sandbox
   */
  public static Answer ask(Host host) {
    Outcome outcome = of(host, Optional.empty(), Optional.empty(), ANSWER);
    String program = host.arch().qemu();
    return outcome
        .qemu()
        .orElseThrow(
            () ->
                new Problem(
                    "%s does not say what it can do: %s".formatted(program, outcome.failure()),
                    "run it again when this machine is less busy; to see whether it starts: "
                        + program
                        + " -version"));
  }

  private static Outcome of(
      Host host, Optional<Image.Kernel> kernel, Optional<Firmware> firmware, Duration greeting) {
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
      Process started = process;
      Optional<Answer> answer =
          Wait.until(
                  greeting,
                  Duration.ofMillis(20),
                  () -> started.isAlive() ? answer(qmp) : Optional.of(Optional.<Answer>empty()))
              .flatMap(said -> said);
      if (answer.isEmpty()) {
        return unanswered(process, errors, greeting);
      }
      return watch(process, answer.get(), first, limit, console, errors);
    } catch (IOException e) {
      return new Outcome(Optional.empty(), "could not be tried: " + e.getMessage(), false);
    } finally {
      if (process != null) {
        process.destroyForcibly();
      }
      if (end != null) {
        end.close();
      }
    }
  }

  private static Outcome unanswered(Process process, Path errors, Duration greeting) {
    return process.isAlive()
        ? new Outcome(
            Optional.empty(),
            "QEMU did not answer within %d s".formatted(greeting.toSeconds()),
            false)
        : stopped(Optional.empty(), errors);
  }

  /** One that was killed has no last words: then it was not the accelerator that ended it. */
  private static Outcome stopped(Optional<Answer> answer, Path errors) {
    Optional<String> words = lastWords(errors);
    String failure = "QEMU stopped with \"" + words.orElse("no message") + "\"";
    return new Outcome(answer, failure, words.isPresent());
  }

  private static Outcome watch(
      Process process,
      Answer answer,
      Optional<String> first,
      Duration limit,
      Path console,
      Path errors) {
    boolean spoke =
        first.isEmpty()
            || Wait.until(
                limit, () -> !process.isAlive() || speaks(console, first.get()) || fails(errors));
    if (!process.isAlive()) {
      return stopped(Optional.of(answer), errors);
    }
    String failure = "";
    if (fails(errors)) {
      failure = "a guest ended with \"KVM internal error\"";
    } else if (!spoke) {
      failure = "a guest printed nothing within %d s".formatted(limit.toSeconds());
    }
    return new Outcome(Optional.of(answer), failure, true);
  }

  /** Nothing while it is not up yet. */
  private static Optional<Optional<Answer>> answer(Path qmp) {
    try (Qmp conversation = Qmp.connect(qmp, LIMIT)) {
      Answer answer = new Answer(conversation.version(), conversation.takes("sandbox"));
      return Optional.of(Optional.of(answer));
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
  private static Optional<String> lastWords(Path errors) {
    return Commands.tail(errors, 20)
        .lines()
        .filter(line -> !line.contains("Assertion") && !line.startsWith("**"))
        .findFirst()
        .map(line -> line.replaceFirst("^qemu-system-[a-z0-9_]+: ", ""));
  }
}

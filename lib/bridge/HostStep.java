package lib.bridge;

import java.nio.file.Path;
import lib.Argv;

/**
 * A command that changes a host, as root or with sudo.
 *
 * @param input what is on its standard input
 */
public record HostStep(Argv command, String input) {
  /** A command without input. */
  HostStep(String program, String... arguments) {
    this(Argv.of(program, arguments), "");
  }

  /** {@return what gives a file its whole content; {@code tee} keeps its owner, mode and place} */
  static HostStep write(Path file, String content) {
    return new HostStep(Argv.of("tee", file.toString()), content);
  }

  /** {@return the same for a user who is not root} */
  public HostStep withSudo() {
    return new HostStep(Argv.of("sudo").then(command), input);
  }

  /** {@return lines that can be pasted into a shell} */
  public String toShell() {
    if (!command.toList().contains("tee")) {
      return command.toShell();
    }
    return input.isEmpty() || input.endsWith("\n")
        ? command.toShell() + " > /dev/null <<'END'\n" + input + "END"
        : "printf %s " + Argv.quote(input) + " | " + command.toShell() + " > /dev/null";
  }
}

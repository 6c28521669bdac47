package lib;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Collectors;

/**
 * A command line as an immutable value: a list of parts, an option always in one part with its
 * argument. It is never evaluated by a shell; {@link #toShell()} only prints it so that it can be
 * pasted into one.
 */
public record Argv(List<List<String>> parts) {

  public Argv {
    parts = parts.stream().map(List::copyOf).toList();
  }

  /** {@return a command of a program and plain arguments, one part each} */
  public static Argv of(String program, String... arguments) {
    return new Argv(List.of(List.of(program))).add(arguments);
  }

  /** {@return this command with one more part for each plain argument} */
  public Argv add(String... arguments) {
    Argv result = this;
    for (String argument : arguments) {
      result = result.part(argument);
    }
    return result;
  }

  /** {@return this command with an option and its argument, kept together} */
  public Argv option(String name, Object value) {
    return part(name, value.toString());
  }

  /** {@return this command followed by all parts of {@code more}} */
  public Argv then(Argv more) {
    List<List<String>> all = new ArrayList<>(parts);
    all.addAll(more.parts);
    return new Argv(all);
  }

  /** {@return a list of parts without a program, to be joined to a command with {@link #then}} */
  public static Argv empty() {
    return new Argv(List.of());
  }

  private Argv part(String... words) {
    List<List<String>> all = new ArrayList<>(parts);
    all.add(List.of(words));
    return new Argv(all);
  }

  /**
   * {@return the argument of a QEMU option: {@code first,key=value,...} in the given order}
   *
   * <p>Commas in values are doubled, QEMU's way to escape them (QEMU manual, invocation, "drive").
   *
   * @param first the leading word, such as a driver's name, or empty for none
   * @param keysAndValues keys and values in turn
   */
  public static String suboptions(String first, Object... keysAndValues) {
    if (keysAndValues.length % 2 != 0) {
      throw new IllegalArgumentException("a key without a value in " + List.of(keysAndValues));
    }
    List<String> words = new ArrayList<>();
    if (!first.isEmpty()) {
      words.add(first);
    }
    for (int i = 0; i < keysAndValues.length; i += 2) {
      words.add(keysAndValues[i] + "=" + keysAndValues[i + 1].toString().replace(",", ",,"));
    }
    return String.join(",", words);
  }

  /** {@return the words as a process takes them} */
  public List<String> toList() {
    return parts.stream().flatMap(List::stream).toList();
  }

  /** {@return all parts but the program} */
  public Argv rest() {
    return new Argv(parts.subList(1, parts.size()));
  }

  /** {@return the program, the first word} */
  public String program() {
    return parts.get(0).get(0);
  }

  /** {@return one line that a POSIX shell reads back as the same words} */
  public String toShell() {
    return toList().stream().map(Argv::quote).collect(Collectors.joining(" "));
  }

  /** {@return the same for reading: a part a line, continued with backslashes} */
  public String toShellLines() {
    return parts.stream()
        .map(part -> part.stream().map(Argv::quote).collect(Collectors.joining(" ")))
        .collect(Collectors.joining(" \\\n  "));
  }

  /** {@return a word quoted for a POSIX shell where it needs it} */
  public static String quote(String word) {
    return word.matches("[A-Za-z0-9_@%+=:,./-]+") ? word : "'" + word.replace("'", "'\\''") + "'";
  }

  /** {@return a path as a word: absolute, so that it never looks like an option or a URL} */
  public static String word(Path path) {
    return path.toAbsolutePath().normalize().toString();
  }
}

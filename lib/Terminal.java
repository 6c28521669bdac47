package lib;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.Charset;
import java.util.Locale;

/** What a step says to the person who runs it: lines on standard output, and questions. */
public final class Terminal {
  private final PrintStream out;
  private final boolean interactive;

  private Terminal(PrintStream out, boolean interactive) {
    this.out = out;
    this.interactive = interactive;
  }

  /** {@return the terminal, file or pipe that this process has} */
  public static Terminal current() {
    // System.console() means another thing in each Java version; test(1) asks the descriptors
    boolean interactive =
        System.getenv("CI") == null
            && Commands.onTerminal(Argv.of("test", "-t", "0", "-a", "-t", "1")) == 0;
    return new Terminal(System.out, interactive);
  }

  /** {@return one that only writes to {@code out}} */
  public static Terminal plain(PrintStream out) {
    return new Terminal(out, false);
  }

  /** {@return whether a person can answer, and lines can be drawn anew} */
  public boolean isInteractive() {
    return interactive;
  }

  /** Prints a line, or several; what would act on the terminal is made {@link Visible}. */
  public void line(String format, Object... values) {
    out.println(Visible.lines(values.length == 0 ? format : format.formatted(values)));
  }

  /** Prints text as it is, escape codes included; used to draw lines anew. */
  public void draw(String text) {
    out.print(text);
    out.flush();
  }

  /** Draws one line over the one that was drawn last, such as a progress bar. */
  public void redraw(String line) {
    draw("\r" + Visible.line(line));
  }

  /** {@return whether the person answered {@code question} with yes; no without a person} */
  public boolean confirm(String question) {
    if (!interactive) {
      return false;
    }
    draw(Visible.lines(question) + " [y/N] ");
    try {
      String answer =
          new BufferedReader(new InputStreamReader(System.in, Charset.defaultCharset())).readLine();
      return answer != null && answer.strip().toLowerCase(Locale.ROOT).matches("y|yes");
    } catch (IOException e) {
      return false;
    }
  }
}

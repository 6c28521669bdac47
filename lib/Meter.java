//DEPS me.tongfei:progressbar:0.10.2
package lib;

import java.io.PrintStream;
import java.time.Duration;
import java.util.Optional;
import me.tongfei.progressbar.ConsoleProgressBarConsumer;
import me.tongfei.progressbar.ProgressBar;
import me.tongfei.progressbar.ProgressBarBuilder;
import me.tongfei.progressbar.ProgressBarStyle;

/**
 * How far a long transfer is: a bar with speed and time left on a terminal, elsewhere a line for
 * each tenth.
 */
public final class Meter implements AutoCloseable {
  private static final int WIDTH = 79;

  private final PrintStream out;
  private final String name;
  private final long start = System.nanoTime();
  private final long had;
  private final long all;
  private final Optional<ProgressBar> bar;
  private long done;
  private long tenths;

  /**
   * A meter that shows where the transfer starts.
   *
   * @param drawn whether a bar can be drawn
   * @param had bytes that were there before
   * @param all bytes in all; -1 if that is not known
   */
  Meter(PrintStream out, boolean drawn, String name, long had, long all) {
    this.out = out;
    this.name = name;
    this.had = had;
    this.all = all;
    this.done = had;
    this.tenths = tenths();
    this.bar = drawn ? Optional.of(bar()) : Optional.empty();
    if (!drawn) {
      line();
    }
  }

  private ProgressBar bar() {
    return new ProgressBarBuilder()
        .setTaskName("  " + name)
        .setStyle(ProgressBarStyle.ASCII)
        .setUnit(" MiB", 1 << 20)
        .setInitialMax(all)
        .startsFrom(had, Duration.ZERO)
        .showSpeed()
        .setConsumer(new ConsoleProgressBarConsumer(out, WIDTH))
        .build();
  }

  /** Says that so many more bytes have come. */
  public void add(int bytes) {
    done += bytes;
    bar.ifPresent(drawn -> drawn.stepBy(bytes));
    if (bar.isEmpty() && tenths() > tenths) {
      tenths = tenths();
      line();
    }
  }

  private long tenths() {
    return all > 0 ? done * 10 / all : done >> 27; // of an unknown length: each 128 MiB
  }

  private void line() {
    double seconds = Math.max(0.001, (System.nanoTime() - start) / 1e9);
    String of = all > 0 ? " of " + (all >> 20) : "";
    String speed = done > had ? ", %.1f MiB/s".formatted((done - had) / seconds / (1 << 20)) : "";
    out.println("  %s  %d%s MiB%s".formatted(name, done >> 20, of, speed));
  }

  /** Leaves what is shown as it is. */
  @Override
  public void close() {
    bar.ifPresent(ProgressBar::close);
  }
}

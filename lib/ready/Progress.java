package lib.ready;

import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import lib.Terminal;
import lib.Visible;
import lib.Wait;
import lib.cluster.Node;

/**
 * A line a node with its stage and seconds: drawn in place on a terminal, otherwise printed as
 * stages change.
 */
public final class Progress implements AutoCloseable {
  private final Terminal terminal;
  private final Map<Node, Line> lines = new LinkedHashMap<>();
  private boolean drawn;
  private boolean closed;

  /**
   * A node's line.
   *
   * @param stage the word for where it is
   * @param start when the guest began to boot, as {@link System#nanoTime}
   * @param seconds the seconds it took to its last stage; -1 while it goes on
   */
  private record Line(String stage, long start, long seconds) {
    String text(Node node) {
      return Visible.line(
          "%-12s %-11s %4d s".formatted(node.name(), stage, seconds < 0 ? since(start) : seconds));
    }

    static long since(long start) {
      return (System.nanoTime() - start) / 1_000_000_000;
    }
  }

  /** The lines of nodes of which nothing is known yet. */
  public Progress(Terminal terminal, List<Node> nodes) {
    this.terminal = terminal;
    nodes.forEach(node -> lines.put(node, new Line("", System.nanoTime(), -1)));
    if (terminal.isInteractive()) {
      Thread clock = new Thread(this::tick, "progress");
      clock.setDaemon(true);
      clock.start();
    }
  }

  /**
   * Says that a node has reached a stage.
   *
   * @param last whether it is the one that is waited for
   */
  public void reached(Node node, Stage stage, boolean last) {
    show(node, stage.word(), stage == Stage.BOOTING, last);
  }

  /** Says that a node gets no further. */
  public void failed(Node node) {
    show(node, "failed", false, true);
  }

  private synchronized void show(Node node, String stage, boolean starts, boolean last) {
    Line old = lines.get(node);
    if (closed || old.stage().equals(stage)) {
      return;
    }
    long start = starts ? System.nanoTime() : old.start();
    Line line = new Line(stage, start, last ? Line.since(start) : -1);
    lines.put(node, line);
    if (terminal.isInteractive()) {
      draw();
    } else {
      terminal.line(line.text(node));
    }
  }

  private void tick() {
    while (!Thread.interrupted()) {
      synchronized (this) {
        if (closed) {
          return;
        }
        draw();
      }
      Wait.pause(Duration.ofSeconds(1));
    }
  }

  private void draw() {
    StringBuilder text = new StringBuilder();
    if (drawn) {
      text.append("\u001b[").append(lines.size()).append('A'); // up to the first line
    }
    lines.forEach((node, line) -> text.append("\r\u001b[K").append(line.text(node)).append('\n'));
    terminal.draw(text.toString());
    drawn = true;
  }

  /** Ends the drawing; what nodes do from now on is not shown. */
  @Override
  public synchronized void close() {
    closed = true;
  }
}

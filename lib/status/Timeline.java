package lib.status;

import java.time.Duration;
import java.time.Instant;
import java.time.ZoneOffset;
import java.time.format.DateTimeFormatter;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Comparator;
import java.util.EnumMap;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import lib.Visible;
import lib.ready.Leg;

/** A picture of where a launch's time went: a row a node, a colour a leg, an axis in seconds. */
public final class Timeline {
  private static final int LEFT = 120;
  private static final int AXIS = 760;
  private static final int RIGHT = 90;
  private static final int TOP = 84;
  private static final int ROW = 28;
  private static final int BAR = 18;

  /** A bar as wide as this has its seconds in it. */
  private static final int NUMBER = 32;

  private static final DateTimeFormatter LAUNCHED =
      DateTimeFormatter.ofPattern("yyyy-MM-dd HH:mm 'UTC'").withZone(ZoneOffset.UTC);

  /** Apart also for eyes that do not see all colours (Okabe and Ito), quiet for what only waits. */
  private static final Map<Leg, String> COLOURS =
      new EnumMap<>(
          Map.of(
              Leg.QUEUED, "#e4e4e4",
              Leg.QEMU, "#8c8c8c",
              Leg.KERNEL, "#d55e00",
              Leg.SYSTEM, "#e69f00",
              Leg.NETWORK, "#56b4e9",
              Leg.SSHD, "#0072b2",
              Leg.CLOUD_INIT, "#cc79a7",
              Leg.READY, "#009e73"));

  private static final Set<Leg> PALE = Set.of(Leg.QUEUED, Leg.SYSTEM, Leg.NETWORK);

  private Timeline() {}

  /** A node's legs, in order. */
  public record Row(String node, List<Leg.Span> spans) {
    private Instant start() {
      return spans.get(0).start();
    }

    private Instant end() {
      return spans.get(spans.size() - 1).end();
    }
  }

  /**
   * {@return the picture, as the text of an SVG file}
   *
   * <p>Nodes that were started together share the axis. One that was started after others had come
   * to their end was launched by itself, and starts at zero again.
   *
   * @param cluster its name
   * @param rows may have no legs: of nodes whose launch nobody watched
   */
  public static String svg(String cluster, List<Row> rows) {
    Map<Row, Instant> zeros = zeros(rows);
    double longest =
        zeros.entrySet().stream()
            .mapToDouble(zero -> seconds(zero.getValue(), zero.getKey().end()))
            .max()
            .orElse(0);
    double step = step(longest);
    double all = Math.max(1, Math.ceil(longest / step)) * step;
    int bottom = TOP + ROW * rows.size() + 6;
    StringBuilder svg = new StringBuilder();
    svg.append(
        """
        <svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %1$d %2$d" width="%1$d" height="%2$d" \
        font-family="system-ui, 'DejaVu Sans', sans-serif" font-size="12" fill="#222">
        <rect width="100%%" height="100%%" fill="#fff"/>
        <text x="16" y="30" font-size="18" font-weight="bold">%3$s: %4$d of %5$d nodes in %6$s s</text>
        <text x="%7$d" y="30" text-anchor="end" fill="#666">%8$s</text>
        """
            .formatted(
                LEFT + AXIS + RIGHT,
                bottom + 34,
                escaped(cluster),
                zeros.size(),
                rows.size(),
                number(longest),
                LEFT + AXIS + RIGHT - 16,
                launched(zeros.values())));
    legend(svg, rows);
    for (int tick = 0; tick <= Math.round(all / step); tick++) {
      double x = LEFT + AXIS * tick * step / all;
      svg.append(
          """
          <path d="M%1$s %2$d V%3$d" stroke="#ddd"/>\
          <text x="%1$s" y="%4$d" text-anchor="middle" fill="#666">%5$s</text>
          """
              .formatted(number(x), TOP - 6, bottom, bottom + 18, tickLabel(tick * step, step)));
    }
    for (int i = 0; i < rows.size(); i++) {
      row(svg, rows.get(i), zeros.get(rows.get(i)), TOP + ROW * i, AXIS / all);
    }
    return svg.append("</svg>\n").toString();
  }

  /** When the last launch began. */
  private static String launched(Collection<Instant> zeros) {
    return zeros.stream()
        .max(Comparator.naturalOrder())
        .map(zero -> "launched " + LAUNCHED.format(zero))
        .orElse("no launch was watched");
  }

  private static void legend(StringBuilder svg, List<Row> rows) {
    double x = 16;
    for (Leg leg : Leg.values()) {
      if (rows.stream().anyMatch(row -> row.spans().stream().anyMatch(span -> span.leg() == leg))) {
        svg.append(
            """
            <rect x="%s" y="46" width="12" height="12" rx="2" fill="%s"/><text x="%s" y="56">%s</text>
            """
                .formatted(number(x), COLOURS.get(leg), number(x + 17), leg.word()));
        x += 40 + 7.2 * leg.word().length();
      }
    }
  }

  private static void row(StringBuilder svg, Row row, Instant zero, int y, double scale) {
    svg.append(
        "<text x=\"%d\" y=\"%d\" text-anchor=\"end\">%s</text>\n"
            .formatted(LEFT - 10, y + 14, escaped(row.node())));
    if (row.spans().isEmpty()) {
      svg.append("<text x=\"%d\" y=\"%d\" fill=\"#666\">-</text>\n".formatted(LEFT + 6, y + 14));
      return;
    }
    for (Leg.Span span : row.spans()) {
      double x = LEFT + scale * seconds(zero, span.start());
      double width = Math.max(1, scale * span.seconds()); // what was is seen, however short
      svg.append(
          """
          <rect x="%s" y="%d" width="%s" height="%d" fill="%s"><title>%s</title></rect>
          """
              .formatted(
                  number(x),
                  y,
                  number(width),
                  BAR,
                  COLOURS.get(span.leg()),
                  hover(row, span, zero)));
      if (width >= NUMBER) {
        svg.append(
            "<text x=\"%s\" y=\"%d\" text-anchor=\"middle\" font-size=\"10\" fill=\"%s\">%s</text>\n"
                .formatted(
                    number(x + width / 2),
                    y + 13,
                    PALE.contains(span.leg()) ? "#222" : "#fff",
                    number(span.seconds())));
      }
    }
    svg.append(
        "<text x=\"%s\" y=\"%d\">%s s</text>\n"
            .formatted(
                number(LEFT + scale * seconds(zero, row.end()) + 6),
                y + 14,
                number(seconds(zero, row.end()))));
  }

  private static String hover(Row row, Leg.Span span, Instant zero) {
    return "%s, %s: %s s, from %s to %s"
        .formatted(
            escaped(row.node()),
            span.leg().word(),
            number(span.seconds()),
            number(seconds(zero, span.start())),
            number(seconds(zero, span.end())));
  }

  /** When the launch started that each node with legs belongs to. */
  private static Map<Row, Instant> zeros(List<Row> rows) {
    Map<Row, Instant> zeros = new IdentityHashMap<>();
    Instant zero = Instant.MIN;
    Instant end = Instant.MIN;
    List<Row> sorted = new ArrayList<>(rows);
    sorted.removeIf(row -> row.spans().isEmpty());
    sorted.sort(Comparator.comparing(Row::start));
    for (Row row : sorted) {
      if (row.start().isAfter(end)) {
        zero = row.start();
      }
      end = row.end().isAfter(end) ? row.end() : end;
      zeros.put(row, zero);
    }
    return zeros;
  }

  /** Of 1, 2, 5, 10, 15, 30, 60 ... seconds the least that gives at most twelve parts. */
  private static double step(double seconds) {
    double[] steps = {0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1200, 3600};
    for (double step : steps) {
      if (seconds <= 12 * step) {
        return step;
      }
    }
    return Math.ceil(seconds / 12 / 3600) * 3600;
  }

  private static String tickLabel(double seconds, double step) {
    return String.format(Locale.ROOT, step < 1 ? "%.1f s" : "%.0f s", seconds);
  }

  private static double seconds(Instant from, Instant to) {
    return Duration.between(from, to).toMillis() / 1e3;
  }

  private static String number(double value) {
    return String.format(Locale.ROOT, "%.1f", value);
  }

  private static String escaped(String text) {
    return Visible.line(text)
        .replace("&", "&amp;")
        .replace("<", "&lt;")
        .replace(">", "&gt;")
        .replace("\"", "&quot;");
  }
}

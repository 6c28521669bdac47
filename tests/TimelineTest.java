import static org.assertj.core.api.Assertions.assertThat;

import java.io.StringReader;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import javax.xml.parsers.DocumentBuilderFactory;
import lib.ready.Leg;
import lib.status.Timeline;
import org.junit.jupiter.api.Test;
import org.w3c.dom.Document;
import org.w3c.dom.NodeList;
import org.xml.sax.InputSource;

class TimelineTest {
  private static final Instant START = Instant.parse("2026-11-22T23:00:00Z");

  /** Spans from a start in milliseconds; a leg that is -1 is not there. */
  private static Timeline.Row row(String node, long start, long... lengths) {
    List<Leg.Span> spans = new ArrayList<>();
    long at = start;
    for (int i = 0; i < lengths.length; i++) {
      if (lengths[i] >= 0) {
        spans.add(
            new Leg.Span(Leg.values()[i], START.plusMillis(at), START.plusMillis(at + lengths[i])));
        at += lengths[i];
      }
    }
    return new Timeline.Row(node, spans);
  }

  /** Seven nodes that boot two at a time; one restored, which boots no kernel; one not watched. */
  private static final List<Timeline.Row> LAUNCH =
      List.of(
          row("gateway", 0, 200, 900, 4_700, 14_000, 2_400, 9_000, 16_100, 180),
          row("control0", 60, 300, 900, 4_900, 15_000, 2_600, 9_500, 15_100, 210),
          row("control1", 120, 47_500, 900, 4_500, 13_000, 2_400, 8_000, 12_100, 150),
          row("worker0", 180, 48_500, 900, 4_600, 13_000, 2_400, 8_100, 13_100, 140),
          row("worker1", 240, 89_000, 700, -1, -1, 1_400, 3_000, -1, 90),
          row("worker2", 300));

  @Test
  void aLaunchIsGolden() {
    Golden.check("timeline/launch.svg", Timeline.svg("kubenet", LAUNCH));
  }

  @Test
  void aNodeThatWasRestartedLaterStartsAtZeroAgain() {
    String svg =
        Timeline.svg(
            "kubenet",
            List.of(row("gateway", 0, 0, 0, 5_000), row("worker0", 9_000_000, 0, 4_000)));
    assertThat(svg)
        .contains("gateway, kernel: 5.0 s, from 0.0 to 5.0")
        .contains("worker0, qemu: 4.0 s, from 0.0 to 4.0")
        .contains("kubenet: 2 of 2 nodes in 5.0 s")
        .contains("launched 2026-11-23 01:30 UTC");
  }

  @Test
  void nothingWatchedIsAPictureToo() throws Exception {
    String svg = Timeline.svg("kubenet", List.of(row("gateway", 0)));
    assertThat(svg).contains("0 of 1 nodes").contains("no launch was watched");
    parsed(svg);
    parsed(Timeline.svg("kubenet", List.of()));
  }

  @Test
  void namesAreWrittenAsXml() throws Exception {
    String nasty = "a<b>&\"c'd]]>";
    NodeList texts =
        parsed(Timeline.svg(nasty, List.of(row(nasty, 0, 10, 20)))).getElementsByTagName("text");
    List<String> words = new ArrayList<>();
    for (int i = 0; i < texts.getLength(); i++) {
      words.add(texts.item(i).getTextContent());
    }
    assertThat(words).contains(nasty, nasty + ": 1 of 1 nodes in 0.0 s");
  }

  @Test
  void whatXmlDoesNotAllowIsWrittenOut() throws Exception {
    String nasty = "\u0000\u001b\u009b\u202e\ud800\ufffe\nx";
    String svg = Timeline.svg(nasty, List.of(row(nasty, 0, 10, 20)));
    String shown = "\\u0000\\u001b\\u009b\\u202e\\ud800\\ufffe\\u000ax";
    assertThat(parsed(svg).getElementsByTagName("text").item(0).getTextContent())
        .isEqualTo(shown + ": 1 of 1 nodes in 0.0 s");
    assertThat(svg).doesNotContain("\u202e", "\u009b");
  }

  private static Document parsed(String svg) throws Exception {
    return DocumentBuilderFactory.newInstance()
        .newDocumentBuilder()
        .parse(new InputSource(new StringReader(svg)));
  }
}

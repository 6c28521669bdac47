import static org.assertj.core.api.Assertions.assertThat;

import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import lib.Terminal;
import lib.cluster.Cluster;
import lib.cluster.Node;
import lib.ready.Progress;
import lib.ready.Stage;
import org.junit.jupiter.api.Test;

class ProgressTest {
  private final ByteArrayOutputStream bytes = new ByteArrayOutputStream();
  private final Terminal terminal =
      Terminal.plain(new PrintStream(bytes, true, StandardCharsets.UTF_8));
  private final List<Node> nodes = Cluster.standard().nodes();

  @Test
  void withoutATerminalEachStageIsALine() {
    try (Progress progress = new Progress(terminal, nodes)) {
      progress.reached(nodes.get(0), Stage.QUEUED, false);
      progress.reached(nodes.get(0), Stage.BOOTING, false);
      progress.reached(nodes.get(0), Stage.BOOTING, false); // the same again is not news
      progress.reached(nodes.get(4), Stage.BOOTING, false);
      progress.reached(nodes.get(0), Stage.SSH, false);
      progress.reached(nodes.get(0), Stage.CLOUD_INIT, false);
      progress.failed(nodes.get(4));
      progress.reached(nodes.get(0), Stage.READY, true);
      progress.close();
      progress.failed(nodes.get(1)); // after the end nobody wants to know
    }

    // the seconds are the next test's
    assertThat(bytes.toString(StandardCharsets.UTF_8).replaceAll(" [0-9]+ s", " 0 s"))
        .isEqualTo(
            """
            gateway      queued         0 s
            gateway      booting        0 s
            worker0      booting        0 s
            gateway      ssh            0 s
            gateway      cloud-init     0 s
            worker0      failed         0 s
            gateway      ready          0 s
            """);
  }

  @Test
  void secondsAreCountedFromTheBoot() throws InterruptedException {
    try (Progress progress = new Progress(terminal, nodes)) {
      Thread.sleep(2100); // seconds are what is tested
      progress.reached(nodes.get(0), Stage.QUEUED, false);
      progress.reached(nodes.get(0), Stage.BOOTING, false);
    }

    Matcher seconds =
        Pattern.compile("gateway      queued +([0-9]+) s\ngateway      booting +([0-9]+) s\n")
            .matcher(bytes.toString(StandardCharsets.UTF_8));
    assertThat(seconds.matches()).as("%s", seconds).isTrue();
    int queued = Integer.parseInt(seconds.group(1));
    assertThat(queued).isGreaterThanOrEqualTo(2);
    assertThat(Integer.parseInt(seconds.group(2))).isLessThan(queued);
  }

  @Test
  void aPlainTerminalAsksNobody() {
    assertThat(terminal.isInteractive()).isFalse();
    assertThat(terminal.confirm("Really?")).isFalse();
    terminal.line("100% %s");
    terminal.line("%d %%", 5);

    assertThat(bytes.toString(StandardCharsets.UTF_8)).isEqualTo("100% %s\n5 %\n");
  }
}

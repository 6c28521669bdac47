import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Path;
import java.time.Instant;
import java.util.List;
import lib.cluster.Cluster;
import lib.ready.Leg;
import lib.state.Layout;
import lib.status.NodeStatus;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class NodeStatusTest {
  private static final Instant START = Instant.parse("2026-11-22T23:00:00.250Z");
  private static final List<Leg.Span> LEGS =
      List.of(
          new Leg.Span(Leg.QUEUED, START, START.plusMillis(40_004)),
          new Leg.Span(Leg.CLOUD_INIT, START.plusMillis(40_004), START.plusMillis(85_750)));

  private static final List<NodeStatus> ROWS =
      List.of(
          row("gateway", "ready", 3725L, "10.240.0.10", "127.0.0.1:2200", 4194304L, null, LEGS),
          row(
              "control0",
              "cloud-init",
              12L,
              "10.240.0.11",
              "127.0.0.1:2201",
              7L,
              "off the LAN",
              List.of()),
          row(
              "control1",
              "io-error",
              90L,
              "10.240.0.12",
              "127.0.0.1:2202",
              8L,
              "disk full",
              List.of()),
          row(
              "control2",
              "ssh",
              13L,
              "10.240.0.13",
              "127.0.0.1:2203",
              9L,
              "off the LAN",
              List.of()),
          row(
              "worker99",
              "stopped",
              null,
              "10.240.100.200",
              "10.240.100.200:22",
              null,
              null,
              List.of()));

  private static NodeStatus row(
      String node,
      String stage,
      Long seconds,
      String address,
      String ssh,
      Long pid,
      String trouble,
      List<Leg.Span> timeline) {
    return new NodeStatus(node, stage, seconds, address, ssh, pid, trouble, timeline);
  }

  @Test
  void tableIsGolden() {
    Golden.check("status/table.txt", NodeStatus.table(ROWS) + "\n");
    assertThat(NodeStatus.table(List.of()))
        .isEqualTo("NODE         STAGE        SECONDS  ADDRESS         SSH                PID");
  }

  @Test
  void jsonIsGolden() {
    Golden.check("status/rows.json", NodeStatus.json(ROWS) + "\n");
    assertThat(NodeStatus.json(List.of())).isEqualTo("[ ]");
  }

  @Test
  void aNodeThatWasNeverStartedIsStopped(@TempDir Path folder) {
    Cluster cluster = Cluster.standard();

    assertThat(
            NodeStatus.of(
                cluster.node("worker0"), cluster, new Layout(folder, folder.resolve("run"))))
        .isEqualTo(
            row(
                "worker0",
                "stopped",
                null,
                "10.240.0.14",
                "127.0.0.1:2204",
                null,
                null,
                List.of()));
  }
}

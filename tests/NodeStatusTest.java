import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Path;
import java.util.List;
import lib.Cluster;
import lib.Layout;
import lib.NodeStatus;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class NodeStatusTest {
  private static final List<NodeStatus> ROWS =
      List.of(
          row("gateway", "ready", 3725L, "10.240.0.10", "127.0.0.1:2200", 4194304L, null),
          row("control0", "cloud-init", 12L, "10.240.0.11", "127.0.0.1:2201", 7L, "off the LAN"),
          row("control1", "io-error", 90L, "10.240.0.12", "127.0.0.1:2202", 8L, "disk full"),
          row("control2", "ssh", 13L, "10.240.0.13", "127.0.0.1:2203", 9L, "off the LAN"),
          row("worker99", "stopped", null, "10.240.100.200", "10.240.100.200:22", null, null));

  private static NodeStatus row(
      String node,
      String stage,
      Long seconds,
      String address,
      String ssh,
      Long pid,
      String trouble) {
    return new NodeStatus(node, stage, seconds, address, ssh, pid, trouble);
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
        .isEqualTo(row("worker0", "stopped", null, "10.240.0.14", "127.0.0.1:2204", null, null));
  }
}

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import java.util.stream.Collectors;
import lib.cluster.Cluster;
import lib.cluster.Node;
import lib.cluster.Role;
import org.junit.jupiter.api.Test;

class ClusterTest {
  private final Cluster standard = Cluster.standard();

  @Test
  void standardHasSevenNodes() {
    assertThat(rows(standard))
        .isEqualTo(
            """
            0 gateway  GATEWAY 10.240.0.10 52:54:00:4c:00:00 2200 2 2048 20
            1 control0 CONTROL 10.240.0.11 52:54:00:4c:00:01 2201 2 2048 20
            2 control1 CONTROL 10.240.0.12 52:54:00:4c:00:02 2202 2 2048 20
            3 control2 CONTROL 10.240.0.13 52:54:00:4c:00:03 2203 2 2048 20
            4 worker0  WORKER  10.240.0.14 52:54:00:4c:00:04 2204 4 4096 20
            5 worker1  WORKER  10.240.0.15 52:54:00:4c:00:05 2205 4 4096 20
            6 worker2  WORKER  10.240.0.16 52:54:00:4c:00:06 2206 4 4096 20
            """);
    assertThat(standard.vmsSession()).isEqualTo("kubenet-vms");
    assertThat(standard.sshSession()).isEqualTo("kubenet-ssh");
  }

  private static String rows(Cluster cluster) {
    return cluster.nodes().stream()
        .map(
            node ->
                "%d %-8s %-7s %s %s %d %d %d %d\n"
                    .formatted(
                        node.index(),
                        node.name(),
                        node.role(),
                        node.address(),
                        node.lanMac(),
                        node.sshPort(),
                        node.size().cpus(),
                        node.size().memoryMiB(),
                        node.size().diskGiB()))
        .collect(Collectors.joining());
  }

  @Test
  void onlyALoneGatewayHasNoNumber() {
    assertThat(names(Lab.cluster(2, 1, 1).nodes()))
        .containsExactly("gateway0", "gateway1", "control0", "worker0");
    assertThat(names(Lab.cluster(1, 1, 1).nodes()))
        .containsExactly("gateway", "control0", "worker0");
  }

  @Test
  void numbersRunOverTheRoles() {
    List<Node> nodes = Lab.cluster(100, 100, 100).nodes();

    assertThat(nodes).hasSize(300);
    for (int i = 0; i < 300; i++) {
      assertThat(nodes.get(i).index()).isEqualTo(i);
    }
    assertThat(nodes.get(100).name()).isEqualTo("control0");
    assertThat(nodes.get(299).name()).isEqualTo("worker99");
    assertThat(names(nodes)).doesNotHaveDuplicates();
  }

  @Test
  void selectsInItsOwnOrder() {
    assertThat(names(standard.nodes(Role.CONTROL)))
        .containsExactly("control0", "control1", "control2");
    assertThat(standard.select(List.of())).isEqualTo(standard.nodes());
    assertThat(names(standard.select(List.of("worker2", "gateway", "worker2"))))
        .containsExactly("gateway", "worker2");
    assertThat(standard.node("worker0")).isEqualTo(standard.nodes().get(4));
  }

  @Test
  void unknownNamesAreAllNamed() {
    assertThat(Lab.problem(() -> standard.select(List.of("worker9", "gateway", "Worker0", ""))))
        .isEqualTo(
            """
            unknown node `worker9`, `Worker0`, ``
            (nodes are: gateway, control0, control1, control2, worker0, worker1, worker2)\
            """);
    assertThat(Lab.problem(() -> standard.node("gateway0")))
        .isEqualTo(
            """
            unknown node `gateway0`
            (nodes are: gateway, control0, control1, control2, worker0, worker1, worker2)\
            """);
  }

  private static List<String> names(List<Node> nodes) {
    return nodes.stream().map(Node::name).toList();
  }
}

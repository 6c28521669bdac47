import static org.assertj.core.api.Assertions.assertThat;

import java.util.HashSet;
import java.util.Set;
import lib.cluster.Node;
import lib.cluster.Role;
import lib.cluster.Subnet;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class NodeTest {
  @ParameterizedTest
  @CsvSource({
    "0,   10.240.0.10,  52:54:00:4c:00:00, 52:54:00:57:00:00, 2200",
    "9,   10.240.0.19,  52:54:00:4c:00:09, 52:54:00:57:00:09, 2209",
    "10,  10.240.0.20,  52:54:00:4c:00:0a, 52:54:00:57:00:0a, 2210",
    "255, 10.240.1.9,   52:54:00:4c:00:ff, 52:54:00:57:00:ff, 2455",
    "256, 10.240.1.10,  52:54:00:4c:01:00, 52:54:00:57:01:00, 2456",
    "299, 10.240.1.53,  52:54:00:4c:01:2b, 52:54:00:57:01:2b, 2499"
  })
  void followsFromItsNumber(int index, String address, String lanMac, String wanMac, int port) {
    Node node = node(index);

    assertThat(node.address()).isEqualTo(address);
    assertThat(node.lanMac()).isEqualTo(lanMac);
    assertThat(node.wanMac()).isEqualTo(wanMac);
    assertThat(node.sshPort()).isEqualTo(port);
  }

  @Test
  void sharesNothingWithAnother() {
    Set<String> macs = new HashSet<>();
    Set<String> addresses = new HashSet<>();
    Set<Integer> ports = new HashSet<>();
    for (int i = 0; i < 300; i++) {
      macs.add(node(i).lanMac());
      macs.add(node(i).wanMac());
      addresses.add(node(i).address());
      ports.add(node(i).sshPort());
    }

    assertThat(macs).hasSize(600);
    assertThat(addresses).hasSize(300);
    assertThat(ports).hasSize(300);
    // one machine, not a group, and nobody's but ours (IEEE 802: the two low bits of the first
    // byte)
    assertThat(macs).allMatch(mac -> (Integer.parseInt(mac.substring(0, 2), 16) & 3) == 2);
  }

  private static Node node(int index) {
    return new Node(
        index,
        "worker" + index,
        Role.WORKER,
        new Node.Size(1, 512, 10),
        Subnet.parse("10.240.0.0/16"),
        2200);
  }
}

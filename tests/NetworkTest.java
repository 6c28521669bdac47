import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.file.Path;
import java.util.List;
import lib.cluster.Cluster;
import lib.cluster.Network;
import lib.cluster.Node;
import org.junit.jupiter.api.Test;

class NetworkTest {
  private final Node node = Cluster.standard().node("worker0");
  private final Path lan = Path.of("/run/a,b/lan");

  @Test
  void userHasAWayOutAndALan() {
    Network network = new Network.User();

    assertThat(network.nics(node, lan))
        .isEqualTo(
            List.of(
                new Network.Nic(
                    "wan",
                    "user,id=wan,ipv6=off,hostfwd=tcp:127.0.0.1:2204-:22",
                    "52:54:00:57:00:04"),
                new Network.Nic(
                    "lan",
                    List.of(
                        "hubport,id=lan,hubid=0",
                        "stream,id=switch,addr.type=unix,addr.path=/run/a,,b/lan",
                        "hubport,id=uplink,hubid=0,netdev=switch"),
                    "52:54:00:4c:00:04")));
    assertThat(network.ssh(node)).isEqualTo(new Network.Endpoint("127.0.0.1", 2204));
  }

  @Test
  void bridgeHasATapANode() {
    Network network = new Network.Bridge();

    assertThat(network.nics(node, lan))
        .isEqualTo(
            List.of(
                new Network.Nic(
                    "lan",
                    "tap,id=lan,ifname=kubenet-4,script=no,downscript=no",
                    "52:54:00:4c:00:04")));
    assertThat(network.ssh(node)).isEqualTo(new Network.Endpoint("10.240.0.14", 22));
    assertThat(Lab.cluster(100, 100, 100).nodes().stream().map(Network.Bridge::tap).distinct())
        .hasSize(300)
        .allMatch(tap -> tap.length() <= 15); // the kernel's limit, IFNAMSIZ
  }

  @Test
  void vmnetHasTheSubnet() {
    Network network = new Network.Vmnet();

    assertThat(network.nics(node, lan))
        .isEqualTo(
            List.of(
                new Network.Nic(
                    "lan",
                    "vmnet-shared,id=lan,start-address=10.240.0.1,end-address=10.240.0.254,"
                        + "subnet-mask=255.255.255.0",
                    "52:54:00:4c:00:04")));
    assertThat(network.ssh(node)).isEqualTo(new Network.Endpoint("10.240.0.14", 22));
  }

  @Test
  void wordsReadBack() {
    assertThat(Network.words()).isEqualTo("user, bridge, vmnet");
    for (Network network : Network.all()) {
      assertThat(Network.parse(network.word())).isEqualTo(network);
    }
    assertThatThrownBy(() -> Network.parse("User"))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("must be one of user, bridge, vmnet");
  }

  @Test
  void aNicHasNoBootRom() {
    assertThat(Network.device(new Network.Nic("wan", "user,id=wan", "52:54:00:57:00:04")))
        .isEqualTo("virtio-net-pci,netdev=wan,mac=52:54:00:57:00:04,romfile=");
  }
}

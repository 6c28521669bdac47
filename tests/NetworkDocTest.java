import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.regex.Matcher;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import lib.cluster.Cluster;
import lib.cluster.ClusterFile;
import lib.cluster.Node;
import lib.cluster.Role;
import org.junit.jupiter.api.Test;

/** The picture in docs/network.md is drawn from cluster.yaml; UPDATE_GOLDEN=1 draws it anew. */
class NetworkDocTest {
  private static final Path DOC = Project.root().resolve("docs/network.md");
  private static final String START = "<!-- drawn by NetworkDocTest from cluster.yaml -->\n";
  private static final String END = "<!-- end of the drawing -->\n";

  private final Cluster cluster = ClusterFile.read(Project.root().resolve("cluster.yaml"));

  @Test
  void thePictureIsThatOfTheClusterFile() throws IOException {
    String doc = Files.readString(DOC);
    int start = doc.indexOf(START) + START.length();
    int end = doc.indexOf(END);
    String picture = "```mermaid\n" + picture() + "```\n";
    if (System.getenv("UPDATE_GOLDEN") != null) {
      Files.writeString(DOC, doc.substring(0, start) + picture + doc.substring(end));
    } else {
      assertThat(doc.substring(start, end)).isEqualTo(picture);
    }
  }

  /** Every address and hardware address in the text is one that the cluster has. */
  @Test
  void addressesAreThoseOfTheCluster() throws IOException {
    String known =
        cluster.hosts()
            + "127.0.0.1 0.0.0.0 10.0.2.15 "
            + cluster.nodes().stream()
                .flatMap(node -> Stream.of(node.lanMac(), node.wanMac()))
                .collect(Collectors.joining(" "));
    String text = Files.readString(DOC);
    Matcher found =
        java.util.regex.Pattern.compile("\\d+(\\.\\d+){3}(?!/)\\b|[0-9a-f]{2}(:[0-9a-f]{2}){5}")
            .matcher(text);
    List<String> strangers =
        found.results().map(match -> match.group()).filter(one -> !known.contains(one)).toList();
    assertThat(strangers).isEmpty();
  }

  private String picture() {
    Cluster.LoadBalancer balancer = cluster.loadBalancer();
    String client = cluster.nodes(Role.WORKER).get(0).name();
    String service = cluster.vip() + ":" + balancer.ports().get(0);
    Node gateway = cluster.nodes(Role.GATEWAY).get(0);
    StringBuilder text = new StringBuilder("flowchart LR\n");
    text.append("  host([\"this host<br>127.0.0.1:%d\"])\n".formatted(balancer.hostPorts()));
    text.append("  subgraph lan [\"LAN %s, a switch\"]\n".formatted(cluster.subnet()));
    for (Role role : List.of(Role.WORKER, Role.GATEWAY, Role.CONTROL)) {
      text.append("    subgraph %ss [\" \"]\n".formatted(role.word()));
      cluster.nodes(role).forEach(node -> text.append("      " + box(node) + "\n"));
      text.append("    end\n");
    }
    text.append("  end\n");
    text.append("  host -. \"ssh -L\" .-> %s\n".formatted(gateway.name()));
    text.append("  %s -- \"1 to %s\" --> %s\n".formatted(client, service, gateway.name()));
    for (Node control : cluster.nodes(Role.CONTROL)) {
      text.append(
          "  %s -- \"2 the same packet\" --> %s\n".formatted(gateway.name(), control.name()));
    }
    String server = cluster.nodes(Role.CONTROL).get(0).name();
    text.append("  %s -- \"3 from %s\" --> %s\n".formatted(server, service, client));
    return text.toString();
  }

  private String box(Node node) {
    String vip =
        switch (node.role()) {
          case GATEWAY ->
              node.equals(cluster.nodes(Role.GATEWAY).get(0))
                  ? "<br>" + cluster.vip() + " answers ARP"
                  : "";
          case CONTROL -> "<br>" + cluster.vip() + " on lo, silent";
          case WORKER -> "";
        };
    return "%s[\"%s<br>%s%s\"]".formatted(node.name(), node.name(), node.address(), vip);
  }
}

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import lib.Argv;
import lib.Commands;
import lib.cluster.Cluster;
import lib.cluster.ClusterFile;
import lib.cluster.Role;
import lib.seed.VirtualIp;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class VirtualIpTest {
  private static final Cluster SEVERAL =
      ClusterFile.parse(
          "c.yaml",
          "loadBalancer: {ports: [6443, 80], scheduler: wlc, check: '/readyz?x=1'}\n"
              + "roles: {control: {count: 1}, gateway: {count: 2}}\n");

  @Test
  void severalServicesAndAnHttpsCheckAreGolden() {
    Golden.check("virtual-ip/ldirectord.cf", VirtualIp.services(SEVERAL));
    Golden.check("virtual-ip/kubenet-check", content(SEVERAL, "/usr/local/sbin/kubenet-check"));
  }

  @Test
  void onlyAnHttpsCheckHasAProgram() {
    assertThat(paths(SEVERAL)).contains("/usr/local/sbin/kubenet-check");
    assertThat(paths(Cluster.standard())).doesNotContain("/usr/local/sbin/kubenet-check");
  }

  /** The silence comes first: sysctl, then the address, and nothing if sysctl fails. */
  @Test
  void controlNodesAreSilentBeforeTheyHoldTheAddress() {
    String unit = content(Cluster.standard(), Role.CONTROL, "kubenet-virtual-ip.service");
    assertThat(unit)
        .contains("Type=oneshot\n")
        .containsSubsequence(
            "ExecStart=/sbin/sysctl --quiet --load=/etc/sysctl.d/50-kubenet-virtual-ip.conf\n",
            "ExecStart=/sbin/ip address replace 10.240.0.5/32 dev lo\n");
    assertThat(content(Cluster.standard(), Role.CONTROL, "50-kubenet-virtual-ip.conf"))
        .contains("net.ipv4.conf.all.arp_ignore = 1\n", "net.ipv4.conf.all.arp_announce = 2\n");
  }

  @Test
  void workersHaveNoPartInIt() {
    assertThat(VirtualIp.files(Cluster.standard(), Role.WORKER)).isEmpty();
    assertThat(VirtualIp.commands(Role.WORKER)).isEmpty();
  }

  @Test
  void shellsReadTheScripts(@TempDir Path folder) throws IOException {
    for (Object file : VirtualIp.files(SEVERAL, Role.GATEWAY)) {
      String text = ((Map<?, ?>) file).get("content").toString();
      if (text.startsWith("#!/bin/sh\n")) {
        Path script = Files.writeString(folder.resolve("script"), text);
        Commands.run(Argv.of("sh", "-n", script.toString())).orProblem();
      }
    }
  }

  private static Stream<Map<?, ?>> files(Cluster cluster, Role role) {
    return VirtualIp.files(cluster, role).stream().map(file -> (Map<?, ?>) file);
  }

  private static List<String> paths(Cluster cluster) {
    return files(cluster, Role.GATEWAY).map(file -> file.get("path").toString()).toList();
  }

  private static String content(Cluster cluster, String path) {
    return content(cluster, Role.GATEWAY, path);
  }

  private static String content(Cluster cluster, Role role, String end) {
    return files(cluster, role)
        .filter(file -> file.get("path").toString().endsWith(end))
        .map(file -> file.get("content").toString())
        .findFirst()
        .orElseThrow();
  }
}

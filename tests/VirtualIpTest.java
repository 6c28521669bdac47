import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Stream;
import lib.Argv;
import lib.Commands;
import lib.Yaml;
import lib.cluster.Cluster;
import lib.cluster.ClusterFile;
import lib.cluster.Role;
import lib.seed.CloudInit;
import lib.seed.RoleFiles;
import lib.seed.VirtualIp;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The text is in {@code cloud-init/*.yaml}, and its programs run here as on a gateway. */
class VirtualIpTest {
  private static final Cluster SEVERAL =
      ClusterFile.parse(
          "c.yaml",
          "loadBalancer: {ports: [6443, 80], scheduler: wlc, check: '/readyz?x=1'}\n"
              + "roles: {control: {count: 1}, gateway: {count: 2}}\n");
  private static final String WRITER = "/usr/local/sbin/kubenet-ldirectord-cf";
  private static final String CHECK = "/usr/local/sbin/kubenet-check";
  private static final Map<Role, Yaml> FILES = RoleFiles.read(Project.root());

  @Test
  void severalServicesAndAnHttpsCheckAreGolden(@TempDir Path folder) throws IOException {
    Golden.check("virtual-ip/values", VirtualIp.values(SEVERAL));
    Golden.check("virtual-ip/ldirectord.cf", Files.readString(services(SEVERAL, folder)));
    Golden.check("virtual-ip/kubenet-check", content(SEVERAL, Role.GATEWAY, CHECK));
  }

  @Test
  void onlyAnHttpsCheckIsTheProgramsWork(@TempDir Path folder) throws IOException {
    assertThat(services(SEVERAL, folder.resolve("a"))).content().contains(CHECK);
    Path standard = services(Cluster.standard(), folder.resolve("b"));
    assertThat(standard).content().doesNotContain(CHECK).contains("    checktype=connect\n");
    Golden.check("virtual-ip/ldirectord.cf.standard", Files.readString(standard));
  }

  /** README says that you can edit it. */
  @Test
  void anEditedLdirectordCfStaysUntilTheValuesAreNewer(@TempDir Path folder) throws IOException {
    Path file = services(SEVERAL, folder);
    String made = Files.readString(file);
    Files.writeString(file, "mine\n");
    Path values = folder.resolve("etc/kubenet/virtual-ip");
    Files.setLastModifiedTime(values, FileTime.from(Instant.now().minusSeconds(60)));
    run(SEVERAL, WRITER, folder);
    assertThat(file).hasContent("mine\n");

    Files.setLastModifiedTime(values, FileTime.from(Instant.now().plusSeconds(60)));
    run(SEVERAL, WRITER, folder);
    assertThat(file).hasContent(made);
    assertThat(file.getParent()).isDirectoryNotContaining("glob:**.new");
  }

  /** What a shell makes of the values is what the cluster file says: they are only data. */
  @Test
  void aShellReadsTheValuesAsTheyAre(@TempDir Path folder) throws IOException {
    String check = "/a~b/c.d_e?f=g&h=-i";
    Cluster cluster = ClusterFile.parse("c.yaml", "loadBalancer: {check: '" + check + "'}\n");
    Path values = Files.writeString(folder.resolve("values"), VirtualIp.values(cluster));
    String print = ". \"$0\"; printf '%s|' \"$VIRTUAL_IP\" \"$PORTS\" \"$SCHEDULER\" \"$CHECK\"";
    Argv shell = Argv.of("sh", "-euc", print + " \"$REAL_SERVERS\"", values.toString());
    assertThat(Commands.run(shell).orProblem().out())
        .isEqualTo("10.240.0.5|6443|rr|" + check + "|10.240.0.11 10.240.0.12 10.240.0.13|");
  }

  /** The silence comes first: sysctl, then the address, and nothing if sysctl fails. */
  @Test
  void controlNodesAreSilentBeforeTheyHoldTheAddress() {
    String unit = content(Cluster.standard(), Role.CONTROL, "kubenet-virtual-ip.service");
    assertThat(unit)
        .contains("Type=oneshot\n")
        .containsSubsequence(
            "EnvironmentFile=" + VirtualIp.FILE + "\n",
            "ExecStart=/sbin/sysctl --quiet --load=/etc/sysctl.d/50-kubenet-virtual-ip.conf\n",
            "ExecStart=/sbin/ip address replace ${VIRTUAL_IP}/32 dev lo\n");
    assertThat(content(Cluster.standard(), Role.CONTROL, VirtualIp.FILE))
        .contains("\nVIRTUAL_IP='10.240.0.5'\n");
    assertThat(content(Cluster.standard(), Role.CONTROL, "50-kubenet-virtual-ip.conf"))
        .contains("net.ipv4.conf.all.arp_ignore = 1\n", "net.ipv4.conf.all.arp_announce = 2\n");
  }

  @Test
  void workersHaveNoPartInIt() {
    assertThat(Yaml.write(tree(Cluster.standard(), Role.WORKER)))
        .contains("/etc/hosts")
        .doesNotContain("virtual-ip");
  }

  @Test
  void anOlderRoleFileWithoutItGivesALine() {
    Cluster cluster = Cluster.standard();
    Yaml empty = CloudInit.role("f", "#cloud-config\n# " + VirtualIp.FILE + "\n");
    Map<Role, Yaml> older =
        Map.of(Role.GATEWAY, FILES.get(Role.GATEWAY), Role.CONTROL, empty, Role.WORKER, empty);
    assertThat(VirtualIp.missing(cluster, cluster.nodes(), FILES)).isEmpty();
    assertThat(VirtualIp.missing(cluster, cluster.nodes(Role.GATEWAY), older)).isEmpty();
    assertThat(VirtualIp.missing(cluster, cluster.nodes(), older))
        .containsExactly(
            "control: new nodes have no part in the virtual IP 10.240.0.5, as nothing in your"
                + " cloud-init/control.yaml reads /etc/kubenet/virtual-ip; copy that part from"
                + " kubenet's own control.yaml");
  }

  @Test
  void shellsReadTheScripts(@TempDir Path folder) throws IOException {
    List<String> scripts =
        files(SEVERAL, Role.GATEWAY)
            .map(file -> file.get("content").toString())
            .filter(text -> text.startsWith("#!/bin/sh\n"))
            .toList();
    assertThat(scripts).hasSize(3);
    for (String text : scripts) {
      Path script = Files.writeString(folder.resolve("script"), text);
      Commands.run(Argv.of("sh", "-n", script.toString())).orProblem();
    }
  }

  /** Has the gateway's program write ldirectord's file below a folder. */
  private static Path services(Cluster cluster, Path folder) throws IOException {
    Path values = folder.resolve("etc/kubenet/virtual-ip");
    Files.createDirectories(values.getParent());
    Files.writeString(values, content(cluster, Role.GATEWAY, VirtualIp.FILE));
    run(cluster, WRITER, folder);
    return folder.resolve("etc/ha.d/ldirectord.cf");
  }

  private static void run(Cluster cluster, String program, Path folder) {
    String text = content(cluster, Role.GATEWAY, program).replace("=/etc/", "=" + folder + "/etc/");
    Commands.run(Argv.of("sh", "-c", text)).orProblem();
  }

  private static Map<String, Object> tree(Cluster cluster, Role role) {
    return CloudInit.shared(cluster, role, FILES.get(role), Set.of(), "login");
  }

  private static Stream<Map<?, ?>> files(Cluster cluster, Role role) {
    return ((List<?>) tree(cluster, role).get("write_files"))
        .stream().map(file -> (Map<?, ?>) file);
  }

  private static String content(Cluster cluster, Role role, String end) {
    return files(cluster, role)
        .filter(file -> file.get("path").toString().endsWith(end))
        .map(file -> file.get("content").toString())
        .findFirst()
        .orElseThrow();
  }
}

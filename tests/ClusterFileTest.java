import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import lib.cluster.Cluster;
import lib.cluster.ClusterFile;
import lib.cluster.Host;
import lib.cluster.ImageSource;
import lib.cluster.Network;
import lib.cluster.Node;
import lib.cluster.Role;
import lib.cluster.Subnet;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

class ClusterFileTest {
  private static final String HINT =
      "\n(the keys and their values are described in README.md, \"The cluster file\")";

  @Test
  void theOneInTheRepositoryIsTheBuiltInCluster() {
    assertThat(ClusterFile.read(Project.root().resolve("cluster.yaml")))
        .isEqualTo(Cluster.standard());
  }

  @ParameterizedTest
  @ValueSource(strings = {"", "\n", "# nothing\n", "---\n", "~", "{}", "name: kubenet\n"})
  void whatIsLeftOutIsAsInTheBuiltInCluster(String text) {
    assertThat(ClusterFile.parse("c.yaml", text)).isEqualTo(Cluster.standard());
  }

  @Test
  void everyKeyIsRead() {
    assertThat(
            ClusterFile.parse(
                "c.yaml",
                """
                name: lab-2
                subnet: 192.168.0.0/16
                vip: 192.168.255.254
                loadBalancer: {ports: [443, 80], scheduler: wlc, check: '/readyz?x=1', hostPorts: 4443}
                boot: kernel
                network: bridge
                user: me
                images: [./a b.img, debian-built, /srv/x.qcow2, ~/y.img, ../z.img]
                sshPorts: 3000
                roles:
                  worker: {count: 100, cpus: 64, memory: 1024G, disk: 16T}
                  gateway: {count: 2}
                """))
        .isEqualTo(
            new Cluster(
                "lab-2",
                Subnet.parse("192.168.0.0/16"),
                "192.168.255.254",
                new Cluster.LoadBalancer(List.of(443, 80), "wlc", "/readyz?x=1", 4443),
                Cluster.BootChoice.KERNEL,
                new Network.Bridge(),
                "me",
                List.of(
                    new ImageSource.LocalFile("./a b.img"),
                    new ImageSource.Built(Optional.empty(), List.of()),
                    new ImageSource.LocalFile("/srv/x.qcow2"),
                    new ImageSource.LocalFile("~/y.img"),
                    new ImageSource.LocalFile("../z.img")),
                3000,
                Map.of(
                    Role.GATEWAY,
                    new Cluster.Group(2, new Node.Size(2, 2048, 20)),
                    Role.CONTROL,
                    new Cluster.Group(3, new Node.Size(2, 2048, 20)),
                    Role.WORKER,
                    new Cluster.Group(100, new Node.Size(64, 1024 * 1024, 16 * 1024)))));
  }

  @Test
  void imagesHaveNamesPathsOrAddresses() {
    String one = "1".repeat(64);
    String two = "2".repeat(64);
    assertThat(
            ClusterFile.parse(
                    "c.yaml",
                    """
                    images:
                      - ubuntu-24.04-minimal
                      - debian-built: {suite: trixie, packages: [tcpdump, g++]}
                      - {url: "http://127.0.0.1:8000/a.img", sha256: %1$s}
                      - x86_64: {url: https://example.org/x.img, sha256: %1$s}
                        aarch64: {url: https://example.org/y.img, sha256: %2$s}
                    """
                        .formatted("'" + one + "'", "'" + two + "'"))
                .images())
        .isEqualTo(
            List.of(
                ImageSource.known("ubuntu-24.04-minimal").orElseThrow(),
                new ImageSource.Built(Optional.of("trixie"), List.of("tcpdump", "g++")),
                new ImageSource.Web(
                    "http://127.0.0.1:8000/a.img",
                    Map.of(
                        Host.Arch.X86_64, published("http://127.0.0.1:8000/a.img", one),
                        Host.Arch.AARCH64, published("http://127.0.0.1:8000/a.img", one))),
                new ImageSource.Web(
                    "https://example.org/x.img",
                    Map.of(
                        Host.Arch.X86_64, published("https://example.org/x.img", one),
                        Host.Arch.AARCH64, published("https://example.org/y.img", two)))));
  }

  private static List<ImageSource.Published> published(String url, String sha256) {
    return List.of(new ImageSource.Published(URI.create(url), Optional.of(sha256)));
  }

  @Test
  void imagesAreRefusedWithWhatIsWrong() {
    assertThat(
            Lab.problem(
                () ->
                    ClusterFile.parse(
                        "c.yaml",
                        """
                        images:
                          - {url: "http://example.org/x.img", sha256: abc}
                          - {url: "https://example.org/x.img"}
                          - {sha256: x, size: 5}
                          - debian-built: {suite: "a b", packages: ["x; rm -rf /", 7], more: 1}
                          - debian-built: [trixie]
                          - {url: ftp://example.org/x, sha256: 5, kind: raw}
                          - {x86_64: https://example.org/x.img}
                          - {}
                        """)))
        .isEqualTo(
            """
            c.yaml:2:11: `images[0].url` must be an address that starts with https:// (http:// is for 127.0.0.1 only), is `http://example.org/x.img`
            c.yaml:2:47: `images[0].sha256` must be 64 hexadecimal digits, in lower case, is `abc`
            c.yaml:3:5: `images[1]` must have `sha256`, is a map
            c.yaml:4:5: `images[2]` must have `url`, is a map
            c.yaml:5:64: unknown key `more`; `images[3].debian-built` has the keys suite, packages
            c.yaml:5:27: `images[3].debian-built.suite` must be a Debian release such as trixie, is `a b`
            c.yaml:5:45: `images[3].debian-built.packages[0]` must be the name of a package, is `x; rm -rf /`
            c.yaml:5:60: `images[3].debian-built.packages[1]` must be a text, is `7`
            c.yaml:6:19: `images[4].debian-built` must be a map, is a list
            c.yaml:7:43: unknown key `kind`; `images[5]` has the keys url, sha256
            c.yaml:7:11: `images[5].url` must be an address that starts with https:// (http:// is for 127.0.0.1 only), is `ftp://example.org/x`
            c.yaml:7:40: `images[5].sha256` must be a text, is `5`
            c.yaml:8:14: `images[6].x86_64` must be a map, is `https://example.org/x.img`
            c.yaml:9:5: `images[7]` must have `url` and `sha256`, of its own or below `x86_64` or `aarch64`, is a map
            (the keys and their values are described in README.md, "The cluster file")\
            """);
  }

  @Test
  void smallestAndLargestValuesAreTaken() {
    Cluster cluster =
        ClusterFile.parse(
            "c.yaml",
            """
            name: abcdefghijklmnopqrstuvwxyz0123456789-xyz
            user: a
            subnet: 10.0.0.0/8
            sshPorts: 1024
            roles:
              gateway: {count: 1, cpus: 1, memory: 256M, disk: 4G}
              control: {count: 100}
              worker: {count: 100, memory: 999999M, disk: 1T}
            """
                    .replace("10.0.0.0/8", "11.0.0.0/8")
                + "vip: 11.0.0.9\n");

    assertThat(cluster.nodes()).hasSize(201);
    assertThat(cluster.groups().get(Role.GATEWAY))
        .isEqualTo(new Cluster.Group(1, new Node.Size(1, 256, 4)));
    assertThat(cluster.groups().get(Role.WORKER))
        .isEqualTo(new Cluster.Group(100, new Node.Size(4, 999_999, 1024)));
    assertThat(cluster.sshPorts()).isEqualTo(1024);
  }

  @ParameterizedTest
  @MethodSource
  void aFaultIsNamedWithItsPlace(String text, String message) {
    assertThat(Lab.problem(() -> ClusterFile.parse("c.yaml", text))).isEqualTo(message + HINT);
  }

  static List<Arguments> aFaultIsNamedWithItsPlace() {
    return List.of(
        // keys
        fault(
            "nmae: x",
            "c.yaml:1:1: unknown key `nmae`; the cluster has the keys name, subnet, vip,"
                + " loadBalancer, boot, network, user, images, sshPorts, roles"),
        fault(
            "roles:\n  worker: {cpu: 2}",
            "c.yaml:2:12: unknown key `cpu`; `roles.worker` has the keys count, cpus, memory,"
                + " disk"),
        fault(
            "roles:\n  master: {}",
            "c.yaml:2:3: unknown key `master`; `roles` has the keys gateway, control, worker"),
        fault(
            "name: a\nvip: 10.240.0.6\nname: b",
            "c.yaml:3:1: `name` is there twice; first at" + " c.yaml:1:1"),
        fault(
            "roles:\n  worker: {cpus: 1, cpus: 2}",
            "c.yaml:2:21: `cpus` is there twice; first at c.yaml:2:12"),
        // shapes
        fault("- name", "c.yaml:1:1: the cluster must be a map, is a list"),
        fault("name", "c.yaml:1:1: the cluster must be a map, is `name`"),
        fault("roles:", "c.yaml:1:7: `roles` must be a map, is empty"),
        fault("roles: [worker]", "c.yaml:1:8: `roles` must be a map, is a list"),
        fault("roles: {worker: 3}", "c.yaml:1:17: `roles.worker` must be a map, is `3`"),
        fault("name: {a: b}", "c.yaml:1:7: `name` must be a text, is a map"),
        fault("name: [a]", "c.yaml:1:7: `name` must be a text, is a list"),
        fault("name: 5", "c.yaml:1:7: `name` must be a text, is `5`"),
        fault("name: true", "c.yaml:1:7: `name` must be a text, is `true`"),
        fault("name:", "c.yaml:1:6: `name` must be a text, is empty"),
        fault("subnet: 10.240", "c.yaml:1:9: `subnet` must be a text, is `10.24`"),
        fault(
            "images: debian-built",
            "c.yaml:1:9: `images` must be a list of at least one image," + " is `debian-built`"),
        fault(
            "images: []",
            "c.yaml:1:9: `images` must be a list of at least one image," + " is a list"),
        fault("images: [5]", "c.yaml:1:10: `images[0]` must be a text, is `5`"),
        // values
        fault("name: Lab", NAME + "`Lab`"),
        fault("name: 2nd", NAME + "`2nd`"),
        fault("name: a.b", NAME + "`a.b`"),
        fault("name: a b", NAME + "`a b`"),
        fault("name: ''", NAME + "``"),
        fault("name: \u00fc", NAME + "`\u00fc`"),
        fault("name: " + "a".repeat(41), NAME + "`" + "a".repeat(41) + "`"),
        fault(
            "user: root",
            "c.yaml:1:7: `user` must not be root: nobody logs in as root, is" + " `root`"),
        fault(
            "user: a;b",
            "c.yaml:1:7: `user` must match [a-z][a-z0-9-]* and have at most 32"
                + " characters, is `a;b`"),
        fault(
            "boot: AUTO",
            "c.yaml:1:7: `boot` must be one of auto, firmware, kernel, bios, is" + " `AUTO`"),
        fault(
            "network: nat",
            "c.yaml:1:10: `network` must be one of user, bridge, vmnet, is" + " `nat`"),
        fault(
            "images: [ubuntu]",
            "c.yaml:1:10: `images[0]` must be one of ubuntu-24.04, ubuntu-24.04-minimal,"
                + " debian-built, a path such as ./my.img, or a map with url and sha256, is"
                + " `ubuntu`"),
        fault(
            "images: [debian-built, '']",
            "c.yaml:1:24: `images[1]` must be one of ubuntu-24.04, ubuntu-24.04-minimal,"
                + " debian-built, a path such as ./my.img, or a map with url and sha256, is ``"),
        fault(
            "subnet: 10.240.0.1/24",
            "c.yaml:1:9: `subnet` must start at its network address,"
                + " 10.240.0.0/24, is `10.240.0.1/24`"),
        fault(
            "subnet: 10.240.0.0/30",
            "c.yaml:1:9: `subnet` must have a prefix of 8 to 29, is" + " `10.240.0.0/30`"),
        fault(
            "vip: 10.240.0",
            "c.yaml:1:6: `vip` must be an IPv4 address, such as 10.240.0.5, is" + " `10.240.0`"),
        fault("sshPorts: 1023", PORTS + "`1023`"),
        fault("sshPorts: 65536", PORTS + "`65536`"),
        fault("sshPorts: 99999999999999999999", PORTS + "`99999999999999999999`"),
        fault("sshPorts: 22.5", PORTS + "`22.5`"),
        fault("sshPorts: '2200'", PORTS + "`2200`"),
        fault("roles: {worker: {count: 0}}", count("count", 100) + "`0`"),
        fault("roles: {worker: {count: 101}}", count("count", 100) + "`101`"),
        fault("roles: {worker: {count: -1}}", count("count", 100) + "`-1`"),
        fault("roles: {worker: {count: }}", count("count", 100).replace(":25", ":24") + "empty"),
        fault("roles: {worker: {cpus: 0}}", count("cpus", 64) + "`0`"),
        fault("roles: {worker: {cpus: 65}}", count("cpus", 64) + "`65`"),
        fault("roles: {worker: {memory: 255M}}", MEMORY + "`255M`"),
        fault("roles: {worker: {memory: 1025G}}", MEMORY + "`1025G`"),
        fault("roles: {worker: {memory: 1T}}", MEMORY + "`1T`"),
        fault("roles: {worker: {memory: 2}}", MEMORY + "`2`"),
        fault("roles: {worker: {memory: 2g}}", MEMORY + "`2g`"),
        fault("roles: {worker: {memory: 2 G}}", MEMORY + "`2 G`"),
        fault("roles: {worker: {memory: 02G}}", MEMORY + "`02G`"),
        fault("roles: {worker: {memory: 1000000M}}", MEMORY + "`1000000M`"),
        fault("roles: {worker: {memory: [2G]}}", MEMORY + "a list"),
        fault("roles: {worker: {disk: 3G}}", DISK + "`3G`"),
        fault("roles: {worker: {disk: 17T}}", DISK + "`17T`"),
        fault("roles: {worker: {disk: 4096M}}", DISK + "`4096M`"),
        fault("loadBalancer: 6443", "c.yaml:1:15: `loadBalancer` must be a map, is `6443`"),
        fault(
            "loadBalancer: {port: 6443}",
            "c.yaml:1:16: unknown key `port`; `loadBalancer` has the keys ports, scheduler, check,"
                + " hostPorts"),
        fault(
            "loadBalancer: {ports: 6443}",
            "c.yaml:1:23: `loadBalancer.ports` must be a list of at least one port, is `6443`"),
        fault(
            "loadBalancer: {ports: []}",
            "c.yaml:1:23: `loadBalancer.ports` must be a list of at least one port, is a list"),
        fault(
            "loadBalancer: {ports: [443, 0]}",
            "c.yaml:1:29: `loadBalancer.ports[1]` must be a whole number from 1 to 65535, is `0`"),
        fault(
            "loadBalancer: {ports: [443, 80, 443]}",
            "c.yaml:1:33: `loadBalancer.ports[2]` must be there once, is `443`"),
        fault(
            "loadBalancer: {scheduler: rr -w 5}",
            "c.yaml:1:27: `loadBalancer.scheduler` must be one of rr, wrr, lc, wlc, lblc, lblcr,"
                + " dh, sh, mh, sed, nq, fo, ovf, is `rr -w 5`"),
        fault("loadBalancer: {check: https}", CHECK + "`https`"),
        fault("loadBalancer: {check: readyz}", CHECK + "`readyz`"),
        fault("loadBalancer: {check: /a$(id)}", CHECK + "`/a$(id)`"),
        fault("loadBalancer: {check: '/a\"b'}", CHECK + "`/a\"b`"),
        fault("loadBalancer: {check: '/a b'}", CHECK + "`/a b`"),
        fault("loadBalancer: {check: \"/a\\nb\"}", CHECK + "`/a\\u000ab`"),
        fault("loadBalancer: {check: '/a`id`'}", CHECK + "`/a`id``"),
        fault(
            "loadBalancer: {hostPorts: 443}",
            "c.yaml:1:27: `loadBalancer.hostPorts` must be a whole number from 1024 to 65535, is"
                + " `443`"),
        // keys together
        fault(
            "loadBalancer: {ports: [1, 2, 3], hostPorts: 65534}",
            "c.yaml:1:45: `loadBalancer.hostPorts` must leave a port up to 65535 for each of 3"
                + " services, is `65534`"),
        fault(
            "loadBalancer: {ports: [1, 2, 3], hostPorts: 2198}",
            "c.yaml:1:45: `loadBalancer.hostPorts` must be apart from the nodes' SSH ports 2200 to"
                + " 2206, is `2198`"),
        fault(
            "sshPorts: 6440",
            "c.yaml:1:1: `loadBalancer.hostPorts` must be apart from the nodes' SSH ports 6440 to"
                + " 6446, is `6443`"),
        fault(
            "subnet: 10.0.0.0/16\nvip: 10.0.0.5",
            "c.yaml:1:9: `subnet` must not overlap"
                + " 10.0.2.0/24, the guests' network to the outside, is `10.0.0.0/16`"),
        fault(
            "subnet: 10.0.2.0/25\nvip: 10.0.2.5",
            "c.yaml:1:9: `subnet` must not overlap"
                + " 10.0.2.0/24, the guests' network to the outside, is `10.0.2.0/25`"),
        fault(
            "vip: 10.241.0.5",
            "c.yaml:1:6: `vip` must be a host in the subnet 10.240.0.0/24, is" + " `10.241.0.5`"),
        fault(
            "subnet: 10.241.0.0/24",
            "c.yaml:1:1: `vip` must be a host in the subnet" + " 10.241.0.0/24, is `10.240.0.5`"),
        fault(
            "vip: 10.240.0.0",
            "c.yaml:1:6: `vip` must be a host in the subnet 10.240.0.0/24, is" + " `10.240.0.0`"),
        fault(
            "subnet: 127.5.0.0/24\nvip: 127.5.0.5",
            "c.yaml:1:9: `subnet` must be apart from 127.0.0.0/8, which no LAN can have, is"
                + " `127.5.0.0/24`"),
        fault(
            "network: bridge\nvip: 10.240.0.1",
            "c.yaml:2:6: `vip` must not be the subnet's first address, this host's in network"
                + " bridge, is `10.240.0.1`"),
        fault(
            "vip: 10.240.0.255",
            "c.yaml:1:6: `vip` must be a host in the subnet 10.240.0.0/24," + " is `10.240.0.255`"),
        fault(
            "vip: 10.240.0.16",
            "c.yaml:1:6: `vip` must not be a node's address, is"
                + " `10.240.0.16`, the address of worker2"),
        fault(
            "subnet: 10.240.0.0/28",
            "c.yaml:1:9: `subnet` must hold the addresses of all 7"
                + " nodes, is `10.240.0.0/28`; worker2 would be 10.240.0.16"),
        fault(
            "sshPorts: 65530",
            "c.yaml:1:11: `sshPorts` must leave a port up to 65535 for each of"
                + " 7 nodes, is `65530`"),
        // YAML
        fault(
            "roles: &x {}\nimages: *x",
            "c.yaml:1:8: anchors and aliases are not read; write the value out\n"
                + "c.yaml:2:9: anchors and aliases are not read; write the value out\n"
                + "c.yaml:2:9: `images` must be a list of at least one image, is `x`"),
        fault(
            "name: &x lab\nuser: *x",
            "c.yaml:2:7: anchors and aliases are not read; write the value out"),
        fault("name: !!str five", "c.yaml:1:7: tags are not read, remove `!tag:yaml.org,2002:str`"),
        fault("name: !mine lab", "c.yaml:1:7: tags are not read, remove `!mine`"),
        fault("name: lab\n---\nname: lab", "c.yaml:3:1: a second document; keep one"),
        fault("name: lab\n...\n---\nuser: x", "c.yaml:4:1: a second document; keep one"),
        fault(
            "roles:\n\tworker: {}",
            "c.yaml:2:1: not YAML: found character '\\t(TAB)' that cannot start any token. (Do not"
                + " use \\t(TAB) for indentation)"),
        fault(
            "name: lab\nimages: [a",
            "c.yaml:2:11: not YAML: expected ',' or ']', but got <stream end>"),
        fault("name: 'a", "c.yaml:1:9: not YAML: found unexpected end of stream"),
        fault("name: a: b", "c.yaml:1:8: not YAML: mapping values are not allowed here"),
        fault(
            "? [a, b]\n: c",
            "c.yaml:1:4: not YAML: Expected a field name (Scalar value in YAML), got this instead:"
                + " <org.yaml.snakeyaml.events.SequenceStartEvent(anchor=null, tag=null,"
                + " implicit=true)>"),
        fault("name: \u0007", "c.yaml:1:1: not YAML: special characters are not allowed"));
  }

  private static final String NAME =
      "c.yaml:1:7: `name` must match [a-z][a-z0-9-]* and have at most 40 characters, is ";
  private static final String PORTS =
      "c.yaml:1:11: `sshPorts` must be a whole number from 1024 to 65535, is ";
  private static final String CHECK =
      "c.yaml:1:23: `loadBalancer.check` must be tcp, or a path such as /readyz, is ";
  private static final String MEMORY =
      "c.yaml:1:26: `roles.worker.memory` must be an amount such as 256M, from that to 1024G, is ";
  private static final String DISK =
      "c.yaml:1:24: `roles.worker.disk` must be an amount such as 4G, from that to 16T, is ";

  private static String count(String key, int most) {
    return "c.yaml:1:%d: `roles.worker.%s` must be a whole number from 1 to %d, is "
        .formatted(20 + key.length(), key, most);
  }

  private static Arguments fault(String text, String message) {
    return Arguments.of(text, message);
  }

  @Test
  void theLastAddressOfTheSubnetIsUsed() {
    String text = "roles: {gateway: {count: 1}, control: {count: %d}, worker: {count: 100}}";

    assertThat(ClusterFile.parse("c.yaml", "subnet: 10.240.0.0/25\n" + text.formatted(16)).nodes())
        .last()
        .extracting(Node::address)
        .isEqualTo("10.240.0.126");
    assertThat(
            Lab.problem(
                () -> ClusterFile.parse("c.yaml", "subnet: 10.240.0.0/25\n" + text.formatted(17))))
        .isEqualTo(
            "c.yaml:1:9: `subnet` must hold the addresses of all 118 nodes, is `10.240.0.0/25`;"
                + " worker99 would be 10.240.0.127"
                + HINT);
  }

  @Test
  void allFaultsAreReportedAtOnce() {
    assertThat(
            Lab.problem(
                () ->
                    ClusterFile.parse(
                        "c.yaml",
                        """
                        name: Lab
                        subnet: 10.240.0.1/24
                        boot: soon
                        colour: red
                        roles:
                          worker: {count: 0, memory: lots}
                          extra: {}
                          worker: {}
                        """)))
        .isEqualTo(
            """
            c.yaml:8:3: `worker` is there twice; first at c.yaml:6:3
            c.yaml:4:1: unknown key `colour`; the cluster has the keys name, subnet, vip, loadBalancer, boot,\
             network, user, images, sshPorts, roles
            c.yaml:1:7: `name` must match [a-z][a-z0-9-]* and have at most 40 characters, is `Lab`
            c.yaml:2:9: `subnet` must start at its network address, 10.240.0.0/24, is\
             `10.240.0.1/24`
            c.yaml:3:7: `boot` must be one of auto, firmware, kernel, bios, is `soon`
            c.yaml:7:3: unknown key `extra`; `roles` has the keys gateway, control, worker
            c.yaml:6:19: `roles.worker.count` must be a whole number from 1 to 100, is `0`
            c.yaml:6:30: `roles.worker.memory` must be an amount such as 256M, from that to 1024G,\
             is `lots`
            (the keys and their values are described in README.md, "The cluster file")\
            """);
  }

  @Test
  void aFileThatIsNotThereIsAProblem(@TempDir Path folder) throws IOException {
    Path missing = folder.resolve("cluster.yaml");
    Path binary = folder.resolve("binary.yaml");
    Files.write(binary, new byte[] {(byte) 0xff, (byte) 0xfe, 0, 1});

    assertThat(Lab.problem(() -> ClusterFile.read(missing)))
        .isEqualTo(
            "there is no "
                + missing
                + "\n(check --config; without a cluster.yaml the built-in seven nodes serve)");
    assertThat(Lab.problem(() -> ClusterFile.read(folder)))
        .isEqualTo("cannot read " + folder + ": Is a directory\n(check its owner)");
    assertThat(Lab.problem(() -> ClusterFile.read(binary)))
        .isEqualTo(binary + " is not UTF-8 text\n(save it as UTF-8)");
  }

  @Test
  void hugeOrDeepInputIsAProblem() {
    String deep =
        "c.yaml:1:1: not YAML: Document nesting depth (1001) exceeds the maximum allowed (1000,"
            + " from `StreamReadConstraints.getMaxNestingDepth()`)"
            + HINT;
    for (String start : List.of("[", "{a: ", "- ")) {
      assertThat(Lab.problem(() -> ClusterFile.parse("c.yaml", start.repeat(5_000))))
          .isEqualTo(deep);
    }
    assertThat(Lab.problem(() -> ClusterFile.parse("c.yaml", "name: " + "x".repeat(1 << 20))))
        .isEqualTo("c.yaml:1:1: longer than 1048576 characters" + HINT);
    assertThat(Lab.problem(() -> ClusterFile.parse("c.yaml", "name: lab\n".repeat(10_000))))
        .startsWith("c.yaml:2:1: `name` is there twice; first at c.yaml:1:1\n")
        .contains("\nc.yaml:10000:1: `name` is there twice; first at c.yaml:1:1\n");
  }
}

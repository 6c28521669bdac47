import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import lib.Argv;
import lib.Commands;
import lib.Yaml;
import lib.cluster.Cluster;
import lib.cluster.Network;
import lib.cluster.Node;
import lib.cluster.Role;
import lib.seed.CloudInit;
import lib.seed.ForkSeed;
import lib.seed.RoleFiles;
import lib.seed.VirtualIp;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestFactory;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

class CloudInitTest {
  private static final String HINT =
      "\n(cloud-init files are described in README.md, \"cloud-init\")";

  /** A role file with all that is easily lost on the way. */
  private static final String TRICKY =
      """
      #cloud-config
      # a comment
      timezone: Europe/Berlin
      package_update: on
      apt_pipelining: no
      locale: "false"
      packages:
        - curl
        - htop
        - ["nginx", "1.22.1-9"]
      users:
        - name: m\u00fcller
          uid: 01750
          gecos: "M\u00fcller: #1"
          lock_passwd: off
      write_files:
        - path: /etc/motd
          permissions: '0644'
          content: |
            trailing blanks  \s
              indented\ttab

            $(id) ${HOME} %h 100% `x` \\n "quoted" 'single' \u65e5\u672c

        - path: /etc/mac
          permissions: "0600"
          defer: yes
          content: 52:54:00:12:34:56
      runcmd:
        - 'echo "a: b" > /tmp/x'
        - [sh, -c, 'echo $((1+1)) # no comment']
        - [chmod, "0644", /etc/motd, y, 1e3, 0o17]
      ntp: {enabled: true, servers: [10.0.0.1]}
      """;

  private static final List<String> START =
      List.of("systemctl", "--no-reload", "--now", "enable", "kubenet-virtual-ip.service");

  /** What is compared and checked: a name, and a file's text. */
  private record Made(String name, String text) {}

  private static List<Made> made() {
    Map<Role, Yaml> roles = RoleFiles.read(Project.root());
    List<Made> made = new ArrayList<>();
    for (Network network : List.of(new Network.User(), new Network.Bridge())) {
      Cluster cluster = Lab.cluster(network);
      for (Node node : Lab.nodes(cluster)) {
        String folder = "cloud-init/%s-%s/".formatted(network.word(), node.name());
        made.add(
            new Made(
                folder + "user-data",
                CloudInit.userData(
                    cluster,
                    node,
                    roles.get(node.role()),
                    Set.of(),
                    Lab.LOGIN.publicKey(),
                    Lab.HOST_KEY)));
        made.add(
            new Made(folder + "meta-data", CloudInit.metaData(node, "kubenet-" + node.name())));
        made.add(new Made(folder + "network-config", CloudInit.networkConfig(cluster, node)));
      }
    }
    return made;
  }

  private static String tricky(Set<String> installed) {
    Cluster cluster = Cluster.standard();
    Yaml role = CloudInit.role("worker.yaml", TRICKY);
    return CloudInit.userData(
        cluster, cluster.node("worker0"), role, installed, Lab.LOGIN.publicKey(), Lab.HOST_KEY);
  }

  @TestFactory
  Stream<DynamicTest> seedIsGolden() {
    return made().stream()
        // in network bridge only what differs from network user
        .filter(one -> one.name().contains("user-") || one.name().endsWith("network-config"))
        .filter(one -> !one.name().contains("bridge-control0"))
        .map(
            one -> DynamicTest.dynamicTest(one.name(), () -> Golden.check(one.name(), one.text())));
  }

  @Test
  void trickyValuesAreGolden() {
    Golden.check("cloud-init/tricky/user-data", tricky(Set.of("curl")));
  }

  @Test
  void pythonReadsWhatJavaWrote(@TempDir Path folder) throws IOException {
    List<String> texts = new ArrayList<>(made().stream().map(Made::text).toList());
    texts.add(tricky(Set.of()));
    List<JsonNode> trees = new ArrayList<>();
    for (String text : texts) {
      List<String> faults = new ArrayList<>();
      trees.add(PyYaml.json(Yaml.parse("f", text, faults).plain()));
      assertThat(faults).isEmpty();
    }

    assertThat(PyYaml.read(folder, texts)).isEqualTo(trees);
  }

  /** What a person wrote reaches cloud-init as cloud-init itself would have read it. */
  @Test
  void roleFileKeepsItsMeaning(@TempDir Path folder) throws IOException {
    List<JsonNode> trees = PyYaml.read(folder, List.of(TRICKY, tricky(Set.of())));
    ObjectNode wrote = (ObjectNode) trees.get(0);
    ObjectNode got = (ObjectNode) trees.get(1);
    // the first of these is kubenet's; an unquoted MAC is meant as one
    assertThat(got.path("users").path(0).path("name").textValue()).isEqualTo("ubuntu");
    assertThat(got.path("write_files").path(0).path("path").textValue()).isEqualTo("/etc/hosts");
    ((ArrayNode) got.path("users")).remove(0);
    ((ArrayNode) got.path("write_files")).remove(0); // the hosts
    ((ArrayNode) got.path("write_files")).remove(0); // what sshd refuses
    ((ObjectNode) wrote.path("write_files").path(1)).put("content", "52:54:00:12:34:56");

    for (String key : keys(wrote)) {
      assertThat(got.get(key)).as(key).isEqualTo(wrote.get(key));
    }
    assertThat(keys(got))
        .isEqualTo(
            List.of(
                "timezone",
                "package_update",
                "apt_pipelining",
                "locale",
                "packages",
                "users",
                "write_files",
                "runcmd",
                "ntp",
                "disable_root",
                "ssh_deletekeys",
                "manage_etc_hosts",
                "hostname",
                "ssh_keys"));
  }

  private static List<String> keys(JsonNode map) {
    List<String> keys = new ArrayList<>();
    map.fieldNames().forEachRemaining(keys::add);
    return keys;
  }

  /** The real program; a start takes it a second, so all at once. */
  @Test
  void cloudInitAcceptsUserData(@TempDir Path folder) throws IOException {
    Map<Path, String> files = new LinkedHashMap<>();
    for (Made one : made()) {
      if (one.name().matches(".*/user-.*/user-data")) { // it is the same in every network
        files.put(folder.resolve("" + files.size()), one.text());
      }
    }
    files.put(folder.resolve("tricky"), tricky(Set.of()));
    for (Map.Entry<Path, String> file : files.entrySet()) {
      Files.writeString(file.getKey(), file.getValue());
    }

    List<String> complaints =
        files.keySet().parallelStream()
            .map(file -> Argv.of("cloud-init", "schema").option("--config-file", file))
            .map(Commands::run)
            .filter(
                result -> !(result.succeeded() && result.out().startsWith("Valid cloud-config")))
            .map(result -> result.command().toShell() + "\n" + result.out() + result.err())
            .toList();
    assertThat(complaints).isEmpty();
  }

  /** cloud-init 22.4 has no schema for it, but renders it for each kind of guest. */
  @Test
  void cloudInitRendersNetworkConfig(@TempDir Path folder) throws IOException {
    Map<String, Set<String>> expected = new TreeMap<>();
    List<Argv> commands = new ArrayList<>();
    // networkd's files would be given to networkd's user, which not every host has
    List<String> kinds = List.of("eni", "netplan");
    for (Network network : List.of(new Network.User(), new Network.Bridge())) {
      boolean user = network instanceof Network.User;
      Cluster cluster = Lab.cluster(network);
      Node gateway = cluster.node("gateway");
      Path input = folder.resolve(network.word());
      Files.writeString(input, CloudInit.networkConfig(cluster, gateway));
      for (String kind : kinds) {
        String name = network.word() + "-" + kind;
        Set<String> facts = new TreeSet<>(List.of("52:54:00:4c:00:00", "10.240.0.10/24"));
        facts.add("10.240.0.5/32");
        facts.add(user ? "52:54:00:57:00:00" : "10.240.0.1");
        expected.put(name, facts);
        commands.add(
            Argv.of("cloud-init", "devel", "net-convert")
                .option("--network-data", input)
                .option("--kind", "yaml")
                .option("--output-kind", kind)
                .option("--distro", "debian")
                .option("--directory", folder.resolve(name)));
      }
    }
    commands.parallelStream().forEach(command -> Commands.run(command).orProblem());

    Map<String, Set<String>> rendered = new TreeMap<>();
    for (String name : expected.keySet()) {
      rendered.put(name, facts(folder.resolve(name)));
    }
    assertThat(rendered).isEqualTo(expected);
  }

  /** The MACs and addresses in all files of a folder, but for "everywhere". */
  private static Set<String> facts(Path folder) throws IOException {
    Pattern fact = Pattern.compile("[0-9a-f]{2}(:[0-9a-f]{2}){5}|\\d+(\\.\\d+){3}(/\\d+)?");
    Set<String> facts = new TreeSet<>();
    try (Stream<Path> files = Files.walk(folder)) {
      for (Path file : files.filter(Files::isRegularFile).toList()) {
        fact.matcher(Files.readString(file)).results().forEach(found -> facts.add(found.group()));
      }
    }
    facts.remove("0.0.0.0/0");
    return facts;
  }

  @Test
  void packagesOfTheImageAreLeftOut(@TempDir Path folder) throws IOException {
    List<JsonNode> trees =
        PyYaml.read(
            folder,
            List.of(
                tricky(Set.of("curl", "vim")),
                CloudInit.userData(
                    Cluster.standard(),
                    Cluster.standard().node("worker0"),
                    CloudInit.role("w", "#cloud-config\npackages: [curl, htop]\n"),
                    Set.of("htop", "curl"),
                    Lab.LOGIN.publicKey(),
                    Lab.HOST_KEY)));

    assertThat(trees.get(0).path("packages"))
        .isEqualTo(PyYaml.json(List.of("htop", List.of("nginx", "1.22.1-9"))));
    assertThat(trees.get(1).has("packages")).isFalse();
  }

  @Test
  void sharedAndOwnMakeTheWhole() throws IOException {
    Cluster cluster = Cluster.standard();
    Yaml role = CloudInit.role("worker.yaml", TRICKY);
    Map<String, Object> whole = new LinkedHashMap<>();
    whole.putAll(CloudInit.shared(cluster, Role.WORKER, role, Set.of(), Lab.LOGIN.publicKey()));
    Map<String, Object> own = CloudInit.own(cluster.node("worker0"), Lab.HOST_KEY);
    assertThat(whole).doesNotContainKeys(own.keySet().toArray(String[]::new));
    whole.putAll(own);

    assertThat(Yaml.parse("f", tricky(Set.of()), new ArrayList<>()).plain())
        .isEqualTo(Yaml.parse("f", Yaml.write(whole), new ArrayList<>()).plain());
  }

  @Test
  void whatARoleFileWritesComesAfterKubenetsOwn() {
    Yaml role =
        CloudInit.role(
            "c", "#cloud-config\nruncmd: [date]\nwrite_files: [{path: /a, content: b}]\n");
    Map<String, Object> tree =
        CloudInit.shared(Cluster.standard(), Role.CONTROL, role, Set.of(), "key");

    assertThat(tree.get("runcmd")).isEqualTo(List.of("date"));
    assertThat((List<?>) tree.get("write_files"))
        .hasSize(4)
        .last()
        .isEqualTo(Map.of("path", "/a", "content", "b"));
  }

  /** A command may ask who it runs on, and a template is nobody. */
  @Test
  void aTemplateStartsTheVirtualIpAndLeavesOtherCommandsToItsNodes() throws IOException {
    String text = Files.readString(Project.root().resolve("cloud-init/control.yaml"));
    Yaml role =
        CloudInit.role("control.yaml", text + "  - [sh, -c, hostname]\nbootcmd: [hostname]\n");
    Cluster cluster = Cluster.standard();
    List<String> settle = List.of("python3", "/fork.py");
    String template =
        CloudInit.templateData(
            cluster, Role.CONTROL, role, Set.of(), settle, Map.entry("/fork.py", "pass\n"));
    String node =
        ForkSeed.json(cluster, cluster.node("control0"), "id", role, "login", Lab.HOST_KEY);
    JsonNode tree = PyYaml.json(Yaml.parse("f", template, new ArrayList<>()).plain());

    assertThat(tree.has("bootcmd")).isFalse();
    assertThat(tree.path("runcmd")).isEqualTo(PyYaml.json(List.of(START, settle)));
    assertThat(tree.path("write_files").findValuesAsText("path"))
        .containsSubsequence(VirtualIp.FILE, "/fork.py");
    assertThat(new ObjectMapper().readTree(node).path("commands").textValue())
        .isEqualTo("#!/bin/sh\nhostname\nsh -c hostname\n");
  }

  @ParameterizedTest
  @MethodSource
  void faultyRoleFilesAreRefused(String text, String message) {
    assertThat(Lab.problem(() -> CloudInit.role("cloud-init/worker.yaml", text)))
        .isEqualTo(message.replace("FILE", "cloud-init/worker.yaml") + HINT);
  }

  static List<Arguments> faultyRoleFilesAreRefused() {
    String first = "#cloud-config\n";
    return List.of(
        Arguments.of("packages: []\n", "FILE:1:1: the first line must be `#cloud-config`"),
        Arguments.of("", "FILE:1:1: the first line must be `#cloud-config`"),
        Arguments.of(
            "#cloud-config\r\npackages: []\n", "FILE:1:1: the first line must be `#cloud-config`"),
        Arguments.of(first + "- a\n", "FILE:2:1: must be a map, is a list"),
        Arguments.of(first + "a\n", "FILE:2:1: must be a map, is `a`"),
        Arguments.of(first + "packages: curl\n", "FILE:2:11: `packages` must be a list, is `curl`"),
        Arguments.of(first + "packages:\n", "FILE:2:10: `packages` must be a list, is empty"),
        Arguments.of(first + "users: {a: b}\n", "FILE:2:8: `users` must be a list, is a map"),
        Arguments.of(first + "runcmd: date\n", "FILE:2:9: `runcmd` must be a list, is `date`"),
        Arguments.of(first + "write_files: 5\n", "FILE:2:14: `write_files` must be a list, is `5`"),
        Arguments.of(
            first + "a: 1\nb: 2\na: 3\n", "FILE:4:1: `a` is there twice; first at FILE:2:1"),
        Arguments.of(
            first + "a: [\n",
            "FILE:3:1: not YAML: expected the node content, but found '<stream end>'"),
        Arguments.of(
            first
                + """
                hostname: x
                fqdn: x
                preserve_hostname: true
                manage_etc_hosts: true
                ssh_keys: {}
                ssh_deletekeys: false
                ssh_pwauth: true
                disable_root: false
                chpasswd: {}
                password: x
                users: 5
                """,
            Stream.of(
                        "2:hostname",
                        "3:fqdn",
                        "4:preserve_hostname",
                        "5:manage_etc_hosts",
                        "6:ssh_keys",
                        "7:ssh_deletekeys",
                        "8:ssh_pwauth",
                        "9:disable_root",
                        "10:chpasswd",
                        "11:password")
                    .map(entry -> entry.split(":"))
                    .map(
                        entry ->
                            "FILE:%s:1: `%s` is set by kubenet for each node; remove it\n"
                                .formatted(entry[0], entry[1]))
                    .reduce("", String::concat)
                + "FILE:12:8: `users` must be a list, is `5`"));
  }

  @Test
  void anEmptyRoleFileIsEnough(@TempDir Path folder) {
    Yaml role = CloudInit.role("w", "#cloud-config\n");

    assertThat(CloudInit.packages(role)).isEmpty();
    assertThat(CloudInit.shared(Cluster.standard(), Role.WORKER, role, Set.of(), "key"))
        .containsOnlyKeys(
            "disable_root", "ssh_deletekeys", "manage_etc_hosts", "users", "write_files");
  }
}

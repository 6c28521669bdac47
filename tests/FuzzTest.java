import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import java.util.stream.Collectors;
import lib.Argv;
import lib.Problem;
import lib.Yaml;
import lib.cluster.Cluster;
import lib.cluster.ClusterFile;
import lib.cluster.Host;
import lib.cluster.Node;
import lib.cluster.Role;
import lib.qemu.Boot;
import lib.qemu.Qemu;
import lib.seed.CloudInit;
import lib.state.Layout;
import lib.state.SshConfig;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * Ten thousand cluster files, role files and folders that nobody would think of, from a seed that a
 * failure names: KUBENET_SEED repeats it. Whatever is read, there is a cluster or a {@link Problem}
 * with a place; whatever is made of it stays in its folder and is escaped.
 */
class FuzzTest {
  private static final int CASES = 10_000;
  private static final long SEED =
      System.getenv("KUBENET_SEED") != null
          ? Long.parseLong(System.getenv("KUBENET_SEED"))
          : System.nanoTime();

  /** What breaks quoting in one of the many languages that values go through. */
  private static final List<String> NASTY =
      List.of(
          "",
          " ",
          "~",
          "null",
          "yes",
          "0x1f",
          "1e3",
          "-1",
          "08",
          "a b",
          "a,b",
          "a=b",
          "a:b",
          "a'b",
          "a\"b",
          "a`id`",
          "$(id)",
          "${HOME}",
          "%h%n",
          "#{pane_id}",
          "a;b",
          "a&b",
          "a|b",
          "a>b",
          "a\\b",
          "a\nb",
          "a\r\nHost *",
          "a\tb",
          "\u0000",
          "\u0007",
          "\u001b[2J",
          "-o",
          "--",
          "../x",
          "/etc/passwd",
          "./x",
          "*",
          "[x]",
          "{x}",
          "!x",
          "&x",
          "*x",
          "\u00fc",
          "\u65e5",
          "\ud83d\ude00",
          "\u202e",
          "root",
          "kubenet",
          "x".repeat(70),
          "10.240.0.0/24",
          "10.0.0.0/8",
          "0.0.0.0/0",
          "10.240.0.5",
          "999.1.1.1",
          "1",
          "65535",
          "65536",
          "99999999999999999999",
          "2G",
          "1T",
          "0G",
          "auto",
          "kernel",
          "bios",
          "user",
          "bridge",
          "vmnet",
          "debian-built",
          "ubuntu-24.04",
          "rr",
          "tcp",
          "/readyz",
          "/a b",
          "https://example.org/x",
          "http://example.org/x",
          "1".repeat(64));

  @TempDir private static Path folder;
  private final Random random = new Random(SEED);

  @Test
  @Fault(
      value = "ten thousand generated cluster files",
      promise =
          "each gives a cluster, or a message that says where the mistake is; none gives a stack"
              + " trace or an unescaped value")
  void anyClusterFileIsAClusterOrAProblemWithAPlace() throws IOException {
    List<String> seeds = new ArrayList<>();
    Set<String> commands = new HashSet<>();
    int good = 0;
    for (int i = 0; i < CASES; i++) {
      String text = random.nextInt(4) == 0 ? broken(clusterFile()) : clusterFile();
      try {
        Cluster cluster = ClusterFile.parse("f.yaml", text);
        good++;
        if (good % 20 == 0) { // enough of them, and each is many files
          check(cluster, new Layout(path(), Path.of("/run/x")), seeds, commands);
        }
      } catch (Problem problem) {
        assertPlaced("f", problem, text);
      } catch (RuntimeException e) {
        throw new AssertionError("seed " + SEED + ", file:\n" + text, e);
      }
    }
    // a generator that makes only good or only broken files would test half
    assertThat(good).as("seed %d", SEED).isBetween(CASES / 20, CASES * 19 / 20);
    assertReadAlike(seeds);
    assertShellsReadAlike(commands);
  }

  /** Every line of a problem begins with its place in the file. */
  private static void assertPlaced(String file, Problem problem, String text) {
    assertThat(problem.getMessage().lines())
        .as("seed %d, file:\n%s", SEED, text)
        .allMatch(line -> line.matches(file + "\\.yaml:[0-9]+:[0-9]+: .+"));
  }

  /** What is made of a cluster: values in their places, no line and no option more. */
  private void check(Cluster cluster, Layout layout, List<String> seeds, Set<String> commands) {
    List<Node> nodes = cluster.nodes();
    assertThat(nodes.stream().map(Node::address)).doesNotHaveDuplicates();
    assertThat(nodes.stream().map(Node::name))
        .doesNotHaveDuplicates()
        .allMatch(name -> name.matches("[a-z][a-z0-9]*"));
    Node node = nodes.get(random.nextInt(nodes.size()));
    Layout.Files files = layout.node(node);
    assertThat(files.folder().startsWith(layout.state())).isTrue();

    Host host = Lab.hosts().get(random.nextInt(Lab.hosts().size()));
    Boot boot = Lab.boot(host);
    Argv qemu = Qemu.command(node, host, cluster.network(), boot, layout);
    commands.add(qemu.toShell());
    // undone, a drive's file is the very path: no comma of it starts another sub-option
    String drive = after(qemu.toList(), "-drive", "id=disk");
    assertThat(drive).endsWith(",file=" + files.disk().toString().replace(",", ",,"));

    Yaml role = CloudInit.role("r.yaml", "#cloud-config\n");
    seeds.add(
        CloudInit.userData(cluster, node, role, Set.of(), "ssh-ed25519 AAAA x", Lab.HOST_KEY));
    seeds.add(CloudInit.metaData(node, node.name() + "-0"));
    seeds.add(CloudInit.networkConfig(cluster, node));
    try {
      List<String> lines = SshConfig.config(cluster, cluster.nodes(), layout).lines().toList();
      assertThat(lines.stream().filter(line -> line.startsWith("Host "))).hasSize(nodes.size() + 1);
      assertThat(lines.stream().filter(line -> line.strip().startsWith("ProxyCommand"))).isEmpty();
    } catch (Problem problem) {
      assertThat(problem.hint()).isNotBlank(); // a path that ssh_config has no words for
    }
    assertThat(cluster.name()).matches("[a-z][a-z0-9-]*");
  }

  private static String after(List<String> words, String option, String with) {
    for (int i = 0; i < words.size() - 1; i++) {
      if (words.get(i).equals(option) && words.get(i + 1).contains(with)) {
        return words.get(i + 1);
      }
    }
    throw new AssertionError("no " + option + " with " + with + " in " + words);
  }

  /** cloud-init's own parser must see what ours wrote. */
  private void assertReadAlike(List<String> texts) throws IOException {
    List<JsonNode> read = PyYaml.read(folder, texts);
    for (int i = 0; i < texts.size(); i++) {
      List<String> faults = new ArrayList<>();
      Yaml ours = Yaml.parse("x.yaml", texts.get(i), faults);
      assertThat(faults).as("seed %d:\n%s", SEED, texts.get(i)).isEmpty();
      assertThat(read.get(i))
          .as("seed %d:\n%s", SEED, texts.get(i))
          .isEqualTo(PyYaml.json(ours.plain()));
    }
  }

  /** A pasted line must be the command: a real shell prints the words back. */
  private void assertShellsReadAlike(Set<String> commands) {
    String program =
        "show() { printf '<%s>' \"$@\"; echo; }\n"
            + commands.stream().map(line -> "show " + line + "\n").collect(Collectors.joining());
    CommandResult shell =
        CommandResult.command("sh").given(program).with("LC_ALL", "C.UTF-8").run();
    shell.succeeded().quiet();
    assertThat(shell.out().split("<-pidfile>", -1))
        .as("seed %d", SEED)
        .hasSize(commands.size() + 1);
    assertThat(shell.out()).as("seed %d", SEED).doesNotContain("uid=");
  }

  @Test
  void anyRoleFileIsATreeOrAProblemWithAPlace() {
    for (int i = 0; i < CASES; i++) {
      String text = roleFile();
      try {
        Yaml role = CloudInit.role("r.yaml", text);
        CloudInit.packages(role).forEach(name -> assertThat(name).matches("[a-z0-9][a-z0-9+.-]+"));
        Map<String, Object> tree =
            CloudInit.shared(Cluster.standard(), Role.WORKER, role, Set.of(), "k");
        assertThat(tree).containsEntry("disable_root", true).containsKey("users");
      } catch (Problem problem) {
        assertPlaced("r", problem, text);
      } catch (RuntimeException e) {
        throw new AssertionError("seed " + SEED + ", file:\n" + text, e);
      }
    }
  }

  private String roleFile() {
    StringBuilder text = new StringBuilder(random.nextInt(8) == 0 ? "" : "#cloud-config\n");
    List<String> keys =
        List.of(
            "packages",
            "users",
            "write_files",
            "runcmd",
            "bootcmd",
            "hostname",
            "ssh_keys",
            "apt",
            "locale",
            "chpasswd",
            "a b");
    for (int i = random.nextInt(4); i >= 0; i--) {
      String key = pick(keys);
      switch (random.nextInt(3)) {
        case 0 -> text.append(key).append(": [").append(quoted()).append(", ls]\n");
        case 1 -> text.append(key).append(": {").append(quoted()).append(": x}\n");
        default -> text.append(key).append(": ").append(scalar()).append('\n');
      }
    }
    return random.nextInt(5) == 0 ? broken(text.toString()) : text.toString();
  }

  /** A file of known keys, most of them with values that are right. */
  private String clusterFile() {
    StringBuilder text = new StringBuilder();
    line(text, "name", "lab", "k8s-2");
    line(text, "subnet", "10.1.0.0/16", "192.168.7.0/24");
    line(text, "vip", "10.1.0.5", "192.168.7.9");
    line(text, "boot", "auto", "firmware");
    line(text, "network", "user", "bridge", "vmnet");
    line(text, "user", "me", "ubuntu");
    line(text, "sshPorts", "3000", "40000");
    line(text, "images", "[debian-built]", "[./x y.img, ubuntu-24.04]");
    line(text, "loadBalancer", "{ports: [6443, 80]}", "{check: /livez, hostPorts: 7000}");
    if (random.nextInt(20) == 0) {
      text.append(pick(List.of(doubleQuoted(), quoted()))).append(": 1\n");
    }
    if (random.nextBoolean()) {
      text.append("roles:\n");
      for (Role role : Role.values()) {
        if (random.nextBoolean()) {
          text.append("  ").append(role.word()).append(": {count: ").append(small());
          text.append(", memory: ").append(pick(List.of("768M", "4G", scalar())));
          text.append(", disk: ").append(pick(List.of("5G", "1T", "6G"))).append("}\n");
        }
      }
    }
    return text.toString();
  }

  /** A key with one of the values, seldom with another; or no such line. */
  private void line(StringBuilder text, String key, String... values) {
    switch (random.nextInt(12)) {
      case 0 -> text.append(key).append(": ").append(scalar()).append('\n');
      case 1, 2, 3, 4, 5 ->
          text.append(key).append(": ").append(pick(List.of(values))).append('\n');
      default -> {
        return; // left out
      }
    }
  }

  private String small() {
    return random.nextInt(10) == 0 ? scalar() : Integer.toString(1 + random.nextInt(5));
  }

  private String scalar() {
    return switch (random.nextInt(3)) {
      case 0 -> pick(NASTY).replace("\n", "\n  ");
      case 1 -> doubleQuoted();
      default -> quoted();
    };
  }

  /** The only form that can hold every character. */
  private String doubleQuoted() {
    StringBuilder text = new StringBuilder("\"");
    pick(NASTY).chars().forEach(c -> text.append(String.format("\\u%04x", c)));
    return text.append('"').toString();
  }

  private String quoted() {
    return "'" + pick(NASTY).replace("'", "''") + "'";
  }

  private <T> T pick(List<T> values) {
    return values.get(random.nextInt(values.size()));
  }

  /** The same with some bytes gone, doubled or others. */
  private String broken(String text) {
    StringBuilder broken = new StringBuilder(text);
    for (int i = random.nextInt(3); i >= 0 && broken.length() > 0; i--) {
      int at = random.nextInt(broken.length());
      switch (random.nextInt(4)) {
        case 0 -> broken.deleteCharAt(at);
        case 1 -> broken.insert(at, pick(NASTY));
        case 2 -> broken.setLength(at);
        default -> broken.insert(at, broken.substring(0, at));
      }
    }
    // what can't be in a file can't be read from one
    byte[] bytes = broken.toString().getBytes(StandardCharsets.UTF_8);
    return new String(bytes, StandardCharsets.UTF_8);
  }

  /** A state folder that quoting may trip over. */
  private Path path() {
    Path path = folder;
    for (int i = random.nextInt(3); i >= 0; i--) {
      String name = pick(NASTY).replaceAll("[/\u0000]", "");
      path = name.isEmpty() || name.equals("..") ? path : path.resolve("x" + name);
    }
    return path;
  }
}

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.io.OutputStream;
import java.io.PrintStream;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import lib.Argv;
import lib.Commands;
import lib.Terminal;
import lib.Wait;
import lib.cluster.Cluster;
import lib.cluster.ClusterFile;
import lib.cluster.Host;
import lib.cluster.Node;
import lib.image.ImageImport;
import lib.image.ImageStore;
import lib.qemu.Basis;
import lib.seed.NodeFiles;
import lib.state.Layout;
import lib.state.StateFolder;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Every script as a process of its own, up to where it would start a VM. */
class ScriptTest {
  /** A cluster whose image is there, so that no script has to build one. */
  private static final String CONFIG =
      """
      name: script
      subnet: 10.77.0.0/24
      vip: 10.77.0.5
      sshPorts: 28200
      loadBalancer: {hostPorts: 28600}
      images: [./tiny.qcow2]
      roles:
        gateway: {count: 1, cpus: 1, memory: 256M, disk: 4G}
        control: {count: 1, cpus: 1, memory: 256M, disk: 4G}
        worker:  {count: 1, cpus: 2, memory: 512M, disk: 5G}
      """;

  private static final String BROKEN =
      """
      name: Kube Net
      subnet: 10.240.0.0/24
      subnets: 10.240.0.0/24
      roles:
        worker: {count: 0, cpus: many}
      """;

  /** Needed to run any script; all else a script must miss by itself. */
  private static final String[] PROGRAMS = {"sh", "test", "env"};

  @TempDir private static Path shared;
  private static Path image;
  private static Path cache;

  @TempDir private Path folder;

  @BeforeAll
  static void buildsScriptsAndAnImage() {
    CommandResult.buildAll();
    cache = shared.resolve("cache");
    image = shared.resolve("tiny.qcow2");
    qemuImg("create", "-q", "-f", "qcow2", image.toString(), "1G");
  }

  @AfterEach
  void removesSockets() {
    CommandResult.remove(Layout.of(folder.resolve(".kubenet")).runtime());
  }

  static List<String> scripts() {
    return CommandResult.scripts();
  }

  @ParameterizedTest
  @MethodSource("scripts")
  void helpShowsOptionsAndAnExample(String script) {
    CommandResult help = script(script, "--help").run().succeeded().quiet();
    assertThat(help.out().lines())
        .anyMatch(line -> line.startsWith("Example: ./jbang %s.java".formatted(script)))
        .allMatch(line -> line.length() <= 80);
    Golden.check("script/help-%s.txt".formatted(script), help.out());
  }

  @ParameterizedTest
  @MethodSource("scripts")
  void anUnknownOptionIsWrongUsage(String script) {
    script(script, CommandResult.arguments(script, "--nonsense"))
        .run()
        .exitedWith(2)
        .complainsInTwoLines(script + ": Unknown option: '--nonsense'", "see --help");
  }

  @ParameterizedTest
  @MethodSource("scripts")
  void anUnknownNodeFailsBeforeAnythingElse(String script) {
    script(script, CommandResult.arguments(script, "--only", "worker1,nonsense,x"))
        .with("PATH", CommandResult.programs(folder.resolve("bin"), PROGRAMS))
        .run()
        .exitedWith(1)
        .complainsInTwoLines(
            "unknown node `nonsense`, `x`",
            "nodes are: gateway, control0, control1, control2, worker0, worker1, worker2");
    assertThat(files()).containsExactly("bin");
  }

  @Test
  void launchVmOfAnUnknownNodeFailsBeforeAnythingElse() {
    script("launch-vm", "worker7")
        .with("PATH", CommandResult.programs(folder.resolve("bin"), PROGRAMS))
        .run()
        .exitedWith(1)
        .complainsInTwoLines("unknown node `worker7`", "nodes are: gateway, ");
    assertThat(files()).containsExactly("bin");
  }

  @Test
  void launchVmNeedsANode() {
    script("launch-vm").run().exitedWith(2).complainsInTwoLines("'NODE'", "see --help");
  }

  @ParameterizedTest
  @MethodSource("scripts")
  @Fault(
      value = "a cluster file has several mistakes",
      promise = "all are reported at once, with file, line and column; nothing is touched")
  void allFaultsOfTheClusterFileAreToldAtOnce(String script) throws IOException {
    Files.writeString(folder.resolve("cluster.yaml"), BROKEN);
    CommandResult result =
        script(script, CommandResult.arguments(script))
            .with("PATH", CommandResult.programs(folder.resolve("bin"), PROGRAMS))
            .run()
            .exitedWith(1)
            .complains("cluster.yaml", "README");
    List<String> faults = result.err().lines().toList();
    assertThat(faults.subList(0, faults.size() - 1))
        .as(result.err())
        .hasSize(4)
        .allMatch(line -> line.matches("(\\S+: )?cluster\\.yaml:\\d+:\\d+: .+"));
    assertThat(result.err())
        .contains(
            "cluster.yaml:1:7: `name` must match",
            "cluster.yaml:3:1: unknown key `subnets`",
            "cluster.yaml:5:19: `roles.worker.count` must be",
            "cluster.yaml:5:28: `roles.worker.cpus` must be");
    assertThat(files()).containsExactly("bin", "cluster.yaml");
  }

  @ParameterizedTest
  @MethodSource("scripts")
  void aClusterFileThatIsNotThereIsAProblem(String script) {
    script(script, CommandResult.arguments(script, "--config", "not there.yaml"))
        .with("PATH", CommandResult.programs(folder.resolve("bin"), PROGRAMS))
        .run()
        .exitedWith(1)
        .complainsInTwoLines("there is no not there.yaml", "--config");
    assertThat(files()).containsExactly("bin");
  }

  @ParameterizedTest
  @MethodSource("scripts")
  void aDryRunOfTheBuiltInClusterChangesNothing(String script) {
    Set<Path> trials = trials();
    CommandResult result =
        script(script, CommandResult.arguments(script, "--dry-run"))
            .with("KUBENET_CACHE", folder.resolve("cache"))
            .run()
            .succeeded()
            .quiet();
    assertThat(files()).isEmpty();
    assertThat(Layout.of(folder.resolve(".kubenet")).runtime()).doesNotExist();
    assertNoMoreTrialsThan(trials);
    assertIsShell(result.out());
  }

  @ParameterizedTest
  @MethodSource("scripts")
  void aDryRunOnAClusterThatIsThereChangesNothing(String script) throws IOException {
    Layout layout = keysMade();
    Files.createDirectory(layout.node(node("worker0")).seedFolder());
    new Basis(layout)
        .use(
            new ImageStore(cache.resolve("images"))
                .get(
                    ImageImport.of("./tiny.qcow2", folder),
                    Host.Arch.current(),
                    Terminal.plain(new PrintStream(OutputStream.nullOutputStream())),
                    false));
    Files.writeString(layout.node(node("worker0")).disk(), "precious");
    Map<String, String> before = CommandResult.tree(folder);
    Map<String, String> runtime = CommandResult.tree(layout.runtime());

    CommandResult result =
        script(script, CommandResult.arguments(script, "--dry-run")).run().succeeded().quiet();

    assertThat(CommandResult.tree(folder)).isEqualTo(before);
    assertThat(CommandResult.tree(layout.runtime())).isEqualTo(runtime);
    assertIsShell(result.out());
  }

  @ParameterizedTest
  @MethodSource("scripts")
  void whatADryRunPrints(String script) throws IOException {
    assumeTrue(Host.Os.current() == Host.Os.LINUX, "the golden files name Linux's programs");
    CommandResult result =
        script(script, CommandResult.arguments(script, "--dry-run", "--state", "st"))
            .in(configured(folder, "boot: firmware\n" + CONFIG))
            .run()
            .succeeded()
            .quiet();
    if (script.equals("setup")) {
      assertThat(Golden.withoutThisJava(result.out()))
          .isEqualTo(Golden.withoutThisJava(launchAll() + sshAll()));
    } else {
      Golden.check("script/dry-run-%s.txt".formatted(script), withoutThisMachine(result.out()));
    }
  }

  private String launchAll() {
    return script("launch-all", "--dry-run", "--state", "st").run().succeeded().out();
  }

  private String sshAll() {
    return script("ssh-all", "--dry-run", "--state", "st").run().succeeded().out();
  }

  @Test
  void setupHandsOnItsOptions() throws IOException {
    configured(folder, CONFIG);
    String out =
        script("setup", "--only", "worker0", "--detach", "--ready", "--dry-run")
            .run()
            .succeeded()
            .quiet()
            .out();
    assertThat(out)
        .contains("# waits for SSH of worker0", "# tmux ")
        .doesNotContain("# waits for SSH of gateway");
  }

  @Test
  void oddCharactersInPathsComeBackFromAShellUnchanged() throws IOException {
    // Java can only name in files what the locale can write
    String accent = "UTF-8".equals(System.getProperty("sun.jnu.encoding")) ? "\u00e9" : "e";
    Path odd = Files.createDirectory(folder.resolve("a b'\"$HOME,c:d;*" + accent));
    configured(odd, CONFIG);
    CommandResult all =
        script("launch-all", "--dry-run").in(odd).with("LC_ALL", "C.UTF-8").run().succeeded();
    CommandResult one =
        script("launch-vm", "worker0", "--dry-run")
            .in(odd)
            .with("LC_ALL", "C.UTF-8")
            .run()
            .succeeded();
    Layout.Files files = Layout.of(odd.resolve(".kubenet")).node(node("worker0"));

    String key = ImageImport.of("tiny.qcow2", odd).key();
    Path disk = cache.resolve("images/." + key + ".part/disk.qcow2");
    assertThat(commands(all.out()))
        .contains(
            List.of("mkdir", "-p", "-m", "700", files.folder().toString()),
            List.of(
                "qemu-img",
                "convert",
                "-f",
                "qcow2",
                "-O",
                "qcow2",
                odd.resolve("tiny.qcow2").toString(),
                disk.toString()))
        .anyMatch(
            words -> words.get(0).equals("tmux") && words.contains(files.launch().toString()));
    List<String> qemu =
        commands(one.out()).stream()
            .filter(words -> words.get(0).startsWith("qemu-system-"))
            .findFirst()
            .orElseThrow();
    assertThat(qemu)
        .containsSubsequence("-pidfile", files.pid().toString())
        .anyMatch(word -> word.contains("file=" + files.disk().toString().replace(",", ",,")))
        .anyMatch(word -> word.contains("file=" + files.seed().toString().replace(",", ",,")));
  }

  @Test
  void aHundredWorkersAreDryRun() throws IOException {
    configured(folder, CONFIG.replace("worker:  {count: 1", "worker:  {count: 100"));
    String out = script("launch-all", "--dry-run").run().succeeded().quiet().out();
    assertThat(out.lines().filter(line -> line.startsWith("qemu-img create "))).hasSize(102);
    assertThat(out.lines().filter(line -> line.contains("xorriso "))).hasSize(102);
    assertThat(out.lines().filter(line -> line.contains("/launch.sh (")))
        .hasSize(102)
        .last()
        .asString()
        .contains("/nodes/worker99/");
  }

  @Test
  void statusOfWhatNeverRan() {
    CommandResult table = script("status").run().succeeded().quiet();
    Golden.check("script/status.txt", table.out());
    assertThat(files()).isEmpty();
  }

  @Test
  void statusAsJson() throws IOException {
    CommandResult json = script("status", "--json").run().succeeded().quiet();
    JsonNode rows = new ObjectMapper().readTree(json.out());
    assertThat(rows).hasSize(7).allMatch(row -> row.path("stage").asText().equals("stopped"));
    JsonNode last = rows.get(6);
    assertThat(last.path("node").asText()).isEqualTo("worker2");
    assertThat(last.path("address").asText()).isEqualTo("10.240.0.16");
    assertThat(last.path("ssh").asText()).isEqualTo("127.0.0.1:2206");
    assertThat(last.get("pid").isNull()).isTrue();
  }

  @Test
  void statusDrawsWhatWasRecorded() throws IOException {
    Path record = folder.resolve(".kubenet/nodes/control0/timeline");
    StateFolder.claim(Layout.of(folder.resolve(".kubenet")));
    Files.createDirectories(record.getParent());
    Files.writeString(
        record, "1795388570000 queued 1795388570500\n1795388570000 qemu 1795388572000\n");
    Path svg = folder.resolve("launch.svg");
    script("status", "--timeline", svg.toString(), "--dry-run")
        .run()
        .succeeded()
        .quiet()
        .prints("# writes " + svg);
    assertThat(svg).doesNotExist();
    script("status", "--timeline", svg.toString()).run().succeeded().quiet();
    assertThat(Files.readString(svg))
        .contains("kubenet: 1 of 7 nodes in 2.0 s")
        .contains("control0, qemu: 1.5 s, from 0.5 to 2.0");
    JsonNode rows = new ObjectMapper().readTree(script("status", "--json").run().succeeded().out());
    assertThat(rows.get(1).path("timeline").get(1).path("seconds").asDouble()).isEqualTo(1.5);
    assertThat(rows.get(0).path("timeline")).isEmpty();

    Path nowhere = folder.resolve("no/launch.svg");
    script("status", "--timeline", nowhere.toString())
        .run()
        .exitedWith(1)
        .complainsInTwoLines("cannot write " + nowhere, "choose another file");
  }

  @Test
  void onlyTakesNodesInTheClustersOrder() {
    String out = script("status", "--only", "worker1,gateway").run().succeeded().quiet().out();
    assertThat(out.lines().skip(1).map(line -> line.split(" ")[0]))
        .containsExactly("gateway", "worker1");
  }

  @Test
  void thereIsNothingToStop() {
    CommandResult result = script("stop-all").run().succeeded().quiet();
    assertThat(result.out())
        .isEqualTo("nothing to stop: there is no %s\n".formatted(folder.resolve(".kubenet")));
    script("stop-all", "--destroy").run().succeeded().quiet().prints("nothing to stop");
    assertThat(files()).isEmpty();
  }

  @Test
  void stopAllKeepsDisksAndKeys() throws IOException {
    Layout layout = keysMade();
    Files.writeString(layout.node(node("worker0")).disk(), "precious");
    script("stop-all").run().succeeded().quiet();
    assertThat(layout.node(node("worker0")).disk()).hasContent("precious");
    assertThat(layout.identity()).exists();
  }

  @Test
  void destroyAsksAndWithoutAnAnswerRemovesNothing() throws IOException {
    Layout layout = keysMade();
    Map<String, String> before = CommandResult.tree(folder);
    CommandResult result = script("stop-all", "--destroy").given("y\n").run().exitedWith(1);
    result.prints("will remove " + layout.state(), "will remove " + layout.runtime());
    result.complainsInTwoLines("nothing was stopped or removed", "--yes");
    assertThat(CommandResult.tree(folder)).isEqualTo(before);
    assertThat(layout.runtime()).exists();
  }

  @Test
  void aDryRunOfDestroyNamesWhatItWouldRemove() throws IOException {
    Layout layout = keysMade();
    Map<String, String> before = CommandResult.tree(folder);
    CommandResult result = script("stop-all", "--destroy", "--dry-run").run().succeeded().quiet();
    assertThat(result.out())
        .isEqualTo("# removes %s\n# removes %s\n".formatted(layout.state(), layout.runtime()));
    assertThat(CommandResult.tree(folder)).isEqualTo(before);
  }

  @Test
  void destroyRemovesAllThatKubenetMade() throws IOException {
    Layout layout = keysMade();
    script("stop-all", "--destroy", "--yes").run().succeeded().quiet();
    assertThat(files()).containsExactly("cluster.yaml", "tiny.qcow2");
    assertThat(layout.runtime()).doesNotExist();
  }

  @Test
  @Fault(
      value = "there are other files among those to be destroyed",
      promise = "they stay, and a message names them")
  void destroyLeavesAStrangersFiles() throws IOException {
    Layout layout = keysMade();
    Path beside = Files.writeString(layout.state().resolve("notes.txt"), "mine");
    Path among =
        Files.writeString(layout.node(node("worker0")).folder().resolve("backup.qcow2"), "mine");
    CommandResult result = script("stop-all", "--destroy", "--yes").run().succeeded().quiet();
    assertThat(beside).hasContent("mine");
    assertThat(among).hasContent("mine");
    assertThat(CommandResult.tree(layout.state()).keySet())
        .as("they, their folders, and what makes the folder kubenet's")
        .containsExactlyInAnyOrder(
            "",
            "KUBENET.TAG",
            "lock",
            "nodes",
            "nodes/worker0",
            "nodes/worker0/backup.qcow2",
            "notes.txt",
            "version");
    for (String word : List.of("will leave ", "left ")) {
      result.prints(word + among + ": kubenet did not make it");
      result.prints(word + beside + ": kubenet did not make it");
    }
    assertThat(result.out()).doesNotContain("will remove " + layout.state() + "\n");
  }

  @Test
  void destroyOfOneNodeLeavesTheOthers() throws IOException {
    Layout layout = keysMade();
    script("stop-all", "--destroy", "--yes", "--only", "worker0").run().succeeded().quiet();
    assertThat(layout.node(node("worker0")).folder()).doesNotExist();
    assertThat(layout.node(node("control0")).hostKey()).exists();
    assertThat(layout.identity()).exists();
  }

  @Test
  void sshAllTellsOfEveryNodeThatDoesNotRun() throws IOException {
    configured(folder, CONFIG);
    long start = System.nanoTime();
    script("ssh-all", "--detach")
        .run()
        .exitedWith(1)
        .complains("gateway: QEMU is not running", "launch-vm.java gateway")
        .complains("control0: QEMU is not running", "launch-vm.java control0")
        .complains("worker0: QEMU is not running", "launch-vm.java worker0");
    // to wait for the first one alone would take two minutes
    assertThat((System.nanoTime() - start) / 1e9).isLessThan(100);
  }

  @Test
  @Fault(
      value = "the state folder was made by a kubenet with another format",
      promise = "it is left alone")
  void aStateOfAnotherFormIsLeftAlone() throws IOException {
    Layout layout = keysMade();
    Files.writeString(layout.version(), "3\n");
    for (String script : List.of("launch-all", "status", "stop-all")) {
      script(script, "--yes")
          .run()
          .exitedWith(1)
          .complainsInTwoLines(
              layout.state() + " has the form 3, this kubenet knows 2", "the kubenet that made it");
    }
  }

  @Test
  @Fault(
      value = "a port is taken and there is too little memory",
      promise = "both are reported at once, with ways out; nothing starts")
  void allObstaclesAreToldAtOnce() throws IOException {
    try (ServerSocket taken = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
      int port = taken.getLocalPort();
      configured(
          folder,
          CONFIG
              .replace("28200", Integer.toString(port - 1)) // the first node's; the next has ours
              .replace("512M", "1024G"));
      CommandResult result =
          script("launch-all")
              .run()
              .exitedWith(1)
              .complains("port %d (control0)".formatted(port), "sshPorts")
              .complains("MiB of memory, this machine has", "lower `memory`");
      assertThat(result.out()).doesNotContain("started");
      assertThat(Layout.of(folder.resolve(".kubenet")).node(node("worker0")).disk()).doesNotExist();
    }
  }

  @Test
  @Fault(value = "an image refers to another file on the host", promise = "kubenet refuses it")
  void anImageThatNamesAnotherFileIsRefused() throws IOException {
    configured(folder, CONFIG.replace("tiny", "overlay"));
    Path overlay = folder.resolve("overlay.qcow2");
    qemuImg(
        "create", "-q", "-f", "qcow2", "-F", "qcow2", "-b", image.toString(), overlay.toString());
    refuses("the image " + overlay + " refers to another file", "qemu-img convert");
  }

  @Test
  void anImageOfAnotherFormatIsRefused() throws IOException {
    configured(folder, CONFIG.replace("tiny.qcow2", "other.vmdk"));
    qemuImg("create", "-q", "-f", "vmdk", folder.resolve("other.vmdk").toString(), "64M");
    refuses(
        "the image " + folder.resolve("other.vmdk") + " has the format vmdk", "qemu-img convert");
  }

  @Test
  void anImageThatIsNotThereIsRefused() throws IOException {
    configured(folder, CONFIG.replace("tiny", "no"));
    refuses("image ./no.qcow2: there is no file " + folder.resolve("no.qcow2"), "`images`");
  }

  @Test
  void anImageLargerThanADiskIsRefused() throws IOException {
    configured(folder, CONFIG.replace("tiny", "large"));
    qemuImg("create", "-q", "-f", "qcow2", folder.resolve("large.qcow2").toString(), "4608M");
    script("launch-all", "--dry-run")
        .run()
        .exitedWith(1)
        .complainsInTwoLines("has a disk of 4G, less than the 4608 MiB", "larger `disk`");
  }

  private void refuses(String fact, String hint) {
    Stream.of("launch-all", "prepare-image")
        .forEach(
            script -> {
              script(script).run().exitedWith(1).complainsInTwoLines(fact, hint);
              assertThat(folder.resolve(".kubenet")).doesNotExist();
            });
  }

  @Test
  @Fault(
      value = "several programs are missing",
      promise = "all are named, with one command that installs them")
  void allMissingProgramsAreToldWithTheOneCommand() throws IOException {
    Path calls = folder.resolve("calls");
    Path bin = bare(calls);
    configured(folder, CONFIG);
    Map<String, String> before = CommandResult.tree(folder);
    for (String script : List.of("launch-all", "setup", "check-host")) {
      CommandResult result =
          script(script, CommandResult.arguments(script)).with("PATH", bin).run().exitedWith(1);
      assertThat(result.err()).contains("qemu-system-", "xorriso", "tmux", "ssh", "ssh-keygen");
      result.complainsInTwoLines("missing on this machine: ", "or run this again with --yes");
      assertThat(result.err())
          .containsPattern(
              "run `(sudo )?apt-get install --yes --no-install-recommends qemu-system-\\w+ xorriso"
                  + " tmux openssh-client qemu-utils`");
      assertThat(CommandResult.tree(folder)).isEqualTo(before);
    }
  }

  @Test
  @Fault(
      value = "a program is there but is not executable",
      promise = "it counts as missing, and is named")
  void aProgramThatMayNotBeExecutedIsMissing() throws IOException {
    Path bin = bare(folder.resolve("calls"));
    configured(folder, CONFIG);
    CommandResult.programs(bin, "ssh");
    assertThat(CommandResult.fake(bin.resolve("tmux"), "exit 0").toFile().setExecutable(false))
        .isTrue();
    script("ssh-all")
        .with("PATH", bin)
        .run()
        .exitedWith(1)
        .complainsInTwoLines("missing on this machine: tmux", "apt-get install");
  }

  @Test
  @Fault(
      value = "tmux is older than 3.0",
      promise = "a message gives both versions before anything is made")
  void tmuxThatIsTooOld() throws IOException {
    Path bin = bare(folder.resolve("calls"));
    configured(folder, CONFIG);
    CommandResult.programs(bin, "ssh");
    CommandResult.fake(bin.resolve("tmux"), "echo tmux 2.9a");
    script("ssh-all")
        .with("PATH", bin)
        .run()
        .exitedWith(1)
        .complainsInTwoLines("tmux 2.9a is too old, 3.0 is needed", "upgrade tmux");
    assertThat(folder.resolve(".kubenet")).doesNotExist();
  }

  @Test
  void yesInstallsWhatIsMissing() throws IOException {
    Path calls = folder.resolve("calls");
    Path bin = bare(calls);
    configured(folder, CONFIG);
    script("ssh-all", "--yes")
        .with("PATH", bin)
        .run()
        .exitedWith(1)
        .prints("missing on this machine: tmux, ssh\n", "install them with: ")
        .complains("still missing after installing: tmux, ssh", "apt-get install");
    assertThat(calls)
        .hasContent(
            "noninteractive update --quiet\n"
                + "noninteractive install --yes --no-install-recommends tmux openssh-client");
  }

  /** A PATH without all that kubenet needs, and with an apt-get that only notes what is asked. */
  private Path bare(Path calls) {
    Path bin = CommandResult.programs(folder.resolve("bin"), PROGRAMS);
    CommandResult.fake(bin.resolve("sudo"), "exec \"$@\"");
    CommandResult.fake(
        bin.resolve("apt-get"), "echo \"$DEBIAN_FRONTEND $*\" >> '%s'".formatted(calls));
    return bin;
  }

  @Test
  void worksFromAnotherFolderThroughALinkWithASpace() throws IOException {
    Path link = Files.createSymbolicLink(folder.resolve("the project"), Project.root());
    Path elsewhere = Files.createDirectory(folder.resolve("else where"));
    try {
      CommandResult.command(
              link.resolve("jbang").toString(), link.resolve("stop-all.java").toString())
          .in(elsewhere)
          .run()
          .succeeded()
          .prints("there is no " + elsewhere.resolve(".kubenet"));
    } finally {
      Files.delete(link);
    }
  }

  @Test
  void relativePathsOfTheClusterFileStartBesideIt() throws IOException {
    Path beside = Files.createDirectory(folder.resolve("a b"));
    configured(beside, CONFIG);
    script("launch-all", "--dry-run", "--config", "a b/cluster.yaml")
        .run()
        .succeeded()
        .quiet()
        .prints("'%s'".formatted(beside.resolve("tiny.qcow2")))
        .prints("mkdir -p -m 700 '%s'\n".formatted(beside.resolve(".kubenet")));
  }

  @Test
  void jshellHasLibLoaded() {
    String launchVm = Project.root().resolve("launch-vm.java").toString();
    String jar =
        CommandResult.command(
                CommandResult.wrapper(), "info", "tools", "--select=applicationJar", launchVm)
            .run()
            .succeeded()
            .out()
            .strip();
    CommandResult.command(CommandResult.wrapper(), "-i", "--cp", jar, launchVm)
        .given("\"nodes: \" + lib.cluster.Cluster.standard().nodes().size()\n/exit\n")
        .with("JBANG_JAVA_OPTIONS", "-Djava.io.tmpdir=" + folder) // it leaves its start-up file
        .run()
        .succeeded()
        .prints("\"nodes: 7\"");
  }

  @ParameterizedTest
  @MethodSource("scripts")
  void runsOnTheNewestJava(String script) throws IOException {
    Optional<Path> jdk = newestJdk();
    assumeTrue(jdk.isPresent(), "no JDK of version 25 or newer in /usr/lib/jvm");
    script(script, "--help").on(jdk.get()).run().succeeded().quiet();
    configured(folder, CONFIG);
    script(script, CommandResult.arguments(script, "--dry-run"))
        .on(jdk.get())
        .run()
        .succeeded()
        .quiet();
  }

  private static Optional<Path> newestJdk() throws IOException {
    Path home = Path.of("/usr/lib/jvm");
    if (!Files.isDirectory(home)) {
      return Optional.empty();
    }
    try (Stream<Path> folders = Files.list(home)) {
      return folders.filter(jdk -> release(jdk.resolve("release")) >= 25).findFirst();
    }
  }

  private static int release(Path file) {
    try (Stream<String> lines = Files.lines(file)) {
      return lines
          .filter(line -> line.startsWith("JAVA_VERSION="))
          .map(line -> line.replaceAll("[^0-9.]", "").split("\\.")[0])
          .mapToInt(Integer::parseInt)
          .findFirst()
          .orElse(0);
    } catch (IOException e) {
      return 0;
    }
  }

  private CommandResult.Call script(String script, String... arguments) {
    return CommandResult.script(script, arguments).in(folder).with("KUBENET_CACHE", cache);
  }

  private static void qemuImg(String... arguments) {
    Commands.run(Argv.of("qemu-img", arguments)).orProblem();
  }

  /** Makes a folder with a cluster file and its image. */
  private static Path configured(Path folder, String config) throws IOException {
    Files.writeString(folder.resolve("cluster.yaml"), config);
    Files.copy(image, folder.resolve("tiny.qcow2"));
    return folder;
  }

  /** The state of a cluster whose keys are made: as after a launch that stopped early. */
  private Layout keysMade() throws IOException {
    configured(folder, CONFIG);
    Layout layout = Layout.of(folder.resolve(".kubenet"));
    Cluster cluster = ClusterFile.parse("cluster.yaml", CONFIG);
    StateFolder.claim(layout);
    StateFolder.claimRuntime(layout);
    NodeFiles.keys(cluster, layout).run();
    NodeFiles.ssh(cluster, cluster.nodes(), layout).run();
    return layout;
  }

  private static Node node(String name) {
    return ClusterFile.parse("cluster.yaml", CONFIG).node(name);
  }

  /** The names of what is in the test's folder. */
  private Set<String> files() {
    try (Stream<Path> files = Files.list(folder)) {
      return files
          .map(file -> file.getFileName().toString())
          .collect(Collectors.toCollection(TreeSet::new));
    } catch (IOException e) {
      throw new AssertionError(e);
    }
  }

  /** Folders of trials that run right now; another process on this machine may have some. */
  private static Set<Path> trials() {
    try (Stream<Path> files = Files.list(Path.of("/tmp"))) {
      return files
          .filter(file -> file.getFileName().toString().startsWith("kubenet-trial-"))
          .collect(Collectors.toSet());
    } catch (IOException e) {
      throw new AssertionError(e);
    }
  }

  private static void assertNoMoreTrialsThan(Set<Path> before) {
    Set<Path> left = trials();
    left.removeAll(before);
    Wait.until(Duration.ofMinutes(3), () -> left.stream().noneMatch(Files::exists));
    assertThat(left).noneMatch(Files::exists);
  }

  /** What a script prints can be pasted: everything that is no comment is a command. */
  private static void assertIsShell(String text) {
    CommandResult.command("sh", "-n").given(text).run().succeeded().quiet();
    assertThat(commands(text)).allMatch(words -> words.get(0).matches("(/.*/)?[a-z][a-z0-9_-]+"));
  }

  /** The words of each command, as a shell takes them. */
  private static List<List<String>> commands(String text) {
    String joined = text.replace("\\\n", " ");
    StringBuilder program =
        new StringBuilder("show() { printf '%s\\0' \"$@\"; printf '\\n\\0'; }\n");
    joined
        .lines()
        .filter(line -> !line.startsWith("#"))
        .forEach(line -> program.append("show ").append(line).append('\n'));
    CommandResult shown =
        CommandResult.command("sh").given(program.toString()).with("LC_ALL", "C.UTF-8").run();
    shown.succeeded().quiet();
    List<List<String>> commands = new ArrayList<>();
    List<String> words = new ArrayList<>();
    for (String word : shown.out().split("\0")) {
      if (word.equals("\n")) {
        commands.add(words);
        words = new ArrayList<>();
      } else {
        words.add(word);
      }
    }
    return commands;
  }

  /** A dry run's output with fixed words in place of what differs from machine to machine. */
  private String withoutThisMachine(String out) {
    return Golden.withoutThisJava(out)
        .replace(folder.toString(), "FOLDER")
        .replace(cache.toString(), "CACHE")
        .replaceAll("file-tiny\\.qcow2-[0-9a-f]{12}", "file-tiny.qcow2-KEY")
        .replaceAll("/tmp/kubenet-[\\w-]+-[0-9a-f]{8}", "RUNTIME")
        .replaceAll("(?m)^# accelerator .*$", "# accelerator  ACCELERATOR")
        .replaceAll("(?m)^# (QEMU|firmware|machine)( +).*$", "# $1$2...")
        .replaceAll("\\(\\d+ bytes", "(N bytes")
        .replaceAll("(?m)^cp \\S+ (\\S+efi-variables.fd)$", "cp VARIABLES $1")
        .replaceAll("(if=pflash,\\S+,readonly=on,file=)\\S+", "$1CODE")
        .replaceAll("qemu-system-\\w+", "qemu-system-ARCH")
        .replaceAll("(?m)^  -(machine|accel|cpu) .*?( \\\\)?$", "  -$1 HOST$2")
        .replaceAll("launch\\.sh -S", "launch.sh"); // queued, where the host only emulates
  }
}

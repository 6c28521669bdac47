import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.time.Duration;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import lib.Argv;
import lib.Commands;
import lib.cluster.Host;
import lib.cluster.Node;
import lib.state.Layout;
import lib.vm.Qmp;
import lib.vm.SavedState;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.parallel.Execution;
import org.junit.jupiter.api.parallel.ExecutionMode;

/** What was suspended is taken up once, on its own disk, by a QEMU that fits; or it is kept. */
@Execution(ExecutionMode.CONCURRENT)
class SuspensionTest {
  /** Stays in the console's file when a guest goes on; a boot empties it. */
  private static final String MARK = "printed before it was suspended";

  private static final String WAY_OUT = "stop-all.java --discard";

  private TinyCluster tiny;

  @BeforeEach
  void suspend() throws IOException {
    tiny = TinyCluster.make();
    tiny.launch();
    tiny.run("stop-all", "--suspend").succeeded();
    mark();
  }

  @AfterEach
  void end() {
    tiny.close();
  }

  private Layout.Files files() {
    return tiny.vm("worker0").files();
  }

  private List<Path> saved() {
    return List.of(files().incoming(), files().suspended(), files().suspension());
  }

  private void mark() throws IOException {
    for (Node node : tiny.nodes()) {
      Path console = tiny.vm(node.name()).files().console();
      Files.writeString(console, MARK + "\n", StandardOpenOption.APPEND, StandardOpenOption.CREATE);
    }
  }

  private void assertResumed() {
    tiny.assertRuns();
    for (Node node : tiny.nodes()) {
      assertThat(tiny.vm(node.name()).files().console()).content().contains(MARK);
    }
    assertNothingIsSaved();
  }

  private void assertBooted() {
    tiny.assertRuns();
    assertThat(files().console()).content().doesNotContain(MARK);
    assertNothingIsSaved();
  }

  private void assertNothingIsSaved() {
    assertThat(saved()).noneMatch(Files::exists);
    assertThat(files().taken()).doesNotExist();
  }

  private void assertRefused() {
    assertThat(tiny.pids()).isEmpty();
    assertThat(saved()).allMatch(Files::exists);
  }

  /** Puts another word into a file. */
  private static void edit(Path file, String from, String to) throws IOException {
    String text = Files.readString(file);
    assertThat(text).contains(from);
    Files.writeString(file, text.replace(from, to));
  }

  private void config(String from, String to) throws IOException {
    edit(tiny.folder().resolve("cluster.yaml"), from, to);
  }

  @Test
  @Fault(
      value = "a suspended cluster is copied, and the original resumes",
      promise = "the copy resumes from its own memory, on its own disks")
  void aCopyGoesOnFromItsOwnState() throws IOException {
    TinyCluster original = tiny;
    Path top = Files.createTempDirectory(Path.of("/tmp"), "kubenet-tiny-");
    Path copy = top.resolve("a copy's folder");
    Commands.run(Argv.of("cp", "-r", original.folder().toString(), copy.toString())).orProblem();
    original.run("launch-all").succeeded();
    assertResumed();
    original.run("stop-all").succeeded(); // both have one name
    tiny = TinyCluster.in(top, copy, BootSector.WAITS);
    try {
      assertThat(saved()).allMatch(Files::exists);
      tiny.run("launch-all").succeeded();
      assertResumed();
    } finally {
      original.close();
    }
  }

  @Test
  @Fault(
      value = "a suspended cluster is moved to another folder",
      promise = "launch-all resumes it there from its memory")
  void aMovedProjectGoesOn() throws IOException {
    moved();
    tiny.run("launch-all").succeeded();
    assertResumed();
  }

  private void moved() throws IOException {
    Path from = tiny.folder();
    CommandResult.remove(tiny.layout().runtime());
    Path to = Files.move(from, from.resolveSibling("it's elsewhere"));
    tiny = TinyCluster.in(tiny.top(), to, BootSector.WAITS);
  }

  @Test
  @Fault(
      value =
          "a node was suspended by a kubenet with the previous format, and the project was moved",
      promise = "launch-all resumes it from its memory")
  void theFormBeforeGoesOn() throws IOException {
    for (Node node : tiny.nodes()) {
      Layout.Files old = tiny.vm(node.name()).files();
      Files.writeString(
          old.incoming(),
          """
          exec 9< %s
          set -- "$@" -incoming defer
          """
              .formatted(Argv.quote(old.suspended().toString())));
      Files.delete(old.suspension());
    }
    moved();
    tiny.run("launch-all").succeeded();
    assertResumed();
  }

  @Test
  @Fault(
      value = "a suspended node's memory or CPUs are changed in cluster.yaml",
      promise =
          "nothing starts; a message gives both values, and the state is kept; the node resumes"
              + " once the change is undone, or stop-all --discard discards the state")
  void anotherSizeIsRefused() throws IOException {
    config("memory: 256M", "memory: 300M");
    config("cpus: 1", "cpus: 2");
    tiny.run("launch-all")
        .exitedWith(1)
        .complains(
            "worker0 is suspended with cpus 1, and cluster.yaml says 2; with memory 256M, and"
                + " cluster.yaml says 300M",
            "undo the change in cluster.yaml")
        .complains("gateway is suspended with cpus 1", WAY_OUT);
    assertRefused();

    config("memory: 300M", "memory: 256M");
    config("cpus: 2", "cpus: 1");
    tiny.run("launch-all").succeeded();
    assertResumed();

    tiny.run("stop-all", "--suspend").succeeded();
    config("memory: 256M", "memory: 300M");
    mark();
    tiny.run("stop-all", "--discard").complains("nothing was given up", "give --yes");
    assertRefused();
    tiny.run("stop-all", "--discard", "--yes")
        .succeeded()
        .prints("will give up worker0: what it was doing when it was suspended, 20");
    assertNothingIsSaved();
    tiny.run("stop-all", "--discard", "--yes").succeeded().prints("nothing to give up");
    tiny.run("launch-all").succeeded();
    assertBooted();
  }

  @Test
  @Fault(
      value = "a suspended node's disk is removed or replaced",
      promise = "nothing starts, and the state is kept")
  void anotherDiskIsRefused() throws IOException {
    Path aside = files().disk().resolveSibling("aside");
    Files.move(files().disk(), aside);
    tiny.run("launch-all")
        .exitedWith(1)
        .complains("worker0: its saved state needs its disk, which is gone", WAY_OUT);
    assertRefused();
    Files.move(aside, files().disk());
    String id = tiny.vm("worker0").instance().orElseThrow();
    edit(files().suspension(), id, "worker0-000000000000");
    tiny.run("launch-all")
        .exitedWith(1)
        .complains("is of its disk worker0-000000000000, and it has disk " + id, WAY_OUT);
    assertRefused();
  }

  @Test
  @Fault(
      value = "a project is renamed while its nodes run, and they are suspended then",
      promise = "they are suspended and resumed as in any folder")
  void suspendedAfterAMove() throws IOException {
    tiny.launch();
    tiny.move("renamed meanwhile");
    tiny.run("stop-all", "--suspend").succeeded().quiet();
    assertThat(files().suspended()).exists();
    tiny.launch();
    assertThat(files().suspended()).doesNotExist();
  }

  @Test
  @Fault(
      value = "a saved state is truncated",
      promise = "nothing starts; a message names the file, and everything is kept")
  void aTruncatedStateIsRefused() throws IOException {
    try (RandomAccessFile file = new RandomAccessFile(files().suspended().toFile(), "rw")) {
      file.setLength(file.length() / 2);
    }
    tiny.run("launch-all").exitedWith(1).complains(files().suspended() + " is damaged", WAY_OUT);
    assertRefused();
  }

  @Test
  @Fault(
      value = "QEMU dies while it loads a saved state",
      promise =
          "launch-all fails with QEMU's message; the other nodes resume, and the state is kept;"
              + " after stop-all --discard the node boots from its disk")
  void aStateThatIsNotTakenIsKept() throws IOException {
    try (RandomAccessFile file = new RandomAccessFile(files().suspended().toFile(), "rw")) {
      byte[] nonsense = new byte[(int) file.length() - 100];
      Arrays.fill(nonsense, (byte) 0x5a);
      file.seek(20);
      file.write(nonsense);
    }
    for (int i = 0; i < 2; i++) {
      tiny.run("launch-all")
          .exitedWith(1)
          .complains("worker0: QEMU did not take its saved state (qemu-system-", "is kept");
      assertThat(saved()).allMatch(Files::exists);
      assertThat(tiny.pids()).containsOnlyKeys("gateway");
    }
    tiny.run("stop-all", "--discard", "--only", "worker0", "--yes").succeeded();
    tiny.run("launch-all").succeeded();
    assertBooted();
  }

  @Test
  @Fault(
      value =
          "launch-all, or QEMU as well, ends after a state was loaded and before the guest resumed",
      promise = "the next launch resumes from that state")
  void loadedButNotLetGo() throws IOException {
    Map<String, Long> before = loaded();
    tiny.run("launch-all").succeeded().prints("worker0 goes on: it was paused");
    assertThat(tiny.pids()).isEqualTo(before);
    assertResumed();

    tiny.run("stop-all", "--suspend").succeeded();
    loaded();
    tiny.nodes().forEach(node -> Gone.kill(tiny.vm(node.name()).process().orElseThrow()));
    tiny.run("launch-all").succeeded();
    assertResumed();
  }

  /** Has the last step before the guest goes on fail: what is to be noted can't be written. */
  private Map<String, Long> loaded() throws IOException {
    for (Node node : tiny.nodes()) {
      Files.createDirectory(tiny.vm(node.name()).files().folder().resolve(".part.incoming.taken"));
    }
    tiny.run("launch-all").exitedWith(1);
    for (Node node : tiny.nodes()) {
      Files.delete(tiny.vm(node.name()).files().folder().resolve(".part.incoming.taken"));
      assertThat(tiny.vm(node.name()).status()).as(node.name()).contains("paused");
    }
    assertThat(saved()).allMatch(Files::exists);
    return tiny.pids();
  }

  @Test
  @Fault(
      value = "launch-all and then QEMU are killed just after a suspended guest resumed",
      promise =
          "if the guest has written to its disk, it boots from the disk, as its saved memory no"
              + " longer fits; if not, it resumes from its memory")
  void resumedButNotRemoved() throws IOException {
    killedAsItGoesOn();
    tiny.run("launch-all").succeeded();
    assertResumed();

    tiny.run("stop-all", "--suspend").succeeded();
    killedAsItGoesOn();
    Argv write = Argv.of("qemu-io").option("-c", "write -P 7 1M 4k");
    Commands.run(write.add(files().disk().toString())).orProblem();
    tiny.run("launch-all").succeeded();
    assertBooted();
  }

  private void killedAsItGoesOn() throws IOException {
    for (Path path : saved()) {
      Files.createLink(path.resolveSibling("kept-" + path.getFileName()), path);
    }
    tiny.run("launch-all").succeeded();
    assertResumed();
    for (Path path : saved()) { // as they are for a moment
      Files.move(path.resolveSibling("kept-" + path.getFileName()), path);
    }
    SavedState.take(files());
    Gone.kill(tiny.vm("worker0").process().orElseThrow());
  }

  @Test
  @Fault(
      value = "QEMU's version is not the one that suspended a node",
      promise =
          "a newer QEMU resumes it with the older machine type; a QEMU without that machine type is"
              + " refused, both are named, and the state is kept")
  void anotherQemu() throws IOException {
    assumeTrue(Host.Arch.current() == Host.Arch.X86_64, "q35 is a machine of x86_64");
    String now = machine("worker0");
    edit(files().suspension(), now, "pc-q35-99.1");
    edit(files().suspension(), "\"qemu\" : \"", "\"qemu\" : \"99.1.0-");
    tiny.run("launch-all")
        .exitedWith(1)
        .complains("worker0: its saved state is of machine pc-q35-99.1 of QEMU 99.1.0-", WAY_OUT);
    assertRefused();

    // an older QEMU, whose machine this one has, too
    tiny.run("stop-all", "--discard", "--yes").succeeded();
    Path bin = Files.createDirectory(tiny.top().resolve("bin"));
    Path real = Commands.find("qemu-system-x86_64").orElseThrow();
    CommandResult.fake(
        bin.resolve("qemu-system-x86_64"), "exec %s \"$@\" -machine pc-q35-7.0".formatted(real));
    tiny.call("launch-all").with("PATH", bin + ":" + System.getenv("PATH")).run().succeeded();
    tiny.run("stop-all", "--suspend").succeeded();
    assertThat(machine("worker0")).isEqualTo("pc-q35-7.0").isNotEqualTo(now);
    mark();
    tiny.run("launch-all").succeeded();
    assertResumed();
    try (Qmp qmp = Qmp.connect(files().qmp(), Duration.ofSeconds(5))) {
      Map<String, String> type = Map.of("path", "/machine", "property", "type");
      assertThat(qmp.execute("qom-get", type).asText()).isEqualTo("pc-q35-7.0-machine");
    }
  }

  private String machine(String node) throws IOException {
    String facts = Files.readString(tiny.vm(node).files().suspension());
    return facts.replaceFirst("(?s).*\"machine\" : \"([^\"]*)\".*", "$1");
  }

  @Test
  @Fault(
      value =
          "the accelerator that a node was suspended with is gone, or the CPU is a different one",
      promise = "nothing starts; a message names both, and the state is kept")
  void anotherCpuIsRefused() throws IOException {
    edit(files().suspension(), "\"accelerator\" : \"", "\"accelerator\" : \"old-");
    tiny.run("launch-all")
        .exitedWith(1)
        .complains("worker0: its saved state is of CPU ", WAY_OUT)
        .complains("(old-", WAY_OUT);
    assertRefused();
  }

  @Test
  @Fault(
      value = "a cluster is moved to another folder with its disks",
      promise = "each disk keeps its instance-id, so cloud-init does not do its work again")
  void aDiskKeepsItsId() throws IOException {
    String id = tiny.vm("worker0").instance().orElseThrow();
    assertThat(id).matches("worker0-[0-9a-f]{12}");
    moved();
    tiny.run("launch-all").succeeded();
    assertThat(tiny.vm("worker0").instance()).contains(id);
    tiny.run("stop-all").succeeded();

    // as a kubenet of the form before made it
    edit(files().seedFolder().resolve("meta-data"), id, "tiny-worker0");
    tiny.run("launch-all").succeeded();
    assertThat(tiny.vm("worker0").instance()).contains("tiny-worker0");
    tiny.run("stop-all", "--destroy", "--yes", "--only", "worker0").succeeded();
    tiny.run("launch-all").succeeded();
    assertThat(tiny.vm("worker0").instance()).isNotEmpty().isNotEqualTo(id);
    assertThat(tiny.vm("worker0").instance().orElseThrow()).matches("worker0-[0-9a-f]{12}");
  }
}

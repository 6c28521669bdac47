import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.Arrays;
import java.util.Map;
import java.util.Random;
import java.util.TreeMap;
import java.util.stream.Stream;
import lib.state.Layout;
import lib.state.Marker;
import lib.state.StateFolder;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** kubenet writes into and removes from folders that it made, and no others. */
class OwnershipTest {
  private static final String CONFIG =
      """
      sshPorts: 30900
      boot: bios
      images: [./tiny.img]
      loadBalancer: {hostPorts: 30990}
      roles:
        gateway: {count: 1, cpus: 1, memory: 256M, disk: 4G}
        control: {count: 1, cpus: 1, memory: 256M, disk: 4G}
        worker:  {count: 1, cpus: 1, memory: 256M, disk: 4G}
      """;

  @TempDir private Path folder;

  @BeforeAll
  static void build() {
    CommandResult.buildAll();
  }

  @BeforeEach
  void configure() throws IOException {
    Files.writeString(folder.resolve("cluster.yaml"), CONFIG);
    BootSector.WAITS.write(folder.resolve("tiny.img"));
  }

  @AfterEach
  void removeSockets() {
    CommandResult.remove(state().runtime());
  }

  private Layout state() {
    return Layout.of(folder.resolve("home/.ssh"));
  }

  private CommandResult run(String script, String... arguments) {
    return CommandResult.script(script, CommandResult.arguments(script, arguments))
        .in(folder)
        .with("KUBENET_CACHE", folder.resolve("cache"))
        .with("TMUX_TMPDIR", folder)
        .run();
  }

  /** A home folder of 200 files, its `.ssh` with all names that kubenet's state has, too. */
  private Path home() throws IOException {
    Path home = privately(folder.resolve("home"));
    Path ssh = privately(home.resolve(".ssh"));
    Random random = new Random(1);
    for (String name :
        new String[] {
          "id_ed25519",
          "id_ed25519.pub",
          "known_hosts",
          "hosts",
          "image",
          "lock",
          "version",
          "record.json",
          "ssh_config",
          "forward.sh",
          "restoring",
          "config",
          "authorized_keys"
        }) {
      write(ssh.resolve(name), random);
    }
    privately(ssh.resolve("snapshots"));
    write(ssh.resolve("snapshots/precious"), random);
    privately(ssh.resolve("nodes"));
    privately(ssh.resolve("nodes/worker0"));
    write(ssh.resolve("nodes/worker0/disk.qcow2"), random);
    privately(home.resolve("documents"));
    for (int i = 0; i < 185; i++) {
      write(home.resolve("documents/file" + i), random);
    }
    return home;
  }

  private static Path privately(Path path) throws IOException {
    return Files.setPosixFilePermissions(
        Files.createDirectory(path), PosixFilePermissions.fromString("rwx------"));
  }

  private static void write(Path path, Random random) throws IOException {
    byte[] bytes = new byte[1000];
    random.nextBytes(bytes);
    Files.write(path, bytes);
  }

  /** Every file below a folder with its bytes and times. */
  private static Map<String, String> all(Path folder) throws IOException {
    Map<String, String> all = new TreeMap<>();
    try (Stream<Path> paths = Files.walk(folder)) {
      for (Path path : paths.toList()) {
        String facts =
            Files.readAttributes(path, "unix:mode,uid,size,lastModifiedTime,ino").toString();
        all.put(
            path.toString(),
            facts
                + (Files.isRegularFile(path, LinkOption.NOFOLLOW_LINKS)
                    ? Arrays.hashCode(Files.readAllBytes(path))
                    : ""));
      }
    }
    return all;
  }

  @Test
  @Fault(
      value = "--state names a person's own folder, here a `.ssh` in a home of 200 files",
      promise =
          "every script refuses it before it does anything else; no byte, mode or time changes")
  void aPersonsFolderIsLeftAlone() throws IOException {
    Path home = home();
    Map<String, String> before = all(home);
    assertThat(before.values().stream().filter(facts -> facts.contains("size")).count())
        .isGreaterThan(200);
    for (String state : new String[] {"home/.ssh", "home"}) {
      for (String script : CommandResult.scripts()) {
        if (script.equals("prepare-host")) {
          continue; // it uses no state, and would change this host
        }
        for (String[] how :
            new String[][] {{"--yes", "--state", state}, {"--dry-run", "--state", state}}) {
          run(script, how)
              .exitedWith(1)
              .complainsInTwoLines(
                  folder.resolve(state) + " has files in it, and kubenet did not make it",
                  "choose a folder that is new or empty");
        }
      }
      run("stop-all", "--destroy", "--yes", "--state", state).exitedWith(1);
      run("stop-all", "--destroy", "--yes", "--only", "worker0", "--state", state).exitedWith(1);
      run("snapshot-all", "precious", "--remove", "--state", state).exitedWith(1);
    }
    assertThat(all(home)).isEqualTo(before);
    assertThat(folder.resolve("cache")).doesNotExist();
  }

  @Test
  @Fault(
      value = "the state folder is a symbolic link",
      promise = "kubenet refuses it and says where it points; nothing is removed")
  void aLinkIsRefused() throws IOException {
    Path real = privately(folder.resolve("real"));
    Files.createSymbolicLink(folder.resolve(".kubenet"), real);
    for (String[] how : new String[][] {{"launch-all"}, {"stop-all", "--destroy", "--yes"}}) {
      run(how[0], Arrays.copyOfRange(how, 1, how.length))
          .exitedWith(1)
          .complainsInTwoLines(".kubenet is a symbolic link to " + real, "--state");
    }
    assertThat(folder.resolve(".kubenet")).isSymbolicLink();
  }

  @Test
  @Fault(
      value = "the state folder belongs to another user",
      promise = "a message says whose it is; kubenet neither reads nor changes it")
  void anotherUsersFolderIsRefused() throws IOException {
    StateFolder.claim(Layout.of(folder.resolve(".kubenet")));
    CommandResult.command("chown", "-R", "65534", folder.resolve(".kubenet").toString())
        .run()
        .succeeded();
    for (String script : new String[] {"status", "stop-all", "launch-all"}) {
      run(script)
          .exitedWith(1)
          .complainsInTwoLines(
              ".kubenet belongs to nobody, and you are root", "run this as that user");
    }
  }

  @Test
  @Fault(
      value = "KUBENET_CACHE names a person's own folder",
      promise = "kubenet refuses it before it does anything else; nothing in it changes")
  void aPersonsCacheIsLeftAlone() throws IOException {
    Path cache = privately(folder.resolve("cache"));
    write(cache.resolve("precious"), new Random(2));
    Map<String, String> before = all(cache);
    run("launch-all", "--yes", "--only", "gateway")
        .exitedWith(1)
        .complainsInTwoLines(
            cache + " has files in it, and kubenet did not make it", "new or empty");
    run("prepare-image", "--yes")
        .exitedWith(1)
        .complainsInTwoLines(
            cache + " has files in it, and kubenet did not make it", "new or empty");
    assertThat(all(cache)).isEqualTo(before);
    assertThat(folder.resolve(".kubenet")).doesNotExist();
  }

  @Test
  @Fault(
      value = "a person's own files lie beside images and among snapshots",
      promise = "--prune and --destroy leave them, and --destroy names them")
  void filesBesideImagesAndSnapshotsStay() throws IOException {
    run("prepare-image", "--yes", "--no-bake").succeeded();
    Path images = folder.resolve("cache/images");
    for (String name : new String[] {".precious.part", ".precious", "precious"}) {
      privately(images.resolve(name));
      write(images.resolve(name).resolve("file"), new Random(3));
    }
    run("prepare-image", "--prune", "--yes", "--no-bake").succeeded();
    for (String name : new String[] {".precious.part", ".precious", "precious"}) {
      assertThat(images.resolve(name).resolve("file")).isNotEmptyFile();
    }

    Layout layout = Layout.of(folder.resolve(".kubenet"));
    StateFolder.claim(layout);
    privately(layout.snapshots());
    write(layout.snapshots().resolve("precious"), new Random(4));
    privately(layout.nodes());
    privately(layout.nodes().resolve("worker0-backup"));
    write(layout.nodes().resolve("worker0-backup/disk.qcow2"), new Random(6));
    privately(layout.snapshots().resolve("mine"));
    write(layout.snapshots().resolve("mine/memory"), new Random(5));
    CommandResult destroy = run("stop-all", "--destroy", "--yes").succeeded();
    for (String name :
        new String[] {
          "snapshots/precious", "snapshots/mine/memory", "nodes/worker0-backup/disk.qcow2"
        }) {
      Path file = layout.state().resolve(name);
      destroy.prints("left " + file + ": kubenet did not make it");
      assertThat(file).isNotEmptyFile();
    }
    run("stop-all", "--destroy", "--yes").succeeded(); // it is still kubenet's
  }

  @ParameterizedTest
  @ValueSource(strings = {"", "1\n"})
  void aStateFolderOfTheFormBeforeIsTakenUp(String version) throws IOException {
    Layout layout = Layout.of(folder.resolve(".kubenet"));
    privately(layout.state());
    privately(layout.nodes());
    if (!version.isEmpty()) {
      Files.writeString(layout.version(), version);
    }
    Files.writeString(layout.sshConfig(), "# Made by kubenet: ssh -F x NODE\nHost worker0\n");

    run("status").succeeded().quiet();
    StateFolder.claim(layout);

    Marker marker = Marker.read(layout.state()).orElseThrow();
    assertThat(marker.fact("kind")).isEqualTo("state");
    assertThat(marker.fact("runtime")).isEqualTo(layout.runtime().toString());
    assertThat(layout.version()).hasContent(Layout.VERSION);
  }

  @Test
  void aMovedFolderKeepsItsIdAndSocketsAndACopyGetsItsOwn() throws IOException {
    Layout first = Layout.of(folder.resolve("a"));
    StateFolder.claim(first);
    String id = StateFolder.id(first);

    CommandResult.command("cp", "-r", "a", "copy").in(folder).run().succeeded();
    Layout copy = Layout.of(folder.resolve("copy"));
    assertThat(copy.runtime()).isNotEqualTo(first.runtime());
    assertThat(StateFolder.id(copy)).isNotEqualTo(id);
    StateFolder.claim(copy);
    String copied = StateFolder.id(copy);
    assertThat(copied).isNotEqualTo(id);
    assertThat(StateFolder.id(first)).isEqualTo(id);

    Files.move(folder.resolve("a"), folder.resolve("moved"));
    Layout moved = Layout.of(folder.resolve("moved"));
    assertThat(moved.runtime()).isEqualTo(first.runtime());
    assertThat(StateFolder.id(moved)).isEqualTo(id);
    StateFolder.claim(moved);
    assertThat(StateFolder.id(moved)).isEqualTo(id);
    assertThat(StateFolder.id(copy)).isEqualTo(copied);
  }

  /** Both have the marker of a folder that is gone; only one was there when it was launched. */
  @Test
  void ofTwoFoldersWithOneIdTheCopyIsFound() throws IOException {
    Layout first = Layout.of(folder.resolve("a"));
    StateFolder.claim(first);
    StateFolder.claimRuntime(first);
    CommandResult.command("cp", "-r", "a", "copy").in(folder).run().succeeded();
    Files.move(folder.resolve("a"), folder.resolve("moved"));
    try {
      assertThat(Layout.of(folder.resolve("moved")).runtime()).isEqualTo(first.runtime());
      Layout copy = Layout.of(folder.resolve("copy"));
      assertThat(copy.runtime()).isNotEqualTo(first.runtime());
      StateFolder.claim(copy);
      assertThat(StateFolder.id(copy))
          .isNotEqualTo(StateFolder.id(Layout.of(folder.resolve("moved"))));

      // and another one where it was has sockets of its own
      assertThat(Layout.of(folder.resolve("a")).runtime()).isNotEqualTo(first.runtime());
    } finally {
      CommandResult.remove(first.runtime());
    }
  }

  @Test
  void aMarkerThatNamesAnotherFolderForSocketsIsNotBelieved() throws IOException {
    Layout layout = Layout.of(folder.resolve("a"));
    StateFolder.claim(layout);
    Path file = layout.state().resolve(Marker.FILE);
    Files.writeString(
        file,
        Files.readString(file)
            .replace(layout.runtime().toString(), folder.resolve("x").toString()));

    assertThat(Layout.of(folder.resolve("a"))).isEqualTo(layout);
  }

  @Test
  void linksOnTheWayAreFollowed() throws IOException {
    Path real = Files.createDirectory(folder.resolve("real"));
    Path link = Files.createSymbolicLink(folder.resolve("link"), real);
    assertThat(Layout.of(link.resolve(".kubenet"))).isEqualTo(Layout.of(real.resolve(".kubenet")));
  }
}

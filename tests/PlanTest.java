import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assumptions.assumeThat;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Stream;
import lib.Argv;
import lib.Commands;
import lib.Plan;
import lib.state.SshKey;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class PlanTest {
  @TempDir private Path folder;

  /** Every kind of action that makes something, below one folder. */
  private static Plan everything(Path folder) {
    Path source = folder.resolve("source");
    return new Plan(
        List.of(
            new Plan.Folder(folder.resolve("state")),
            new Plan.Folder(folder.resolve("state/nodes")),
            new Plan.Write(folder.resolve("state/text"), "secret\n", false),
            new Plan.Write(folder.resolve("state/script"), "#!/bin/sh\n", true),
            new Plan.Make(folder.resolve("state/made"), PlanTest::touch, false),
            new Plan.Make(folder.resolve("state/anew"), PlanTest::touch, true),
            Plan.Make.copy(source, folder.resolve("state/copy"), 0),
            key(folder.resolve("state/key"), "comment")));
  }

  private static Argv touch(Path target) {
    return Argv.of("cp", "/etc/passwd", target.toString());
  }

  /** Started as a program of its own by the next test: a umask belongs to a process. */
  public static void main(String[] arguments) {
    everything(Path.of(arguments[0])).run();
  }

  @ParameterizedTest
  @ValueSource(strings = {"000", "022", "077", "177"})
  void filesArePrivateWhateverTheUmask(String umask) throws IOException {
    Files.writeString(folder.resolve("source"), "x");
    Files.setPosixFilePermissions(
        folder.resolve("source"), PosixFilePermissions.fromString("r--r--r--"));
    String java =
        Argv.of(
                Path.of(System.getProperty("java.home"), "bin/java").toString(),
                "-cp",
                System.getProperty("java.class.path"),
                "PlanTest",
                folder.toString())
            .toShell();
    Commands.run(Argv.of("sh", "-c", "umask " + umask + " && exec " + java)).orProblem();

    TreeMap<String, String> modes = new TreeMap<>();
    try (Stream<Path> files = Files.walk(folder.resolve("state"))) {
      for (Path file : files.toList()) {
        modes.put(
            folder.relativize(file).toString(),
            PosixFilePermissions.toString(Files.getPosixFilePermissions(file)));
      }
    }
    assertThat(modes)
        .isEqualTo(
            new TreeMap<>(
                Map.of(
                    "state", "rwx------",
                    "state/nodes", "rwx------",
                    "state/text", "rw-------",
                    "state/script", "rwx------",
                    "state/made", "rw-------",
                    "state/anew", "rw-------",
                    "state/copy", "rw-------",
                    "state/key", "rw-------",
                    "state/key.pub", modes.get("state/key.pub"))));
  }

  @Test
  void describesItselfAsCommands() throws IOException {
    Path nodes = folder.resolve("a b");
    Files.createDirectory(nodes);
    Files.createFile(nodes.resolve("disk"));
    Plan plan =
        new Plan(
            List.of(
                new Plan.Folder(nodes),
                new Plan.Write(nodes.resolve("f"), "\u00fc", false),
                new Plan.Write(nodes.resolve("g"), "", true),
                new Plan.Make(nodes.resolve("disk"), PlanTest::touch, false),
                new Plan.Make(nodes.resolve("seed"), PlanTest::touch, true),
                Plan.Make.copy(Path.of("/v"), nodes.resolve("disk"), 0),
                Plan.Make.copy(Path.of("/v"), nodes.resolve("w"), 0),
                key(nodes.resolve("disk"), "c"),
                key(nodes.resolve("key"), "c"),
                new Plan.Remove(nodes.resolve("seed"))));

    assertThat(plan.toShell())
        .isEqualTo(
            """
            mkdir -p -m 700 'DIR'
            # write 'DIR/f' (2 bytes, mode 600)
            # write 'DIR/g' (0 bytes, mode 700)
            # keeps 'DIR/disk'
            cp /etc/passwd 'DIR/seed'
            # keeps 'DIR/disk'
            cp /v 'DIR/w'
            # keeps 'DIR/disk'
            ssh-keygen -q -t ed25519 -N '' -C c -f 'DIR/key'
            rm -f 'DIR/seed'
            """
                .replace("DIR", nodes.toString())
                .lines()
                .toList());
    assertThat(nodes.resolve("f")).doesNotExist();
  }

  @Test
  void twiceTheSameChangesNothing() throws IOException {
    Files.writeString(folder.resolve("source"), "x");
    everything(folder).run();
    String first = contents();

    Files.writeString(folder.resolve("state/made"), "the guest's work");
    Files.writeString(folder.resolve("state/copy"), "the guest's variables");
    everything(folder).run();

    assertThat(contents())
        .isEqualTo(
            first
                .replace(
                    "made=" + Files.readString(Path.of("/etc/passwd")), "made=the guest's work")
                .replace("copy=x", "copy=the guest's variables"));
  }

  private String contents() throws IOException {
    StringBuilder all = new StringBuilder();
    try (Stream<Path> files = Files.walk(folder.resolve("state"))) {
      for (Path file : files.filter(Files::isRegularFile).sorted().toList()) {
        all.append(file.getFileName() + "=" + Files.readString(file) + "\n");
      }
    }
    return all.toString();
  }

  @Test
  void writesOnlyWhatChanged() throws IOException {
    Path file = folder.resolve("text");
    new Plan.Write(file, "one", false).run();
    Object first = Files.readAttributes(file, "unix:ino,lastModifiedTime");

    new Plan.Write(file, "one", false).run();
    assertThat(Files.readAttributes(file, "unix:ino,lastModifiedTime")).isEqualTo(first);

    new Plan.Write(file, "two", false).run();
    assertThat(file).content(StandardCharsets.UTF_8).isEqualTo("two");
    assertThat(names()).containsExactly("text");
  }

  /** Such as a half-written file of an older version, or a disk that was cut off from power. */
  @Test
  void whateverStandsInTheWayOfATextIsReplaced() throws IOException {
    Path file = folder.resolve("text");
    Files.write(file, new byte[] {(byte) 0xff, (byte) 0xfe, 0});
    Files.writeString(folder.resolve(".part.text"), "left by a killed run");

    new Plan.Write(file, "new", false).run();

    assertThat(file).content(StandardCharsets.UTF_8).isEqualTo("new");
    assertThat(names()).containsExactly("text");
  }

  @Test
  @Fault(value = "a command that creates a file fails", promise = "no partial file is left")
  void aCommandThatFailsLeavesNothing() throws IOException {
    Path file = folder.resolve("disk");
    String script = "echo half > %s; echo no room >&2; exit 3";

    assertThat(
            Lab.problem(
                () ->
                    new Plan.Make(file, part -> Argv.of("sh", "-c", script.formatted(part)), false)
                        .run()))
        .isEqualTo(
            """
            `sh` ended with exit code 3:
            no room
            (to see it again, run: sh -c 'echo half > %s/.part.disk; echo no room >&2; exit 3')\
            """
                .formatted(folder));
    assertThat(names()).isEmpty();

    new Plan.Make(file, PlanTest::touch, false).run();
    assertThat(names()).containsExactly("disk");
  }

  @Test
  @Fault(
      value = "a disk already exists where one is to be created",
      promise = "it is left as it is")
  void aDiskIsNeverOverwritten() throws IOException {
    Path file = folder.resolve("disk");
    // it appears while the command runs: somebody else was faster
    Plan.Make make =
        new Plan.Make(
            file,
            part -> Argv.of("sh", "-c", "echo ours > " + part + "; echo theirs > " + file),
            false);

    assertThat(Lab.problem(make::run))
        .startsWith("cannot make " + file + ": " + file)
        .endsWith("(check that the disk has room and the folder is yours)");
    assertThat(file).content(StandardCharsets.UTF_8).isEqualTo("theirs\n");

    make.run();
    assertThat(file).content(StandardCharsets.UTF_8).isEqualTo("theirs\n");
    Plan.Make.copy(Path.of("/etc/passwd"), file, 0).run();
    assertThat(file).content(StandardCharsets.UTF_8).isEqualTo("theirs\n");
  }

  @Test
  @Fault(
      value = "kill -9 after only one file of a key pair was written",
      promise = "the next run makes a whole pair")
  void aHalfMadeKeyPairIsRepaired() throws IOException {
    Path key = folder.resolve("key");
    Files.writeString(folder.resolve("key.pub"), "of a killed run");
    Files.writeString(folder.resolve(".part.key"), "half");
    Files.writeString(folder.resolve(".part.key.pub"), "half");

    key(key, "comment").run();

    SshKey pair = SshKey.read(key);
    assertThat(pair.publicKey()).matches("ssh-ed25519 [A-Za-z0-9+/]+ comment");
    String derived = Commands.run(Argv.of("ssh-keygen", "-y", "-f", key + "")).orProblem().out();
    assertThat(derived.strip()).isEqualTo(pair.publicKey());
    assertThat(names()).containsExactly("key", "key.pub");
    assertThat(pair.toString()).isEqualTo("SshKey[" + pair.publicKey() + "]");

    key(key, "other").run();
    assertThat(SshKey.read(key)).isEqualTo(pair);
  }

  @Test
  void aFolderThatIsNotOursIsRefused() throws IOException {
    String me = System.getProperty("user.name");
    Path file = Files.createFile(folder.resolve("file"));
    Path link = Files.createSymbolicLink(folder.resolve("link"), folder);
    for (Path path : List.of(file, link)) {
      assertThat(Lab.problem(() -> new Plan.Folder(path).run()))
          .isEqualTo(path + " is not a folder of " + me + "\n(remove it)");
    }
  }

  @Test
  @Fault(
      value = "another user has made the folder for sockets in /tmp",
      promise = "kubenet refuses it")
  void aFolderOfAnotherUserIsRefused() throws IOException {
    String me = System.getProperty("user.name");
    assumeThat(me).as("only root can give a folder away").isEqualTo("root");
    Path foreign = Files.createDirectory(folder.resolve("foreign"));
    Commands.run(Argv.of("chown", "65534", foreign.toString())).orProblem();

    assertThat(Lab.problem(() -> new Plan.Folder(foreign).run()))
        .isEqualTo(foreign + " is not a folder of root\n(remove it)");
  }

  @Test
  @Fault(value = "the state folder is open to other users", promise = "kubenet refuses it")
  void anOpenFolderIsRefusedAndLeftAsItIs() throws IOException {
    Path open = Files.createDirectory(folder.resolve("open"));
    Files.setPosixFilePermissions(open, PosixFilePermissions.fromString("rwxrwxrwx"));

    assertThat(Lab.problem(() -> new Plan.Folder(open).run()))
        .isEqualTo(
            open
                + " is a folder that others can look into\n"
                + "(close it with `chmod 700`, or choose another one (--state))");
    assertThat(PosixFilePermissions.toString(Files.getPosixFilePermissions(open)))
        .isEqualTo("rwxrwxrwx");
  }

  @Test
  void whatCannotBeWrittenIsAProblem() {
    Path missing = folder.resolve("no/text");

    assertThat(Lab.problem(() -> new Plan.Write(missing, "", false).run()))
        .isEqualTo(
            "cannot write %s: %s/no/.part.text\n(check that the disk has room and the folder is yours)"
                .formatted(missing, folder));
  }

  private List<String> names() throws IOException {
    try (Stream<Path> files = Files.list(folder)) {
      return files.map(file -> file.getFileName().toString()).sorted().toList();
    }
  }

  private static Plan.Make key(Path file, String comment) {
    return new Plan.Make(file, part -> SshKey.generate(part, comment), false);
  }
}

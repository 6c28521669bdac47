import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import lib.Commands;
import lib.Wait;
import lib.cluster.Host;
import lib.seed.NodeFiles;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Who can get in, asked of the real processes of a cluster that runs. */
class SecurityTest {
  private static TinyCluster tiny;
  private static CommandResult launch;

  @BeforeAll
  static void launch() {
    assumeTrue(Host.Os.current() == Host.Os.LINUX, "what is looked at is in /proc");
    tiny = TinyCluster.make();
    launch = tiny.launch();
  }

  @AfterAll
  static void end() {
    if (tiny != null) {
      tiny.close();
    }
  }

  @Test
  @Fault(
      value = "a guest breaks out into its QEMU process",
      promise = "seccomp kills the process if it starts a program or changes its user (Linux)")
  void everyQemuIsInASandbox() throws IOException {
    for (long pid : tiny.pids().values()) {
      for (Path thread : entries(Path.of("/proc/" + pid + "/task"))) {
        String status = status(thread);
        if (!status.isEmpty()) { // QEMU's workers come and go
          assertThat(status).contains("\nSeccomp:\t2\n");
        }
      }
    }
  }

  @Test
  @Fault(
      value = "somebody connects from the LAN or the Internet",
      promise = "no process of a cluster listens on anything but 127.0.0.1, on TCP or UDP")
  void nothingListensBeyondLoopback() throws IOException {
    Map<String, String> inodes = new HashMap<>();
    for (String table : List.of("tcp", "tcp6", "udp", "udp6")) {
      for (String line : Files.readAllLines(Path.of("/proc/net", table))) {
        String[] words = line.strip().split("\\s+");
        boolean listens = words[3].equals("0A") || table.startsWith("udp");
        if (listens && words.length > 9) {
          inodes.put("socket:[" + words[9] + "]", table + " " + words[1]);
        }
      }
    }
    List<String> listeners = new ArrayList<>();
    for (String process : tiny.processes("")) {
      for (Path file : openFiles(process.split(" ")[0])) {
        String name = inodes.get(target(file));
        if (name != null) {
          listeners.add(name);
        }
      }
    }
    List<String> ports =
        tiny.nodes().stream().map(node -> "tcp 0100007F:%04X".formatted(node.sshPort())).toList();
    assertThat(listeners).containsExactlyInAnyOrderElementsOf(ports);
  }

  @Test
  @Fault(
      value = "another user of this host looks for keys, sockets and disks",
      promise = "folders are 0700; keys, disks and sockets are open to nobody else")
  void filesAndSocketsArePrivate() throws IOException {
    for (Path folder : List.of(tiny.layout().state(), tiny.layout().runtime())) {
      try (Stream<Path> files = Files.walk(folder)) {
        assertThat(files.filter(file -> !file.toString().endsWith(".pub")))
            .allSatisfy(
                file ->
                    assertThat(Files.getPosixFilePermissions(file).toString())
                        .as(file.toString())
                        .doesNotContain("GROUP", "OTHERS"));
      }
    }
    assertThat(entries(tiny.layout().runtime()).stream().map(Path::getFileName).map(Path::toString))
        .containsExactlyInAnyOrder("KUBENET.TAG", "gateway.qmp", "lan.socket", "worker0.qmp");
  }

  @Test
  @Fault(
      value = "root runs the scripts",
      promise = "a line says that QEMU will run as root, and that it need not")
  void rootIsTold() {
    String note = "note: run by root, QEMU is root's too; an ordinary user can do all of it\n";
    assertThat(launch.out().split(note, -1)).hasSize(Host.isRoot() ? 2 : 1);
  }

  @Test
  @Fault(
      value = "a guest prints to its console without end",
      promise =
          "kubenet checks the log every 10 s and cuts it to its last MiB when it is larger than 32"
              + " MiB")
  void theConsoleLogIsBounded(@TempDir Path folder) throws Exception {
    Path log = folder.resolve("a 'b' console.log");
    Path out = folder.resolve("out");
    String script =
        "#!/bin/sh\nset -eu\n"
            + NodeFiles.boundConsole(log)
            // at once: it must be all there at the first look, and never be too much again
            + "exec sh -c 'head -c 60000000 /dev/zero | tr \"\\0\" x;"
            + " echo; echo the last; exec sleep 600' >> \"$log\"\n";
    Path file = Files.writeString(folder.resolve("launch.sh"), script);
    Process shell =
        new ProcessBuilder("setsid", "sh", file.toString())
            .redirectErrorStream(true)
            .redirectOutput(out.toFile())
            .start();
    try {
      boolean grew = Wait.until(Duration.ofMinutes(1), () -> log.toFile().length() > 32 << 20);
      assertThat(grew).isTrue();
      boolean cut = Wait.until(Duration.ofSeconds(90), () -> log.toFile().length() == 1 << 20);
      assertThat(cut).as("%d bytes", log.toFile().length()).isTrue();
      assertThat(Commands.tail(log, 1)).isEqualTo("the last");
    } finally {
      shell.descendants().forEach(ProcessHandle::destroyForcibly);
      shell.destroyForcibly().onExit().join();
    }
    assertThat(out).isEmptyFile();
    assertThat(entries(folder).stream().map(Path::getFileName).map(Path::toString))
        .containsExactlyInAnyOrder("a 'b' console.log", "launch.sh", "out");
  }

  @Test
  @Fault(
      value = "a VM ends while a helper process still looks after its console log",
      promise = "the helper ends, too")
  void nothingOutlivesItsVm() {
    try (TinyCluster own = TinyCluster.make()) {
      own.launch();
      // one, and more for a moment whenever it starts a program
      assertThat(own.processes("worker0/launch.sh")).isNotEmpty();
      Gone.kill(own.vm("worker0").process().orElseThrow());
      assertThat(
              Wait.until(Duration.ofMinutes(1), () -> own.processes("worker0/launch.sh").isEmpty()))
          .isTrue();
    }
  }

  @Test
  @Fault(
      value =
          "a folder's name has a blank, quotes, `$`, a comma, a colon, a semicolon or an umlaut",
      promise = "it is only ever treated as a name, and everything works in it")
  void oddFolders() {
    try (TinyCluster odd = TinyCluster.make(BootSector.WAITS, Lab.nastyName().replace("}", ""))) {
      odd.launch();
      odd.run("stop-all").succeeded().quiet();
      odd.assertStopped();
    }
  }

  @Test
  @Fault(
      value = "a path is very long",
      promise = "sockets are elsewhere, in a folder with a short name, and everything works")
  void aLongPath() {
    String name = "long/".repeat(40) + "folder";
    try (TinyCluster far = TinyCluster.make(BootSector.WAITS, name)) {
      far.launch();
    }
  }

  private static List<Path> entries(Path folder) throws IOException {
    try (Stream<Path> all = Files.list(folder)) {
      return all.toList();
    }
  }

  /** What Linux says of a thread; nothing once it has ended. */
  private static String status(Path thread) {
    try {
      return Files.readString(thread.resolve("status"));
    } catch (IOException e) {
      return "";
    }
  }

  /** What a process has open; nothing once it has ended. */
  private static List<Path> openFiles(String pid) {
    try {
      return entries(Path.of("/proc", pid, "fd"));
    } catch (IOException e) {
      return List.of();
    }
  }

  private static String target(Path link) {
    try {
      return Files.readSymbolicLink(link).toString();
    } catch (IOException e) {
      return ""; // closed meanwhile
    }
  }
}

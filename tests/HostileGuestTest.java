import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import lib.Argv;
import lib.Commands;
import lib.Wait;
import lib.cluster.Host;
import lib.cluster.Node;
import lib.state.Layout;
import lib.vm.Qmp;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.parallel.Execution;
import org.junit.jupiter.api.parallel.ExecutionMode;

/**
 * A guest whose root wants to do harm by what it answers. A real sshd with the node's host key
 * takes its place, in front of a real VM.
 */
@Execution(ExecutionMode.SAME_THREAD)
class HostileGuestTest {
  /** Of the whole process, in MiB: its heap of 256, and what a JVM needs beside it. */
  private static final long MOST_MEMORY = 320;

  private static final String NODE = "gateway";

  private static TinyCluster tiny;
  private static Node node;
  private static Layout.Files files;
  private static String user = "";
  private Sshd sshd;
  private Path out;

  @BeforeAll
  static void launch() throws IOException {
    assumeTrue(Host.Os.current() == Host.Os.LINUX, "memory is read from /proc");
    tiny = TinyCluster.make(BootSector.WAITS, "hostile");
    if (Host.isRoot()) {
      Argv trial = Argv.of("unshare", "--mount", "true");
      assumeTrue(Commands.run(trial).succeeded(), "a namespace with the cluster's user in it");
      user = tiny.cluster().user();
    } else {
      Path config = tiny.folder().resolve("cluster.yaml");
      String me = "user: " + System.getProperty("user.name") + "\n";
      Files.writeString(config, me + Files.readString(config));
    }
    tiny.launch();
    node = tiny.cluster().node(NODE);
    files = tiny.layout().node(node);
    try (Qmp qmp = Qmp.connect(files.qmp(), Duration.ofSeconds(10))) {
      String free = "hostfwd_remove wan tcp:127.0.0.1:" + node.sshPort();
      String said =
          qmp.execute("human-monitor-command", Map.of("command-line", free)).asText().strip();
      assertThat(said).endsWith("removed");
    }
    boolean booted =
        Wait.until(Duration.ofSeconds(60), () -> files.console().toFile().length() > 0);
    assertThat(booted).as("something is on the console").isTrue();
  }

  @AfterAll
  static void end() {
    if (tiny != null) {
      tiny.close();
    }
  }

  @BeforeEach
  void makeSshd() throws IOException {
    sshd = new Sshd();
    out = sshd.folder().resolve("out");
  }

  @AfterEach
  void endSshd() throws IOException {
    sshd.close();
    tiny.tmux("kill-session", "-t", "=tiny-ssh");
  }

  /** What the guest answers to whoever logs in, whatever is asked. */
  private void answers(String command, String... lines) throws IOException {
    sshd.start(
        node.sshPort(),
        files.hostKey(),
        user,
        "AuthorizedKeysFile %s\nForceCommand %s\n%s"
            .formatted(tiny.layout().identityPublic(), command, String.join("\n", lines)));
  }

  private void answersText(String text, String... lines) throws IOException {
    Path file = Files.writeString(sshd.folder().resolve("answer"), text);
    answers("cat " + file, lines);
  }

  private CommandResult ready() {
    return tiny.run("ssh-all", "--ready", "--detach", "--only", NODE);
  }

  @Test
  @Fault(
      value = "root in a guest answers over SSH without end",
      promise =
          "kubenet stops reading after 1 MiB, with a message; a script uses at most 256 MiB of"
              + " memory")
  void endlessAnswersEndWithAMessage() throws Exception {
    for (String endless : new String[] {"cat /dev/zero", "cat /dev/zero >&2"}) {
      try (Sshd own = new Sshd()) {
        sshd.close();
        sshd = own;
        answers(endless);
        out = Files.createTempFile(own.folder(), "out", "");
        Process script = tiny.call("ssh-all", "--ready", "--detach", "--only", NODE).start(out);
        long most = mostMemory(script);
        assertThat(Files.readString(out))
            .contains("gateway: stage ready: the node says more than 1 MiB; its console ends with")
            .contains("(the whole console is in ");
        assertThat(script.waitFor()).isEqualTo(1);
        assertThat(most).as("MiB of memory").isBetween(20L, MOST_MEMORY);
      }
      sshd = new Sshd();
    }
  }

  /** The most MiB that a process had in memory, once it has ended. */
  private static long mostMemory(Process process) throws InterruptedException {
    Pattern line = Pattern.compile("\nVmHWM:\\s*([0-9]+) kB\n");
    long most = 0;
    long end = System.nanoTime() + Duration.ofMinutes(2).toNanos();
    while (process.isAlive() && System.nanoTime() < end) {
      try {
        Matcher peak =
            line.matcher(Files.readString(Path.of("/proc/" + process.pid() + "/status")));
        if (peak.find()) {
          most = Math.max(most, Long.parseLong(peak.group(1)) >> 10);
        }
      } catch (IOException e) {
        break; // it has ended
      }
      Thread.sleep(20);
    }
    if (System.nanoTime() > end) {
      process.destroyForcibly();
    }
    return most;
  }

  @Test
  @Fault(
      value = "root in a guest writes escape codes into cloud-init's status.json",
      promise =
          "they are shown as text, such as \\u001b; a long list of errors is shortened, and so is"
              + " each error")
  void errorsWithEscapeCodesAreShownAsText() throws IOException {
    String nasty = "\\u001b]0;owned\\u0007 \\u009b2J \\u202e\\n(all is well) " + "x".repeat(2000);
    String errors = ("\"" + nasty + "\",").repeat(300) + "\"last\"";
    answersText("{\"v1\": {\"init\": {\"errors\": [" + errors + "]}}}\n");
    CommandResult result = ready().exitedWith(1);
    assertThat(result.err())
        .contains(
            "gateway: cloud-init ended with errors:\n"
                + "\\u001b]0;owned\\u0007 \\u009b2J \\u202e\\u000a(all is well) xxx")
        .doesNotContainPattern("[\\p{Cc}\\p{Cf}&&[^\n]]")
        .hasSizeLessThan(10_000);
    assertThat(result.out()).doesNotContainPattern("[\\p{Cc}\\p{Cf}&&[^\n]]");
  }

  @Test
  @Fault(
      value = "a guest's SSH server sends a huge banner, or JSON nested without end",
      promise = "the banner is skipped, or the login fails; the JSON gives a message")
  void hugeBannersAndNestedJsonDoNoHarm() throws IOException {
    String json = "{\"v1\": {}}";
    Path banner = sshd.folder().resolve("banner");
    Files.writeString(banner, "\u001b[2J banner ".repeat(2_000));
    answersText(json, "Banner " + banner);
    CommandResult passed = ready().succeeded().quiet();
    assertThat(passed.out()).contains("1 of 1 nodes are ready").doesNotContain("banner");
    sshd.close();

    sshd = new Sshd();
    banner = sshd.folder().resolve("banner");
    Files.writeString(banner, "\u001b[2J banner ".repeat(50_000));
    answersText(json, "Banner " + banner);
    assertThat(tiny.run("status", "--only", NODE).out())
        .contains("gateway")
        .doesNotContain("banner");
    sshd.close();

    sshd = new Sshd();
    answersText("[".repeat(500_000).replaceFirst("\\[", "{\"v1\": ["));
    // the node was recorded ready just now; a status is asked anew
    String status = tiny.run("status", "--only", NODE).succeeded().quiet().out();
    assertThat(status).contains("ssh ");
  }
}

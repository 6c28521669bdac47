import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import lib.Argv;
import lib.Cluster;
import lib.Commands;
import lib.Layout;
import lib.Network;
import lib.Node;
import lib.Ssh;
import lib.SshConfig;
import lib.SshKey;
import lib.Wait;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

/** Against a real sshd of this user on 127.0.0.1, and servers that only pretend to be one. */
class SshTest {
  private static final Duration LIMIT = Duration.ofSeconds(10);
  private static final Duration SHORT = Duration.ofMillis(700);
  private static final String USER = System.getProperty("user.name");

  private static final List<Process> STARTED = new ArrayList<>();
  private static Path folder;
  private static Path identity;
  private static SshKey hostKey;
  private static Network.Endpoint sshd;

  @BeforeAll
  static void startSshd() throws IOException {
    // sshd trusts no file below a folder that others may write to, but for one with a sticky bit
    folder = Files.createTempDirectory(Path.of("/tmp"), "kubenet-sshd-");
    identity = makeKey("identity");
    makeKey("stranger");
    makeKey("host_key");
    hostKey = SshKey.read(folder.resolve("host_key"));
    Files.copy(folder.resolve("identity.pub"), folder.resolve("authorized_keys"));
    Files.setPosixFilePermissions(
        folder.resolve("authorized_keys"), PosixFilePermissions.fromString("rw-------"));
    sshd = sshd("AuthorizedKeysFile " + folder.resolve("authorized_keys"));
  }

  @AfterAll
  static void end() throws IOException {
    for (Process process : STARTED) {
      process.descendants().forEach(ProcessHandle::destroyForcibly);
      process.destroyForcibly().onExit().join();
    }
    Lab.remove(folder);
  }

  private static Path makeKey(String name) {
    Commands.run(SshKey.generate(folder.resolve(name), name)).orProblem();
    return folder.resolve(name);
  }

  /** Starts an sshd with one more line in its configuration. */
  private static Network.Endpoint sshd(String line) throws IOException {
    int port = Lab.freePort();
    Path config = folder.resolve("sshd_config-" + port);
    Files.writeString(
        config,
        """
        Port %d
        ListenAddress 127.0.0.1
        HostKey %s
        PidFile none
        UsePAM no
        PasswordAuthentication no
        KbdInteractiveAuthentication no
        StrictModes no
        %s
        """
            .formatted(port, folder.resolve("host_key"), line));
    // to start as root it wants its folder
    Argv command =
        Argv.of("/bin/sh", "-c")
            .add(
                "[ $(id -u) != 0 ] || mkdir -p /run/sshd; exec /usr/sbin/sshd -D -e -f "
                    + Argv.quote(config.toString()));
    Path errors = folder.resolve("errors-" + port);
    STARTED.add(Commands.start(command, errors));
    Network.Endpoint endpoint = new Network.Endpoint("127.0.0.1", port);
    assertThat(Wait.until(LIMIT, () -> Ssh.greets(endpoint, LIMIT)))
        .withFailMessage(() -> "sshd does not greet: " + Commands.tail(errors, 9))
        .isTrue();
    return endpoint;
  }

  private static Ssh login(Duration limit) throws IOException {
    return Ssh.login(sshd, USER, hostKey, identity, limit);
  }

  @Test
  void runsCommands() throws IOException {
    try (Ssh ssh = login(LIMIT)) {
      assertThat(ssh.run("echo out; echo err >&2; exit 3", LIMIT))
          .isEqualTo(new Ssh.Result(3, "out\n", "err\n"));
      assertThat(ssh.run("printf '\u00fc'", LIMIT)).isEqualTo(new Ssh.Result(0, "\u00fc", ""));
      assertThat(ssh.run("kill -9 $$", LIMIT)).isEqualTo(new Ssh.Result(-1, "", ""));
    }
  }

  @Test
  void takesMegabytesOfBothOutputs() throws IOException {
    String half = "head -c 3000000 /dev/zero | tr '\\0' ";
    try (Ssh ssh = login(LIMIT)) {
      Ssh.Result result =
          ssh.run("%s o; %s e >&2; %s o; %s e >&2".formatted(half, half, half, half), LIMIT);

      assertThat(result.exit()).isZero();
      assertThat(result.out().equals("o".repeat(6_000_000))).isTrue();
      assertThat(result.err().equals("e".repeat(6_000_000))).isTrue();
    }
  }

  @Test
  void aSilentCommandMayTakeLongerThanTheLogin() throws IOException {
    try (Ssh ssh = login(Duration.ofSeconds(1))) {
      assertThat(ssh.run("sleep 2.5; echo done", LIMIT)).isEqualTo(new Ssh.Result(0, "done\n", ""));
    }
  }

  @Test
  void aCommandThatHangsEndsWithItsLimit() throws IOException {
    long start = System.nanoTime();
    try (Ssh ssh = login(LIMIT)) {
      assertThatThrownBy(() -> ssh.run("sleep 30", Duration.ofSeconds(1)))
          .isInstanceOf(IOException.class);
    }
    assertThat(Duration.ofNanos(System.nanoTime() - start)).isLessThan(Duration.ofSeconds(5));
  }

  @Test
  void anotherHostKeyIsAProblem() throws IOException {
    SshKey other = SshKey.read(folder.resolve("stranger"));

    assertThat(Lab.problem(() -> Ssh.login(sshd, USER, other, identity, LIMIT)))
        .isEqualTo(
            """
            127.0.0.1:%d shows a host key that is not the node's
            (another server answers there, or the VM was made with another key)\
            """
                .formatted(sshd.port()));
  }

  @Test
  void aRefusedLoginIsAProblem() {
    Path stranger = folder.resolve("stranger");
    String hint =
        "\n(the VM was made with another key or user; to make it anew: stop-all.java --destroy)";

    assertThat(Lab.problem(() -> Ssh.login(sshd, USER, hostKey, stranger, LIMIT)))
        .isEqualTo(
            "127.0.0.1:%d does not let %s log in with %s".formatted(sshd.port(), USER, stranger)
                + hint);
    assertThat(Lab.problem(() -> Ssh.login(sshd, "nobody-here", hostKey, identity, LIMIT)))
        .isEqualTo(
            "127.0.0.1:%d does not let nobody-here log in with %s".formatted(sshd.port(), identity)
                + hint);
  }

  /** A guest on its way up may close a connection at any time: that is no refusal. */
  @Test
  void aLoginThatIsCutOffMayBeTriedAgain() throws IOException {
    Network.Endpoint cutting =
        sshd(
            "AuthorizedKeysFile none\n"
                + "AuthorizedKeysCommandUser "
                + USER
                + "\nAuthorizedKeysCommand /bin/sh -c \"kill -9 $PPID\"");

    assertThatThrownBy(() -> Ssh.login(cutting, USER, hostKey, identity, LIMIT))
        .isInstanceOf(IOException.class);
  }

  @Test
  void aLoginThatTakesTooLongMayBeTriedAgain() throws IOException {
    Network.Endpoint slow =
        sshd(
            "AuthorizedKeysFile none\n"
                + "AuthorizedKeysCommandUser "
                + USER
                + "\nAuthorizedKeysCommand /bin/sh -c \"sleep 5\"");

    long start = System.nanoTime();
    assertThatThrownBy(() -> Ssh.login(slow, USER, hostKey, identity, Duration.ofSeconds(1)))
        .isInstanceOf(IOException.class);
    assertThat(Duration.ofNanos(System.nanoTime() - start)).isLessThan(Duration.ofSeconds(4));
  }

  @Test
  void onlyARealServerGreets() throws IOException {
    assertThat(Ssh.greets(sshd, LIMIT)).isTrue();
    assertThat(Ssh.greets(new Network.Endpoint("127.0.0.1", Lab.freePort()), LIMIT)).isFalse();
    try (Fake silent = new Fake("");
        Fake other = new Fake("HTTP/1.1 200 OK\r\n");
        Fake half = new Fake("SS")) {
      assertThat(Ssh.greets(silent.endpoint(), SHORT)).isFalse();
      assertThat(Ssh.greets(other.endpoint(), LIMIT)).isFalse();
      assertThat(Ssh.greets(half.endpoint(), SHORT)).isFalse();
    }
  }

  @Test
  void silenceEndsInTime() throws IOException {
    for (String banner : List.of("", "SSH-2.0-Fake\r\n", "nonsense")) {
      try (Fake fake = new Fake(banner)) {
        long start = System.nanoTime();
        assertThatThrownBy(() -> Ssh.login(fake.endpoint(), USER, hostKey, identity, SHORT))
            .isInstanceOf(IOException.class);
        assertThat(Duration.ofNanos(System.nanoTime() - start))
            .as("after `" + banner + "`")
            .isLessThan(Duration.ofSeconds(4));
      }
    }
    assertThatThrownBy(
            () ->
                Ssh.login(
                    new Network.Endpoint("127.0.0.1", Lab.freePort()),
                    USER,
                    hostKey,
                    identity,
                    LIMIT))
        .isInstanceOf(IOException.class);
  }

  /** OpenSSH itself, with the files that kubenet makes, in a folder of the worst name. */
  @Test
  void openSshLogsInWithOurFiles() throws IOException {
    Path state = Files.createDirectory(folder.resolve(Lab.nastyName()));
    Layout layout = new Layout(state, state);
    Cluster cluster = Lab.cluster(USER, sshd.port());
    Map<Node, SshKey> keys = new LinkedHashMap<>();
    for (Node node : cluster.nodes()) {
      keys.put(node, hostKey);
    }
    Files.copy(identity, layout.identity());
    Files.writeString(layout.sshConfig(), SshConfig.config(cluster, layout));
    Files.writeString(layout.knownHosts(), SshConfig.knownHosts(cluster.nodes(), keys));

    Argv command = SshConfig.command(layout, cluster.node("gateway"));
    Commands.Result result = Commands.run(command.add("echo", "hello"));
    assertThat(result).isEqualTo(new Commands.Result(result.command(), 0, "hello\n", ""));

    keys.replaceAll((node, key) -> SshKey.read(folder.resolve("stranger")));
    Files.writeString(layout.knownHosts(), SshConfig.knownHosts(cluster.nodes(), keys));
    Commands.Result refused = Commands.run(command.add("echo", "hello"));
    assertThat(refused.exit()).isEqualTo(255);
    assertThat(refused.err()).contains("Host key verification failed.");
  }

  /** Accepts connections, says its banner and nothing more. */
  private static final class Fake implements AutoCloseable {
    private final ServerSocket server = new ServerSocket(0, 5, InetAddress.getLoopbackAddress());
    private final List<Socket> accepted = new ArrayList<>();

    Fake(String banner) throws IOException {
      Thread thread =
          new Thread(
              () -> {
                try {
                  while (true) {
                    Socket socket = server.accept();
                    accepted.add(socket);
                    socket.getOutputStream().write(banner.getBytes());
                  }
                } catch (IOException e) {
                  // closed: the end
                }
              });
      thread.setDaemon(true);
      thread.start();
    }

    Network.Endpoint endpoint() {
      return new Network.Endpoint("127.0.0.1", server.getLocalPort());
    }

    @Override
    public void close() throws IOException {
      server.close();
      for (Socket socket : accepted) {
        socket.close();
      }
    }
  }
}

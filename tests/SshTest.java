import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import lib.Argv;
import lib.Commands;
import lib.cluster.Cluster;
import lib.cluster.Network;
import lib.cluster.Node;
import lib.ready.Ssh;
import lib.state.Layout;
import lib.state.SshConfig;
import lib.state.SshKey;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

/** Against a real sshd of this user on 127.0.0.1, and servers that only pretend to be one. */
class SshTest {
  private static final Duration LIMIT = Duration.ofSeconds(30);
  private static final Duration SHORT = Duration.ofMillis(700);
  private static final String USER = System.getProperty("user.name");

  private static Sshd server;
  private static Path folder;
  private static Path identity;
  private static SshKey hostKey;
  private static Network.Endpoint sshd;

  @BeforeAll
  static void startSshd() throws IOException {
    server = new Sshd();
    folder = server.folder();
    identity = server.identity();
    hostKey = server.hostKey();
    server.makeKey("stranger");
    sshd = server.start("AuthorizedKeysFile " + folder.resolve("authorized_keys"));
  }

  @AfterAll
  static void end() throws IOException {
    server.close();
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
  void takesAMebibyteOfBothOutputs() throws IOException {
    String half = "head -c 524288 /dev/zero | tr '\\0' ";
    try (Ssh ssh = login(LIMIT)) {
      Ssh.Result result =
          ssh.run("%s o; %s e >&2; %s o; %s e >&2".formatted(half, half, half, half), LIMIT);

      assertThat(result.exit()).isZero();
      assertThat(result.out().equals("o".repeat(1 << 20))).isTrue();
      assertThat(result.err().equals("e".repeat(1 << 20))).isTrue();
    }
  }

  @Test
  void moreEndsTheConnection() throws IOException {
    for (String much :
        List.of("cat /dev/zero", "cat /dev/zero >&2", "head -c 1048577 /dev/zero; exit 0")) {
      long start = System.nanoTime();
      try (Ssh ssh = login(LIMIT)) {
        assertThatThrownBy(() -> ssh.run(much, LIMIT))
            .as(much)
            .isInstanceOf(IOException.class)
            .hasMessage("the node says more than 1 MiB");
        assertThatThrownBy(() -> ssh.run("echo hello", LIMIT)).isInstanceOf(IOException.class);
      }
      assertThat(Duration.ofNanos(System.nanoTime() - start)).isLessThan(LIMIT);
    }
  }

  @Test
  void aSilentCommandMayTakeLongerThanTheLogin() throws IOException {
    try (Ssh ssh = login(Duration.ofSeconds(5))) { // in which a slow machine can log in
      assertThat(ssh.run("sleep 6; echo done", LIMIT)).isEqualTo(new Ssh.Result(0, "done\n", ""));
    }
  }

  @Test
  void aCommandThatHangsEndsWithItsLimit() throws IOException {
    long start = System.nanoTime();
    try (Ssh ssh = login(LIMIT)) {
      assertThatThrownBy(() -> ssh.run("sleep 600", Duration.ofSeconds(1)))
          .isInstanceOf(IOException.class);
    }
    assertThat(Duration.ofNanos(System.nanoTime() - start)).isLessThan(Duration.ofMinutes(1));
  }

  @Test
  @Fault(
      value = "another server answers in place of a node",
      promise = "kubenet rejects its host key and does not try to log in")
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
  @Fault(
      value = "a server speaks only old algorithms",
      promise =
          "there is no login: kubenet offers only Curve25519, Ed25519, ChaCha20 or AES-GCM, and"
              + " SHA-2")
  void oldAlgorithmsAreNotSpoken() throws IOException {
    String keys = "AuthorizedKeysFile " + folder.resolve("authorized_keys") + "\n";
    for (String old :
        List.of(
            "KexAlgorithms diffie-hellman-group14-sha256,ecdh-sha2-nistp256",
            "Ciphers aes128-ctr,aes256-ctr,aes128-cbc",
            "Ciphers aes128-ctr\nMACs hmac-sha1,hmac-sha2-256")) {
      Network.Endpoint server1 = server.start(keys + old);
      assertThatThrownBy(() -> Ssh.login(server1, USER, hostKey, identity, LIMIT))
          .as(old)
          .isInstanceOf(IOException.class)
          .hasMessageContaining("Unable to reach a settlement");
    }
    for (String modern :
        List.of(
            "Ciphers chacha20-poly1305@openssh.com",
            "Ciphers aes256-gcm@openssh.com",
            "Ciphers aes128-gcm@openssh.com\nKexAlgorithms curve25519-sha256@libssh.org")) {
      Network.Endpoint server2 = server.start(keys + modern);
      try (Ssh ssh = Ssh.login(server2, USER, hostKey, identity, LIMIT)) {
        assertThat(ssh.run("echo hello", LIMIT).out()).as(modern).isEqualTo("hello\n");
      }
    }
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
        server.start(
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
        server.start(
            "AuthorizedKeysFile none\n"
                + "AuthorizedKeysCommandUser "
                + USER
                + "\nAuthorizedKeysCommand /bin/sh -c \"sleep 600\"");

    long start = System.nanoTime();
    assertThatThrownBy(() -> Ssh.login(slow, USER, hostKey, identity, Duration.ofSeconds(1)))
        .isInstanceOf(IOException.class);
    assertThat(Duration.ofNanos(System.nanoTime() - start)).isLessThan(Duration.ofMinutes(1));
  }

  @Test
  void aLoginGoesOnWhereTheServerGreeted() throws IOException {
    Ssh.Greeting greeting = Ssh.Greeting.await(sshd, LIMIT);
    try (Ssh ssh = Ssh.login(greeting, USER, hostKey, identity, LIMIT)) {
      assertThat(ssh.run("echo $SSH_CONNECTION", LIMIT).out()).contains("127.0.0.1");
    }
    // its connection was that one, and is at its end
    assertThatThrownBy(() -> Ssh.login(greeting, USER, hostKey, identity, LIMIT))
        .isInstanceOf(IOException.class);
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
  @Fault(
      value = "an SSH server accepts the connection and says nothing",
      promise = "each step has a time limit")
  void silenceEndsInTime() throws IOException {
    for (String banner : List.of("", "SSH-2.0-Fake\r\n", "nonsense")) {
      try (Fake fake = new Fake(banner)) {
        long start = System.nanoTime();
        assertThatThrownBy(() -> Ssh.login(fake.endpoint(), USER, hostKey, identity, SHORT))
            .isInstanceOf(IOException.class);
        assertThat(Duration.ofNanos(System.nanoTime() - start))
            .as("after `" + banner + "`")
            .isLessThan(Duration.ofMinutes(1));
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

  @Test
  @Fault(
      value = "an SSH server's greeting or packets never end",
      promise = "kubenet closes the connection after a few KiB")
  void endlessGreetingsEndSoon() throws IOException {
    for (String start : List.of("SSH-2.0-x", "SSH-2.0-x\r\n", "x", "\r\n", "")) {
      for (String then : List.of("x", "\r\n", "\0", "SSH-2.0-x\r\n", "\0\0\1\0")) {
        try (Fake fake = new Fake(start, then.repeat(1000))) {
          assertThatThrownBy(() -> Ssh.login(fake.endpoint(), USER, hostKey, identity, SHORT))
              .as(start + then)
              .isInstanceOf(IOException.class);
          assertThat(fake.ended(LIMIT)).as("the connection is closed").isTrue();
          // most of it waits in the system's buffers, or is thrown away
          assertThat(fake.sent).as("bytes sent").isLessThan(256 << 20);
        }
      }
    }
  }

  /** OpenSSH itself, with the files that kubenet makes, in a folder of the worst name. */
  @Test
  @Fault(
      value = "another server answers in place of a node, and you use `ssh` itself",
      promise = "`ssh_config` checks host keys strictly, so `ssh` ends with 255")
  void openSshLogsInWithOurFiles() throws IOException {
    Path state = Files.createDirectory(folder.resolve(Lab.nastyName()));
    Layout layout = new Layout(state, state);
    Cluster cluster = Lab.cluster(USER, sshd.port());
    Map<Node, SshKey> keys = new LinkedHashMap<>();
    for (Node node : cluster.nodes()) {
      keys.put(node, hostKey);
    }
    Files.copy(identity, layout.identity());
    Files.writeString(layout.sshConfig(), SshConfig.config(cluster, cluster.nodes(), layout));
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

  /** Accepts connections, says its banner, and then the same for ever or nothing more. */
  private static final class Fake implements AutoCloseable {
    private final ServerSocket server = new ServerSocket(0, 5, InetAddress.getLoopbackAddress());
    private final List<Socket> accepted = new ArrayList<>();
    private final CountDownLatch hungUp = new CountDownLatch(1);
    private volatile long sent;

    Fake(String banner) throws IOException {
      this(banner, "");
    }

    Fake(String banner, String then) throws IOException {
      Thread thread =
          new Thread(
              () -> {
                try {
                  while (true) {
                    Socket socket = server.accept();
                    accepted.add(socket);
                    socket.getOutputStream().write(banner.getBytes());
                    if (!then.isEmpty()) {
                      repeat(socket, then.getBytes());
                    }
                  }
                } catch (IOException e) {
                  // closed: the end
                }
              });
      thread.setDaemon(true);
      thread.start();
    }

    private void repeat(Socket socket, byte[] text) {
      try {
        while (true) {
          socket.getOutputStream().write(text);
          sent += text.length;
        }
      } catch (IOException e) {
        hungUp.countDown();
      }
    }

    /** Whether the client hangs up. */
    boolean ended(Duration limit) {
      try {
        return hungUp.await(limit.toMillis(), TimeUnit.MILLISECONDS);
      } catch (InterruptedException e) {
        throw new AssertionError("interrupted", e);
      }
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

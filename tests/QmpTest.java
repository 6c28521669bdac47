import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import lib.vm.Qmp;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

class QmpTest {
  private static final Duration LIMIT = Duration.ofSeconds(10);
  private static final Duration SHORT = Duration.ofMillis(300);
  private static final String GREETING =
      "{\"QMP\": {\"version\": {\"qemu\": {\"micro\": 1, \"minor\": 2, \"major\": 8}}}}\r\n";

  private Path folder;
  private Path socket;

  @BeforeEach
  void makeFolder() throws IOException {
    folder = Leftovers.folder("kubenet-qmp-");
    socket = folder.resolve("qmp");
  }

  @AfterEach
  void removeFolder() throws IOException {
    Lab.remove(folder);
  }

  @Test
  void talksWithQemu() throws IOException {
    try (Paused qemu = Paused.start(folder, socket, folder.resolve("pid"))) {
      try (Qmp qmp = Qmp.connect(socket, LIMIT)) {
        assertThat(qmp.version()).matches("\\d+\\.\\d+\\.\\d+");
        assertThat(qmp.execute("query-status").path("status").asText()).isEqualTo("prelaunch");
        assertThat(
                qmp.execute("human-monitor-command", Map.of("command-line", "info status"))
                    .asText())
            .startsWith("VM status: paused (prelaunch)");
        assertThatThrownBy(() -> qmp.execute("make-coffee"))
            .isInstanceOf(IOException.class)
            .hasMessage("QEMU refused make-coffee: The command make-coffee has not been found");
        qmp.execute("cont"); // its events are passed over
        assertThat(qmp.execute("query-status").path("status").asText()).isEqualTo("running");
        qmp.execute("stop");
        assertThat(qmp.execute("query-status").path("status").asText()).isEqualTo("paused");
        qmp.execute("quit");
      }
      qemu.process().onExit().join();
      assertThatThrownBy(() -> Qmp.connect(socket, LIMIT)).isInstanceOf(IOException.class);
    }
  }

  /** QEMU serves one at a time; what comes meanwhile waits, but not for ever. */
  @Test
  void aBusyQemuIsNotWaitedForLongerThanTheLimit() throws Exception {
    try (Paused qemu = Paused.start(folder, socket, folder.resolve("pid"));
        Qmp first = Qmp.connect(socket, LIMIT)) {
      List<CompletableFuture<String>> others = new ArrayList<>();
      for (int i = 0; i < 5; i++) {
        others.add(CompletableFuture.supplyAsync(this::outcome));
      }
      for (CompletableFuture<String> other : others) {
        assertThat(other.get(1, TimeUnit.MINUTES)).isEqualTo("IOException");
      }
      assertThat(first.execute("query-status").path("status").asText()).isEqualTo("prelaunch");
      assertThat(qemu.process().isAlive()).isTrue();
    }
  }

  private String outcome() {
    try (Qmp qmp = Qmp.connect(socket, SHORT)) {
      return qmp.version();
    } catch (IOException e) {
      return "IOException";
    }
  }

  @Test
  void nobodyThereIsAnIoException() throws IOException {
    assertThatThrownBy(() -> Qmp.connect(socket, LIMIT)).isInstanceOf(IOException.class);
    Files.createFile(socket);
    assertThatThrownBy(() -> Qmp.connect(socket, LIMIT)).isInstanceOf(IOException.class);
  }

  @Test
  @Fault(value = "QEMU does not answer", promise = "each question has a time limit")
  void silenceEndsInTime() throws IOException {
    try (Fake fake = new Fake("", false)) {
      assertThatThrownBy(() -> Qmp.connect(socket, SHORT))
          .isInstanceOf(IOException.class)
          .hasMessage("no answer from QEMU within 300 ms");
    }
  }

  @Test
  void silenceAfterTheGreetingEndsInTime() throws IOException {
    try (Fake fake = new Fake(GREETING + "{\"event\": \"RESUME\"}\r\n{\"retu", false)) {
      assertThatThrownBy(() -> Qmp.connect(socket, SHORT))
          .isInstanceOf(IOException.class)
          .hasMessage("no answer from QEMU within 300 ms");
    }
  }

  @Test
  void anEndOfTheConversationIsAnIoException() throws IOException {
    for (String text : List.of("", "{\"QM", GREETING)) {
      try (Fake fake = new Fake(text, true)) {
        assertThatThrownBy(() -> Qmp.connect(socket, LIMIT)).isInstanceOf(IOException.class);
      }
      Files.deleteIfExists(socket);
    }
  }

  @Test
  void nonsenseIsAnIoException() throws IOException {
    for (String text : List.of("SSH-2.0\r\n", "{]\n", "\0\0\n")) {
      try (Fake fake = new Fake(text, false)) {
        assertThatThrownBy(() -> Qmp.connect(socket, SHORT)).isInstanceOf(IOException.class);
      }
      Files.deleteIfExists(socket);
    }
  }

  @Test
  void anEndlessAnswerIsAnIoException() throws IOException {
    try (Fake fake = new Fake("x".repeat(8 << 20), false)) {
      assertThatThrownBy(() -> Qmp.connect(socket, LIMIT))
          .isInstanceOf(IOException.class)
          .hasMessage("QEMU says more than 1 MiB without an end");
    }
  }

  @Test
  void answersMayComeInPiecesAndBetweenEvents() throws IOException {
    String events = "{\"event\": \"STOP\", \"data\": \"" + "x".repeat(200_000) + "\"}\r\n";
    try (Fake fake =
            new Fake(
                GREETING
                    + "{\"return\": {}}\r\n"
                    + events
                    + "{\"return\": {\"status\": \"running\"}}\r\n",
                false);
        Qmp qmp = Qmp.connect(socket, LIMIT)) {
      assertThat(qmp.version()).isEqualTo("8.2.1");
      assertThat(qmp.execute("query-status").path("status").asText()).isEqualTo("running");
    }
  }

  /** Accepts one connection, writes a text in pieces, and goes on to listen or hangs up. */
  private final class Fake implements AutoCloseable {
    private final ServerSocketChannel server =
        ServerSocketChannel.open(StandardProtocolFamily.UNIX);
    private SocketChannel accepted;

    Fake(String text, boolean hangsUp) throws IOException {
      server.bind(UnixDomainSocketAddress.of(socket));
      Thread thread =
          new Thread(
              () -> {
                try {
                  accepted = server.accept();
                  byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
                  for (int from = 0; from < bytes.length; from += 30_000) {
                    int length = Math.min(30_000, bytes.length - from);
                    accepted.write(ByteBuffer.wrap(bytes, from, length));
                  }
                  if (hangsUp) {
                    accepted.close();
                  }
                } catch (IOException e) {
                  // closed: the end
                }
              });
      thread.setDaemon(true);
      thread.start();
    }

    @Override
    public void close() throws IOException {
      server.close();
      if (accepted != null) {
        accepted.close();
      }
    }
  }
}

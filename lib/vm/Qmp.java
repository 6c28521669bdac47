//DEPS com.fasterxml.jackson.dataformat:jackson-dataformat-yaml:2.21.8
package lib.vm;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.Closeable;
import java.io.IOException;
import java.net.SocketTimeoutException;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.SelectionKey;
import java.nio.channels.Selector;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Map;
import java.util.concurrent.locks.LockSupport;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/**
 * A conversation with QEMU's monitor over its QMP socket (QEMU manual, "QMP Reference Manual").
 * QEMU serves one at a time, so keep it short. Every answer is waited for with a limit.
 */
public final class Qmp implements Closeable {
  private static final ObjectMapper JSON = new ObjectMapper();

  /** Characters of an answer; what is asked here is answered with less than a tenth. */
  private static final int MOST = 1 << 20;

  private final SocketChannel channel;
  private final Selector selector;
  private final Duration limit;
  private final ByteBuffer buffer = ByteBuffer.allocate(1 << 16);
  private final StringBuilder received = new StringBuilder();
  private String version = "";

  private Qmp(SocketChannel channel, Duration limit) throws IOException {
    this.channel = channel;
    this.limit = limit;
    selector = Selector.open();
    channel.register(selector, SelectionKey.OP_READ);
  }

  /**
   * {@return a conversation with the QEMU that listens on {@code socket}}
   *
   * @param limit how long to wait for each answer
   * @throws IOException if nobody listens there or nobody answers in time
   */
  public static Qmp connect(Path socket, Duration limit) throws IOException {
    Qmp qmp = new Qmp(open(socket, limit), limit);
    try {
      JsonNode number = qmp.message("QMP").path("QMP").path("version").path("qemu");
      qmp.version =
          Stream.of("major", "minor", "micro")
              .map(part -> number.path(part).asText())
              .collect(Collectors.joining("."));
      qmp.execute("qmp_capabilities");
      return qmp;
    } catch (IOException e) {
      qmp.close();
      throw e;
    }
  }

  /** Waits its turn: while others queue already, the system takes no more. */
  private static SocketChannel open(Path socket, Duration limit) throws IOException {
    long end = System.nanoTime() + limit.toNanos();
    while (true) {
      SocketChannel channel = SocketChannel.open(StandardProtocolFamily.UNIX);
      try {
        channel.configureBlocking(false);
        if (channel.connect(UnixDomainSocketAddress.of(socket))) {
          return channel;
        }
      } catch (IOException e) {
        channel.close();
        throw e;
      }
      channel.close();
      if (System.nanoTime() > end) {
        throw new SocketTimeoutException("QEMU was busy for " + limit.toMillis() + " ms");
      }
      LockSupport.parkNanos(20_000_000);
    }
  }

  /** {@return the version of QEMU that it greeted with, such as {@code 7.2.22}} */
  public String version() {
    return version;
  }

  /** {@return whether this QEMU was built with a command line option that has parameters} */
  public boolean takes(String option) throws IOException {
    try {
      execute("query-command-line-options", Map.of("option", option));
      return true;
    } catch (Refusal e) {
      return false;
    }
  }

  /** QEMU's words for why it did not do something. */
  public static final class Refusal extends IOException {
    private static final long serialVersionUID = 1;

    private Refusal(String words) {
      super(words);
    }
  }

  /** {@return what QEMU answers to a command without arguments} */
  public JsonNode execute(String command) throws IOException {
    return execute(command, Map.of());
  }

  /**
   * {@return what QEMU answers to a command}
   *
   * @throws Refusal if QEMU does not do it
   * @throws IOException if no answer comes in time
   */
  public JsonNode execute(String command, Map<String, ?> arguments) throws IOException {
    Map<String, ?> request =
        arguments.isEmpty()
            ? Map.of("execute", command)
            : Map.of("execute", command, "arguments", arguments);
    ByteBuffer bytes = ByteBuffer.wrap(JSON.writeValueAsBytes(request));
    while (bytes.hasRemaining()) {
      channel.write(bytes);
    }
    JsonNode answer = message("return", "error");
    if (answer.has("error")) {
      throw new Refusal(
          "QEMU refused " + command + ": " + answer.path("error").path("desc").asText());
    }
    return answer.path("return");
  }

  /** {@return the next message that has one of these keys; events in between are passed over} */
  public JsonNode message(String... keys) throws IOException {
    long end = System.nanoTime() + limit.toNanos();
    while (true) {
      JsonNode message = JSON.readTree(line(end));
      for (String key : keys) {
        if (message.has(key)) {
          return message;
        }
      }
    }
  }

  private String line(long end) throws IOException {
    int stop;
    while ((stop = received.indexOf("\n")) < 0) {
      if (received.length() > MOST) {
        throw new IOException("QEMU says more than " + (MOST >> 20) + " MiB without an end");
      }
      long left = (end - System.nanoTime()) / 1_000_000;
      if (left <= 0) {
        throw new SocketTimeoutException("no answer from QEMU within " + limit.toMillis() + " ms");
      }
      selector.select(left);
      selector.selectedKeys().clear();
      buffer.clear();
      if (channel.read(buffer) < 0) {
        throw new IOException("QEMU closed the conversation");
      }
      received.append(StandardCharsets.UTF_8.decode(buffer.flip()));
    }
    String line = received.substring(0, stop);
    received.delete(0, stop + 1);
    return line;
  }

  @Override
  public void close() throws IOException {
    try (channel;
        selector) {
      return;
    }
  }
}

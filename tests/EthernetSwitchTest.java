import static org.assertj.core.api.Assertions.assertThat;

import java.io.DataInputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.Channels;
import java.nio.channels.SocketChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import lib.lan.LanSwitch;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/**
 * The LAN switch as the process that it is; what speaks to it here speaks as QEMU does. A frame
 * that never comes ends the test by its limit, which interrupts the read.
 */
@Timeout(value = 3, unit = TimeUnit.MINUTES)
class EthernetSwitchTest {
  private static final long BROADCAST = 0xffff_ffff_ffffL;

  private Path folder;
  private LanSwitch lan;
  private Process process;

  @BeforeEach
  void start() throws IOException {
    folder = Leftovers.folder("kubenet-test-");
    lan = new LanSwitch(folder.resolve("lan.socket"));
    process = run();
  }

  @AfterEach
  void end() throws IOException {
    process.destroyForcibly().onExit().join();
    Lab.remove(folder);
  }

  private Process run() throws IOException {
    Process started =
        new ProcessBuilder(lan.command().toList())
            .redirectErrorStream(true)
            .redirectOutput(folder.resolve("said").toFile())
            .start();
    lan.awaitAlive();
    return started;
  }

  @Test
  void framesGoWhereTheirDestinationIs() throws Exception {
    try (Port one = new Port(1);
        Port two = new Port(2);
        Port three = new Port(3)) {
      one.send(BROADCAST, "to all");
      assertThat(two.next()).isEqualTo("1 to all");
      assertThat(three.next()).isEqualTo("1 to all");

      two.send(1, "an answer");
      assertThat(one.next()).isEqualTo("2 an answer");

      three.send(9, "for nobody yet known");
      assertThat(one.next()).isEqualTo("3 for nobody yet known");
      assertThat(two.next()).isEqualTo("3 for nobody yet known");

      one.send(3, "for three");
      one.send(BROADCAST, "to all again");
      assertThat(three.next()).isEqualTo("1 for three");
      assertThat(three.next()).isEqualTo("1 to all again");
      assertThat(two.next()).as("the first that came to it").isEqualTo("1 to all again");
    }
  }

  @Test
  void anAddressMovesWithWhoHasIt() throws Exception {
    try (Port one = new Port(1);
        Port two = new Port(2);
        Port three = new Port(3)) {
      two.send(BROADCAST, "here");
      assertThat(one.next()).isEqualTo("2 here");
      assertThat(three.next()).isEqualTo("2 here");
      try (Port taker = new Port(2)) {
        taker.send(BROADCAST, "here now");
        assertThat(one.next()).isEqualTo("2 here now");
        one.send(2, "for the taker");
        assertThat(taker.next()).isEqualTo("1 for the taker");
        taker.channel.shutdownOutput();
        assertThat(taker.channel.read(ByteBuffer.allocate(1))).as("it was let go").isEqualTo(-1);
      }
      one.send(2, "for who has it");
      for (Port other : List.of(two, three)) {
        assertThat(other.next()).isEqualTo("2 here now");
        assertThat(other.next()).as("nobody is known to").isEqualTo("1 for who has it");
      }
    }
  }

  @Test
  @Fault(
      value = "a node does not read the frames sent to it, as when it is paused",
      promise = "the other nodes are not held up; when it reads again, it gets whole frames")
  void whoDoesNotReadHoldsNobodyUp() throws Exception {
    try (Port sender = new Port(1);
        Port reader = new Port(2);
        Port paused = new Port(3)) {
      paused.send(BROADCAST, "here");
      assertThat(sender.next()).isEqualTo("3 here");
      assertThat(reader.next()).isEqualTo("3 here");
      String large = "x".repeat(1400);
      for (int i = 0; i < 20_000; i++) { // 28 MB, more than any queue
        sender.send(BROADCAST, i + large);
        assertThat(reader.next()).isEqualTo("1 " + i + large);
      }
      int before = -1;
      for (int frame = 0; frame < 100; frame++) {
        String got = paused.next();
        assertThat(got).endsWith(large);
        int number = Integer.parseInt(got.substring(2, got.length() - large.length()));
        assertThat(number).isGreaterThan(before);
        before = number;
      }
    }
  }

  @Test
  @Fault(
      value = "a guest floods the LAN, each frame from a different address",
      promise =
          "the other nodes can reach each other all the time, and the switch's memory stays"
              + " bounded")
  void aFloodDrownsNobody() throws Exception {
    AtomicBoolean over = new AtomicBoolean();
    try (Port one = new Port(1);
        Port two = new Port(2);
        Port flood = new Port(3)) {
      one.send(BROADCAST, "here");
      assertThat(two.next()).isEqualTo("1 here");
      two.send(1, "here");
      assertThat(one.next()).isEqualTo("2 here");
      CompletableFuture<Long> sent = CompletableFuture.supplyAsync(() -> flood(flood, over));
      BlockingQueue<String> first = one.rest();
      BlockingQueue<String> second = two.rest();
      for (int i = 0; i < 20; i++) {
        exchange(one, 2, second, "1 question " + i);
        exchange(two, 1, first, "2 answer " + i);
      }
      over.set(true);
      assertThat(sent.get(1, TimeUnit.MINUTES)).as("frames of the flood").isGreaterThan(10_000);
      assertThat(process.isAlive()).isTrue();
    }
  }

  /** Sends until it comes, as any protocol does: a queue that the flood has filled drops frames. */
  private static void exchange(Port from, long to, BlockingQueue<String> received, String text)
      throws Exception {
    String next = null;
    for (int tries = 0; tries < 100 && !text.equals(next); tries++) {
      from.send(to, text.substring(2));
      next = received.poll(100, TimeUnit.MILLISECONDS);
      while (next != null && !next.equals(text)) { // one that was sent again, and came late
        next = received.poll(100, TimeUnit.MILLISECONDS);
      }
    }
    assertThat(next).isEqualTo(text);
  }

  private static long flood(Port port, AtomicBoolean over) {
    try {
      long sent = 0;
      for (; !over.get() || sent <= 10_000; sent++) {
        port.sendFrom(0x0200_0000_0000L + sent, 9, "flood");
      }
      return sent;
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  @Test
  @Fault(
      value = "something other than QEMU connects to the LAN switch",
      promise = "it is disconnected; the LAN keeps working")
  void nonsenseIsPutOut() throws Exception {
    try (Port one = new Port(1);
        Port two = new Port(2);
        Port stranger = new Port(3)) {
      stranger.channel.write(ByteBuffer.wrap("GET / HTTP/1.1\r\n\r\n".getBytes()));
      assertThat(stranger.channel.read(ByteBuffer.allocate(1))).isEqualTo(-1);
      try (Port shy = new Port(4)) {
        shy.channel.write(ByteBuffer.wrap(new byte[] {0, 0})); // and leaves
      }
      one.send(BROADCAST, "");
      assertThat(two.next()).isEqualTo("1 ");
    }
  }

  @Test
  void itEndsWhenNobodyCanComeAnyMore() throws Exception {
    Files.delete(lan.socket());

    assertThat(process.waitFor(2, TimeUnit.MINUTES)).isTrue();
    assertThat(process.exitValue()).isZero();
  }

  @Test
  void whatAKilledOneLeftIsReplaced() throws Exception {
    process.destroyForcibly().onExit().join();
    assertThat(lan.socket()).exists();
    assertThat(lan.alive()).isFalse();

    process = run();
    assertThat(lan.alive()).isTrue();
  }

  /** A QEMU with one NIC, whose address is its number. */
  private final class Port implements AutoCloseable {
    private final SocketChannel channel;
    private final DataInputStream in;
    private final long address;

    Port(long address) throws IOException {
      this.address = address;
      channel = SocketChannel.open(UnixDomainSocketAddress.of(lan.socket()));
      in = new DataInputStream(Channels.newInputStream(channel));
    }

    void send(long destination, String text) throws IOException {
      sendFrom(address, destination, text);
    }

    void sendFrom(long source, long destination, String text) throws IOException {
      byte[] bytes = text.getBytes();
      ByteBuffer frame = ByteBuffer.allocate(4 + 14 + bytes.length);
      frame.putInt(14 + bytes.length);
      frame.putShort((short) (destination >>> 32)).putInt((int) destination);
      frame.putShort((short) (source >>> 32)).putInt((int) source);
      frame.putShort((short) 0x88b5).put(bytes).flip();
      while (frame.hasRemaining()) {
        channel.write(frame);
      }
    }

    /** The next frame that comes: its source and text. */
    String next() throws IOException {
      byte[] frame = new byte[in.readInt()];
      in.readFully(frame);
      return frame[11] + " " + new String(frame, 14, frame.length - 14);
    }

    /** What comes from now on, but for a flood. */
    BlockingQueue<String> rest() {
      BlockingQueue<String> rest = new LinkedBlockingQueue<>();
      Thread reader =
          new Thread(
              () -> {
                try {
                  for (String next = next(); ; next = next()) {
                    if (!next.endsWith(" flood")) {
                      rest.add(next);
                    }
                  }
                } catch (IOException e) {
                  // the test is over
                }
              });
      reader.setDaemon(true);
      reader.start();
      return rest;
    }

    @Override
    public void close() throws IOException {
      channel.close();
    }
  }
}

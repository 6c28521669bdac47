package lib.lan;

import java.io.IOException;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.SelectionKey;
import java.nio.channels.Selector;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import lib.Visible;

/**
 * A learning switch for the Ethernet of several QEMUs, as a program of its own: every QEMU that
 * connects to its Unix socket is a port. It notes at which port an address was seen as a frame's
 * source, sends a frame for that address there and nowhere else, and any other frame to all ports.
 *
 * <p>On a connection every frame comes after its length in bytes, four bytes with the highest first
 * (QEMU, {@code net_fill_rstate} in net/net.c, for {@code -netdev stream}).
 *
 * <p>QEMU's own hub in a process of its own does not do for this: what it accepts as a server of
 * {@code -netdev stream} it writes to with a blocking socket, so that one paused VM would stop the
 * LAN of all others (QEMU 7.2, {@code net_stream_listen} in net/stream.c). Here a port that does
 * not read loses frames, as on any switch.
 */
public final class EthernetSwitch {
  /** The longest frame that QEMU sends (its {@code NET_BUFSIZE}), with the length before it. */
  private static final int LONGEST = 4 + 4096 + 65536;

  /** What waits for a port that does not read, in bytes; a switch has some 100 KiB. */
  private static final int QUEUE = 1 << 18;

  /** As many may connect at once; macOS refuses more. */
  private static final int BACKLOG = 1024;

  /** After so long without a frame it looks whether anybody can still come. */
  private static final int QUIET_MILLIS = 10_000;

  /** More addresses than these are no cluster: all are forgotten, and learned again. */
  private static final int MOST_ADDRESSES = 4096;

  /** Destination, source and type. */
  private static final int HEADER = 6 + 6 + 2;

  private final Selector selector;
  private final ServerSocketChannel server;
  private final List<Port> ports = new ArrayList<>();
  private final Map<Long, Port> seen = new HashMap<>();

  private EthernetSwitch(Selector selector, ServerSocketChannel server) {
    this.selector = selector;
    this.server = server;
  }

  /**
   * Runs until it is killed, or its socket is gone.
   *
   * @param arguments the path of the socket, in a folder that is its owner's alone. What a killed
   *     one left there is replaced.
   * @throws IOException if the socket can't be made
   */
  public static void main(String... arguments) throws IOException {
    Locale.setDefault(Locale.ROOT);
    Path socket = Path.of(arguments[0]);
    Files.deleteIfExists(socket);
    try (Selector selector = Selector.open();
        ServerSocketChannel server = ServerSocketChannel.open(StandardProtocolFamily.UNIX)) {
      server.bind(UnixDomainSocketAddress.of(socket), BACKLOG);
      Files.setPosixFilePermissions(socket, PosixFilePermissions.fromString("rw-------"));
      server.configureBlocking(false);
      SelectionKey accepting = server.register(selector, SelectionKey.OP_ACCEPT);
      System.out.println(Visible.lines("LAN switch on " + socket));
      new EthernetSwitch(selector, server).run(accepting, socket);
    }
  }

  private void run(SelectionKey accepting, Path socket) throws IOException {
    while (selector.select(QUIET_MILLIS) > 0 || Files.exists(socket)) {
      if (selector.selectedKeys().remove(accepting)) {
        connect(); // before frames are read, so that whoever has connected gets them
      }
      for (SelectionKey key : selector.selectedKeys()) {
        ((Port) key.attachment()).serve();
      }
      selector.selectedKeys().clear();
      // frames that came in one read leave in one write
      for (Port port : List.copyOf(ports)) {
        port.send();
      }
    }
  }

  private void connect() throws IOException {
    SocketChannel channel;
    while ((channel = server.accept()) != null) {
      channel.configureBlocking(false);
      SelectionKey key = channel.register(selector, SelectionKey.OP_READ);
      Port port = new Port(channel, key);
      key.attach(port);
      ports.add(port);
    }
  }

  /** One QEMU. */
  private final class Port {
    private final SocketChannel channel;
    private final SelectionKey key;
    private final ByteBuffer in = ByteBuffer.allocate(2 * LONGEST);
    private final ByteBuffer out = ByteBuffer.allocate(QUEUE);
    private boolean blocked; // its side took less than it was sent

    Port(SocketChannel channel, SelectionKey key) {
      this.channel = channel;
      this.key = key;
    }

    /** Takes what has come, and passes on the frames that are whole. */
    void serve() {
      blocked &= !key.isWritable();
      try {
        if (channel.read(in) < 0) {
          leave();
          return;
        }
      } catch (IOException e) {
        leave();
        return;
      }
      in.flip();
      while (in.remaining() >= 4) {
        int size = 4 + in.getInt(in.position());
        if (size < 4 || size > LONGEST) {
          leave(); // no QEMU
          return;
        }
        if (in.remaining() < size) {
          break;
        }
        if (size >= 4 + HEADER) {
          pass(in.slice(in.position(), size));
        }
        in.position(in.position() + size);
      }
      in.compact();
    }

    private void pass(ByteBuffer frame) {
      long destination = frame.getLong(4) >>> 16;
      learn(frame.getLong(4 + 6) >>> 16);
      Port only = isGroup(destination) ? null : seen.get(destination);
      for (Port port : only == null ? ports : List.of(only)) {
        if (port != this) {
          port.queue(frame);
        }
      }
    }

    private void learn(long source) {
      if (isGroup(source) || seen.get(source) == this) {
        return;
      }
      if (seen.size() == MOST_ADDRESSES) {
        seen.clear();
      }
      seen.put(source, this);
    }

    /** Multicast and broadcast have the lowest bit of the first byte set (IEEE 802). */
    private boolean isGroup(long address) {
      return (address >> 40 & 1) == 1;
    }

    /** A frame goes whole or not at all. */
    private void queue(ByteBuffer frame) {
      if (out.remaining() >= frame.limit()) {
        out.put(frame.duplicate());
      }
    }

    /** Sends what the other side takes, and asks to be called when it takes more. */
    void send() {
      if (out.position() == 0 || blocked) {
        return;
      }
      try {
        out.flip();
        channel.write(out);
        out.compact();
        blocked = out.position() > 0;
        key.interestOps(SelectionKey.OP_READ | (blocked ? SelectionKey.OP_WRITE : 0));
      } catch (IOException e) {
        leave();
      }
    }

    private void leave() {
      ports.remove(this);
      seen.values().removeIf(port -> port == this);
      try {
        channel.close();
      } catch (IOException e) {
        // it is gone
      }
    }
  }
}

import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.util.concurrent.ThreadLocalRandom;
import java.util.stream.IntStream;

/** Ports on 127.0.0.1 for guests that are started later. */
final class Ports {
  /** Linux gives clients ports from 32768 on; TinyCluster has those from 31000 on. */
  private static final int FIRST = 20_000;

  private static final int LAST = 30_000;

  private Ports() {}

  /** The first of so many ports in a row that nobody uses now; two runs rarely get the same. */
  static int free(int count) {
    for (int attempt = 0; attempt < 100; attempt++) {
      int first = ThreadLocalRandom.current().nextInt(FIRST, LAST - count);
      if (IntStream.range(first, first + count).allMatch(Ports::isFree)) {
        return first;
      }
    }
    throw new AssertionError("no %d free ports in a row".formatted(count));
  }

  private static boolean isFree(int port) {
    try (ServerSocket socket = new ServerSocket(port, 1, InetAddress.getLoopbackAddress())) {
      return socket.isBound();
    } catch (IOException e) {
      return false;
    }
  }
}

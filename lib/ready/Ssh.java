//DEPS com.hierynomus:sshj:0.40.0
//DEPS org.bouncycastle:bcprov-jdk18on:1.87
//DEPS org.bouncycastle:bcpkix-jdk18on:1.87
//DEPS org.slf4j:slf4j-nop:2.0.20
package lib.ready;

import com.hierynomus.sshj.key.KeyAlgorithms;
import com.hierynomus.sshj.transport.cipher.ChachaPolyCiphers;
import com.hierynomus.sshj.transport.cipher.GcmCiphers;
import com.hierynomus.sshj.transport.mac.Macs;
import java.io.Closeable;
import java.io.IOException;
import java.io.InputStream;
import java.io.PushbackInputStream;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.net.SocketAddress;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.security.PublicKey;
import java.time.Duration;
import java.util.Arrays;
import java.util.Base64;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import javax.net.SocketFactory;
import lib.Problem;
import lib.cluster.Network;
import lib.state.SshKey;
import net.schmizz.sshj.Config;
import net.schmizz.sshj.DefaultConfig;
import net.schmizz.sshj.SSHClient;
import net.schmizz.sshj.common.Buffer;
import net.schmizz.sshj.connection.ConnectionException;
import net.schmizz.sshj.connection.channel.direct.Session;
import net.schmizz.sshj.transport.TransportException;
import net.schmizz.sshj.transport.kex.Curve25519SHA256;
import net.schmizz.sshj.transport.verification.HostKeyVerifier;
import net.schmizz.sshj.userauth.UserAuthException;

/** The only file that opens SSH connections: a login to one node, its host key known beforehand. */
public final class Ssh implements Closeable {

  /** What each output of a command may have at most, in bytes: its guest decides what it says. */
  private static final int MOST = 1 << 20;

  /** The longest first line of a server, in bytes (RFC 4253, section 4.2). */
  private static final int LONGEST = 255;

  private final SSHClient client;

  private Ssh(SSHClient client) {
    this.client = client;
  }

  /**
   * What a command in a node left.
   *
   * @param exit its exit code; -1 if it was ended by a signal
   * @param out standard output
   * @param err standard error
   */
  public record Result(int exit, String out, String err) {}

  /**
   * {@return whether an SSH server greets there within the limit}
   *
   * <p>That a TCP connection opens proves nothing: QEMU accepts it for a forwarded port with no
   * guest behind.
   */
  public static boolean greets(Network.Endpoint endpoint, Duration limit) {
    try (Greeting greeting = Greeting.await(endpoint, limit)) {
      return true;
    } catch (IOException e) {
      return false;
    }
  }

  /**
   * A connection on which an SSH server has greeted. To log in on it spares a guest the process
   * that another connection would get.
   */
  public static final class Greeting implements Closeable {
    private static final String START = "SSH-2.0-";

    private final Network.Endpoint endpoint;
    private final Greeted socket = new Greeted();

    private Greeting(Network.Endpoint endpoint) {
      this.endpoint = endpoint;
    }

    /**
     * {@return a connection, once the server has greeted}
     *
     * @throws IOException if it does not within the limit
     */
    public static Greeting await(Network.Endpoint endpoint, Duration limit) throws IOException {
      Greeting greeting = new Greeting(endpoint);
      int millis = (int) limit.toMillis();
      try {
        greeting.socket.connect(new InetSocketAddress(endpoint.host(), endpoint.port()), millis);
        greeting.socket.setSoTimeout(millis);
        greeting.socket.begin(START, limit);
        return greeting;
      } catch (IOException e) {
        greeting.close();
        throw e;
      }
    }

    @Override
    public void close() {
      try {
        socket.close();
      } catch (IOException e) {
        // it is of no use any more either way
      }
    }
  }

  /** A socket that is connected when it gets to sshj, its first line read and put back. */
  private static final class Greeted extends Socket {
    private PushbackInputStream in;

    /**
     * Reads the server's first line. sshj would take any number of lines before it, and would look
     * through all of them again with each byte that comes; here it has to be the first.
     */
    void begin(String start, Duration limit) throws IOException {
      in = new PushbackInputStream(super.getInputStream(), LONGEST);
      long end = System.nanoTime() + limit.toNanos();
      byte[] line = new byte[LONGEST];
      int length = 0;
      int next = 0;
      while (next != '\n') {
        next = in.read();
        boolean fits = length >= start.length() || next == start.charAt(length);
        if (next < 0 || !fits || length == LONGEST || System.nanoTime() > end) {
          throw new IOException("no SSH server");
        }
        line[length++] = (byte) next;
      }
      in.unread(line, 0, length);
    }

    @Override
    public InputStream getInputStream() {
      return in;
    }

    @Override
    public void connect(SocketAddress to, int millis) throws IOException {
      if (!isConnected()) {
        super.connect(to, millis);
      }
    }
  }

  /** Hands one connected socket to sshj. */
  private static final class Given extends SocketFactory {
    private final Socket socket;

    Given(Socket socket) {
      this.socket = socket;
    }

    @Override
    public Socket createSocket() {
      return socket;
    }

    @Override
    public Socket createSocket(String host, int port) {
      return socket;
    }

    @Override
    public Socket createSocket(String host, int port, InetAddress from, int fromPort) {
      return socket;
    }

    @Override
    public Socket createSocket(InetAddress host, int port) {
      return socket;
    }

    @Override
    public Socket createSocket(InetAddress host, int port, InetAddress from, int fromPort) {
      return socket;
    }
  }

  /**
   * {@return a login to a node}
   *
   * @param greeting where the node has greeted; used up by this
   * @param hostKey the public key that it must show
   * @param identity private key file to log in with
   * @param limit for each answer
   * @throws Problem if another host key is shown, or the login is refused: trying again won't help
   * @throws IOException if there is no whole answer yet: trying again may help
   */
  public static Ssh login(
      Greeting greeting, String user, SshKey hostKey, Path identity, Duration limit)
      throws IOException {
    Network.Endpoint endpoint = greeting.endpoint;
    SSHClient client = new SSHClient(modern());
    client.setSocketFactory(new Given(greeting.socket));
    Pinned pinned = new Pinned(hostKey.publicWords());
    client.addHostKeyVerifier(pinned);
    client.setTimeout((int) limit.toMillis());
    client.getTransport().setTimeoutMs((int) limit.toMillis());
    client.getConnection().setTimeoutMs((int) limit.toMillis());
    try {
      client.connect(endpoint.host(), endpoint.port());
      client.authPublickey(user, client.loadKeys(identity.toString()));
      return new Ssh(client);
    } catch (UserAuthException e) {
      client.close();
      if (cutOff(e)) {
        throw e;
      }
      throw new Problem(
          "%s:%d does not let %s log in with %s"
              .formatted(endpoint.host(), endpoint.port(), user, identity),
          "the VM was made with another key or user; to make it anew: stop-all.java --destroy",
          e);
    } catch (IOException e) {
      client.close();
      if (pinned.refused) {
        throw new Problem(
            "%s:%d shows a host key that is not the node's"
                .formatted(endpoint.host(), endpoint.port()),
            "another server answers there, or the VM was made with another key",
            e);
      }
      throw e;
    } catch (RuntimeException e) { // such as sshj's, if the connection ends between two steps
      client.close();
      throw new IOException("the SSH server can't be talked to: " + e.getMessage(), e);
    }
  }

  /** {@return the same on a new connection, whose greeting has the same limit} */
  public static Ssh login(
      Network.Endpoint endpoint, String user, SshKey hostKey, Path identity, Duration limit)
      throws IOException {
    return login(Greeting.await(endpoint, limit), user, hostKey, identity, limit);
  }

  /**
   * The algorithms that are offered: what every OpenSSH server of the last ten years takes and
   * nobody advises against. sshj's own list ends with SHA-1, CBC and MD5 (its DefaultConfig).
   */
  private static Config modern() {
    DefaultConfig config = new DefaultConfig();
    config.setKeyExchangeFactories(
        List.of(new Curve25519SHA256.Factory(), new Curve25519SHA256.FactoryLibSsh()));
    config.setKeyAlgorithms(List.of(KeyAlgorithms.EdDSA25519()));
    config.setCipherFactories(
        List.of(
            ChachaPolyCiphers.CHACHA_POLY_OPENSSH(),
            GcmCiphers.AES256GCM(),
            GcmCiphers.AES128GCM()));
    config.setMACFactories(List.of(Macs.HMACSHA2256Etm(), Macs.HMACSHA2512Etm()));
    return config;
  }

  /** Whether a login ended without an answer: a guest on its way up closes connections. */
  private static boolean cutOff(Throwable e) {
    return e != null
        && (e instanceof TransportException
            || e instanceof TimeoutException
            || cutOff(e.getCause()));
  }

  /**
   * {@return what a command in the node left}
   *
   * @param command one line for the login shell
   * @param limit for the whole command
   * @throws IOException if the connection ends before the command does, the limit passes, or the
   *     command says more than a MiB; then this login is at its end
   */
  public Result run(String command, Duration limit) throws IOException {
    try (Session session = client.startSession();
        Session.Command running = session.exec(command)) {
      // unread, either output would block the command
      Drain out = new Drain(running.getInputStream());
      Drain err = new Drain(running.getErrorStream());
      try {
        running.join(limit.toMillis(), TimeUnit.MILLISECONDS);
      } catch (ConnectionException e) {
        client.close();
        if (out.overflowed || err.overflowed) {
          throw new IOException("the node says more than " + (MOST >> 20) + " MiB", e);
        }
        throw e.getCause() instanceof TimeoutException
            ? new IOException("command not done within " + limit.toSeconds() + " s", e)
            : e;
      }
      Integer exit = running.getExitStatus();
      Result result = new Result(exit == null ? -1 : exit, out.text(), err.text());
      if (out.overflowed || err.overflowed) {
        throw new IOException("the node says more than " + (MOST >> 20) + " MiB");
      }
      return result;
    } catch (IllegalStateException e) { // the connection has ended since
      throw new IOException("the node is not connected any more", e);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new IOException("interrupted", e);
    }
  }

  /**
   * Reads one output to its end, which comes with the command's or the connection's. An output that
   * is too long ends the connection.
   */
  private final class Drain extends Thread {
    private final InputStream in;
    private byte[] bytes = {};
    private volatile boolean overflowed;

    Drain(InputStream in) {
      this.in = in;
      setDaemon(true);
      start();
    }

    @Override
    public void run() {
      try {
        bytes = in.readNBytes(MOST);
        if (in.read() >= 0) {
          overflowed = true;
          client.close();
        }
      } catch (IOException e) {
        // the end of the connection shows in the command too
      }
    }

    String text() throws InterruptedException {
      join();
      return new String(bytes, StandardCharsets.UTF_8);
    }
  }

  @Override
  public void close() throws IOException {
    client.close();
  }

  /** Accepts one key. */
  private static final class Pinned implements HostKeyVerifier {
    private final byte[] key;
    private boolean refused;

    Pinned(String publicWords) {
      key = Base64.getDecoder().decode(publicWords.split(" ")[1]);
    }

    @Override
    public boolean verify(String host, int port, PublicKey shown) {
      refused = !Arrays.equals(new Buffer.PlainBuffer().putPublicKey(shown).getCompactData(), key);
      return !refused;
    }

    @Override
    public List<String> findExistingAlgorithms(String host, int port) {
      return List.of("ssh-ed25519");
    }
  }
}

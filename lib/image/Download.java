package lib.image;

import java.io.IOException;
import java.io.InputStream;
import java.net.HttpURLConnection;
import java.net.ProxySelector;
import java.net.SocketTimeoutException;
import java.net.URI;
import java.net.UnknownHostException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.time.Duration;
import java.util.Set;
import lib.Meter;
import lib.Problem;
import lib.Terminal;
import lib.Wait;
import lib.qemu.Digest;

/**
 * Fetches a file of a known digest. What has come so far stays in a file beside its place, so that
 * a later run goes on from there, after a kill as well.
 *
 * <p>{@link HttpURLConnection} and not the newer client: it alone gives up on a server that falls
 * silent in the middle of a file, by a limit on each read.
 *
 * @param url where it is
 * @param sha256 its digest, 64 hexadecimal digits
 * @param part the file that it is written to
 * @param patience how long a server may be silent
 */
public record Download(URI url, String sha256, Path part, Duration patience) {
  /** How often a connection that breaks off is made anew without a byte gained. */
  private static final int ATTEMPTS = 4;

  private static final Duration PAUSE = Duration.ofSeconds(1);
  private static final int SMALL = 1 << 20;

  /** The server's answer was no: to ask again would change nothing. */
  private static final class Refused extends IOException {
    private static final long serialVersionUID = 1;

    Refused(String message) {
      super(message);
    }
  }

  /** No connection came about; worth another attempt only where there was one before. */
  private static final class Unreachable extends IOException {
    private static final long serialVersionUID = 1;

    Unreachable(IOException cause) {
      super(words(cause), cause);
    }
  }

  /** The file can't be written: the server is not at fault. */
  private static final class Unwritable extends IOException {
    private static final long serialVersionUID = 1;

    Unwritable(IOException cause) {
      super(cause.getMessage(), cause);
    }
  }

  /**
   * Fetches the whole file into {@link #part}, which is safe on the disk afterwards.
   *
   * @throws Problem if it can't be had, or has another digest; the latter leaves nothing
   */
  public void run(Terminal terminal) {
    int failures = 0;
    boolean connected = false;
    while (true) {
      long before = had();
      try {
        if (attempt(terminal)) {
          return;
        }
        if (before == 0) {
          throw new Refused("what came has another digest than " + sha256);
        }
        terminal.line("  what came before does not fit; starting anew");
      } catch (Refused | Unwritable e) {
        throw problem(e);
      } catch (IOException e) {
        connected |= !(e instanceof Unreachable);
        failures = had() > before ? 0 : failures + 1;
        if (failures == ATTEMPTS || !connected) {
          throw problem(e);
        }
        terminal.line("  %s; trying again", words(e));
        Wait.pause(PAUSE.multipliedBy(1L << failures));
      }
    }
  }

  /** Whether the file is whole now; one of another digest is removed. */
  private boolean attempt(Terminal terminal) throws IOException {
    Digest digest = new Digest();
    long had = had();
    if (had > 0) {
      try {
        digest.add(part);
      } catch (IOException e) {
        throw new Unwritable(e);
      }
    }
    HttpURLConnection connection = connection(url, patience);
    if (had > 0) {
      connection.setRequestProperty("Range", "bytes=" + had + "-");
      if (Files.exists(validator())) {
        // a file that was replaced meanwhile comes from its start (RFC 9110, "If-Range")
        connection.setRequestProperty("If-Range", Files.readString(validator()));
      }
    }
    try {
      connect(connection);
      int status = connection.getResponseCode();
      if (status == 416) { // nothing behind what is there: it is whole, or longer than it should be
        return ends(digest);
      }
      boolean goesOn = status == 206 && startsAt(connection, had);
      if (!goesOn && status != 200) {
        throw refusal(status);
      }
      if (!goesOn) {
        had = 0;
        digest = new Digest();
      }
      long length = connection.getContentLengthLong();
      room(length);
      remember(connection);
      try (InputStream in = connection.getInputStream();
          FileChannel out = open(goesOn);
          Meter meter = terminal.meter(name(), had, length < 0 ? -1 : had + length)) {
        copy(in, out, digest, meter);
      }
      return ends(digest);
    } finally {
      connection.disconnect();
    }
  }

  private static void copy(InputStream in, FileChannel out, Digest digest, Meter meter)
      throws IOException {
    byte[] buffer = new byte[1 << 16];
    for (int read = in.read(buffer); read >= 0; read = in.read(buffer)) {
      digest.add(buffer, read);
      try {
        ByteBuffer bytes = ByteBuffer.wrap(buffer, 0, read);
        while (bytes.hasRemaining()) {
          out.write(bytes);
        }
      } catch (IOException e) {
        throw new Unwritable(e);
      }
      meter.add(read);
    }
    out.force(true);
  }

  private boolean ends(Digest digest) throws IOException {
    if (digest.hex().equals(sha256)) {
      Files.deleteIfExists(validator());
      return true;
    }
    forget();
    return false;
  }

  /** Removes what has come so far. */
  private void forget() throws IOException {
    Files.deleteIfExists(part);
    Files.deleteIfExists(validator());
  }

  private FileChannel open(boolean goesOn) throws IOException {
    try {
      return FileChannel.open(
          part,
          Set.of(
              StandardOpenOption.CREATE,
              StandardOpenOption.WRITE,
              goesOn ? StandardOpenOption.APPEND : StandardOpenOption.TRUNCATE_EXISTING));
    } catch (IOException e) {
      throw new Unwritable(e);
    }
  }

  /** Fails before the disk is full. */
  private void room(long length) throws IOException {
    long free = part.toAbsolutePath().getParent().toFile().getUsableSpace();
    if (length > free) {
      throw new Unwritable(
          new IOException(
              "%d MiB are still to come, %d MiB are free"
                  .formatted((length >> 20) + 1, free >> 20)));
    }
  }

  private void remember(HttpURLConnection connection) throws IOException {
    String tag = connection.getHeaderField("ETag");
    String date = connection.getHeaderField("Last-Modified");
    // a weak tag does not promise equal bytes
    String strong = tag != null && !tag.startsWith("W/") ? tag : date;
    if (strong == null) {
      Files.deleteIfExists(validator()); // the digest alone tells then
    } else {
      Files.writeString(validator(), strong);
    }
  }

  private static boolean startsAt(HttpURLConnection connection, long had) {
    String range = connection.getHeaderField("Content-Range");
    return range != null && range.startsWith("bytes " + had + "-");
  }

  private Path validator() {
    return part.resolveSibling(part.getFileName() + ".version");
  }

  private long had() {
    return Files.exists(part) ? part.toFile().length() : 0;
  }

  private String name() {
    return url.getPath().replaceFirst(".*/", "");
  }

  /**
   * {@return whether the server says that it has no such file, by 404, or by 410 (RFC 9110)}
   *
   * @throws Problem if it neither says so nor has the file, or if nobody answers
   */
  public static boolean isGone(URI url, Duration patience) {
    try {
      HttpURLConnection connection = connection(url, patience);
      connection.setRequestMethod("HEAD");
      connect(connection);
      int status = connection.getResponseCode();
      connection.disconnect();
      boolean gone =
          status == HttpURLConnection.HTTP_NOT_FOUND || status == HttpURLConnection.HTTP_GONE;
      if (status != 200 && !gone) {
        throw refusal(status);
      }
      return gone;
    } catch (IOException e) {
      throw problem(url, e);
    }
  }

  /**
   * {@return a small text file, such as SHA256SUMS}
   *
   * @throws Problem if it can't be had, or is longer than a MiB
   */
  public static String text(URI url, Duration patience) {
    try {
      HttpURLConnection connection = connection(url, patience);
      connect(connection);
      try (InputStream in = connection.getInputStream()) {
        byte[] text = in.readNBytes(SMALL);
        if (in.read() >= 0) {
          throw new Refused("it is longer than " + (SMALL >> 20) + " MiB");
        }
        return new String(text, StandardCharsets.UTF_8);
      } catch (Refused e) {
        throw e;
      } catch (IOException e) {
        int status = connection.getResponseCode(); // throws the same if there was no answer
        throw refusal(status);
      }
    } catch (IOException e) {
      throw problem(url, e);
    }
  }

  private static void connect(HttpURLConnection connection) throws IOException {
    try {
      connection.connect();
    } catch (IOException e) {
      throw new Unreachable(e);
    }
  }

  private static HttpURLConnection connection(URI url, Duration patience) throws IOException {
    ProxySelector proxies = new WebProxy(System.getenv());
    HttpURLConnection connection =
        (HttpURLConnection) url.toURL().openConnection(proxies.select(url).get(0));
    connection.setConnectTimeout((int) Math.min(10_000, patience.toMillis()));
    connection.setReadTimeout((int) patience.toMillis());
    return connection;
  }

  private static IOException refusal(int status) {
    return status >= 500
        ? new IOException("the server answers " + status)
        : new Refused("the server answers " + status);
  }

  private Problem problem(IOException e) {
    return e instanceof Unwritable
        ? new Problem(
            "cannot write %s: %s".formatted(part, e.getMessage()),
            "free some space, then run this again: it goes on from there",
            e)
        : problem(url, e);
  }

  private static Problem problem(URI url, IOException e) {
    return new Problem(
        "cannot get %s: %s".formatted(url, words(e)),
        "check the network, and https_proxy if there is a proxy; to see it: curl -I " + url,
        e);
  }

  private static String words(IOException e) {
    if (e instanceof UnknownHostException) {
      return "no such host, or no network: " + e.getMessage();
    }
    return e instanceof SocketTimeoutException ? "the server is silent" : e.getMessage();
  }
}

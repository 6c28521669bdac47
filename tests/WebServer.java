import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.OutputStream;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.CopyOnWriteArrayList;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLSocket;

/** A web server on 127.0.0.1 that can do wrong what servers and networks do wrong. */
final class WebServer implements AutoCloseable {
  /** What it does with a connection, once the request is read. */
  interface Answer {
    void to(Request request, Wire wire) throws Exception;
  }

  /** A request: path, and headers by their names in lower case. */
  record Request(String target, Map<String, String> headers) {
    /** Where the wanted range starts; 0 without one. */
    int from() {
      String range = headers.getOrDefault("range", "bytes=0-");
      return Integer.parseInt(range.replaceAll("[^0-9]", ""));
    }
  }

  /** The way back to the client. */
  record Wire(Socket socket, OutputStream out) {
    void head(String status, String... headers) throws IOException {
      String head = "HTTP/1.1 " + status + "\r\n" + String.join("\r\n", headers);
      out.write((head + "\r\nConnection: close\r\n\r\n").getBytes(StandardCharsets.UTF_8));
    }

    /** Sends part of a file, with the length of the part up to {@code end} in the head. */
    void file(byte[] content, int from, String... headers) throws IOException {
      String length = "Content-Length: " + (content.length - from);
      String range =
          "Content-Range: bytes %d-%d/%d".formatted(from, content.length - 1, content.length);
      head(from > 0 ? "206 Partial Content" : "200 OK", lines(length, range, headers));
    }

    private static String[] lines(String length, String range, String... headers) {
      List<String> lines = new ArrayList<>(List.of(length, range));
      lines.addAll(List.of(headers));
      return lines.toArray(String[]::new);
    }

    void bytes(byte[] content, int from, int to) throws IOException {
      out.write(content, from, to - from);
      out.flush();
    }

    /** Breaks the connection off with a TCP reset. */
    void reset() throws IOException {
      socket.setSoLinger(true, 0);
      socket.close();
    }
  }

  private final ServerSocket server;
  private final Answer answer;
  private final SSLContext tls;

  /** Every request so far, in order. */
  final List<Request> requests = new CopyOnWriteArrayList<>();

  /** Every server that a client asked this one to connect it with, in order. */
  final List<String> tunnels = new CopyOnWriteArrayList<>();

  WebServer(Answer answer) throws IOException {
    this(answer, null);
  }

  /** A proxy that is itself whatever server a client asks it to connect it with by https. */
  WebServer(Answer answer, SSLContext tls) throws IOException {
    this.answer = answer;
    this.tls = tls;
    server = new ServerSocket(0, 50, InetAddress.getLoopbackAddress());
    Thread thread = new Thread(this::accept, "web server");
    thread.setDaemon(true);
    thread.start();
  }

  /** One that serves a file as it should: whole or from where the client wants. */
  static WebServer of(byte[] content) throws IOException {
    return new WebServer(
        (request, wire) -> {
          wire.file(content, request.from(), "ETag: \"1\"");
          wire.bytes(content, request.from(), content.length);
        });
  }

  int port() {
    return server.getLocalPort();
  }

  URI uri(String path) {
    return URI.create("http://127.0.0.1:" + port() + path);
  }

  private void accept() {
    while (!server.isClosed()) {
      try {
        Socket socket = server.accept();
        Thread thread = new Thread(() -> serve(socket, socket), "connection");
        thread.setDaemon(true);
        thread.start();
      } catch (IOException e) {
        return; // closed
      }
    }
  }

  /** Serves a connection, which may be wrapped in another that encrypts. */
  private void serve(Socket socket, Socket wrapped) {
    try (socket) {
      BufferedReader in =
          new BufferedReader(
              new InputStreamReader(wrapped.getInputStream(), StandardCharsets.UTF_8));
      String[] first = in.readLine().split(" ");
      String target = first[1];
      Map<String, String> headers = new TreeMap<>();
      for (String line = in.readLine(); !line.isEmpty(); line = in.readLine()) {
        String[] header = line.split(": ", 2);
        headers.put(header[0].toLowerCase(Locale.ROOT), header[1]);
      }
      if (first[0].equals("CONNECT")) {
        tunnels.add(target);
        socket.getOutputStream().write("HTTP/1.1 200 OK\r\n\r\n".getBytes(StandardCharsets.UTF_8));
        SSLSocket inner =
            (SSLSocket) tls.getSocketFactory().createSocket(socket, target, port(), true);
        inner.setUseClientMode(false);
        serve(socket, inner);
        return;
      }
      Request request = new Request(target, headers);
      requests.add(request);
      answer.to(request, new Wire(socket, wrapped.getOutputStream()));
    } catch (Exception e) {
      // the client has gone, or the test has ended
    }
  }

  @Override
  public void close() throws IOException {
    server.close();
  }
}

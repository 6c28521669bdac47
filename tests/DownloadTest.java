import static org.assertj.core.api.Assertions.assertThat;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.net.Proxy;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import lib.Argv;
import lib.Commands;
import lib.Terminal;
import lib.Wait;
import lib.cluster.ImageSource;
import lib.image.Download;
import lib.image.ImageDownload;
import lib.image.WebProxy;
import lib.qemu.Digest;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Downloads from real servers on 127.0.0.1, each with its own way to fail. */
class DownloadTest {
  private static final int HALF = 1_500_000;
  private static final byte[] CONTENT = content();

  /** Longer than a server that does its work is ever silent, however slow this machine is. */
  private static final Duration PATIENCE = Duration.ofSeconds(30);

  @TempDir private Path folder;
  private final ByteArrayOutputStream said = new ByteArrayOutputStream();

  private static byte[] content() {
    byte[] content = new byte[2 * HALF];
    new Random(1).nextBytes(content);
    return content;
  }

  private static String sha256(byte[] bytes) {
    Digest digest = new Digest();
    digest.add(bytes, bytes.length);
    return digest.hex();
  }

  private Path part() {
    return folder.resolve("part");
  }

  private Download download(URI url) {
    return new Download(url, sha256(CONTENT), part(), PATIENCE);
  }

  private void run(URI url) {
    download(url).run(Terminal.plain(new PrintStream(said, true, StandardCharsets.UTF_8)));
  }

  private void assertWhole() throws IOException {
    assertThat(Arrays.equals(Files.readAllBytes(part()), CONTENT)).as("the whole file").isTrue();
    assertThat(folder.toFile().list()).containsExactly("part");
  }

  @Test
  void comesWholeAndSaysHowFarItIs() throws IOException {
    try (WebServer server = WebServer.of(CONTENT)) {
      run(server.uri("/some/x.img"));
      assertWhole();
      List<String> lines = said.toString(StandardCharsets.UTF_8).lines().toList();
      assertThat(lines).hasSize(11);
      assertThat(lines.get(0)).isEqualTo("  x.img  0 of 2 MiB");
      assertThat(lines.get(10)).matches("  x\\.img  2 of 2 MiB, [0-9.]+ MiB/s");
    }
  }

  @Test
  @Fault(
      value = "the connection is reset halfway through a download",
      promise = "the download continues from the byte where it stopped")
  void aConnectionThatIsResetHalfWayGoesOnFromThere() throws IOException {
    WebServer.Answer once =
        (request, wire) -> {
          wire.file(CONTENT, request.from(), "ETag: \"1\"");
          if (request.from() == 0) {
            wire.bytes(CONTENT, 0, HALF);
            // or the reset overtakes all that was sent
            Wait.until(Duration.ofMinutes(1), () -> part().toFile().length() > 0);
            wire.reset();
          } else {
            wire.bytes(CONTENT, request.from(), CONTENT.length);
          }
        };
    try (WebServer server = new WebServer(once)) {
      run(server.uri("/x"));
      assertWhole();
      assertThat(server.requests).hasSize(2);
      assertThat(server.requests.get(1).from()).isBetween(1, HALF);
      assertThat(server.requests.get(1).headers()).containsEntry("if-range", "\"1\"");
    }
  }

  @Test
  @Fault(
      value = "the server stops sending during a download",
      promise = "kubenet asks again, a limited number of times")
  void aServerThatFallsSilentIsAskedAgain() throws IOException {
    WebServer.Answer silent =
        (request, wire) -> {
          wire.file(CONTENT, request.from());
          if (request.from() == 0) {
            wire.bytes(CONTENT, 0, HALF);
            Thread.sleep(60_000);
          }
          wire.bytes(CONTENT, request.from(), CONTENT.length);
        };
    try (WebServer server = new WebServer(silent)) {
      Duration patience = Duration.ofSeconds(2);
      new Download(server.uri("/x"), sha256(CONTENT), part(), patience)
          .run(Terminal.plain(new PrintStream(said, true, StandardCharsets.UTF_8)));
      assertWhole();
      assertThat(said.toString(StandardCharsets.UTF_8)).contains("the server is silent");
      assertThat(server.requests.get(1).headers()).doesNotContainKey("if-range");
    }
  }

  @Test
  @Fault(
      value = "a server cannot continue a download from the middle",
      promise = "the file is downloaded again from the start, and checked")
  void aServerThatIgnoresRangesSendsAllOfItAgain() throws IOException {
    Files.write(part(), Arrays.copyOf(CONTENT, HALF));
    WebServer.Answer whole =
        (request, wire) -> {
          wire.file(CONTENT, 0);
          wire.bytes(CONTENT, 0, CONTENT.length);
        };
    try (WebServer server = new WebServer(whole)) {
      run(server.uri("/x"));
      assertWhole();
      assertThat(server.requests).hasSize(1);
      assertThat(server.requests.get(0).from()).isEqualTo(HALF);
    }
  }

  @Test
  void aRangeThatIsNotTheOneAskedForIsNotTaken() {
    WebServer.Answer other =
        (request, wire) ->
            wire.head("206 Partial Content", "Content-Range: bytes 7-9/10", "Content-Length: 3");
    assertThat(Lab.problem(() -> served(other))).contains("the server answers 206");
  }

  private void served(WebServer.Answer answer) throws IOException {
    Files.write(part(), Arrays.copyOf(CONTENT, HALF));
    try (WebServer server = new WebServer(answer)) {
      run(server.uri("/x"));
    }
  }

  @Test
  void whatCameBeforeFromAnotherFileIsThrownAway() throws IOException {
    Files.write(part(), new byte[HALF]); // a server that goes on all the same
    try (WebServer server = WebServer.of(CONTENT)) {
      run(server.uri("/x"));
      assertWhole();
      assertThat(server.requests).hasSize(2);
    }
    assertThat(said.toString(StandardCharsets.UTF_8)).contains("starting anew");
  }

  @Test
  void aWholeFileOfAKilledRunIsTaken() throws IOException {
    Files.write(part(), CONTENT);
    WebServer.Answer nothingLeft = (request, wire) -> wire.head("416 Range Not Satisfiable");
    try (WebServer server = new WebServer(nothingLeft)) {
      run(server.uri("/x"));
      assertWhole();
    }
  }

  @Test
  @Fault(
      value = "a downloaded file has the wrong digest",
      promise = "it is rejected, and nothing of it is kept")
  void anotherDigestIsRefusedAndNothingIsKept() throws IOException {
    byte[] wrong = CONTENT.clone();
    wrong[HALF] ^= 1;
    try (WebServer server = WebServer.of(wrong)) {
      assertThat(Lab.problem(() -> run(server.uri("/x"))))
          .startsWith("cannot get http://127.0.0.1:")
          .contains("what came has another digest than " + sha256(CONTENT));
      assertThat(folder).isEmptyDirectory();
      assertThat(server.requests).hasSize(1);
    }
  }

  @Test
  @Fault(value = "an image is no longer on its server (404)", promise = "a message says so at once")
  void whatIsNotThereIsNotAskedForAgain() throws IOException {
    try (WebServer server = new WebServer((request, wire) -> wire.head("404 Not Found"))) {
      assertThat(Lab.problem(() -> run(server.uri("/x"))))
          .isEqualTo(
              """
              cannot get http://127.0.0.1:%1$d/x: the server answers 404
              (check the network, and https_proxy if there is a proxy; to see it: curl -I http://127.0.0.1:%1$d/x)\
              """
                  .formatted(server.port()));
      assertThat(server.requests).hasSize(1);
      assertThat(folder).isEmptyDirectory();
    }
  }

  @Test
  void onlyTheServersOwnWordMeansThatAFileIsGone() throws IOException {
    assertThat(isGone((request, wire) -> wire.head("200 OK"))).isFalse();
    assertThat(isGone((request, wire) -> wire.head("404 Not Found"))).isTrue();
    assertThat(isGone((request, wire) -> wire.head("410 Gone"))).isTrue();
    for (String other : List.of("403 Forbidden", "405 Not Allowed", "503 Service Unavailable")) {
      assertThat(Lab.problem(() -> isGone((request, wire) -> wire.head(other))))
          .contains("the server answers " + other.substring(0, 3));
    }
    assertThat(Lab.problem(() -> isGone((request, wire) -> Thread.sleep(60_000))))
        .contains("the server is silent");
    assertThat(Lab.problem(() -> isGone((request, wire) -> wire.reset()))).contains("cannot get");
    URI nobody = URI.create("http://127.0.0.1:" + Lab.freePort() + "/x");
    assertThat(Lab.problem(() -> Download.isGone(nobody, Duration.ofSeconds(2))))
        .contains("Connection refused");
  }

  private static boolean isGone(WebServer.Answer answer) throws IOException {
    try (WebServer server = new WebServer(answer)) {
      return Download.isGone(server.uri("/x"), Duration.ofSeconds(2));
    }
  }

  @Test
  void aServerInTroubleIsAskedAgain() throws IOException {
    WebServer.Answer recovers =
        new WebServer.Answer() {
          private boolean asked;

          @Override
          public void to(WebServer.Request request, WebServer.Wire wire) throws IOException {
            if (asked) {
              wire.file(CONTENT, 0);
              wire.bytes(CONTENT, 0, CONTENT.length);
            } else {
              asked = true;
              wire.head("503 Service Unavailable", "Content-Length: 0");
            }
          }
        };
    try (WebServer server = new WebServer(recovers)) {
      run(server.uri("/x"));
      assertWhole();
    }
  }

  @Test
  @Fault(
      value =
          "there is no network, the server refuses the connection, or its name does not resolve",
      promise = "a message names the host and says what failed")
  void withoutAServerOrANameThereIsAClearWord() throws IOException {
    int port = Lab.freePort();
    assertThat(Lab.problem(() -> run(URI.create("http://127.0.0.1:" + port + "/x"))))
        .startsWith("cannot get http://127.0.0.1:" + port + "/x: Connection refused");
    assertThat(Lab.problem(() -> run(URI.create("https://no.such.host.invalid/x"))))
        .contains("no such host, or no network: no.such.host.invalid");
  }

  @Test
  @Fault(
      value = "the disk fills up during a download",
      promise =
          "a message says so; what was downloaded is kept, and the next run continues from there")
  void aFullDiskStopsItAndLeavesWhatIsThere() throws IOException {
    Path small = Files.createDirectory(folder.resolve("small"));
    Commands.Result mounted =
        Commands.run(Argv.of("mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", small.toString()));
    Assumptions.assumeTrue(mounted.succeeded(), "may not mount a small file system");
    WebServer.Answer lengthUnknown =
        (request, wire) -> {
          wire.head("200 OK");
          wire.bytes(CONTENT, 0, CONTENT.length);
        };
    Download there = new Download(URI.create("http://x/"), "", small.resolve("p"), Duration.ZERO);
    Terminal terminal = Terminal.plain(new PrintStream(said, true, StandardCharsets.UTF_8));
    try (WebServer known = WebServer.of(CONTENT);
        WebServer unknown = new WebServer(lengthUnknown)) {
      for (WebServer server : List.of(known, unknown)) {
        Download full = new Download(server.uri("/x"), sha256(CONTENT), there.part(), PATIENCE);
        assertThat(Lab.problem(() -> full.run(terminal)))
            .startsWith("cannot write " + there.part() + ": ")
            .contains(server == known ? "3 MiB are still to come" : "No space left on device")
            .contains("it goes on from there");
        assertThat(server.requests).hasSize(1);
      }
      assertThat(Files.size(there.part())).isPositive();
    } finally {
      Commands.run(Argv.of("umount", small.toString())).orProblem();
    }
  }

  @Test
  void theNewestImageHasItsDigestBesideIt() throws IOException {
    String digest = "0123456789abcdef".repeat(4);
    String sums = "f".repeat(64) + " *other.img\n" + digest + " *x.img\nnonsense\n";
    WebServer.Answer answer =
        (request, wire) -> {
          byte[] text = sums.getBytes(StandardCharsets.UTF_8);
          wire.head(request.target().equals("/release/SHA256SUMS") ? "200 OK" : "404 Not Found");
          wire.bytes(text, 0, text.length);
        };
    try (WebServer server = new WebServer(answer)) {
      assertThat(newest(server.uri("/release/x.img")).sha256()).isEqualTo(digest);
      assertThat(Lab.problem(() -> newest(server.uri("/release/y.img"))))
          .contains("SHA256SUMS has no digest of y.img");
      assertThat(Lab.problem(() -> newest(server.uri("/gone/x.img"))))
          .contains("/gone/SHA256SUMS: the server answers 404");
    }
  }

  @Test
  @Fault(
      value = "a server sends SHA256SUMS or headers without end",
      promise = "kubenet stops after 1 MiB, with a message")
  void endlessTextsEndWithAMessage() throws IOException {
    WebServer.Answer endless =
        (request, wire) -> {
          boolean head = request.target().startsWith("/head");
          wire.out().write(("HTTP/1.1 200 OK\r\n" + (head ? "" : "\r\n")).getBytes());
          byte[] line = ("X-Line: " + "x".repeat(1000) + (head ? "" : "\r\n")).getBytes();
          while (true) {
            wire.out().write(line);
          }
        };
    try (WebServer server = new WebServer(endless)) {
      assertThat(Lab.problem(() -> newest(server.uri("/body/x.img"))))
          .contains("/body/SHA256SUMS: it is longer than 1 MiB");
      // Java's own limit, which older ones don't have; there a script's memory is the limit
      Assumptions.assumeTrue(
          System.getProperty("java.version").matches("17\\.0\\.(1[3-9]|2.).*|2[2-9].*"));
      assertThat(Lab.problem(() -> newest(server.uri("/head/x.img"))))
          .startsWith("cannot get http://127.0.0.1:");
    }
  }

  private static ImageDownload newest(URI url) {
    return ImageDownload.of("x", new ImageSource.Published(url, Optional.empty())).withDigest();
  }

  @Test
  void proxiesAreThoseOfTheEnvironment() {
    Map<String, String> environment =
        Map.of(
            "https_proxy", "http://proxy.example:3128",
            "HTTP_PROXY", "plain.example:80",
            "no_proxy", "localhost, .internal.example,10.0.0.1");
    assertThat(proxy(environment, "https://images.example/x"))
        .isEqualTo("HTTP @ proxy.example/<unresolved>:3128");
    assertThat(proxy(environment, "http://images.example/x"))
        .isEqualTo("HTTP @ plain.example/<unresolved>:80");
    for (String direct :
        List.of("https://localhost/x", "https://a.internal.example/x", "https://10.0.0.1/x")) {
      assertThat(proxy(environment, direct)).isEqualTo("DIRECT");
    }
    assertThat(proxy(Map.of("all_proxy", "http://p.example"), "https://x.example/"))
        .isEqualTo("HTTP @ p.example/<unresolved>:80");
    assertThat(proxy(Map.of("https_proxy", "http://p", "no_proxy", "*"), "https://x.example/"))
        .isEqualTo("DIRECT");
    assertThat(proxy(Map.of(), "https://x.example/")).isEqualTo("DIRECT");
  }

  private static String proxy(Map<String, String> environment, String url) {
    Proxy proxy = new WebProxy(environment).select(URI.create(url)).get(0);
    return proxy.toString();
  }
}

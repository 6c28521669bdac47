import static org.assertj.core.api.Assertions.assertThat;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.Random;
import lib.Argv;
import lib.Commands;
import lib.Terminal;
import lib.Wait;
import lib.cluster.ImageSource;
import lib.image.Curl;
import lib.image.ImageDownload;
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

  private Path part() {
    return folder.resolve("part");
  }

  private void run(URI url) {
    run(url, part(), PATIENCE);
  }

  private void run(URI url, Path part, Duration patience) {
    Path errors = part.resolveSibling("errors");
    Terminal terminal = Terminal.plain(new PrintStream(said, true, StandardCharsets.UTF_8));
    new Curl(url, patience).fetch(part, Digest.of(CONTENT), errors, terminal);
  }

  private String said() {
    return said.toString(StandardCharsets.UTF_8);
  }

  private void assertWhole() throws IOException {
    assertThat(Arrays.equals(Files.readAllBytes(part()), CONTENT)).as("the whole file").isTrue();
    assertThat(folder.toFile().list()).containsExactly("part");
  }

  @Test
  void comesWholeAndSaysHowFarItIs() throws IOException {
    WebServer.Answer halves =
        (request, wire) -> {
          wire.file(CONTENT, 0);
          wire.bytes(CONTENT, 0, HALF);
          Wait.until(Duration.ofMinutes(1), () -> said().contains(" 50 %"));
          wire.bytes(CONTENT, HALF, CONTENT.length);
        };
    try (WebServer server = new WebServer(halves)) {
      run(server.uri("/some/x.img"));
      assertWhole();
      List<String> lines = said().lines().toList();
      assertThat(lines)
          .hasSizeLessThan(12)
          .allMatch(line -> line.matches("  x\\.img  (0|[1-9]0+) %"))
          .contains("  x.img  50 %")
          .endsWith("  x.img  100 %");
    }
  }

  @Test
  @Fault(
      value = "the connection is reset halfway through a download",
      promise = "the download continues from the byte where it stopped")
  void aConnectionThatIsResetHalfWayGoesOnFromThere() throws IOException {
    WebServer.Answer once =
        (request, wire) -> {
          wire.file(CONTENT, request.from());
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
      run(server.uri("/x"), part(), Duration.ofSeconds(2));
      assertWhole();
      assertThat(said()).contains("the server is silent; trying again");
      assertThat(server.requests).hasSize(2);
      assertThat(server.requests.get(1).from()).isBetween(1, HALF);
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
      assertThat(server.requests).extracting(WebServer.Request::from).containsExactly(HALF, 0);
      assertThat(said()).contains("the server can't send only the rest; starting anew");
    }
  }

  @Test
  @Fault(
      value = "a server that cannot continue a download breaks off each time",
      promise = "kubenet gives up after a limited number of tries")
  void aServerThatIgnoresRangesAndBreaksOffIsNotAskedForEver() throws IOException {
    WebServer.Answer half =
        (request, wire) -> {
          wire.head("200 OK", "Content-Length: " + CONTENT.length);
          wire.bytes(CONTENT, 0, HALF);
        };
    try (WebServer server = new WebServer(half)) {
      assertThat(Lab.problem(() -> run(server.uri("/x")))).startsWith("cannot get ");
      assertThat(server.requests).hasSizeBetween(2, 8);
    }
  }

  @Test
  void aRangeThatIsNotTheOneAskedForIsNotTaken() {
    WebServer.Answer other =
        (request, wire) -> {
          wire.head("206 Partial Content", "Content-Range: bytes 7-9/10", "Content-Length: 3");
          wire.bytes(CONTENT, 7, 10);
        };
    assertThat(Lab.problem(() -> served(other))).contains("the server answers 206");
    assertThat(part()).hasBinaryContent(Arrays.copyOf(CONTENT, HALF));
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
    assertThat(said()).contains("starting anew");
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
          .contains("what came has another digest than " + Digest.of(CONTENT));
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
    assertThat(Lab.problem(() -> new Curl(nobody, Duration.ofSeconds(2)).isGone()))
        .contains("Failed to connect to 127.0.0.1 port");
  }

  private static boolean isGone(WebServer.Answer answer) throws IOException {
    try (WebServer server = new WebServer(answer)) {
      return new Curl(server.uri("/x"), Duration.ofSeconds(2)).isGone();
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
        .startsWith(
            "cannot get http://127.0.0.1:%1$d/x: Failed to connect to 127.0.0.1 port %1$d"
                .formatted(port));
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
    Path there = small.resolve("p");
    try (WebServer known = WebServer.of(CONTENT);
        WebServer unknown = new WebServer(lengthUnknown)) {
      for (WebServer server : List.of(known, unknown)) {
        assertThat(Lab.problem(() -> run(server.uri("/x"), there, PATIENCE)))
            .startsWith("cannot write " + there + ": the file needs more than the ")
            .contains(server == known ? " 1 MiB that are free" : " 0 MiB that are free")
            .contains("it goes on from there");
        assertThat(server.requests).hasSize(1);
      }
      assertThat(Files.size(there)).isPositive();
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
          .startsWith("`curl` says more than 1 MiB")
          .contains("/body/SHA256SUMS");
      assertThat(Lab.problem(() -> newest(server.uri("/head/x.img"))))
          .startsWith("cannot get http://127.0.0.1:");
    }
  }

  private static ImageDownload newest(URI url) {
    return ImageDownload.of("x", new ImageSource.Published(url, Optional.empty())).withDigest();
  }

  @Test
  void proxiesAreThoseOfTheEnvironment() throws IOException {
    WebServer.Answer file = (request, wire) -> wire.file(new byte[1], 0);
    try (WebServer plain = new WebServer(file);
        WebServer tunnel = new WebServer(file)) {
      List<String> settings =
          List.of(
              "https_proxy=" + tunnel.uri(""),
              "http_proxy=" + plain.uri(""),
              "no_proxy=localhost, .internal.invalid,127.0.0.9");
      asks(settings, "https://images.invalid/x");
      assertThat(tunnel.tunnels).containsExactly("images.invalid:443");
      asks(settings, "http://images.invalid/x");
      assertThat(plain.requests)
          .extracting(WebServer.Request::target)
          .containsExactly("http://images.invalid/x");
      int nobody = Lab.freePort();
      for (String host : List.of("localhost", "a.internal.invalid", "127.0.0.9")) {
        asks(settings, "https://" + host + ":" + nobody + "/x");
        asks(settings, "http://" + host + ":" + nobody + "/x");
      }
      asks(List.of("https_proxy=" + tunnel.uri(""), "no_proxy=*"), "https://images.invalid/x");
      assertThat(tunnel.tunnels).hasSize(1);
      assertThat(plain.requests).hasSize(1);
      asks(List.of("all_proxy=" + tunnel.uri("")), "https://x.invalid/");
      assertThat(tunnel.tunnels).containsExactly("images.invalid:443", "x.invalid:443");
    }
  }

  @Test
  void whatAPersonHasInCurlrcChangesNothing() throws IOException {
    Files.writeString(folder.resolve(".curlrc"), "range = 1-2\ninclude\n");
    try (WebServer server = WebServer.of(CONTENT)) {
      asks(List.of("HOME=" + folder, "CURL_HOME=" + folder), server.uri("/x").toString());
      assertThat(part()).hasBinaryContent(CONTENT);
    }
  }

  /** Runs the very command in another environment. */
  private void asks(List<String> settings, String url) {
    Argv command = Argv.of("env");
    for (String name : List.of("http", "https", "all", "no")) {
      String variable = name + "_proxy";
      command = command.option("-u", variable).option("-u", variable.toUpperCase(Locale.ROOT));
    }
    Commands.run(
        command
            .add(settings.toArray(String[]::new))
            .then(new Curl(URI.create(url), PATIENCE).fetching(part())));
  }

  @Test
  void redirectsAreFollowedWithinBounds() throws IOException {
    WebServer.Answer elsewhere =
        (request, wire) -> {
          if (request.target().equals("/once")) {
            wire.head("302 Found", "Location: /x");
          } else if (request.target().equals("/ftp")) {
            wire.head("302 Found", "Location: ftp://127.0.0.1/x");
          } else if (request.target().equals("/round")) {
            wire.head("302 Found", "Location: /round");
          } else {
            wire.file(CONTENT, 0);
            wire.bytes(CONTENT, 0, CONTENT.length);
          }
        };
    try (WebServer server = new WebServer(elsewhere)) {
      run(server.uri("/once"));
      assertWhole();
      assertThat(Lab.problem(() -> run(server.uri("/ftp"))))
          .contains("Protocol \"ftp\" not supported");
      server.requests.clear();
      assertThat(Lab.problem(() -> run(server.uri("/round")))).contains("Maximum (10) redirects");
      assertThat(server.requests).hasSize(11);
      assertThat(part()).hasBinaryContent(CONTENT);
    }
  }

  @Test
  void whatAServerSaysIsMadeVisible() throws IOException {
    List<String> heads =
        List.of(
            "404 \u001b[31mred",
            "302 Found\r\nLocation: \u001b[31mred://x",
            "\u001b[31m\u009b31m 2");
    for (String head : heads) {
      try (WebServer server = new WebServer((request, wire) -> wire.head(head))) {
        URI url = server.uri("/x.img");
        assertThat(Lab.problem(() -> new Curl(url, PATIENCE).text()))
            .contains("cannot get " + url)
            .doesNotContainPattern("[\\p{Cc}&&[^\n]]");
      }
    }
  }
}

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.time.Duration;
import java.util.List;
import java.util.Random;
import java.util.concurrent.TimeUnit;
import lib.Argv;
import lib.Commands;
import lib.Digest;
import lib.ImageImport;
import lib.Layout;
import lib.QemuImg;
import lib.Wait;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** {@code prepare-image.java} as processes of their own, with images from a real web server. */
class PrepareImageTest {
  @TempDir private static Path shared;
  private static byte[] content;
  private static String sha256;

  @TempDir private Path folder;
  private Path images;

  @BeforeAll
  static void makesAnImage() throws IOException {
    Path raw = shared.resolve("raw");
    byte[] bytes = new byte[8 << 20];
    new Random(1).nextBytes(bytes);
    Files.write(raw, bytes);
    Path file = shared.resolve("x.img");
    Commands.run(QemuImg.convert("raw", raw, file)).orProblem();
    content = Files.readAllBytes(file);
    sha256 = Digest.of(file);
  }

  @BeforeEach
  void hasAStoreOfItsOwn() {
    images = folder.resolve("cache/images");
  }

  @AfterEach
  void removesSockets() {
    CommandResult.remove(Layout.of(folder.resolve(".kubenet")).runtime());
  }

  private void config(String... entries) throws IOException {
    String list = "images:\n  - " + String.join("\n  - ", entries) + "\nsshPorts: 29200\n";
    Files.writeString(folder.resolve("cluster.yaml"), list + "loadBalancer: {hostPorts: 29300}\n");
  }

  private static String entry(WebServer server) {
    return "{url: '%s', sha256: '%s'}".formatted(server.uri("/x.img"), sha256);
  }

  /** The guest in these images could install nothing. */
  private CommandResult.Call prepare(String... arguments) {
    Argv words = Argv.of("--no-bake").add(arguments);
    return CommandResult.script("prepare-image", words.toList().toArray(String[]::new))
        .in(folder)
        .with("KUBENET_CACHE", folder.resolve("cache"));
  }

  private String disk() {
    return images.resolve("url-" + sha256.substring(0, 12)).resolve("disk.qcow2").toString();
  }

  @Test
  void anImageIsDownloadedOnceAndThenFound() throws IOException {
    try (WebServer server = WebServer.of(content)) {
      config(entry(server));
      prepare()
          .run()
          .succeeded()
          .quiet()
          .prints("getting " + server.uri("/x.img"), "  x.img  8 of 8 MiB", ", downloaded, in ");
      assertThat(Path.of(disk())).hasBinaryContent(content);
      CommandResult again = prepare().run().succeeded().quiet();
      assertThat(again.out())
          .isEqualTo(
              "image        %s, downloaded, in %s\n"
                  .formatted(server.uri("/x.img"), Path.of(disk()).getParent()));
      assertThat(server.requests).hasSize(1);
    }
  }

  @Test
  @Fault(
      value = "two runs that want the same image",
      promise = "one downloads, the other waits and finds it")
  void twoAtOnceDownloadOnce() throws Exception {
    try (WebServer server = WebServer.of(content)) {
      config(entry(server));
      List<Process> both =
          List.of(prepare().start(folder.resolve("a")), prepare().start(folder.resolve("b")));
      for (Process process : both) {
        assertThat(process.waitFor(3, TimeUnit.MINUTES)).isTrue();
        assertThat(process.exitValue()).isZero();
      }
      assertThat(server.requests).hasSize(1);
      assertThat(Path.of(disk())).hasBinaryContent(content);
    }
  }

  @Test
  @Fault(value = "kill -9 during a download", promise = "the next run goes on where it stopped")
  void aKilledDownloadGoesOnWhereItStopped() throws Exception {
    int half = content.length / 2;
    WebServer.Answer slow =
        (request, wire) -> {
          wire.file(content, request.from(), "ETag: \"1\"");
          if (request.from() == 0) {
            wire.bytes(content, 0, half);
            Thread.sleep(600_000);
          }
          wire.bytes(content, request.from(), content.length);
        };
    try (WebServer server = new WebServer(slow)) {
      config(entry(server));
      Path part = images.resolve(".url-" + sha256.substring(0, 12) + ".download");
      Process killed = prepare().start(folder.resolve("out"));
      assertThat(Wait.until(Duration.ofMinutes(2), () -> part.toFile().length() == half)).isTrue();
      killed.destroyForcibly().waitFor();
      prepare().run().succeeded().quiet();
      assertThat(server.requests).hasSize(2);
      assertThat(server.requests.get(1).from()).isEqualTo(half);
      assertThat(Path.of(disk())).hasBinaryContent(content);
      assertThat(part).doesNotExist();
    }
  }

  @Test
  void theNextImageServesAndTheLineSaysWhy() throws IOException {
    Files.copy(shared.resolve("x.img"), folder.resolve("x.img"));
    try (WebServer server = new WebServer((request, wire) -> wire.head("404 Not Found"))) {
      config(entry(server), "./no.img", "./x.img");
      prepare()
          .run()
          .succeeded()
          .quiet()
          .prints(
              "image        ./x.img, copied from the file, in " + images,
              "; cannot get %s: the server answers 404; image ./no.img: there is no file "
                  .formatted(server.uri("/x.img")));
      prepare("--image", "./no.img").run().exitedWith(1).complains("image ./no.img", "`images`");
      prepare("--image", server.uri("/x.img").toString())
          .run()
          .exitedWith(1)
          .complains("the server answers 404", "curl -I");
      prepare("--image", "https://example.org/x.img")
          .run()
          .exitedWith(1)
          .complains("--image must be one of ubuntu-24.04,", "--help");
    }
  }

  @Test
  @Fault(value = "a login page in place of the image", promise = "it is not kept")
  void whatAPortalSendsInPlaceOfTheImageIsNotKept() throws IOException {
    byte[] page = "<html>log in first</html>".getBytes();
    Digest digest = new Digest();
    digest.add(page, page.length);
    try (WebServer server = WebServer.of(page)) {
      config("{url: '%s', sha256: '%s'}".formatted(server.uri("/x.img"), digest.hex()));
      prepare().run().succeeded(); // raw: any bytes are a disk
      config(entry(server));
      prepare().run().exitedWith(1).complains("has another digest than", "curl -I");
      assertThat(images.toFile().list()).hasSize(3).contains("lock", "making.lock");
    }
  }

  @Test
  void aProxyOfTheEnvironmentIsAsked() throws IOException {
    try (WebServer proxy = WebServer.of(content)) {
      URI url = URI.create("http://localhost:9/some/x.img"); // nobody is there
      config("{url: '%s', sha256: '%s'}".formatted(url, sha256));
      prepare().with("http_proxy", proxy.uri("")).run().succeeded().quiet();
      assertThat(proxy.requests.get(0).target()).isEqualTo(url.toString());
      assertThat(Path.of(disk())).hasBinaryContent(content);
    }
  }

  @Test
  @Fault(
      value = "a base image that was written to",
      promise = "no disk is based on it, no VM starts")
  void noDiskIsBasedOnAnImageThatWasTouched() throws IOException {
    Files.copy(shared.resolve("x.img"), folder.resolve("x.img"));
    config("./x.img");
    prepare().run().succeeded();
    Path base = images.resolve(ImageImport.of("./x.img", folder).key());
    Path disk = base.resolve("disk.qcow2");
    assertThat(disk.toFile().setWritable(true)).isTrue();
    Files.write(disk, new byte[1], StandardOpenOption.WRITE);
    CommandResult.script("launch-all", "--no-bake", "--only", "worker0")
        .in(folder)
        .with("KUBENET_CACHE", folder.resolve("cache"))
        .run()
        .exitedWith(1)
        .complains(disk + " is not what it was: its SHA-256 is", "--destroy");
    assertThat(folder.resolve(".kubenet/nodes/worker0/disk.qcow2")).doesNotExist();
  }

  @Test
  void aDryRunDoesNotAskTheNetwork() throws IOException {
    try (WebServer server = WebServer.of(content)) {
      config(entry(server));
      prepare("--dry-run")
          .run()
          .succeeded()
          .quiet()
          .prints("# image        " + server.uri("/x.img"), "pins: " + sha256, "\ncurl ");
      assertThat(server.requests).isEmpty();
      assertThat(folder.resolve("cache")).doesNotExist();
    }
  }

  @Test
  void listVerifyAndPrune() throws IOException {
    Files.copy(shared.resolve("x.img"), folder.resolve("x.img"));
    Files.copy(shared.resolve("x.img"), folder.resolve("y.img"));
    config("./x.img", "./y.img");
    prepare().run().succeeded();
    prepare("--image", "./y.img").run().succeeded();
    CommandResult list = prepare("--list").run().succeeded().quiet();
    assertThat(list.out().lines()).hasSize(3);
    list.prints("IMAGE ", "file-x.img-", "file-y.img-");
    prepare("--verify").run().succeeded().quiet().prints("good         " + images);

    prepare("--prune", "--dry-run").run().succeeded().prints("# removes ", "file-y.img-", "# 1 to");
    prepare("--prune")
        .run()
        .exitedWith(1)
        .complains("nothing was removed", "answer yes, or give --yes");
    prepare("--prune", "--yes").run().succeeded().prints("removed 1");
    CommandResult left = prepare("--list").run().succeeded();
    assertThat(left.out()).contains("file-x.img-").doesNotContain("file-y.img-");

    Path disk = images.resolve(left.out().lines().toList().get(1).split(" ")[0] + "/disk.qcow2");
    assertThat(disk.toFile().setWritable(true)).isTrue();
    byte[] bytes = Files.readAllBytes(disk);
    bytes[bytes.length / 2] ^= 1;
    Files.write(disk, bytes);
    prepare("--verify").run().exitedWith(1).complains(disk + " is not what it was", "--destroy");
  }

  @Test
  void wishesForDebianBuiltAreChecked() throws IOException {
    config("debian-built");
    prepare("--suite", "no such", "--packages", "a/b")
        .run()
        .exitedWith(1)
        .complains("must be a Debian release such as trixie, is `no such`", "README.md")
        .complains("must be the name of a package, is `a/b`", "README.md");
    prepare("--suite", "trixie", "--packages", "tcpdump,jq", "--dry-run")
        .run()
        .succeeded()
        .quiet()
        .prints(
            ",tcpdump", " trixie /", "  - debian-built: {suite: trixie, packages: [tcpdump, jq]}");
  }
}

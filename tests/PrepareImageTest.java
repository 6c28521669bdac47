import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.io.InputStream;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.security.GeneralSecurityException;
import java.security.KeyStore;
import java.time.Duration;
import java.util.List;
import java.util.Random;
import java.util.concurrent.TimeUnit;
import javax.net.ssl.KeyManagerFactory;
import javax.net.ssl.SSLContext;
import lib.Argv;
import lib.Commands;
import lib.Wait;
import lib.cluster.Host;
import lib.image.ImageImport;
import lib.qemu.Digest;
import lib.qemu.QemuImg;
import lib.state.Layout;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** {@code prepare-image.java} as processes of their own, with images from a real web server. */
class PrepareImageTest {
  private static final String PASSWORD = "changeit";

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
          .prints("getting " + server.uri("/x.img"), "  x.img  100 %", ", downloaded, in ");
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
      value = "two runs need the same image at once",
      promise = "one downloads it; the other waits, then finds it there")
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
  @Fault(value = "kill -9 during a download", promise = "the next run continues where it stopped")
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

  private static final String UBUNTU =
      "ubuntu-24.04-server-cloudimg-%s.img".formatted(Host.Arch.current().debian());
  private static final String PINNED = "/releases/noble/release-20260705/" + UBUNTU;
  private static final String MOVING = "/releases/noble/release/" + UBUNTU;

  /** A run that takes a server of the test's for Ubuntu's own, its certificate included. */
  private CommandResult.Call prepareFrom(WebServer ubuntu, String... arguments) {
    return prepare(arguments)
        .with("https_proxy", ubuntu.uri(""))
        .with("CURL_CA_BUNDLE", shared.resolve("certificate"));
  }

  private static SSLContext tls() throws IOException {
    Path keys = shared.resolve("keys");
    if (!Files.exists(keys)) {
      Argv keytool =
          Argv.of(Path.of(System.getProperty("java.home"), "bin/keytool").toString(), "-genkeypair")
              .add("-alias", "ubuntu", "-keyalg", "EC", "-keystore", keys.toString())
              .add("-storepass", PASSWORD, "-dname", "CN=test")
              .add("-ext", "san=dns:cloud-images.ubuntu.com");
      Commands.run(keytool).orProblem();
      Argv export =
          Argv.of(keytool.program(), "-exportcert", "-rfc", "-alias", "ubuntu")
              .add("-keystore", keys.toString(), "-storepass", PASSWORD);
      Files.writeString(shared.resolve("certificate"), Commands.run(export).orProblem().out());
    }
    try (InputStream file = Files.newInputStream(keys)) {
      KeyStore store = KeyStore.getInstance("PKCS12");
      store.load(file, PASSWORD.toCharArray());
      KeyManagerFactory factory = KeyManagerFactory.getInstance("PKIX");
      factory.init(store, PASSWORD.toCharArray());
      SSLContext tls = SSLContext.getInstance("TLS");
      tls.init(factory.getKeyManagers(), null, null);
      return tls;
    } catch (GeneralSecurityException e) {
      throw new AssertionError(e);
    }
  }

  private static List<String> targets(WebServer server) {
    return server.requests.stream().map(WebServer.Request::target).toList();
  }

  @Test
  @Fault(
      value = "the pinned image is gone from its server (404)",
      promise = "kubenet takes the newest one, checked by its server's own digest, and says so")
  void withoutThePinnedImageTheNewestIsTakenAndTheLineSaysSo() throws IOException {
    byte[] sums = (sha256 + " *" + UBUNTU + "\n").getBytes(StandardCharsets.UTF_8);
    WebServer.Answer moved =
        (request, wire) -> {
          if (request.target().equals(PINNED)) {
            wire.head("404 Not Found", "Content-Length: 0");
          } else {
            byte[] file = request.target().endsWith("/SHA256SUMS") ? sums : content;
            wire.file(file, 0);
            wire.bytes(file, 0, file.length);
          }
        };
    config("ubuntu-24.04", "./x.img");
    Files.copy(shared.resolve("x.img"), folder.resolve("x.img"));
    Path place = images.resolve("ubuntu-24.04-" + sha256.substring(0, 12));
    String unpinned = "in %s; unpinned: kubenet has no digest of its own for it".formatted(place);
    try (WebServer ubuntu = new WebServer(moved, tls())) {
      prepareFrom(ubuntu)
          .run()
          .succeeded()
          .prints(
              "image        ubuntu-24.04, downloaded, " + unpinned,
              "; its server no longer has https://cloud-images.ubuntu.com" + PINNED + "\n");
      assertThat(targets(ubuntu))
          .startsWith(PINNED, MOVING, "/releases/noble/release/SHA256SUMS", MOVING);
    }
    assertThat(place.resolve("disk.qcow2")).hasBinaryContent(content);
    try (WebServer ubuntu = new WebServer((request, wire) -> wire.reset(), tls())) {
      prepareFrom(ubuntu)
          .run()
          .succeeded()
          .prints("image        ubuntu-24.04, downloaded earlier, " + unpinned, "; cannot get ");
      assertThat(targets(ubuntu)).as("no other was asked for").containsOnly(PINNED);
    }
  }

  @Test
  @Fault(
      value = "the pinned image can't be had for another reason (5xx, silence, a reset)",
      promise =
          "kubenet does not take an unpinned image instead; it tries the next entry of `images`")
  void anyOtherTroubleDoesNotLeadToAnUnpinnedImage() throws IOException {
    Files.copy(shared.resolve("x.img"), folder.resolve("x.img"));
    config("ubuntu-24.04", "./x.img");
    List<WebServer.Answer> troubles =
        List.of(
            (request, wire) -> wire.head("503 Service Unavailable"),
            (request, wire) -> wire.reset());
    for (WebServer.Answer trouble : troubles) {
      try (WebServer ubuntu = new WebServer(trouble, tls())) {
        prepareFrom(ubuntu)
            .run()
            .succeeded()
            .prints(
                "image        ./x.img, ", "; cannot get https://cloud-images.ubuntu.com" + PINNED);
        prepareFrom(ubuntu, "--image", "ubuntu-24.04").run().exitedWith(1);
        assertThat(targets(ubuntu)).containsOnly(PINNED);
      }
    }
  }

  @Test
  @Fault(value = "a login page arrives instead of the image", promise = "it is not kept")
  void whatAPortalSendsInPlaceOfTheImageIsNotKept() throws IOException {
    byte[] page = "<html>log in first</html>".getBytes();
    try (WebServer server = WebServer.of(page)) {
      config("{url: '%s', sha256: '%s'}".formatted(server.uri("/x.img"), Digest.of(page)));
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
      value = "somebody has written to a base image",
      promise = "no disk is based on it, and no VM starts")
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
    // the one that was chosen for this cluster stays, and so does the first of the list
    prepare("--prune", "--dry-run").run().succeeded().prints("# 0 to remove");
    prepare().run().succeeded();
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
  @Fault(
      value = "a cleaner empties ~/.cache",
      promise =
          "kubenet keeps its images with the user's data instead; images that an older kubenet left"
              + " in ~/.cache are used there")
  void imagesAreAmongTheUsersData() throws IOException {
    Files.copy(shared.resolve("x.img"), folder.resolve("x.img"));
    config("./x.img");
    Path data = folder.resolve("data/kubenet");
    Path caches = folder.resolve("caches/kubenet");
    assertThat(ofUser().run().succeeded().out()).contains(", copied from the file, in " + data);
    assertThat(ofUser("--list").run().succeeded().out()).doesNotContain("note:");

    Files.createDirectories(caches.getParent());
    Files.move(data, caches); // as an older kubenet had it
    assertThat(ofUser().run().succeeded().quiet().out())
        .startsWith("image ")
        .contains(", copied from the file, in " + caches);
    ofUser("--list")
        .run()
        .succeeded()
        .prints("note: these are in " + caches, "new ones are put in " + data);

    Files.createDirectories(data);
    assertThat(ofUser().run().succeeded().out()).contains(", copied from the file, in " + data);
  }

  /** A run in whose environment no folder for images is named. */
  private CommandResult.Call ofUser(String... arguments) {
    return prepare(arguments)
        .with("KUBENET_CACHE", null)
        .with("XDG_DATA_HOME", folder.resolve("data"))
        .with("XDG_CACHE_HOME", folder.resolve("caches"));
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

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Duration;
import lib.Argv;
import lib.Commands;
import lib.Wait;
import lib.cluster.Cluster;
import lib.cluster.ClusterFile;
import lib.lan.Forward;
import lib.state.Layout;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class ForwardTest {
  @Test
  void theScriptIsGolden() {
    Cluster cluster = ClusterFile.parse("c.yaml", "loadBalancer: {ports: [6443, 80, 443]}");
    Golden.check("ssh/forward.sh", Forward.script(cluster, Lab.LAYOUT));
  }

  @Test
  void theFirstServiceIsNamed() {
    assertThat(Forward.words(Cluster.standard())).isEqualTo("127.0.0.1:6443 is 10.240.0.5:6443");
  }

  /** Run by a real shell, with a program in the place of ssh that ends at once. */
  @Test
  void theGatewayIsTriedAgainAndAgain(@TempDir Path folder) throws IOException {
    Path state = Files.createDirectory(folder.resolve(Lab.nastyName()));
    Layout layout = Layout.of(state);
    Path log = folder.resolve("log");
    Path ssh =
        Files.writeString(folder.resolve("ssh"), "#!/bin/sh\nprintf '%s\\n' \"$@\" >> \"$LOG\"\n");
    Files.setPosixFilePermissions(ssh, PosixFilePermissions.fromString("rwx------"));
    Path script = Files.writeString(layout.forward(), Forward.script(Cluster.standard(), layout));

    Argv forward =
        Argv.of("env", "LOG=" + log, "PATH=" + folder + ":/usr/bin:/bin")
            .add("/bin/sh", script.toString());
    Process process = Commands.start(forward, folder.resolve("errors"));
    try {
      boolean twice =
          Wait.until(
              Duration.ofMinutes(1),
              () -> Commands.tail(log, 100).lines().filter("gateway"::equals).count() > 1);
      assertThat(twice).as("ssh was started again").isTrue();
    } finally {
      Gone.kill(process.toHandle());
    }

    assertThat(Files.readAllLines(log))
        .contains("127.0.0.1:6443:10.240.0.5:6443", layout.sshConfig().toString());
  }
}

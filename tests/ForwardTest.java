import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Duration;
import java.util.List;
import lib.Argv;
import lib.Cluster;
import lib.ClusterFile;
import lib.Commands;
import lib.Forward;
import lib.Layout;
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

    Commands.run(
        Argv.of("timeout", "1.5", "env", "LOG=" + log, "PATH=" + folder + ":/usr/bin:/bin")
            .add("/bin/sh", script.toString()),
        Duration.ofSeconds(20),
        line -> {});

    List<String> words = Files.readAllLines(log);
    assertThat(words).contains("127.0.0.1:6443:10.240.0.5:6443", layout.sshConfig().toString());
    assertThat(words.stream().filter("gateway"::equals)).hasSize(2);
  }
}

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import lib.Argv;
import lib.Commands;
import lib.Network;
import lib.Ssh;
import lib.SshKey;
import lib.Wait;

/** Real SSH servers of this user on 127.0.0.1, with one host key and one login key. */
final class Sshd implements AutoCloseable {
  private static final Duration LIMIT = Duration.ofSeconds(10);

  private final List<Process> started = new ArrayList<>();
  private final Path folder;

  Sshd() throws IOException {
    // sshd trusts no file below a folder that others may write to, but for one with a sticky bit
    folder = Leftovers.folder("kubenet-sshd-");
    makeKey("identity");
    makeKey("host_key");
    Path authorized = folder.resolve("authorized_keys");
    Files.copy(folder.resolve("identity.pub"), authorized);
    Files.setPosixFilePermissions(authorized, PosixFilePermissions.fromString("rw-------"));
  }

  Path folder() {
    return folder;
  }

  Path identity() {
    return folder.resolve("identity");
  }

  SshKey hostKey() {
    return SshKey.read(folder.resolve("host_key"));
  }

  void makeKey(String name) {
    Commands.run(SshKey.generate(folder.resolve(name), name)).orProblem();
  }

  /** Starts one with more lines in its configuration. */
  Network.Endpoint start(String lines) throws IOException {
    int port = Lab.freePort();
    Path config = folder.resolve("sshd_config-" + port);
    Files.writeString(
        config,
        """
        Port %d
        ListenAddress 127.0.0.1
        HostKey %s
        PidFile none
        UsePAM no
        PasswordAuthentication no
        KbdInteractiveAuthentication no
        StrictModes no
        %s
        """
            .formatted(port, folder.resolve("host_key"), lines));
    // to start as root it wants its folder
    Argv command =
        Argv.of("/bin/sh", "-c")
            .add(
                "[ $(id -u) != 0 ] || mkdir -p /run/sshd; exec /usr/sbin/sshd -D -e -f "
                    + Argv.quote(config.toString()));
    Path errors = folder.resolve("errors-" + port);
    started.add(Commands.start(command, errors));
    Network.Endpoint endpoint = new Network.Endpoint("127.0.0.1", port);
    assertThat(Wait.until(LIMIT, () -> Ssh.greets(endpoint, LIMIT)))
        .withFailMessage(() -> "sshd does not greet: " + Commands.tail(errors, 9))
        .isTrue();
    return endpoint;
  }

  @Override
  public void close() throws IOException {
    for (Process process : started) {
      process.descendants().forEach(ProcessHandle::destroyForcibly);
      process.destroyForcibly().onExit().join();
    }
    Lab.remove(folder);
  }
}

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
import lib.Wait;
import lib.cluster.Network;
import lib.ready.Ssh;
import lib.state.SshKey;

/** Real SSH servers of this user on 127.0.0.1, with one host key and one login key. */
final class Sshd implements AutoCloseable {
  private static final Duration LIMIT = Duration.ofMinutes(1);

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
    return start(Lab.freePort(), folder.resolve("host_key"), "", lines);
  }

  /**
   * Starts one on a port that is free, with a host key that is not its own.
   *
   * @param user a name that this host need not have: to this server it is another one of root's.
   *     Without one, it knows the users of this host.
   */
  Network.Endpoint start(int port, Path key, String user, String lines) throws IOException {
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
            .formatted(port, key, lines));
    // to start as root it wants its folder
    Argv shell = Argv.of("/bin/sh", "-c");
    Argv command =
        (user.isEmpty() ? shell : Argv.of("unshare", "--mount").then(shell))
            .add(
                "[ $(id -u) != 0 ] || mkdir -p /run/sshd; %s exec /usr/sbin/sshd -D -e -f %s"
                    .formatted(user.isEmpty() ? "" : knowing(user), config));
    Path errors = folder.resolve("errors-" + port);
    started.add(Commands.start(command, errors));
    Network.Endpoint endpoint = new Network.Endpoint("127.0.0.1", port);
    assertThat(Wait.until(LIMIT, () -> Ssh.greets(endpoint, LIMIT)))
        .withFailMessage(() -> "sshd does not greet: " + Commands.tail(errors, 9))
        .isTrue();
    return endpoint;
  }

  /** What gives the processes of a shell a user more; for root. */
  private String knowing(String user) throws IOException {
    String line = user + ":x:0:0::" + folder + ":/bin/sh\n";
    Path users = folder.resolve("passwd-" + user);
    Files.writeString(users, Files.readString(Path.of("/etc/passwd")) + line);
    return "mount --bind %s /etc/passwd &&".formatted(users);
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

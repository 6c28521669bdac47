package lib.lan;

import java.io.IOException;
import java.net.URI;
import java.net.URL;
import java.net.UnixDomainSocketAddress;
import java.nio.channels.SocketChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.time.Duration;
import lib.Argv;
import lib.Problem;
import lib.Wait;

/** The cluster LAN of network {@code user}: an {@link EthernetSwitch} that connects the VMs. */
public record LanSwitch(Path socket) {
  /** The title of its tmux pane. */
  public static final String TITLE = "lan";

  /** {@return the command that runs it in the foreground} */
  public Argv command() {
    // the classes of the script that runs: nothing is compiled for it
    URL classes = EthernetSwitch.class.getProtectionDomain().getCodeSource().getLocation();
    Path java = Path.of(System.getProperty("java.home"), "bin", "java");
    // the locale is for a class path that is not ASCII: tmux's server may have begun without one
    return Argv.of("env", "LC_ALL=C.UTF-8", java.toString())
        .add("-Xms16m", "-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")
        .option("-cp", Path.of(URI.create(classes.toString())))
        .option(EthernetSwitch.class.getName(), socket);
  }

  /** {@return whether it answers on its socket; a socket file that a dead one left does not} */
  public boolean alive() {
    try (SocketChannel channel = SocketChannel.open(UnixDomainSocketAddress.of(socket))) {
      return channel.isConnected();
    } catch (IOException e) {
      return false;
    }
  }

  /**
   * {@return when the one that answers was started: when its socket was made}
   *
   * @throws IOException if there is no socket
   */
  public FileTime since() throws IOException {
    return Files.getLastModifiedTime(socket);
  }

  /**
   * Waits until it answers.
   *
   * @throws Problem after 30 seconds
   */
  public void awaitAlive() {
    if (!Wait.until(Duration.ofSeconds(30), this::alive)) {
      throw new Problem(
          "the LAN switch does not answer on " + socket,
          "see why by running it: " + command().toShell());
    }
  }
}

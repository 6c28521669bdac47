package lib;

import java.io.IOException;
import java.net.UnixDomainSocketAddress;
import java.nio.channels.SocketChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.time.Duration;

/** The cluster LAN of network {@code user}: a {@code vde_switch} that connects the VMs. */
public record LanSwitch(Path folder) {
  /** The title of its tmux pane. */
  public static final String TITLE = "lan";

  /** {@return the command that runs it in the foreground} */
  public Argv command() {
    // its folder is private already; mode 600 keeps the sockets in it so as well
    return Argv.of("vde_switch").option("-sock", Argv.word(folder)).option("-mode", "600");
  }

  /** {@return whether it answers on its socket; a socket file that a dead one left does not} */
  public boolean alive() {
    try (SocketChannel channel =
        SocketChannel.open(UnixDomainSocketAddress.of(folder.resolve("ctl")))) {
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
    return Files.getLastModifiedTime(folder.resolve("ctl"));
  }

  /**
   * Waits until it answers.
   *
   * @throws Problem after five seconds
   */
  public void awaitAlive() {
    if (!Wait.until(Duration.ofSeconds(5), this::alive)) {
      throw new Problem(
          "the LAN switch does not answer on " + folder.resolve("ctl"),
          "see why by running it: " + command().toShell());
    }
  }
}

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import lib.Argv;
import lib.Commands;
import lib.Wait;
import lib.cluster.Cluster;
import lib.cluster.Host;
import lib.cluster.Network;
import lib.cluster.Node;
import lib.lan.LanPort;
import lib.lan.LanSwitch;
import lib.state.Layout;
import lib.vm.Vm;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/**
 * A guest with a real driver that sends and gets all the time: QEMU's own network boot ROM loads a
 * large file over the LAN, from a TFTP server that is QEMU's too, in another process.
 */
class LanTrafficTest {
  private static final long SOME = 200_000;
  private static final long LARGE = 1500L << 20;

  private final List<Process> started = new ArrayList<>();
  private final Node client = Cluster.standard().node("worker0");
  private final Node server = Cluster.standard().node("worker1");
  private Path folder;
  private Layout layout;
  private LanSwitch lan;

  @BeforeEach
  void makeFolders() throws IOException {
    assumeTrue(Host.Arch.current() == Host.Arch.X86_64, "the boot ROM is for x86_64");
    folder = Leftovers.folder("kubenet-lan-");
    layout = new Layout(folder.resolve("state"), folder);
    lan = new LanSwitch(layout.lan());
    for (Node node : List.of(client, server)) {
      Files.createDirectories(layout.node(node).folder());
    }
    Path file = Files.createDirectory(folder.resolve("tftp")).resolve("large");
    try (RandomAccessFile sparse = new RandomAccessFile(file.toFile(), "rw")) {
      sparse.setLength(LARGE);
    }
  }

  @AfterEach
  void end() throws IOException {
    for (Process process : started) {
      Gone.kill(process.toHandle());
    }
    if (folder != null) {
      Lab.remove(folder);
    }
  }

  @Test
  @Fault(
      value = "kill -9 of the LAN switch, twice, while a guest downloads a file over the LAN",
      promise = "after each reconnection the guest continues its download")
  void aTransferGoesOn() throws IOException {
    Process first = lan();
    start(
        server,
        Argv.empty()
            .option("-m", "64M")
            .option(
                "-netdev",
                Argv.suboptions(
                    "user",
                    "id",
                    "tftp",
                    "restrict",
                    "on",
                    "tftp",
                    folder.resolve("tftp"),
                    "bootfile",
                    "/large"))
            .option("-netdev", "hubport,id=server,hubid=0,netdev=tftp"));
    Path dump = folder.resolve("dump");
    start(
        client,
        Argv.empty()
            .option("-m", "2G") // for the file; what is not touched costs nothing
            .option("-device", "virtio-net-pci,netdev=lan,bootindex=1,mac=" + client.lanMac())
            .option(
                "-object",
                Argv.suboptions(
                    "filter-dump", "id", "dump", "netdev", "lan", "maxlen", 96, "file", dump)));
    assertThat(flows(dump, 300)).as("the transfer").isTrue();

    Process alive = first;
    for (int loss = 1; loss <= 2; loss++) {
      Gone.kill(alive.toHandle());
      Wait.until(Duration.ofSeconds(1), () -> false); // for frames that are on their way still
      assertThat(flows(dump, 2)).as("without a switch").isFalse();

      alive = lan();
      for (Node node : List.of(server, client)) {
        LanPort port = new LanPort(Vm.of(node, layout), lan);
        assertThat(port.lost()).isTrue();
        port.connect();
        assertThat(port.lost()).isFalse();
      }
      assertThat(flows(dump, 300)).as("after loss %d", loss).isTrue();
    }
  }

  /** Whether thousands of frames pass within some seconds; of each some bytes are noted. */
  private static boolean flows(Path dump, int seconds) {
    long before = dump.toFile().length();
    return Wait.until(Duration.ofSeconds(seconds), () -> dump.toFile().length() - before > SOME);
  }

  private Process lan() throws IOException {
    Process process = new ProcessBuilder(lan.command().toList()).start();
    started.add(process);
    lan.awaitAlive();
    return process;
  }

  private void start(Node node, Argv more) {
    Layout.Files files = layout.node(node);
    Argv command =
        Argv.of("qemu-system-x86_64", "-nodefaults", "-no-user-config", "-nographic")
            .option("-machine", "q35")
            .option("-accel", "tcg")
            .option("-qmp", "unix:" + files.qmp() + ",server=on,wait=off")
            .option("-pidfile", files.pid());
    for (String netdev : new Network.User().nics(node, layout.lan()).get(1).netdevs()) {
      command = command.option("-netdev", netdev);
    }
    Path errors = files.folder().resolve("errors");
    started.add(Commands.start(command.then(more), errors));
    Vm vm = Vm.of(node, layout);
    assertThat(Wait.until(Duration.ofSeconds(90), () -> vm.status().isPresent()))
        .as(Commands.tail(errors, 5))
        .isTrue();
  }
}

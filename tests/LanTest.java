import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.net.DatagramPacket;
import java.net.DatagramSocket;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.SocketTimeoutException;
import java.time.Duration;
import java.util.Arrays;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import lib.cluster.Network;
import lib.lan.LanPort;
import lib.vm.Qmp;
import lib.vm.Vm;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.parallel.Execution;
import org.junit.jupiter.api.parallel.ExecutionMode;

/** The LAN between real QEMUs, and what the loss of its switch costs. */
@Execution(ExecutionMode.CONCURRENT)
class LanTest {
  private static final Duration ANSWER = Duration.ofSeconds(10);

  /** A broadcast of a type that is nobody's (IEEE 802, "local experimental"). */
  private static final byte[] FRAME = frame();

  private TinyCluster tiny;

  @BeforeEach
  void launch() {
    tiny = TinyCluster.make();
    tiny.launch();
  }

  @AfterEach
  void end() {
    tiny.close();
  }

  @Test
  @Fault(
      value = "kill -9 of the LAN switch",
      promise =
          "status says which nodes are off the LAN; launch-all starts the switch and reconnects the"
              + " running VMs without restarting any")
  void aLostSwitchIsMendedUnderRunningVms() throws Exception {
    try (Tap gateway = new Tap(tiny.vm("gateway"));
        Tap worker = new Tap(tiny.vm("worker0"))) {
      assertThat(worker.getsFrom(gateway)).as("a frame by the first switch").isTrue();
      Map<String, Long> pids = tiny.pids();
      killSwitch();

      assertThat(worker.missesFrom(gateway)).as("no frame without a switch").isTrue();
      // at the same time, as guests that don't answer are waited for
      CompletableFuture<CommandResult> json =
          CompletableFuture.supplyAsync(() -> tiny.run("status", "--json"));
      assertThat(tiny.stages())
          .contains("gateway, worker0: off the LAN: its switch has ended; launch-all.java");
      JsonNode rows = new ObjectMapper().readTree(json.join().out());
      assertThat(rows.get(0).path("trouble").asText()).startsWith("off the LAN");

      tiny.run("launch-all")
          .succeeded()
          .quiet()
          .prints("2 of 2 run already")
          .prints("the LAN switch had ended; connected again: gateway, worker0");
      assertThat(worker.getsFrom(gateway)).as("a frame by the second switch").isTrue();
      assertThat(gateway.getsFrom(worker)).as("a frame back").isTrue();
      assertThat(tiny.pids()).isEqualTo(pids);
      tiny.assertRuns();
      assertThat(tiny.stages()).doesNotContain("off the LAN");

      assertThat(tiny.run("launch-all").succeeded().out()).doesNotContain("connected again");
    }
  }

  @Test
  @Fault(
      value = "kill -9 of the LAN switch, then of the launch-all that was reconnecting the VMs",
      promise = "the next launch-all reconnects the rest")
  void aMendingThatWasCutOffGoesOn() throws Exception {
    try (Tap gateway = new Tap(tiny.vm("gateway"));
        Tap worker = new Tap(tiny.vm("worker0"))) {
      killSwitch();
      LanPort half = new LanPort(tiny.vm("worker0"), tiny.lan());
      Process other = new ProcessBuilder(tiny.lan().command().toList()).start();
      try {
        tiny.lan().awaitAlive();
        half.connect(); // and the gateway's not
        try (Qmp qmp = Qmp.connect(tiny.vm("gateway").files().qmp(), ANSWER)) {
          qmp.execute("netdev_add", Network.User.uplink(tiny.lan().socket(), "-1").get(0));
        }
        assertThat(half.lost()).isFalse();
        assertThat(worker.missesFrom(gateway)).isTrue();

        tiny.run("launch-all").succeeded().quiet().prints("connected again: gateway\n");
        assertThat(worker.getsFrom(gateway)).isTrue();
      } finally {
        Gone.kill(other.toHandle());
      }
      tiny.run("launch-all").succeeded().prints("connected again: gateway, worker0");
      assertThat(worker.getsFrom(gateway)).isTrue();
    }
  }

  private void killSwitch() {
    long pid = Long.parseLong(tiny.processes("EthernetSwitch").get(0).split(" ")[0]);
    Gone.kill(ProcessHandle.of(pid).orElseThrow());
  }

  private static byte[] frame() {
    byte[] frame = new byte[64];
    Arrays.fill(frame, 0, 6, (byte) 0xff);
    frame[6] = 0x52; // from 52:00:00:00:00:00
    frame[12] = (byte) 0x88;
    frame[13] = (byte) 0xb5;
    frame[20] = 42;
    return frame;
  }

  /** One more port of the hub that a VM's LAN is: frames go in and come out as datagrams. */
  private static final class Tap implements AutoCloseable {
    private final DatagramSocket here = new DatagramSocket(0, InetAddress.getLoopbackAddress());
    private final InetSocketAddress there;

    Tap(Vm vm) throws IOException {
      try (DatagramSocket free = new DatagramSocket(0, InetAddress.getLoopbackAddress());
          Qmp qmp = Qmp.connect(vm.files().qmp(), ANSWER)) {
        there = new InetSocketAddress(InetAddress.getLoopbackAddress(), free.getLocalPort());
        free.close();
        qmp.execute(
            "netdev_add",
            Map.of(
                "type",
                "socket",
                "id",
                "tap",
                "udp",
                "127.0.0.1:" + here.getLocalPort(),
                "localaddr",
                "127.0.0.1:" + there.getPort()));
        qmp.execute(
            "netdev_add", Map.of("type", "hubport", "id", "tapport", "hubid", 0, "netdev", "tap"));
      }
    }

    /**
     * Whether a frame that goes in at the other one comes out here, however slow this machine is.
     */
    boolean getsFrom(Tap other) throws IOException {
      return getsFrom(other, 30_000);
    }

    /** Whether it does not within two seconds: a hundred times longer than it usually takes. */
    boolean missesFrom(Tap other) throws IOException {
      return !getsFrom(other, 2000);
    }

    private boolean getsFrom(Tap other, int millis) throws IOException {
      here.setSoTimeout(millis);
      byte[] bytes = new byte[2048];
      DatagramPacket got = new DatagramPacket(bytes, bytes.length);
      other.here.send(new DatagramPacket(FRAME, FRAME.length, other.there));
      try {
        do {
          here.receive(got);
        } while (bytes[12] != FRAME[12] || bytes[13] != FRAME[13]);
        return true;
      } catch (SocketTimeoutException e) {
        return false;
      }
    }

    @Override
    public void close() {
      here.close();
    }
  }
}

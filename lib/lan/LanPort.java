package lib.lan;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.attribute.FileTime;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import lib.Problem;
import lib.Terminal;
import lib.cluster.Network;
import lib.cluster.Node;
import lib.state.Layout;
import lib.vm.Qmp;
import lib.vm.Vm;

/**
 * A running VM's port of the LAN switch. QEMU connects to the switch once; after the switch was
 * started anew, the VM has to be connected again, which its guest does not notice.
 */
public record LanPort(Vm vm, LanSwitch lan) {
  private static final Duration ANSWER = Duration.ofSeconds(5);

  /** The old port, the new one, and one of which a run that was killed made but half. */
  private static final List<String> IDS = List.of("", "-1", "-2");

  /** {@return whether the VM runs and the switch that it was connected to has ended} */
  public boolean lost() {
    if (!vm.alive()) {
      return false;
    }
    try {
      // QEMU writes its pid file when it starts; connecting it again sets the file's time
      FileTime connected = Files.getLastModifiedTime(vm.files().pid());
      return !lan.alive() || lan.since().compareTo(connected) > 0;
    } catch (IOException e) {
      return false; // it ended meanwhile, or the switch did and the next look sees it
    }
  }

  /**
   * Connects the VM to the switch that runs now.
   *
   * <p>The new port comes before the old one goes: while a hub has no other port, QEMU keeps what
   * the NIC sends, and the NIC sends nothing more, for good (QEMU 7.2).
   *
   * @throws Problem with QEMU's words if it does not let itself be connected
   */
  public void connect() {
    try (Qmp qmp = Qmp.connect(vm.files().qmp(), ANSWER)) {
      String added = add(qmp);
      for (String old : IDS) {
        if (!old.equals(added)) {
          remove(qmp, "uplink" + old);
          remove(qmp, "switch" + old);
        }
      }
      Files.setLastModifiedTime(vm.files().pid(), lan.since());
    } catch (IOException e) {
      throw new Problem(
          "%s cannot be connected to the LAN: %s".formatted(vm.node().name(), e.getMessage()),
          "try again; or have its guest power off, and launch it: stop-all.java --only "
              + vm.node().name(),
          e);
    }
  }

  /** Adds a port by ids that are free; the suffix of these. */
  private String add(Qmp qmp) throws IOException {
    Qmp.Refusal refusal = null;
    for (String suffix : IDS) {
      List<Map<String, Object>> uplink = Network.User.uplink(lan.socket(), suffix);
      try {
        qmp.execute("netdev_add", uplink.get(0));
        qmp.execute("netdev_add", uplink.get(1));
        return suffix;
      } catch (Qmp.Refusal e) {
        refusal = e; // the ids are taken
      }
    }
    throw refusal;
  }

  private static void remove(Qmp qmp, String id) throws IOException {
    try {
      qmp.execute("netdev_del", Map.of("id", id));
    } catch (Qmp.Refusal e) {
      // not there
    }
  }

  /** Connects every VM that has lost the switch, and says which. */
  public static void connectAll(List<Node> nodes, Layout layout, Terminal terminal) {
    LanSwitch lan = new LanSwitch(layout.lan());
    List<LanPort> lost =
        nodes.stream()
            .map(node -> new LanPort(Vm.of(node, layout), lan))
            .filter(LanPort::lost)
            .toList();
    lost.forEach(LanPort::connect);
    if (!lost.isEmpty()) {
      terminal.line(
          "the LAN switch had ended; connected again: %s",
          lost.stream().map(port -> port.vm.node().name()).collect(Collectors.joining(", ")));
    }
  }
}

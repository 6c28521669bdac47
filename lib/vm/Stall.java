package lib.vm;

import java.nio.file.Path;
import java.util.List;
import java.util.stream.Collectors;
import lib.Problem;
import lib.Terminal;
import lib.cluster.Node;
import lib.state.Layout;

/**
 * A VM that QEMU has paused because the host's file system had no room for what the guest wrote.
 * Nothing is lost: once there is room, the guest goes on with that very write. (QEMU manual,
 * "-drive werror", whose default is {@code enospc}.)
 */
public record Stall(Node node, Path disk) {
  /** A guest that writes as it boots would take less in no time. */
  private static final long LEAST_MIB = 64;

  /** {@return QEMU's word for such a VM} */
  public static boolean is(String status) {
    return status.equals("io-error");
  }

  /** {@return why the guest does not go on, for a reader} */
  public String words() {
    return "paused, as the file system of %s was full when the guest wrote; now %d MiB are free"
        .formatted(disk, freeMiB());
  }

  private long freeMiB() {
    return disk.toFile().getUsableSpace() >> 20;
  }

  /**
   * Lets every VM go on that is so.
   *
   * @throws Problem if there still is no room
   */
  public static void endAll(List<Node> nodes, Layout layout, Terminal terminal) {
    List<Vm> stalled =
        nodes.stream()
            .map(node -> Vm.of(node, layout))
            .filter(Vm::alive)
            .filter(vm -> vm.status().filter(Stall::is).isPresent())
            .toList();
    List<Stall> full =
        stalled.stream()
            .map(vm -> new Stall(vm.node(), vm.files().disk()))
            .filter(stall -> stall.freeMiB() < LEAST_MIB)
            .toList();
    if (!full.isEmpty()) {
      throw full.get(0).problem(full);
    }
    for (Vm vm : stalled) {
      vm.letGo();
      terminal.line("%s goes on: its disk has room again", vm.node().name());
    }
  }

  private Problem problem(List<Stall> all) {
    String names = all.stream().map(stall -> stall.node.name()).collect(Collectors.joining(", "));
    return new Problem(
        names + ": " + words(),
        "free at least %d MiB there, then run launch-all.java: it lets them go on"
            .formatted(LEAST_MIB));
  }
}

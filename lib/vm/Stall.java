package lib.vm;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import lib.Problem;
import lib.Terminal;
import lib.cluster.Node;
import lib.state.Layout;

/**
 * VMs whose guests stand still. QEMU pauses a VM when the host's file system has no room for what
 * its guest writes. Nothing is lost: once there is room, the guest goes on with that very write.
 * (QEMU manual, "-drive werror", whose default is {@code enospc}.) A VM also stays paused if its
 * suspension was cut off, or if somebody paused it.
 */
public final class Stall {
  /** A guest that boots would fill less than this in no time. */
  private static final long LEAST_MIB = 64;

  private Stall() {}

  /** {@return whether this is QEMU's word for a VM whose disk had no room} */
  public static boolean is(String status) {
    return status.equals("io-error");
  }

  /** {@return why the guest of a VM whose disk had no room does not go on, for a reader} */
  public static String words(Vm vm) {
    return "paused, as the file system of %s was full when the guest wrote; now %d MiB are free"
        .formatted(vm.files().disk(), freeMiB(vm));
  }

  private static long freeMiB(Vm vm) {
    return vm.files().disk().toFile().getUsableSpace() >> 20;
  }

  /**
   * Resumes every VM that stands still. Where a VM runs, removes the saved state that it went on
   * from, which a launch that was killed has left.
   *
   * @throws Problem if a file system is still full; nothing was changed
   */
  public static void endAll(List<Node> nodes, Layout layout, Terminal terminal) {
    Map<Vm, String> states = new LinkedHashMap<>();
    for (Node node : nodes) {
      Vm vm = Vm.of(node, layout);
      states.put(vm, vm.alive() ? vm.status().orElse("") : "");
    }
    List<Vm> full =
        states.keySet().stream()
            .filter(vm -> is(states.get(vm)) && freeMiB(vm) < LEAST_MIB)
            .toList();
    if (!full.isEmpty()) {
      throw new Problem(
          full.stream().map(vm -> vm.node().name()).collect(Collectors.joining(", "))
              + ": "
              + words(full.get(0)),
          "free at least %d MiB there, then run launch-all.java: it lets them go on"
              .formatted(LEAST_MIB));
    }
    states.forEach((vm, state) -> end(vm, state, terminal));
  }

  private static void end(Vm vm, String state, Terminal terminal) {
    switch (state) {
      case "io-error" -> {
        vm.resume();
        terminal.line("%s goes on: its disk has room again", vm.node().name());
      }
      case "paused", "finish-migrate", "postmigrate" -> {
        vm.resume();
        terminal.line("%s goes on: it was paused", vm.node().name());
      }
      case "running" -> vm.removeSaved();
      default -> {} // it is dead, waits for its turn, or does not answer
    }
  }
}

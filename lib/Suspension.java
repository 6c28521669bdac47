package lib;

import java.nio.file.Files;
import java.time.Duration;
import java.util.List;
import java.util.Set;

/** A VM that is put aside with all that it is doing, to go on there at its next start. */
public record Suspension(Vm vm) {
  private static final Duration END = Duration.ofSeconds(30);

  /** Before its state was saved, and after. */
  private static final Set<String> PAUSED = Set.of("paused", "finish-migrate", "postmigrate");

  /**
   * Saves the VM and ends it.
   *
   * @throws Problem if it can't be saved; the guest goes on then
   */
  public void begin() {
    vm.save();
    if (!Wait.until(END, () -> !vm.alive())) {
      throw new Problem(
          "%s: QEMU does not end".formatted(vm.node().name()), "stop it: stop-all.java --only it");
    }
    resumeNext(); // only now: as long as QEMU lives, its disk may get ahead of what was saved
  }

  /** Lets every VM go on whose suspension was cut off, or that somebody has paused. */
  public static void endCutOff(List<Node> nodes, Layout layout, Terminal terminal) {
    for (Node node : nodes) {
      Vm vm = Vm.of(node, layout);
      if (vm.alive() && vm.status().filter(PAUSED::contains).isPresent()) {
        vm.letGo();
        terminal.line("%s goes on: it was paused", node.name());
      }
    }
  }

  /** Has the VM's next start take up what was saved. */
  public void resumeNext() {
    String incoming = SavedState.incoming(vm.files().suspended(), Argv.empty());
    new Plan.Write(vm.files().incoming(), incoming, false).run();
  }

  /** {@return whether the VM's QEMU, just started, goes on from there} */
  public boolean isTaken() {
    return Files.exists(vm.files().taken()) && Files.exists(vm.files().suspended());
  }

  /** Removes what the VM went on from: it is used once. */
  public void end() {
    Layout.Files files = vm.files();
    new Plan(List.of(new Plan.Remove(files.taken()), new Plan.Remove(files.suspended()))).run();
  }
}

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import lib.Argv;
import lib.Problem;
import lib.cluster.Cluster;
import lib.cluster.Firmware;
import lib.cluster.Host;
import lib.qemu.Boot;
import lib.qemu.Image;
import org.junit.jupiter.api.Test;

class BootTest {
  private static final Firmware FIRMWARE =
      new Firmware(Path.of("/f,w/code"), "raw", Path.of("/f,w/vars"), "qcow2");
  private static final Image.Kernel KERNEL =
      new Image.Kernel(Path.of("/vmlinuz"), Path.of("/initrd"), "root=LABEL=x ro");

  /** Every wish on every kind of host, in a table. */
  @Test
  void choiceIsGolden() {
    List<String> rows = new ArrayList<>();
    for (Cluster.BootChoice wish : Cluster.BootChoice.values()) {
      for (Host.Accelerator accelerator : List.of(Host.Accelerator.KVM, Host.Accelerator.TCG)) {
        for (boolean firmware : new boolean[] {true, false}) {
          for (boolean kernel : new boolean[] {true, false}) {
            rows.add(
                "%-8s  %s  firmware: %-5s  kernel: %-5s  %s"
                    .formatted(
                        wish,
                        accelerator,
                        firmware,
                        kernel,
                        outcome(wish, host(accelerator, firmware), image(kernel))));
          }
        }
      }
    }
    Golden.check("boot", String.join("\n", rows) + "\n");
  }

  private static String outcome(Cluster.BootChoice wish, Host host, Image image) {
    try {
      Boot boot = Boot.choose(wish, host, image);
      return boot.word() + ": " + boot.reason();
    } catch (Problem problem) {
      return "PROBLEM " + problem.getMessage() + " (" + problem.hint() + ")";
    }
  }

  private static Host host(Host.Accelerator accelerator, boolean firmware) {
    return new Host(
        Host.Os.LINUX,
        Host.Arch.AARCH64,
        accelerator,
        firmware ? Optional.of(FIRMWARE) : Optional.empty(),
        2,
        4096,
        true);
  }

  private static Image image(boolean kernel) {
    return new Image(
        "my.img", Path.of("/my.img"), 1, Set.of(), kernel ? Optional.of(KERNEL) : Optional.empty());
  }

  @Test
  void firmwareIsAPairOfFlashes() {
    assertThat(
            new Boot.ByFirmware(FIRMWARE, "")
                .arguments(Lab.LAYOUT.node(Cluster.standard().node("worker0"))))
        .isEqualTo(
            Argv.empty()
                .option("-drive", "if=pflash,format=raw,readonly=on,file=/f,,w/code")
                .option(
                    "-drive",
                    "if=pflash,format=qcow2,readonly=off,auto-read-only=off,file=/lab/nodes/worker0/efi-variables.fd"));
  }

  @Test
  void kernelSaysItsConsole() {
    assertThat(
            Boot.choose(Cluster.BootChoice.KERNEL, host(Host.Accelerator.KVM, true), image(true))
                .arguments(Lab.LAYOUT.node(Cluster.standard().node("worker0"))))
        .isEqualTo(
            Argv.empty()
                .option("-kernel", "/lab/nodes/worker0/vmlinuz")
                .option("-initrd", "/lab/nodes/worker0/initrd.img")
                .option("-append", "root=LABEL=x ro console=ttyAMA0"));
  }
}

package lib.qemu;

import java.nio.file.Path;
import java.util.Map;
import lib.Argv;
import lib.Problem;
import lib.cluster.Cluster;
import lib.cluster.Firmware;
import lib.cluster.Host;
import lib.state.Layout;

/**
 * How a guest comes up: through UEFI firmware or BIOS and the image's boot loader, or by QEMU
 * loading the image's kernel itself.
 */
public sealed interface Boot {

  /** {@return the part of the QEMU command that makes a node boot this way} */
  Argv arguments(Layout.Files files);

  /** {@return the files that each node has a copy of its own of: copy, and what it is made of} */
  Map<Path, Path> copies(Layout.Files files);

  /** {@return the bytes that a copy has at least: zeros follow what it is made of} */
  default long copySize() {
    return 0;
  }

  /** {@return why it was chosen, for one line of output} */
  String reason();

  /** UEFI: code read-only and shared, variables in a copy of the node's own. */
  record ByFirmware(Firmware firmware, String reason) implements Boot {
    @Override
    public Argv arguments(Layout.Files files) {
      return firmware.arguments(files.efiCode(), files.efiVariables());
    }

    @Override
    public Map<Path, Path> copies(Layout.Files files) {
      return firmware.small()
          ? Map.of(files.efiVariables(), firmware.variables(), files.efiCode(), firmware.code())
          : Map.of(files.efiVariables(), firmware.variables());
    }

    @Override
    public long copySize() {
      return firmware.small() ? Firmware.FLASH : 0;
    }
  }

  /**
   * Direct kernel boot: spares the guest firmware and boot loader. The kernel is a copy of the
   * node's own: a newer image's would not find its modules on an older disk.
   */
  record ByKernel(Image.Kernel kernel, String console, String reason) implements Boot {
    @Override
    public Argv arguments(Layout.Files files) {
      return Argv.empty()
          .option("-kernel", files.kernel())
          .option("-initrd", files.initrd())
          .option("-append", kernel.arguments() + " console=" + console);
    }

    @Override
    public Map<Path, Path> copies(Layout.Files files) {
      return Map.of(files.kernel(), kernel.vmlinuz(), files.initrd(), kernel.initrd());
    }

    /** {@return the same with one more word on the kernel's command line} */
    public ByKernel with(String argument) {
      Image.Kernel more =
          new Image.Kernel(kernel.vmlinuz(), kernel.initrd(), kernel.arguments() + " " + argument);
      return new ByKernel(more, console, reason);
    }
  }

  /** The BIOS that QEMU brings along, which it starts if it is told nothing else. */
  record ByBios(String reason) implements Boot {
    @Override
    public Argv arguments(Layout.Files files) {
      return Argv.empty();
    }

    @Override
    public Map<Path, Path> copies(Layout.Files files) {
      return Map.of();
    }
  }

  /**
   * {@return the boot path for an image on a host}
   *
   * @throws Problem if the one that {@code cluster.yaml} insists on is not to be had, or none is
   */
  static Boot choose(Cluster.BootChoice wish, Host host, Image image) {
    boolean kernelFirst =
        wish == Cluster.BootChoice.KERNEL || wish == Cluster.BootChoice.AUTO && host.emulates();
    if (kernelFirst && image.kernel().isPresent()) {
      return byKernel(
          host,
          image,
          wish == Cluster.BootChoice.AUTO
              ? "ready sooner than firmware under emulation"
              : "as configured");
    }
    if (wish == Cluster.BootChoice.KERNEL) {
      throw new Problem(
          "`boot: kernel` needs a kernel beside the image, and " + image.name() + " has none",
          "use `boot: firmware`, or the image debian-built");
    }
    boolean bios = host.arch() == Host.Arch.X86_64;
    if (wish == Cluster.BootChoice.BIOS) {
      if (bios) {
        return new ByBios("as configured");
      }
      throw new Problem(
          "`boot: bios` is for x86_64 guests only",
          "use `boot: firmware` on " + host.arch().word());
    }
    if (host.firmware().isPresent()) {
      String reason =
          wish == Cluster.BootChoice.FIRMWARE
              ? "as configured"
              : host.emulates()
                  ? "image " + image.name() + " has no kernel beside it"
                  : "standard with " + host.accelerator().word();
      return new ByFirmware(host.firmware().get(), reason);
    }
    if (wish == Cluster.BootChoice.AUTO && image.kernel().isPresent()) {
      return byKernel(host, image, "no UEFI firmware found on this host");
    }
    if (wish == Cluster.BootChoice.AUTO && bios) {
      return new ByBios("no UEFI firmware found on this host");
    }
    throw new Problem(
        "no UEFI firmware for " + host.arch().word() + " guests found on this host",
        "install it: apt-get install ovmf (x86_64) or qemu-efi-aarch64, dnf install edk2-ovmf or"
            + " edk2-aarch64, pacman -S edk2-ovmf or edk2-aarch64, brew install qemu");
  }

  private static Boot byKernel(Host host, Image image, String reason) {
    return new ByKernel(image.kernel().orElseThrow(), host.arch().console(), reason);
  }

  /** {@return the name of the way, for one line of output} */
  default String word() {
    return this instanceof ByKernel ? "kernel" : this instanceof ByBios ? "bios" : "firmware";
  }
}

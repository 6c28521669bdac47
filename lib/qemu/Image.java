package lib.qemu;

import java.nio.file.Path;
import java.util.Optional;
import java.util.Set;

/**
 * A base image that node disks are overlays of.
 *
 * @param name what the user calls it
 * @param disk the image file, qcow2; only ever read
 * @param bytes its virtual size in bytes, which no overlay may be smaller than
 * @param packages Debian packages known to be in it, so that no node need install them
 * @param kernel what QEMU needs to boot it without firmware, where the image offers it
 * @param memory what a VM needs to go on from it in place of a boot, where it is a template
 */
public record Image(
    String name,
    Path disk,
    long bytes,
    Set<String> packages,
    Optional<Kernel> kernel,
    Optional<Memory> memory) {
  /** In the folder of an image: the disk, a qcow2 file. */
  public static final String DISK = "disk.qcow2";

  /** Optional: a kernel for direct boot, its initial RAM disk, and its command line. */
  public static final String VMLINUZ = "vmlinuz";

  public static final String INITRD = "initrd.img";
  public static final String ARGUMENTS = "arguments";

  /** Optional: the names of the packages in it, a line each. */
  public static final String PACKAGES = "packages";

  /** Of a template, whose disk is an overlay of its parent's: its memory and its devices' state. */
  public static final String MEMORY = "memory";

  public static final String DEVICES = "devices";

  /** An image without a memory. */
  public Image(String name, Path disk, long bytes, Set<String> packages, Optional<Kernel> kernel) {
    this(name, disk, bytes, packages, kernel, Optional.empty());
  }

  /**
   * The image's own kernel, copied out of it.
   *
   * @param vmlinuz kernel
   * @param initrd its initial RAM disk
   * @param arguments kernel command line: root file system and so on, without the console
   */
  public record Kernel(Path vmlinuz, Path initrd, String arguments) {}

  /**
   * The rest of a VM that goes with the disk.
   *
   * @param memory its memory, as it is
   * @param devices the state of its devices
   */
  public record Memory(Path memory, Path devices) {}
}

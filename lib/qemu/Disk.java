package lib.qemu;

import java.nio.file.Path;
import lib.Argv;
import lib.cluster.Host;

/** The commands that make a node's two drives: its disk and its cloud-init seed. */
public final class Disk {
  /** The seed's fixed date, 2020-01-01T00:00:00Z: equal input gives equal bytes. */
  private static final String EPOCH = "1577836800";

  /**
   * Bytes of a seed, so that all have one size: a fork reads its own where its template had another
   * one, and a guest's kernel asks for a drive's size only once.
   */
  public static final long SEED_BYTES = 16 << 20;

  private Disk() {}

  /**
   * {@return the command that makes a qcow2 overlay of an image}
   *
   * @param target the new file
   * @param gib its virtual size in GiB; the guest grows its file system to it
   */
  public static Argv overlay(Image image, Path target, int gib) {
    return Argv.of("qemu-img", "create", "-q")
        .option("-f", "qcow2")
        .option("-F", "qcow2")
        .option("-b", Argv.word(image.disk()))
        .add(Argv.word(target), gib + "G");
  }

  /**
   * {@return the command that packs a folder's files into an ISO 9660 image with the volume label
   * {@code cidata}, by which cloud-init finds it (cloud-init manual, "NoCloud")}
   */
  public static Argv seed(Host.Os os, Path folder, Path target) {
    if (os == Host.Os.DARWIN) {
      return Argv.of("hdiutil", "makehybrid", "-quiet", "-iso", "-joliet")
          .option("-default-volume-name", "cidata")
          .option("-o", Argv.word(target))
          .add(Argv.word(folder));
    }
    return Argv.of("env", "SOURCE_DATE_EPOCH=" + EPOCH, "xorriso")
        .option("-as", "mkisofs")
        .add("-quiet")
        .option("-volid", "cidata")
        .add("-joliet", "-rational-rock")
        .option("--set_all_file_dates", "=" + EPOCH)
        .option("-o", Argv.word(target))
        .add(Argv.word(folder));
  }
}

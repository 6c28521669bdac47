package lib.cluster;

import java.nio.file.Path;
import lib.Argv;

/**
 * UEFI firmware for guests: a pair of flash images, of which QEMU maps the code read-only and the
 * variables from a copy of each VM's own.
 *
 * @param code the firmware itself
 * @param codeFormat its image format, {@code raw} or {@code qcow2}
 * @param variables the template of the variable store, of the same size family as the code
 * @param variablesFormat its image format
 * @param small whether the images are smaller than the flash of aarch64's machine, and so are
 *     copied and padded for each VM
 */
public record Firmware(
    Path code, String codeFormat, Path variables, String variablesFormat, boolean small) {
  /** What each flash of QEMU's machine {@code virt} holds: it takes no smaller image. */
  public static final long FLASH = 64L << 20;

  /** Firmware that fits as it is. */
  public Firmware(Path code, String codeFormat, Path variables, String variablesFormat) {
    this(code, codeFormat, variables, variablesFormat, false);
  }

  /**
   * {@return the part of a QEMU command that starts it}
   *
   * @param ownCode a padded copy of the code, used if it is small
   * @param ownVariables the VM's own store of variables
   */
  public Argv arguments(Path ownCode, Path ownVariables) {
    return Argv.empty()
        .option("-drive", readOnly(small ? ownCode : code, codeFormat))
        .option("-drive", writable(ownVariables, variablesFormat));
  }

  /** {@return the same for a trial, which writes no variables} */
  public Argv arguments() {
    if (small) {
      return Argv.empty().option("-bios", code); // pads it itself, and keeps no variables
    }
    return Argv.empty()
        .option("-drive", readOnly(code, codeFormat))
        .option("-drive", writable(variables, variablesFormat) + ",snapshot=on");
  }

  private static String readOnly(Path code, String format) {
    return Argv.suboptions("", "if", "pflash", "format", format, "readonly", "on", "file", code);
  }

  /** Never opened anew, as a disk: its folder may have been renamed. */
  private static String writable(Path file, String format) {
    return Argv.suboptions(
        "",
        "if",
        "pflash",
        "format",
        format,
        "readonly",
        "off",
        "auto-read-only",
        "off",
        "file",
        file);
  }
}

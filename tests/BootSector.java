import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.HexFormat;

/**
 * Guests of 512 bytes, started by the BIOS that QEMU brings along: they run in a second, for next
 * to nothing. 16-bit x86 code, written by hand.
 */
enum BootSector {
  /**
   * Waits until the power button is pressed, and turns the machine off: polls the ACPI registers
   * that SeaBIOS puts at 600h on q35 (ACPI specification, "PM1 Event Grouping").
   */
  WAITS(
      "ba 02 06 b8 00 01 ef" // enable the button: bit 8 of port 602h
          + " fb f4 ba 00 06 ed f6 c4 01 74 f5" // again: sleep a tick; until bit 8 of port 600h
          + " ba 04 06 b8 00 20 ef eb ec"), // sleep state S5: bit 13 of port 604h

  /** Says on the serial port what a template says that can be saved; then as {@link #WAITS}. */
  SETTLES(
      "31 c0 8e d8 be 2d 7c ba f8 03" // ds = 0; si = the text below; dx = 3f8h
          + " ac 84 c0 74 03 ee eb f8" // next byte: if it is 0, go on; print it
          + " ba 02 06 b8 00 01 ef fb f4 ba 00 06 ed f6 c4 01 74 f5 ba 04 06 b8 00 20 ef eb ec"
          + " 0d 0a 6b 75 62 65 6e 65 74 2d 66 6f 72 6b 3a 20" // "kubenet-fork: "
          + " 73 65 74 74 6c 65 64 0d 0a 00"), // "settled"

  /** Prints dots on the serial port for ever. */
  PRINTS("ba f8 03 b0 2e ee eb fd"), // mov dx,3f8h; mov al,'.'; again: out dx,al; jmp again

  /**
   * Asks its terminal for another window name and another title, prints {@code asked}, and goes on
   * as {@link #WAITS}.
   */
  RENAMES(
      "31 c0 8e d8 be 2d 7c ba f8 03" // ds = 0; si = the text at 7c2dh; dx = 3f8h
          + " ac 84 c0 74 03 ee eb f8" // again: lodsb; at its zero go on; out dx,al
          + " ba 02 06 b8 00 01 ef fb f4 ba 00 06 ed f6 c4 01 74 f5" // WAITS
          + " ba 04 06 b8 00 20 ef eb ec"
          + " 1b 6b 20 6d 79 20 76 6d 73 1b 5c" // ESC k, " my vms", ESC backslash
          + " 1b 5d 32 3b 61 20 62 07" // ESC ]2; "a b" BEL
          + " 61 73 6b 65 64 0d 0a 00"),

  /** Writes 32 KiB after 32 KiB to its disk, from 1 MiB on, and prints a dot after each. */
  WRITES(
      "fa 31 c0 8e d8 8e d0 bc 00 7c fb" // cli; ds = ss = 0; sp = 7c00h; sti
          + " be 00 7d b8 00 43 b2 80 cd 13" // again: extended write (int 13h, 43h) by the packet
          + " 66 83 06 08 7d 40" // its sector += 64
          + " ba f8 03 b0 2e ee eb e8"); // print a dot; jmp again

  private static final int PACKET = 0x100;
  private static final int BYTES = 1 << 20;

  private final byte[] code;

  BootSector(String code) {
    this.code = HexFormat.of().parseHex(code.replace(" ", ""));
  }

  /** Writes a raw disk of 1 MiB that starts with it. */
  Path write(Path file) throws IOException {
    ByteBuffer disk = ByteBuffer.wrap(Arrays.copyOf(code, BYTES)).order(ByteOrder.LITTLE_ENDIAN);
    // the packet of WRITES: its size, 64 sectors, from this very code on, to sector 2048
    disk.position(PACKET);
    disk.put((byte) 16).put((byte) 0).putShort((short) 64).putShort((short) 0);
    disk.putShort((short) 0x7c0).putLong(2048);
    disk.put(510, (byte) 0x55).put(511, (byte) 0xaa);
    return Files.write(file, disk.array());
  }
}

package lib.qemu;

import java.nio.file.Path;
import lib.Argv;

/**
 * The bound on what a guest's console takes on the host's disk. QEMU only ever appends to that
 * file, and a guest may print for ever.
 */
public final class ConsoleLog {
  /** Bytes from which on it is cut: a thousand ordinary boots. */
  public static final long MOST = 32L << 20;

  /** Bytes that are kept then, the last ones. */
  public static final long KEPT = 1L << 20;

  /** Between two looks; what a guest prints meanwhile comes on top. */
  public static final int SECONDS = 10;

  private ConsoleLog() {}

  /**
   * {@return shell commands that look after the file as long as the shell's process lives, which
   * goes on as QEMU's}
   *
   * <p>They hold nothing of the terminal. In tmux QEMU leads a session, and its end is theirs at
   * once; otherwise they see it at their next look. QEMU appends (O_APPEND), so the file can be cut
   * under it.
   */
  public static String bound(Path log) {
    return """
    # a guest may print for ever: from %d MiB on, only the console's last %d MiB stays
    log=%s part=%s
    while sleep %d && kill -0 $$; do
      if [ -f "$log" ] && [ "$(wc -c < "$log")" -gt %d ]; then
        tail -c %d "$log" > "$part"
        : > "$log"
        cat "$part" >> "$log"
        rm -f "$part"
      fi
    done < /dev/null > /dev/null 2>&1 &
    """
        .formatted(
            MOST >> 20,
            KEPT >> 20,
            Argv.quote(log.toString()),
            Argv.quote(log.resolveSibling(".part." + log.getFileName()).toString()),
            SECONDS,
            MOST,
            KEPT);
  }
}

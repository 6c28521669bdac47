import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import lib.Commands;

/**
 * What tests, drills and benches would leave if they were ended in the middle, by whatever signal.
 * When this process has ended, all processes that have a noted folder in their command or their
 * environment are ended, and then the folders are removed. So a folder has to have a name that was
 * never used before.
 */
final class Leftovers {
  /** Kind first: a script tidies up, and so do the shells that wait for its end. */
  private static final String END =
      """
      found() {
        # the folders are in no command of this one's own
        grep -lsaF -f - /proc/[0-9]*/cmdline /proc/[0-9]*/environ << LINES | cut -d / -f 3 | sort -u
      $lines
      LINES
      }
      i=0
      while [ -n "$lines" ] && [ $i -lt 200 ] && pids=$(found) && [ -n "$pids" ]; do
        if [ $((i % 20)) -eq 0 ]; then kill -TERM $pids; fi
        if [ $i -ge 100 ]; then kill -KILL $pids; fi
        sleep 0.1
        i=$((i + 1))
      done
      echo "$lines" | while read -r folder; do
        while read -r _ place _; do
          case $place in "$folder"/*) umount "$place" ;; esac
        done < /proc/mounts
        rm -rf -- "$folder"
      done
      """;

  private static final Commands.AtEnd END_ALL = Commands.atEnd(END);

  private Leftovers() {}

  /** Makes a folder in /tmp, which goes with this process, and with it all that runs for it. */
  static Path folder(String prefix) throws IOException {
    return note(Files.createTempDirectory(Path.of("/tmp"), prefix));
  }

  /** The same for a folder that will be made. */
  static synchronized Path note(Path folder) {
    END_ALL.tell(folder.toString());
    return folder;
  }
}

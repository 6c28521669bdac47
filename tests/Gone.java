import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Collection;
import java.util.List;
import lib.Wait;

/**
 * Waits for processes to be gone.
 *
 * <p>A process lets go of its locks, files and ports some time before it leaves the process table.
 * Its parent must then ask how it ended, and a busy tmux takes its time. So a test that looks at
 * the process table once, right after a lock is free or a command has returned, fails now and then.
 */
final class Gone {
  private static final Duration LIMIT = Duration.ofSeconds(60);

  private Gone() {}

  /** Fails unless a process is gone within a minute. */
  static void await(ProcessHandle process) {
    await(List.of(process));
  }

  /** Fails unless all these processes are gone within a minute. */
  static void await(Collection<ProcessHandle> processes) {
    boolean gone = Wait.until(LIMIT, () -> processes.stream().allMatch(Gone::hasEnded));
    assertThat(gone).as("all are gone: %s", processes).isTrue();
  }

  /** Kills a process, which may be another one's child, and waits until it is gone. */
  static void kill(ProcessHandle process) {
    kill(List.of(process));
  }

  /** Kills processes all at once, and waits until they are gone. */
  static void kill(Collection<ProcessHandle> processes) {
    processes.forEach(ProcessHandle::destroyForcibly);
    await(processes);
  }

  /**
   * Whether it is no longer there, or is a zombie without other threads: while one of its threads
   * is still ending, its files and locks are still open.
   *
   * <p>{@link ProcessHandle#onExit} is no help: it waits until the number is free, and another
   * thread may have the number by then.
   */
  private static boolean hasEnded(ProcessHandle process) {
    try {
      return !process.isAlive()
          || Files.readString(Path.of("/proc/" + process.pid() + "/status"))
              .matches("(?s).*\nState:\tZ.*\nThreads:\t[01]\n.*");
    } catch (IOException e) {
      return !process.isAlive(); // it ended meanwhile, or this is no Linux
    }
  }
}

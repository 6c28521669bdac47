package lib;

import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.channels.OverlappingFileLockException;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Duration;
import java.util.Optional;
import java.util.Set;

/** A lock on a file, among processes and threads. It goes with the process that holds it. */
public final class Lock implements AutoCloseable {
  private final FileChannel channel;

  private Lock(FileChannel channel) {
    this.channel = channel;
  }

  /**
   * {@return the lock by which one command at a time changes the cluster in a folder}
   *
   * @param file the lock file, in the cluster's state folder, which must be there
   * @throws Problem if another command holds it
   */
  public static Lock take(Path file) {
    return attempt(file)
        .orElseThrow(
            () ->
                new Problem(
                    "another kubenet command is changing the cluster in " + file.getParent(),
                    "wait until it ends, or end it with Ctrl-C where it runs"));
  }

  /** {@return the lock of a file, which is made if need be; nothing if it is held} */
  public static Optional<Lock> attempt(Path file) {
    try {
      FileChannel channel = open(file);
      try {
        if (channel.tryLock() != null) {
          return Optional.of(new Lock(channel));
        }
      } catch (OverlappingFileLockException e) {
        // another thread of this process holds it
      }
      channel.close();
      return Optional.empty();
    } catch (IOException e) {
      throw Problem.cannot("lock", file, e);
    }
  }

  /**
   * {@return the lock of a file, which is made if need be; waits until nobody holds it}
   *
   * @param waiting is run if another process holds it
   */
  public static Lock await(Path file, Runnable waiting) {
    try {
      FileChannel channel = open(file);
      boolean locked = false;
      while (!locked) {
        try {
          if (channel.tryLock() == null) {
            waiting.run();
            channel.lock();
          }
          locked = true;
        } catch (OverlappingFileLockException e) { // another thread of this process holds it
          Wait.pause(Duration.ofMillis(20));
        }
      }
      return new Lock(channel);
    } catch (IOException e) {
      throw Problem.cannot("lock", file, e);
    }
  }

  private static FileChannel open(Path file) throws IOException {
    return FileChannel.open(
        file,
        Set.of(StandardOpenOption.CREATE, StandardOpenOption.WRITE),
        PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rw-------")));
  }

  @Override
  public void close() {
    try {
      channel.close();
    } catch (IOException e) {
      // the lock ends with this process at the latest
    }
  }
}

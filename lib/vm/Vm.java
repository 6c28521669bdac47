package lib.vm;

import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import java.util.function.Supplier;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import lib.Commands;
import lib.Problem;
import lib.cluster.Node;
import lib.state.Layout;

/**
 * The life of one node's QEMU. Whether it lives is asked of the lock that QEMU holds on its pid
 * file: after a crash or a reboot the number in it may be another process's.
 */
public record Vm(Node node, Layout.Files files) {
  private static final Duration ANSWER = Duration.ofSeconds(5);

  private static final Semaphore CORES =
      new Semaphore(Runtime.getRuntime().availableProcessors(), true);

  /** Nobody waits longer for a turn: guests that hang must not hold up those that don't. */
  private static final int TURN_SECONDS = 60;

  /** {@return the VM of a node} */
  public static Vm of(Node node, Layout layout) {
    return new Vm(node, layout.node(node));
  }

  /** {@return QEMU's process, if it lives} */
  public Optional<ProcessHandle> process() {
    return process(files);
  }

  private static Optional<ProcessHandle> process(Layout.Files files) {
    // a process of that number first: so the lock is never tried, not even for a moment, while a
    // new QEMU is about to take it on a stale file
    return pid(files).flatMap(ProcessHandle::of).filter(process -> locked(files.pid()));
  }

  /** {@return whether the QEMU of a node lives, of which only the files are known} */
  public static boolean lives(Layout.Files files) {
    return process(files).isPresent();
  }

  /** {@return whether QEMU lives} */
  public boolean alive() {
    return process().isPresent();
  }

  /**
   * {@return whether its guest is emulated: its launch script says so}
   *
   * <p>That script is the only fact that is always at hand, and always right: the host of a VM that
   * is to be stopped or asked was perhaps never looked at, or is another one since.
   */
  public boolean emulated() {
    try {
      return launched("-accel").startsWith("tcg");
    } catch (IOException e) {
      return false; // it was never launched
    }
  }

  /**
   * {@return what {@code work} returns, which makes the guest work: under emulation, as many guests
   * at a time as there are cores do so}
   *
   * <p>A login costs such a guest about a CPU-second, an orderly shutdown several, and a guest that
   * answers too late is asked again, which costs it more: 28 guests on two cores that were asked
   * all at once answered none for ten minutes. A boot takes no turn: it takes minutes, and its
   * guest is asked meanwhile.
   *
   * @throws Problem if interrupted before it
   */
  public <T> T inTurn(Supplier<T> work) {
    if (!emulated()) {
      return work.get();
    }
    boolean mine;
    try {
      mine = CORES.tryAcquire(TURN_SECONDS, TimeUnit.SECONDS);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new Problem("interrupted", "run the same again: it goes on where it stopped", e);
    }
    try {
      return work.get();
    } finally {
      if (mine) {
        CORES.release();
      }
    }
  }

  /** The argument of an option in the script that QEMU was started with; empty if it has none. */
  String launched(String option) throws IOException {
    Matcher argument =
        Pattern.compile("(?m)(?:^| )" + option + " (\\S+)")
            .matcher(Files.readString(files.launch()));
    return argument.find() ? argument.group(1) : "";
  }

  /**
   * {@return the id that its disk was made with, by which cloud-init knows whether its work is
   * done; nothing if there is no seed, which has it}
   */
  public Optional<String> instance() {
    try {
      String seed = Files.readString(files.seedFolder().resolve("meta-data"));
      return seed.lines()
          .filter(line -> line.startsWith("instance-id: "))
          .map(line -> line.substring("instance-id: ".length()).replace("\"", "").strip())
          .findFirst();
    } catch (IOException e) {
      return Optional.empty();
    }
  }

  private static Optional<Long> pid(Layout.Files files) {
    try {
      String text = Files.readString(files.pid()).strip();
      return text.matches("[0-9]{1,18}") ? Optional.of(Long.parseLong(text)) : Optional.empty();
    } catch (IOException e) {
      return Optional.empty(); // no file: never started, or ended in order
    }
  }

  /** One thread at a time: Java refuses two looks at the lock of one file in one JVM. */
  private static synchronized boolean locked(Path file) {
    try (FileChannel channel = FileChannel.open(file, StandardOpenOption.WRITE);
        FileLock lock = channel.tryLock()) {
      return lock == null;
    } catch (IOException e) {
      return false; // gone meanwhile
    }
  }

  /**
   * {@return QEMU's word for the VM's state: {@code running}, {@code prelaunch} (not yet resumed),
   * {@code paused}, {@code io-error}, ...; nothing if it does not answer}
   */
  public Optional<String> status() {
    try (Qmp qmp = Qmp.connect(files.qmp(), ANSWER)) {
      return Optional.of(qmp.execute("query-status").path("status").asText());
    } catch (IOException e) {
      return Optional.empty();
    }
  }

  /** {@return whether it waits before the guest's first instruction, or with a state to load} */
  public boolean isQueued() {
    return status().filter(List.of("prelaunch", "inmigrate")::contains).isPresent();
  }

  /**
   * Resumes a VM that is paused, or that waits before its first instruction. A VM with a saved
   * state loads the state first. The state is removed as soon as the guest goes on ({@link
   * SavedState#take}).
   *
   * @throws Problem if QEMU does not load its state, which stays then
   */
  public void resume() {
    tell(
        "cont",
        qmp -> {
          if (qmp.execute("query-status").path("status").asText().equals("inmigrate")) {
            SavedState.load(qmp);
          }
          SavedState.take(files);
          try {
            qmp.execute("cont");
          } catch (Qmp.Refusal e) {
            Files.deleteIfExists(files.taken()); // it stays where it is
            throw e;
          }
        });
    removeSaved();
  }

  /** Removes what the guest went on from, or what the person gives up. */
  public void removeSaved() {
    try {
      SavedState.remove(files);
    } catch (IOException e) {
      throw new Problem(
          "cannot remove the saved state of %s: %s".formatted(node.name(), e.getMessage()),
          "check the owner of " + files.folder(),
          e);
    }
  }

  /**
   * Stops the guest where it is, saves its state and ends QEMU.
   *
   * @param noted notes beside the state what it is of, while QEMU still can say so
   * @throws Problem if the state can't be saved; the guest goes on then
   */
  void save(Runnable noted) {
    tell("stop");
    try {
      SavedState.save(files.qmp(), files.suspended());
      noted.run();
    } catch (IOException | Problem e) {
      removeSaved(); // half of it
      tell("cont");
      throw new Problem(
          "%s goes on, as its state could not be saved: %s".formatted(node.name(), e.getMessage()),
          "check that the disk has room for its memory, or stop it without --suspend",
          e);
    }
    quit();
  }

  /** Removes a snapshot inside the disk, while the guest goes on. */
  public void removeSnapshot(String name) {
    tell(
        "blockdev-snapshot-delete-internal-sync",
        qmp ->
            qmp.execute(
                "blockdev-snapshot-delete-internal-sync", Map.of("device", "disk", "name", name)));
  }

  /** Presses the power button. */
  public void powerDown() {
    tell("system_powerdown");
  }

  /** Ends QEMU at once, its image files whole, as if the plug was pulled for the guest. */
  public void quit() {
    tell("quit");
  }

  /** Has QEMU end in order by a signal, as {@link #quit}, for when it does not answer. */
  public void terminate() {
    process().ifPresent(ProcessHandle::destroy);
  }

  /** Kills QEMU; only ever the process that holds the pid file's lock. */
  public void kill() {
    process().ifPresent(ProcessHandle::destroyForcibly);
  }

  private void tell(String command) {
    tell(command, qmp -> qmp.execute(command));
  }

  /** What is said over QMP. */
  private interface Talk {
    void with(Qmp qmp) throws IOException;
  }

  private void tell(String command, Talk talk) {
    try (Qmp qmp = Qmp.connect(files.qmp(), ANSWER)) {
      talk.with(qmp);
    } catch (IOException e) {
      throw new Problem(
          "QEMU of %s did not take `%s`: %s".formatted(node.name(), command, e.getMessage()),
          "see " + files.console(),
          e);
    }
  }

  /** {@return the problem that QEMU has ended, with the guest's last console lines} */
  public Problem ended() {
    String tail = Commands.tail(files.console(), 8);
    return new Problem(
        "%s: QEMU is not running%s"
            .formatted(node.name(), tail.isEmpty() ? "" : "; its console ended with:\n" + tail),
        "the whole console is in %s; to start it: launch-vm.java %s"
            .formatted(files.console(), node.name()));
  }
}

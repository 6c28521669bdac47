//DEPS com.fasterxml.jackson.dataformat:jackson-dataformat-yaml:2.21.8
package lib.vm;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.channels.Channels;
import java.nio.channels.FileChannel;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import lib.Argv;
import lib.Wait;
import lib.state.Layout;

/**
 * A VM's state in a file, as QEMU's migration writes it (QEMU documentation, "Migration"): all that
 * is not on its disk. Memory that lies in a file of its own, shared with QEMU, is not in it
 * (capability {@code x-ignore-shared}).
 */
public final class SavedState {
  private static final Duration LIMIT = Duration.ofMinutes(10);
  private static final Duration ANSWER = Duration.ofSeconds(30);

  /** The descriptor on which {@code launch.sh} opens the file. */
  private static final int DESCRIPTOR = 9;

  /** On both sides, or neither: the form of the file depends on it. */
  private static final Map<String, ?> CAPABILITIES =
      Map.of("capabilities", List.of(Map.of("capability", "x-ignore-shared", "state", true)));

  private SavedState() {}

  /** {@return the socket over which a state comes, beside QEMU's QMP socket} */
  public static Path stream(Path socket) {
    return socket.resolveSibling(socket.getFileName() + ".save");
  }

  /**
   * Saves a VM's state. It is left as it is: stopped, unless that fails.
   *
   * @param socket its QMP socket
   * @param file the new file; it appears whole or not at all
   * @throws IOException with QEMU's words if it can't
   */
  public static void save(Path socket, Path file) throws IOException {
    Path part = file.resolveSibling(".part." + file.getFileName());
    Path stream = stream(socket);
    Files.deleteIfExists(stream);
    Files.deleteIfExists(part);
    try (ServerSocketChannel server = ServerSocketChannel.open(StandardProtocolFamily.UNIX);
        FileChannel out =
            FileChannel.open(
                part,
                Set.of(StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE),
                PosixFilePermissions.asFileAttribute(
                    PosixFilePermissions.fromString("rw-------")))) {
      server.bind(UnixDomainSocketAddress.of(stream));
      CompletableFuture<Long> received =
          CompletableFuture.supplyAsync(() -> receive(server, out), SavedState::start);
      try (Qmp qmp = Qmp.connect(socket, ANSWER)) {
        qmp.execute("migrate-set-capabilities", CAPABILITIES);
        // its limit is meant for a network: 128 MiB a second
        qmp.execute("migrate-set-parameters", Map.of("max-bandwidth", 1L << 40));
        qmp.execute("migrate", Map.of("uri", "unix:" + stream));
        awaitMigrated(qmp);
      }
      received.get(ANSWER.toSeconds(), TimeUnit.SECONDS);
      out.force(true);
      Files.move(part, file, StandardCopyOption.ATOMIC_MOVE);
    } catch (ExecutionException | TimeoutException e) {
      throw new IOException("the state did not arrive: " + e.getMessage(), e);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new IOException("interrupted", e);
    } finally {
      Files.deleteIfExists(stream);
      Files.deleteIfExists(part);
    }
  }

  private static void start(Runnable work) {
    Thread thread = new Thread(work, "saved state");
    thread.setDaemon(true);
    thread.start();
  }

  private static long receive(ServerSocketChannel server, FileChannel out) {
    try (SocketChannel from = server.accept()) {
      return Channels.newInputStream(from).transferTo(Channels.newOutputStream(out));
    } catch (IOException e) {
      throw new IllegalStateException(e.getMessage(), e);
    }
  }

  private static void awaitMigrated(Qmp qmp) throws IOException {
    long end = System.nanoTime() + LIMIT.toNanos();
    while (System.nanoTime() < end) {
      JsonNode state = qmp.execute("query-migrate");
      switch (state.path("status").asText()) {
        case "completed" -> {
          return;
        }
        case "failed", "cancelled" ->
            throw new IOException(
                "QEMU can't save its state: " + state.path("error-desc").asText("no reason given"));
        default -> Wait.pause(Duration.ofMillis(20));
      }
    }
    throw new IOException("QEMU did not save its state within " + LIMIT.toMinutes() + " min");
  }

  /**
   * {@return shell commands for {@code incoming.sh}: QEMU starts with the state that is beside that
   * file, wherever the folder is by now}
   *
   * @param more further arguments for QEMU
   */
  public static String incoming(Layout.Files files, Argv more) {
    return shell("\"$here/\"" + Argv.quote(files.suspended().getFileName().toString()), more);
  }

  /**
   * {@return the same for a state that is elsewhere, a template's}
   *
   * @param file the state
   */
  public static String incoming(Path file, Argv more) {
    return shell(Argv.quote(file.toString()), more);
  }

  private static String shell(String file, Argv more) {
    return """
    # What the VM goes on from; launch.sh is in $here. QEMU waits until kubenet has it loaded over
    # QMP (migrate-incoming), and kubenet removes this file as soon as the guest goes on: used
    # twice, memory would not fit the disk any more.
    exec %d< %s
    set -- "$@" %s
    """
        .formatted(DESCRIPTOR, file, more.add("-S", "-incoming", "defer").toShell());
  }

  /**
   * Notes that a guest is about to go on from its saved state, if it has one: the last step before
   * {@code cont}.
   *
   * <p>Up to here nothing of the state was changed, so whoever is killed, the next start loads it
   * again. From here on it counts as used, unless QEMU is dead and its disk still is, to the
   * nanosecond, what is noted here: then no write came after {@code cont}, and memory still fits.
   * Where that can't be known (the host was booted since, the disk was copied) it counts as used,
   * as a boot from the disk is never wrong.
   */
  public static void take(Layout.Files files) throws IOException {
    if (!Files.exists(files.incoming())) {
      return;
    }
    Path part = files.taken().resolveSibling(".part." + files.taken().getFileName());
    Files.writeString(part, mark(files.disk()));
    Files.setPosixFilePermissions(part, PosixFilePermissions.fromString("rw-------"));
    try (FileChannel written = FileChannel.open(part, StandardOpenOption.WRITE)) {
      written.force(true);
    }
    Files.move(part, files.taken(), StandardCopyOption.ATOMIC_MOVE);
    try (FileChannel folder = FileChannel.open(files.folder(), StandardOpenOption.READ)) {
      folder.force(true); // the name, too: the guest's writes must not outlive it
    }
  }

  /** What shows that a disk was written to; empty if this host has no word for its last boot. */
  private static String mark(Path disk) throws IOException {
    Path boot = Path.of("/proc/sys/kernel/random/boot_id");
    return Files.exists(boot) && Files.exists(disk)
        ? "%s %s\n"
            .formatted(
                Files.readString(boot).strip(),
                new TreeMap<>(Files.readAttributes(disk, "unix:ino,size,lastModifiedTime")))
        : "";
  }

  /** {@return whether the guest, whose QEMU is dead, went on from its saved state} */
  static boolean isUsed(Layout.Files files) throws IOException {
    if (!Files.exists(files.taken())) {
      return false;
    }
    String noted = Files.readString(files.taken());
    return noted.isEmpty() || !noted.equals(mark(files.disk()));
  }

  /** Removes a saved state that the guest went on from, or that the person gives up. */
  static void remove(Layout.Files files) throws IOException {
    Files.deleteIfExists(files.incoming());
    Files.deleteIfExists(files.suspension());
    Files.deleteIfExists(files.suspended());
    Files.deleteIfExists(files.taken()); // last: it says that the others are of no use
  }

  /**
   * {@return a QEMU command that starts with what was saved, as {@link #incoming(Path, Argv)}}
   *
   * @param file the state
   */
  public static Argv incomingTo(Path file, Argv qemu) {
    String open = "exec %d< \"$0\"; exec \"$@\"".formatted(DESCRIPTOR);
    return Argv.of("sh", "-c", open, file.toString()).then(qemu).add("-S", "-incoming", "defer");
  }

  /**
   * Has a QEMU that was started with {@link #incoming} load its state; the guest goes on at the
   * next {@code cont}.
   *
   * @throws IOException if it can't, mostly because QEMU has ended
   */
  static void load(Qmp qmp) throws IOException {
    qmp.execute("migrate-set-capabilities", CAPABILITIES);
    qmp.execute("migrate-incoming", Map.of("uri", "fd:" + DESCRIPTOR));
    long end = System.nanoTime() + LIMIT.toNanos();
    while (qmp.execute("query-status").path("status").asText().equals("inmigrate")) {
      if (System.nanoTime() > end) {
        throw new IOException("its state was not loaded within " + LIMIT.toMinutes() + " min");
      }
      Wait.pause(Duration.ofMillis(20));
    }
    for (String nic : List.of("wan", "lan")) { // a template's have no cable
      try {
        qmp.execute("set_link", Map.of("name", nic, "up", true));
      } catch (IOException e) {
        if (!e.getMessage().contains("not found")) {
          throw e; // not every network has both
        }
      }
    }
  }
}

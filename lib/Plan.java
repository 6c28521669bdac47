package lib;

import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.PosixFilePermission;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Duration;
import java.util.Arrays;
import java.util.List;
import java.util.Set;
import java.util.function.Function;

/**
 * What a step will write and run, as a value: {@code --dry-run} prints it, otherwise it is done.
 * Files appear whole or not at all (made beside the target, then renamed) and are private.
 */
public record Plan(List<Action> actions) {

  public Plan {
    actions = List.copyOf(actions);
  }

  /** One action. */
  public sealed interface Action {
    /** {@return the action for a shell, a line or more: a command, or a comment} */
    String describe();

    /** Does it; does nothing where it is done already. */
    void run();
  }

  /** Makes a private folder and those above it. */
  public record Folder(Path path) implements Action {
    @Override
    public String describe() {
      return "mkdir -p -m 700 " + Argv.quote(path.toString());
    }

    @Override
    public void run() {
      try {
        if (path.getParent() != null) {
          Files.createDirectories(path.getParent());
        }
        try {
          Files.createDirectory(path, PosixFilePermissions.asFileAttribute(FOLDER));
        } catch (FileAlreadyExistsException e) {
          // in /tmp another user may have made it first, and could read what we put there
          String me = System.getProperty("user.name");
          if (!Files.isDirectory(path, LinkOption.NOFOLLOW_LINKS)
              || !Files.getOwner(path).getName().equals(me)) {
            throw new Problem(path + " is not a folder of " + me, "remove it", e);
          }
          if (!Files.getPosixFilePermissions(path).equals(FOLDER)) {
            throw new Problem(
                path + " is a folder that others can look into",
                "close it with `chmod 700`, or choose another one (--state)",
                e);
          }
          return;
        }
        Files.setPosixFilePermissions(path, FOLDER); // whatever the umask is
      } catch (IOException e) {
        throw failed("make folder", path, e);
      }
    }
  }

  /**
   * Writes a text file, unless it has this content already.
   *
   * @param executable whether it is a script
   */
  public record Write(Path path, String content, boolean executable) implements Action {
    @Override
    public String describe() {
      return "# write %s (%d bytes, mode %s)"
          .formatted(
              Argv.quote(path.toString()),
              content.getBytes(StandardCharsets.UTF_8).length,
              executable ? "700" : "600");
    }

    /** {@return whether the file has this content} */
    public boolean isDone() {
      try {
        byte[] bytes = content.getBytes(StandardCharsets.UTF_8);
        return Files.exists(path) && Arrays.equals(Files.readAllBytes(path), bytes);
      } catch (IOException e) {
        throw failed("read", path, e);
      }
    }

    @Override
    public void run() {
      if (isDone()) {
        return;
      }
      Set<PosixFilePermission> mode = executable ? FOLDER : FILE;
      make(
          "write",
          path,
          true,
          part -> {
            Files.createFile(part, PosixFilePermissions.asFileAttribute(mode));
            Files.setPosixFilePermissions(part, mode); // whatever the umask is
            Files.writeString(part, content);
          });
    }
  }

  /**
   * Runs a command that makes a file. What it also makes under that name with {@code .pub} at the
   * end, as the program for SSH keys does, gets its place first: where a private key is, the pair
   * is whole.
   *
   * @param path what it makes
   * @param command the command, given the path to write to
   * @param replace whether an existing file is made anew; if not, it is kept as it is
   * @param least bytes that the file has at least; zeros follow what the command made
   */
  public record Make(Path path, Function<Path, Argv> command, boolean replace, long least)
      implements Action {
    /** A file as the command makes it. */
    public Make(Path path, Function<Path, Argv> command, boolean replace) {
      this(path, command, replace, 0);
    }

    /** {@return what copies a file, unless the copy is there already} */
    public static Make copy(Path from, Path path, long least) {
      return new Make(path, to -> Argv.of("cp", from.toString(), to.toString()), false, least);
    }

    @Override
    public String describe() {
      if (isKept()) {
        return "# keeps " + Argv.quote(path.toString());
      }
      Argv fill = Argv.of("truncate", "-s", ">" + least, path.toString());
      return command.apply(path).toShell() + (least == 0 ? "" : "\n" + fill.toShell());
    }

    @Override
    public void run() {
      if (!isKept()) {
        make("make", path, replace, this::write);
      }
    }

    private boolean isKept() {
      return !replace && Files.exists(path);
    }

    private void write(Path part) throws IOException {
      Commands.run(command.apply(part), LIMIT).orProblem();
      Files.setPosixFilePermissions(part, FILE); // cp keeps those of a file that is only read
      if (Files.size(part) < least) {
        try (RandomAccessFile bytes = new RandomAccessFile(part.toFile(), "rw")) {
          bytes.setLength(least);
        }
      }
      Path companion = Path.of(part + ".pub");
      if (Files.exists(companion)) {
        whole(companion, Path.of(path + ".pub"), true);
      }
    }
  }

  /** Removes a file that will be made anew. */
  public record Remove(Path path) implements Action {
    @Override
    public String describe() {
      return Argv.of("rm", "-f", path.toString()).toShell();
    }

    @Override
    public void run() {
      try {
        Files.deleteIfExists(path);
      } catch (IOException e) {
        throw failed("remove", path, e);
      }
    }
  }

  /** Makes a folder of the cache, and those above it; what is there may be open to others. */
  public static void cacheFolder(Path path) {
    try {
      Files.createDirectories(path, PosixFilePermissions.asFileAttribute(FOLDER));
    } catch (IOException e) {
      throw failed("make folder", path, e);
    }
  }

  /** For what a command makes; a template's disk may have some GiB to copy. */
  private static final Duration LIMIT = Duration.ofMinutes(10);

  private static final Set<PosixFilePermission> FOLDER =
      PosixFilePermissions.fromString("rwx------");
  private static final Set<PosixFilePermission> FILE = PosixFilePermissions.fromString("rw-------");

  /** Does all actions in order. */
  public void run() {
    actions.forEach(Action::run);
  }

  /** {@return all actions for a shell, a line each: commands, and comments} */
  public List<String> toShell() {
    return actions.stream().map(Action::describe).toList();
  }

  /** Makes the file that it is given. */
  private interface Maker {
    void make(Path part) throws IOException;
  }

  /** Has a file made beside its place and puts it there; a failure leaves nothing. */
  private static void make(String what, Path path, boolean replace, Maker maker) {
    Path part = path.resolveSibling(".part." + path.getFileName());
    try {
      try {
        Files.deleteIfExists(part);
        maker.make(part);
        whole(part, path, replace);
      } finally {
        Files.deleteIfExists(part);
      }
    } catch (IOException e) {
      throw failed(what, path, e);
    }
  }

  /** Puts a finished file in its place; after a power cut it is whole or not there. */
  private static void whole(Path part, Path path, boolean replace) throws IOException {
    try (FileChannel channel = FileChannel.open(part, StandardOpenOption.WRITE)) {
      channel.force(true);
    }
    if (replace) {
      Files.move(part, path, StandardCopyOption.ATOMIC_MOVE);
    } else {
      Files.move(part, path); // fails where a file is: a disk is never overwritten
    }
  }

  private static Problem failed(String what, Path path, IOException cause) {
    return new Problem(
        "cannot " + what + " " + path + ": " + cause.getMessage(),
        "check that the disk has room and the folder is yours",
        cause);
  }
}

package lib.state;

import com.sun.security.auth.module.UnixSystem;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.UUID;
import lib.Lock;
import lib.Plan;
import lib.Problem;
import lib.Visible;

/**
 * Decides which cluster a state folder belongs to. kubenet marks a state folder that it makes with
 * a random id and the folder's path. A folder that is moved keeps its id, and with it its VMs,
 * sockets and tmux sessions. A copy gets its own id when something is launched from it.
 */
public final class StateFolder {
  /** The versions of the folder's format that this kubenet can read, newest first. */
  private static final List<String> FORMS = List.of(Layout.VERSION, "1");

  private StateFolder() {}

  /**
   * {@return the layout of a state folder, which need not exist}
   *
   * @throws Problem if it is a link, belongs to another user, is not kubenet's, or has a format
   *     that this kubenet does not know
   */
  public static Layout check(Path path) {
    if (Files.isSymbolicLink(path)) {
      throw new Problem(
          "%s is a symbolic link to %s".formatted(path, target(path)),
          "name that folder itself with --state, or remove the link");
    }
    Layout layout = Layout.of(path);
    Path state = layout.state();
    if (!Files.exists(state, LinkOption.NOFOLLOW_LINKS)) {
      return layout;
    }
    refuseOtherUser(state);
    if (!Files.isDirectory(state)) {
      throw new Problem(state + " is a file", "choose a folder: --state");
    }
    Optional<Marker> marker = Marker.read(state);
    if (marker.isPresent() && !marker.get().fact("kind").equals("state")) {
      throw new Problem(
          "%s is kubenet's folder of %s".formatted(state, Visible.line(marker.get().fact("kind"))),
          "choose another one: --state");
    }
    Marker.refuseStranger(state, isOld(layout));
    String form = text(layout.version()).strip();
    if (!form.isEmpty() && !FORMS.contains(form)) {
      throw new Problem(
          "%s has the form %s, this kubenet knows %s"
              .formatted(state, Visible.line(form), Layout.VERSION),
          "use the kubenet that made it, or another folder (--state)");
    }
    return layout;
  }

  /** {@return whether a cluster was ever launched from it} */
  public static boolean isUsed(Layout layout) {
    return Marker.read(layout.state()).isPresent() || isOld(layout);
  }

  private static Path target(Path link) {
    try {
      return Files.readSymbolicLink(link);
    } catch (IOException e) {
      return Path.of("?");
    }
  }

  private static void refuseOtherUser(Path state) {
    try {
      Map<String, Object> owner = Files.readAttributes(state, "unix:uid,owner");
      UnixSystem me = new UnixSystem();
      if (((Number) owner.get("uid")).longValue() != me.getUid()) {
        throw new Problem(
            "%s belongs to %s, and you are %s"
                .formatted(state, owner.get("owner"), me.getUsername()),
            "run this as that user, or use a folder of your own (--state)");
      }
    } catch (IOException e) {
      throw new Problem("cannot look at " + state + ": " + e.getMessage(), "check its owner", e);
    }
  }

  /**
   * Whether an older kubenet, which wrote no markers, made the folder. It is recognised by the text
   * of a file that only kubenet writes.
   */
  private static boolean isOld(Layout layout) {
    return text(layout.sshConfig()).startsWith("# Made by kubenet: ssh -F ")
        && Files.isDirectory(layout.nodes());
  }

  /** The first bytes of a file, which may hold anything; empty if there is no file. */
  private static String text(Path file) {
    if (!Files.isRegularFile(file)) {
      return "";
    }
    try (InputStream in = Files.newInputStream(file)) {
      return new String(in.readNBytes(100), StandardCharsets.UTF_8);
    } catch (IOException e) {
      throw new Problem("cannot read " + file + ": " + e.getMessage(), "check its owner", e);
    }
  }

  /**
   * Makes and marks the folder. After a move or a copy it updates the marker.
   *
   * @throws Problem in the same cases as {@link #check}
   */
  public static void claim(Layout layout) {
    check(layout.state());
    new Plan.Folder(layout.state()).run();
    Optional<Marker> found = Marker.read(layout.state());
    Marker mine = marker(layout);
    if (found.isEmpty()) {
      mine.putNew(layout.state());
    } else if (!found.get().equals(mine)) {
      mine.put(layout.state());
    }
    new Plan.Write(layout.version(), Layout.VERSION + "\n", false).run();
  }

  /**
   * {@return the lock that keeps other commands from changing the cluster; the folder is claimed}
   *
   * @throws Problem as {@link #claim}, or if another command holds it
   */
  public static Lock lock(Layout layout) {
    claim(layout);
    return Lock.take(layout.lock());
  }

  /** {@return the marker that the folder should have} */
  private static Marker marker(Layout layout) {
    Optional<Marker> found =
        Marker.read(layout.state()).filter(marker -> !Layout.isCopy(marker, layout.state()));
    String id = found.map(marker -> marker.fact("id")).orElse("");
    Map<String, String> facts = new LinkedHashMap<>();
    facts.put("kind", "state");
    facts.put("id", id.isEmpty() ? UUID.randomUUID().toString() : id);
    facts.put("path", layout.state().toString());
    facts.put("runtime", layout.runtime().toString());
    return new Marker(facts);
  }

  /** {@return the folder's id, which identifies its tmux sessions; its path if it has no id} */
  public static String id(Layout layout) {
    return Marker.read(layout.state())
        .filter(marker -> !Layout.isCopy(marker, layout.state()))
        .map(marker -> marker.fact("id"))
        .filter(id -> !id.isEmpty())
        .orElse(layout.state().toString());
  }

  /** Makes and marks the folder for sockets. */
  public static void claimRuntime(Layout layout) {
    Path runtime = layout.runtime();
    Optional<Marker> found = Marker.read(runtime);
    boolean strange = Files.exists(runtime) && found.isEmpty() && !holdsOnlySockets(runtime);
    if (strange || Layout.isOthers(runtime, layout.state())) {
      throw new Problem(
          "%s, where the sockets would be, is not this cluster's".formatted(runtime),
          "remove it if no cluster uses it");
    }
    new Plan.Folder(runtime).run();
    Marker mine = new Marker(Map.of("kind", "sockets", "state", Layout.key(layout.state())));
    if (!found.equals(Optional.of(mine))) {
      mine.put(runtime);
    }
  }

  private static boolean holdsOnlySockets(Path runtime) {
    return Files.isDirectory(runtime)
        && Layout.list(runtime).stream()
            .map(file -> file.getFileName().toString())
            .allMatch(name -> name.matches("[a-z0-9]+\\.(qmp|qmp\\.save|socket)"));
  }
}

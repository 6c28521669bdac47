package lib.state;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.nio.file.attribute.BasicFileAttributes;
import java.util.List;
import java.util.Optional;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import java.util.zip.CRC32;
import lib.Problem;
import lib.cluster.Node;

/**
 * Every well-known path, in one place.
 *
 * @param state the folder that holds all that must outlive a reboot: keys, disks, seeds
 * @param runtime a short folder for sockets, whose paths may have no more than 104 bytes on macOS
 *     and 108 on Linux (sockaddr_un, unix(4) and unix(7))
 */
public record Layout(Path state, Path runtime) {
  /**
   * The form of the state folder; another number for what an older kubenet would not understand.
   */
  public static final String VERSION = "2";

  /** How many clusters may want one name for their sockets' folder. */
  private static final int NAMES = 100;

  /**
   * {@return the layout of a state folder, by its real path}
   *
   * <p>The runtime folder is the one that the folder's marker names, which stays when the folder is
   * moved; without a marker, it is named by the user and the path.
   */
  public static Layout of(Path state) {
    Path real = real(state.toAbsolutePath().normalize());
    return new Layout(
        real,
        Marker.read(real)
            .filter(marker -> !isCopy(marker, real))
            .flatMap(Layout::runtimeOf)
            .orElseGet(() -> runtime(real)));
  }

  /** What a marker says; a path that this user would not make is not believed. */
  private static Optional<Path> runtimeOf(Marker marker) {
    String said = marker.fact("runtime");
    return said.matches(Pattern.quote(runtimePrefix()) + "[0-9a-f]{8}")
        ? Optional.of(Path.of(said))
        : Optional.empty();
  }

  /** Links on the way to it are followed, so that one folder has one name. */
  private static Path real(Path path) {
    try {
      return path.toRealPath();
    } catch (IOException e) { // it is not there yet
      return path.getParent() == null ? path : real(path.getParent()).resolve(path.getFileName());
    }
  }

  private static String runtimePrefix() {
    String user = System.getProperty("user.name").replaceAll("[^A-Za-z0-9_-]", "_");
    return "/tmp/kubenet-%.20s-".formatted(user);
  }

  /** By the path, and by more where another state folder has that name: one that was moved away. */
  private static Path runtime(Path state) {
    for (int i = 0; i < NAMES; i++) {
      CRC32 crc = new CRC32();
      String wanted = i == 0 ? state.toString() : state + "#" + i;
      crc.update(wanted.getBytes(StandardCharsets.UTF_8));
      Path runtime = Path.of("%s%08x".formatted(runtimePrefix(), crc.getValue()));
      if (!isOthers(runtime, state)) {
        return runtime;
      }
    }
    throw new Problem(
        "other clusters have all folders for sockets that this one could take",
        "remove those in /tmp that no cluster uses: " + runtimePrefix() + "*");
  }

  /** {@return what tells a folder from all others, wherever it is moved; empty if there is none} */
  static String key(Path folder) {
    try {
      return java.nio.file.Files.readAttributes(folder, BasicFileAttributes.class)
          .fileKey()
          .toString();
    } catch (IOException e) {
      return "";
    }
  }

  /** {@return whether a folder for sockets is that of another state folder} */
  static boolean isOthers(Path runtime, Path state) {
    String owner = Marker.read(runtime).map(marker -> marker.fact("state")).orElse("");
    return !owner.isEmpty() && !owner.equals(key(state));
  }

  /**
   * {@return whether a state folder is a copy: the folder that its marker names is still there, or
   * the sockets that its marker names are another's}
   *
   * @param marker of the folder
   * @param state where the folder is now
   */
  static boolean isCopy(Marker marker, Path state) {
    if (marker.fact("path").isEmpty()) {
      return false;
    }
    if (runtimeOf(marker).filter(runtime -> isOthers(runtime, state)).isPresent()) {
      return true;
    }
    Path former = Path.of(marker.fact("path"));
    try {
      return !former.equals(state)
          && java.nio.file.Files.isDirectory(former)
          && !java.nio.file.Files.isSameFile(former, state)
          && Marker.read(former)
              .filter(other -> other.fact("id").equals(marker.fact("id")))
              .isPresent();
    } catch (IOException e) {
      return false; // the former one went away meanwhile
    }
  }

  /**
   * {@return the folder for what all clusters of this user share: base images and templates}
   *
   * <p>Disks are based on what is there, so it is among the user's data (XDG Base Directory
   * Specification), which no cleaner empties. KUBENET_CACHE in the environment names another one.
   */
  public static Path cache() {
    Path cache = wishedCache();
    try {
      return cache.toRealPath(); // one name for it, whatever way leads there
    } catch (IOException e) {
      return cache; // not there yet
    }
  }

  private static Path wishedCache() {
    String chosen = System.getenv("KUBENET_CACHE");
    if (chosen != null && !chosen.isEmpty()) {
      return Path.of(chosen).toAbsolutePath().normalize();
    }
    return isOldPlace() ? old() : data();
  }

  /** {@return whether {@link #cache} is where an older kubenet put it, among the user's caches} */
  public static boolean isOldPlace() {
    String chosen = System.getenv("KUBENET_CACHE");
    return (chosen == null || chosen.isEmpty())
        && !java.nio.file.Files.exists(data())
        && holdsImages(old());
  }

  private static Path old() {
    return place("XDG_CACHE_HOME", "Library/Caches", ".cache");
  }

  /** {@return where {@link #cache} is unless KUBENET_CACHE or an older kubenet put it elsewhere} */
  public static Path data() {
    return place("XDG_DATA_HOME", "Library/Application Support", ".local/share");
  }

  private static Path place(String variable, String mac, String other) {
    String xdg = System.getenv(variable);
    Path home = Path.of(System.getProperty("user.home"));
    return (xdg != null && xdg.startsWith("/")
            ? Path.of(xdg)
            : home.resolve(java.nio.file.Files.isDirectory(home.resolve(mac)) ? mac : other))
        .resolve("kubenet");
  }

  /** Whether an older kubenet has left images among the user's caches. */
  private static boolean holdsImages(Path old) {
    try (Stream<Path> images = java.nio.file.Files.list(old.resolve("images"))) {
      return images.anyMatch(image -> java.nio.file.Files.exists(image.resolve("image.json")));
    } catch (IOException e) {
      return false; // it is not there, or not this user's
    }
  }

  /** {@return what is in a folder, sorted; nothing if it is no folder} */
  public static List<Path> list(Path folder) {
    if (!java.nio.file.Files.isDirectory(folder)) {
      return List.of();
    }
    try (Stream<Path> files = java.nio.file.Files.list(folder)) {
      return files.sorted().toList();
    } catch (IOException e) {
      throw new Problem("cannot look into " + folder + ": " + e.getMessage(), "check its owner", e);
    }
  }

  /** {@return the private key that logs in to every node; {@code .pub} beside it} */
  public Path identity() {
    return state.resolve("id_ed25519");
  }

  /** {@return the public half of {@link #identity}} */
  public Path identityPublic() {
    return state.resolve("id_ed25519.pub");
  }

  /** {@return the host keys of all nodes, as OpenSSH reads them} */
  public Path knownHosts() {
    return state.resolve("known_hosts");
  }

  /** {@return the file for {@code ssh -F}} */
  public Path sshConfig() {
    return state.resolve("ssh_config");
  }

  /** {@return the script that brings the virtual IP's services to this host} */
  public Path forward() {
    return state.resolve("forward.sh");
  }

  /** {@return the names of the LAN, for the host's own {@code /etc/hosts}} */
  public Path hosts() {
    return state.resolve("hosts");
  }

  /** {@return the file whose lock makes one command at a time change the cluster} */
  public Path lock() {
    return state.resolve("lock");
  }

  /** {@return the file that says which form the state folder has: {@link #VERSION}} */
  public Path version() {
    return state.resolve("version");
  }

  /** {@return the file that says what was launched: {@link ClusterRecord}} */
  public Path record() {
    return state.resolve("record.json");
  }

  /** {@return the file that says which base image the nodes' disks are based on} */
  public Path image() {
    return state.resolve("image");
  }

  /** {@return the folder with a folder for each node} */
  public Path nodes() {
    return state.resolve("nodes");
  }

  /** {@return the folder with a folder for each set of snapshots} */
  public Path snapshots() {
    return state.resolve("snapshots");
  }

  /** {@return the file that is there while nodes are taken back to a snapshot, with its name} */
  public Path restoring() {
    return state.resolve("restoring");
  }

  /** {@return the LAN switch's socket} */
  public Path lan() {
    return runtime.resolve("lan.socket");
  }

  /** {@return the paths of one node} */
  public Files node(Node node) {
    return node(node.name());
  }

  /** {@return the paths of the node of a name} */
  public Files node(String name) {
    return new Files(nodes().resolve(name), runtime.resolve(name + ".qmp"));
  }

  /**
   * The paths of one node.
   *
   * @param folder all its files
   * @param qmp its QMP socket
   */
  public record Files(Path folder, Path qmp) {

    /** {@return its qcow2 overlay: the only file here that can't be made again} */
    public Path disk() {
      return folder.resolve("disk.qcow2");
    }

    /** {@return its cloud-init seed, an ISO 9660 image} */
    public Path seed() {
      return folder.resolve("seed.iso");
    }

    /** {@return the folder whose files are in the seed} */
    public Path seedFolder() {
      return folder.resolve("seed");
    }

    /** {@return the file of the seed that tells a fork who it is} */
    public Path forkSeed() {
      return seedFolder().resolve("kubenet.json");
    }

    /** {@return its private SSH host key; {@code .pub} beside it} */
    public Path hostKey() {
      return folder.resolve("ssh_host_ed25519_key");
    }

    /** {@return the public half of {@link #hostKey}} */
    public Path hostKeyPublic() {
      return folder.resolve("ssh_host_ed25519_key.pub");
    }

    /** {@return the kernel that its disk was made with, for direct boot} */
    public Path kernel() {
      return folder.resolve("vmlinuz");
    }

    /** {@return the initial RAM disk that goes with {@link #kernel}} */
    public Path initrd() {
      return folder.resolve("initrd.img");
    }

    /** {@return a padded copy of the UEFI firmware, where that is needed} */
    public Path efiCode() {
      return folder.resolve("efi-code.fd");
    }

    /** {@return its UEFI variables} */
    public Path efiVariables() {
      return folder.resolve("efi-variables.fd");
    }

    /** {@return the script with its exact QEMU command} */
    public Path launch() {
      return folder.resolve("launch.sh");
    }

    /** {@return what QEMU goes on from in place of a boot: sourced by {@link #launch}} */
    public Path incoming() {
      return folder.resolve("incoming.sh");
    }

    /** {@return what is written just before the guest goes on from {@link #incoming}} */
    public Path taken() {
      return folder.resolve("incoming.taken");
    }

    /** {@return the state of a suspended VM: memory and devices} */
    public Path suspended() {
      return folder.resolve("suspended");
    }

    /** {@return what {@link #suspended} is of: a QEMU that differs can't go on from it} */
    public Path suspension() {
      return folder.resolve("suspended.json");
    }

    /** {@return what the guest wrote to its console since QEMU started} */
    public Path console() {
      return folder.resolve("console.log");
    }

    /** {@return where the time of its last launch went: a line a leg} */
    public Path timeline() {
      return folder.resolve("timeline");
    }

    /** {@return the pid file, on which QEMU holds a lock while it lives} */
    public Path pid() {
      return folder.resolve("qemu.pid");
    }
  }
}

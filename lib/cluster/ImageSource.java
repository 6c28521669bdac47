package lib.cluster;

import java.net.URI;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/** Where a base image may come from: an entry of {@code images} in {@code cluster.yaml}. */
public sealed interface ImageSource {

  /** {@return what the user calls it: a name, a path or an address} */
  String name();

  /**
   * A file that is published on the web.
   *
   * @param url where it is
   * @param sha256 its digest, 64 hexadecimal digits; without it, the one that {@code SHA256SUMS}
   *     beside it says
   */
  record Published(URI url, Optional<String> sha256) {}

  /**
   * A cloud image for download.
   *
   * @param name what the user calls it
   * @param places for each architecture where it is, best first
   */
  record Web(String name, Map<Host.Arch, List<Published>> places) implements ImageSource {
    public Web {
      places = Map.copyOf(places);
    }
  }

  /**
   * An image that is made here of Debian packages.
   *
   * @param suite the release, such as {@code trixie}; without it, the host's own
   * @param packages what is wanted in it beside what the roles want
   */
  record Built(Optional<String> suite, List<String> packages) implements ImageSource {
    /** Its name in {@code cluster.yaml}. */
    public static final String NAME = "debian-built";

    public Built {
      packages = List.copyOf(packages);
    }

    @Override
    public String name() {
      return NAME;
    }
  }

  /**
   * A file of this machine.
   *
   * @param name its path, relative to the cluster file's folder, or starting with {@code ~/}
   */
  record LocalFile(String name) implements ImageSource {}

  /** {@return the sources that have a name} */
  static List<ImageSource> known() {
    return List.of(
        // pinned; the dated folder goes away after some months, the moving one stays
        ubuntu(
            "ubuntu-24.04",
            "releases/noble/release/ubuntu-24.04-server-cloudimg-%s.img",
            Map.of(
                Host.Arch.X86_64,
                "ffe6203da54deeb6db5d2a98a83f9ec8e55f149d3f7ba622e1abe5fa966ee3d6",
                Host.Arch.AARCH64,
                "7df0201546f75b8bcc1044594c806c35749421ad3c9bc1be2a3ab806cfae39cc")),
        ubuntu(
            "ubuntu-24.04-minimal",
            "minimal/releases/noble/release/ubuntu-24.04-minimal-cloudimg-%s.img",
            Map.of()),
        new Built(Optional.empty(), List.of()));
  }

  /** {@return the source of this name, if it is one that is known} */
  static Optional<ImageSource> known(String name) {
    return known().stream().filter(source -> source.name().equals(name)).findFirst();
  }

  /** Ubuntu's images of the release of 2026-07-05 where they are pinned, else the newest ones. */
  private static Web ubuntu(String name, String path, Map<Host.Arch, String> pinned) {
    return new Web(
        name,
        Map.of(
            Host.Arch.X86_64, places(path, Host.Arch.X86_64, pinned),
            Host.Arch.AARCH64, places(path, Host.Arch.AARCH64, pinned)));
  }

  private static List<Published> places(
      String path, Host.Arch arch, Map<Host.Arch, String> pinned) {
    URI newest = URI.create("https://cloud-images.ubuntu.com/" + path.formatted(arch.debian()));
    Published moving = new Published(newest, Optional.empty());
    if (!pinned.containsKey(arch)) {
      return List.of(moving);
    }
    URI dated = URI.create(newest.toString().replace("/release/", "/release-20260705/"));
    return List.of(new Published(dated, Optional.of(pinned.get(arch))), moving);
  }
}

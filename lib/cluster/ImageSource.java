package lib.cluster;

import java.net.URI;
import java.net.URISyntaxException;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Collectors;
import lib.Yaml;

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

  /**
   * {@return the sources of the list {@code images}; the standard ones if it is null}
   *
   * @param fields reads values, and gets the faults
   */
  static List<ImageSource> read(YamlFields fields, Yaml yaml, List<ImageSource> standard) {
    if (yaml == null) {
      return standard;
    }
    if (yaml.list().isEmpty()) {
      fields.fault(yaml, "images", "must be a list of at least one image");
      return standard;
    }
    List<ImageSource> images = new ArrayList<>();
    for (int i = 0; i < yaml.list().size(); i++) {
      images.add(image(fields, yaml.list().get(i), "images[" + i + "]"));
    }
    return images;
  }

  /** A name or path; or {@code debian-built} with wishes; or an address with its digest. */
  private static ImageSource image(YamlFields fields, Yaml yaml, String path) {
    ImageSource standard = new LocalFile("");
    if (!(yaml.value() instanceof Map)) {
      return fields.text(yaml, path, standard, ImageSource::image);
    }
    if (yaml.map().containsKey(Built.NAME)) {
      Map<String, Yaml> keys = fields.keys(yaml, "`" + path + "`", List.of(Built.NAME));
      return debianBuilt(fields, keys.get(Built.NAME), path + ".debian-built");
    }
    if (yaml.map().containsKey("url")) {
      Published published = published(fields, yaml, path);
      return new Web(
          published.url().toString(),
          Map.of(Host.Arch.X86_64, List.of(published), Host.Arch.AARCH64, List.of(published)));
    }
    Map<Host.Arch, List<Published>> places = new EnumMap<>(Host.Arch.class);
    if (yaml.map().containsKey("sha256")) {
      fields.fault(yaml, path, "must have `url`");
      return standard;
    }
    fields
        .keys(yaml, "`" + path + "`", List.of("url", "sha256", "x86_64", "aarch64", "debian-built"))
        .forEach(
            (arch, place) ->
                places.put(
                    Host.Arch.valueOf(arch.toUpperCase(Locale.ROOT)),
                    List.of(published(fields, place, path + "." + arch))));
    if (places.isEmpty()) {
      fields.fault(
          yaml, path, "must have `url` and `sha256`, of its own or below `x86_64` or `aarch64`");
      return standard;
    }
    String name = places.values().iterator().next().get(0).url().toString();
    return new Web(name, places);
  }

  private static Published published(YamlFields fields, Yaml yaml, String path) {
    Map<String, Yaml> keys = fields.keys(yaml, "`" + path + "`", List.of("url", "sha256"));
    for (String key : List.of("url", "sha256")) {
      if (!keys.containsKey(key) && yaml.value() instanceof Map) {
        fields.fault(yaml, path, "must have `" + key + "`");
      }
    }
    URI url =
        fields.text(keys.get("url"), path + ".url", URI.create("https:///"), ImageSource::url);
    String sha256 = fields.text(keys.get("sha256"), path + ".sha256", "", ImageSource::sha256);
    return new Published(url, Optional.of(sha256));
  }

  private static ImageSource debianBuilt(YamlFields fields, Yaml yaml, String path) {
    Map<String, Yaml> keys = fields.keys(yaml, "`" + path + "`", List.of("suite", "packages"));
    Optional<String> suite =
        fields.text(
            keys.get("suite"), path + ".suite", Optional.empty(), v -> Optional.of(suite(v)));
    List<String> packages = new ArrayList<>();
    Yaml wanted = keys.get("packages");
    if (wanted != null && !(wanted.value() instanceof List)) {
      fields.fault(wanted, path + ".packages", "must be a list");
    } else if (wanted != null) {
      for (int i = 0; i < wanted.list().size(); i++) {
        String item = path + ".packages[" + i + "]";
        packages.add(fields.text(wanted.list().get(i), item, "", ImageSource::packageName));
      }
    }
    return new Built(suite, packages);
  }

  /**
   * {@return the image that a text of {@code images} or {@code --image} means}
   *
   * @throws IllegalArgumentException with the rule, if it means none
   */
  static ImageSource image(String text) {
    Optional<ImageSource> known = known(text);
    if (known.isEmpty() && !text.matches("(\\.{1,2}/|/|~/)[^\\p{Cntrl}]+")) {
      String names = known().stream().map(ImageSource::name).collect(Collectors.joining(", "));
      throw new IllegalArgumentException(
          "must be one of " + names + ", a path such as ./my.img, or a map with url and sha256");
    }
    return known.orElseGet(() -> new LocalFile(text));
  }

  private static String suite(String text) {
    return matching(text, "[a-z][a-z0-9-]{0,40}", "a Debian release such as trixie");
  }

  private static String packageName(String text) {
    return matching(text, "[a-z0-9][a-z0-9+.-]+", "the name of a package");
  }

  private static String sha256(String text) {
    return matching(text, "[0-9a-f]{64}", "64 hexadecimal digits, in lower case");
  }

  private static String matching(String text, String pattern, String what) {
    if (!text.matches(pattern)) {
      throw new IllegalArgumentException("must be " + what);
    }
    return text;
  }

  /** What others can change on its way must not come by plain http, digest or not. */
  private static URI url(String text) {
    try {
      URI url = new URI(text);
      boolean loopback =
          "http".equals(url.getScheme())
              && List.of("127.0.0.1", "localhost", "[::1]").contains(url.getHost());
      if (url.getHost() != null && (loopback || "https".equals(url.getScheme()))) {
        return url;
      }
    } catch (URISyntaxException e) {
      // as below
    }
    throw new IllegalArgumentException(
        "must be an address that starts with https:// (http:// is for 127.0.0.1 only)");
  }
}

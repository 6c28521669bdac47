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

/**
 * The list {@code images} of {@code cluster.yaml}.
 *
 * @param fields reads values, and gets the faults
 */
public record ImageEntries(YamlFields fields) {
  /** {@return the sources of the list {@code images}; the standard ones if it is null} */
  List<ImageSource> read(Yaml yaml, List<ImageSource> standard) {
    if (yaml == null) {
      return standard;
    }
    if (yaml.list().isEmpty()) {
      fields.fault(yaml, "images", "must be a list of at least one image");
      return standard;
    }
    List<ImageSource> images = new ArrayList<>();
    for (int i = 0; i < yaml.list().size(); i++) {
      images.add(image(yaml.list().get(i), "images[" + i + "]"));
    }
    return images;
  }

  /** A name or path; or {@code debian-built} with wishes; or an address with its digest. */
  private ImageSource image(Yaml yaml, String path) {
    ImageSource standard = new ImageSource.LocalFile("");
    if (!(yaml.value() instanceof Map)) {
      return fields.text(yaml, path, standard, ImageEntries::image);
    }
    if (yaml.map().containsKey(ImageSource.Built.NAME)) {
      Map<String, Yaml> keys = fields.keys(yaml, "`" + path + "`", List.of(ImageSource.Built.NAME));
      return debianBuilt(keys.get(ImageSource.Built.NAME), path + ".debian-built");
    }
    if (yaml.map().containsKey("url")) {
      ImageSource.Published published = published(yaml, path);
      return new ImageSource.Web(
          published.url().toString(),
          Map.of(Host.Arch.X86_64, List.of(published), Host.Arch.AARCH64, List.of(published)));
    }
    Map<Host.Arch, List<ImageSource.Published>> places = new EnumMap<>(Host.Arch.class);
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
                    List.of(published(place, path + "." + arch))));
    if (places.isEmpty()) {
      fields.fault(
          yaml, path, "must have `url` and `sha256`, of its own or below `x86_64` or `aarch64`");
      return standard;
    }
    String name = places.values().iterator().next().get(0).url().toString();
    return new ImageSource.Web(name, places);
  }

  private ImageSource.Published published(Yaml yaml, String path) {
    Map<String, Yaml> keys = fields.keys(yaml, "`" + path + "`", List.of("url", "sha256"));
    for (String key : List.of("url", "sha256")) {
      if (!keys.containsKey(key) && yaml.value() instanceof Map) {
        fields.fault(yaml, path, "must have `" + key + "`");
      }
    }
    URI url =
        fields.text(keys.get("url"), path + ".url", URI.create("https:///"), ImageEntries::url);
    String sha256 = fields.text(keys.get("sha256"), path + ".sha256", "", ImageEntries::sha256);
    return new ImageSource.Published(url, Optional.of(sha256));
  }

  private ImageSource debianBuilt(Yaml yaml, String path) {
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
        packages.add(fields.text(wanted.list().get(i), item, "", ImageEntries::packageName));
      }
    }
    return new ImageSource.Built(suite, packages);
  }

  /**
   * {@return the image that a text of {@code images} or {@code --image} means}
   *
   * @throws IllegalArgumentException with the rule, if it means none
   */
  public static ImageSource image(String text) {
    Optional<ImageSource> known = ImageSource.known(text);
    if (known.isEmpty() && !text.matches("(\\.{1,2}/|/|~/)[^\\p{Cntrl}]+")) {
      String names =
          ImageSource.known().stream().map(ImageSource::name).collect(Collectors.joining(", "));
      throw new IllegalArgumentException(
          "must be one of " + names + ", a path such as ./my.img, or a map with url and sha256");
    }
    return known.orElseGet(() -> new ImageSource.LocalFile(text));
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

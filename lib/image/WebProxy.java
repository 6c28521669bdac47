package lib.image;

import java.io.IOException;
import java.net.InetSocketAddress;
import java.net.Proxy;
import java.net.ProxySelector;
import java.net.SocketAddress;
import java.net.URI;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import lib.Problem;
import lib.Visible;

/**
 * The proxy settings that command line programs know, from the environment: {@code https_proxy},
 * {@code http_proxy}, {@code all_proxy} and {@code no_proxy}, or the same in capitals. Java itself
 * does not read them.
 */
public final class WebProxy extends ProxySelector {
  private static final Pattern PROXY =
      Pattern.compile("(?:http://)?([A-Za-z0-9._-]+|\\[[0-9a-fA-F:]+\\])(?::([0-9]{1,5}))?/?");

  private final Map<String, String> environment;

  /** The settings in an environment. */
  public WebProxy(Map<String, String> environment) {
    this.environment = Map.copyOf(environment);
  }

  @Override
  public List<Proxy> select(URI uri) {
    if (isExcepted(uri.getHost())) {
      return List.of(Proxy.NO_PROXY);
    }
    return address(uri)
        .map(proxy -> List.of(new Proxy(Proxy.Type.HTTP, proxy)))
        .orElse(List.of(Proxy.NO_PROXY));
  }

  private Optional<InetSocketAddress> address(URI uri) {
    return value(uri.getScheme() + "_proxy").or(() -> value("all_proxy")).map(WebProxy::parse);
  }

  private static InetSocketAddress parse(String text) {
    Matcher proxy = PROXY.matcher(text);
    if (!proxy.matches()) {
      throw new Problem(
          "kubenet can't use the proxy `"
              + Visible.line(text.replaceFirst("//.*@", "//...@"))
              + "`",
          "set https_proxy to an address such as http://proxy.example:3128, without a password");
    }
    String port = proxy.group(2);
    return new InetSocketAddress(proxy.group(1), port == null ? 80 : Integer.parseInt(port));
  }

  /** As curl reads it: names with all that end in them, and * for every host. */
  private boolean isExcepted(String host) {
    return value("no_proxy").stream()
        .flatMap(list -> Stream.of(list.split("[, ]+")))
        .map(name -> name.replaceFirst("^\\.", "").toLowerCase(Locale.ROOT))
        .anyMatch(
            name ->
                name.equals("*")
                    || host.equalsIgnoreCase(name)
                    || host.toLowerCase(Locale.ROOT).endsWith("." + name));
  }

  private Optional<String> value(String name) {
    return Stream.of(name, name.toUpperCase(Locale.ROOT))
        .map(environment::get)
        .filter(value -> value != null && !value.isEmpty())
        .findFirst();
  }

  @Override
  public void connectFailed(URI uri, SocketAddress proxy, IOException cause) {
    // the connection itself fails with that
  }
}

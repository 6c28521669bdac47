package lib;

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
import java.util.stream.Stream;

/**
 * The proxy settings that command line programs know, from the environment: {@code https_proxy},
 * {@code http_proxy}, {@code all_proxy} and {@code no_proxy}, or the same in capitals. Java itself
 * does not read them.
 */
public final class WebProxy extends ProxySelector {
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
    return value(uri.getScheme() + "_proxy")
        .or(() -> value("all_proxy"))
        .map(text -> text.contains("://") ? text : "http://" + text)
        .map(URI::create)
        .map(
            proxy ->
                new InetSocketAddress(proxy.getHost(), proxy.getPort() < 0 ? 80 : proxy.getPort()));
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

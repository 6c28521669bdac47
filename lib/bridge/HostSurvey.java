//DEPS com.fasterxml.jackson.dataformat:jackson-dataformat-yaml:2.21.8
package lib.bridge;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Stream;
import lib.Argv;
import lib.Commands;
import lib.Problem;
import lib.cluster.Host;
import lib.cluster.Subnet;

/** Looks at a Linux host for {@link HostNetwork}; changes nothing, but may need sudo to look. */
public final class HostSurvey {
  private final boolean sudo = !Host.isRoot();

  /**
   * {@return what is on this host}
   *
   * @param network whose address a DNS server must have for itself
   */
  public HostNetwork.Found look(HostNetwork network) {
    Map<String, String> records = records();
    Optional<Long> dnsmasq = dnsmasq();
    return new HostNetwork.Found(
        links(),
        read(Path.of("/proc/sys/net/ipv4/ip_forward")).strip().equals("1"),
        records,
        dnsmasq,
        dnsmasq.isPresent() ? List.of() : resolvers(network.address()),
        firewall(),
        read(Path.of("/etc/hosts")));
  }

  private HostFirewall firewall() {
    return new HostFirewall(
        asRoot(Argv.of("nft", "list", "table", "ip", HostNetwork.NAME))
            .map(Commands.Result::succeeded)
            .orElse(false),
        // with the table named it would say, and some versions make, one that is not there
        asRoot(Argv.of("iptables-save")).map(result -> filter(result.out())).orElse(List.of()),
        firewalld());
  }

  private static List<HostNetwork.Link> links() {
    Map<String, List<Subnet>> ways = new LinkedHashMap<>();
    for (JsonNode route : json(Argv.of("ip", "-j", "-4", "route", "show"))) {
      subnet(route.path("dst").asText())
          .ifPresent(
              subnet ->
                  ways.computeIfAbsent(route.path("dev").asText(), dev -> new ArrayList<>())
                      .add(subnet));
    }
    List<HostNetwork.Link> links = new ArrayList<>();
    for (JsonNode link : json(Argv.of("ip", "-j", "-d", "address", "show"))) {
      String name = link.path("ifname").asText();
      List<Subnet> subnets = new ArrayList<>();
      for (JsonNode address : link.path("addr_info")) {
        if (address.path("family").asText().equals("inet")) {
          subnets.add(
              Subnet.around(address.path("local").asText(), address.path("prefixlen").asInt()));
        }
      }
      ways.getOrDefault(name, List.of()).stream()
          .filter(way -> !subnets.contains(way))
          .forEach(subnets::add);
      links.add(
          new HostNetwork.Link(
              name,
              link.path("master").asText(),
              link.path("linkinfo").path("info_data").path("user").asText(),
              link.path("flags").toString().contains("LOWER_UP"),
              subnets));
    }
    return links;
  }

  /** The destination of a route; none of the default route, which overlaps nothing. */
  private static Optional<Subnet> subnet(String destination) {
    String[] halves = destination.split("/");
    try {
      int prefix = halves.length < 2 ? 32 : Integer.parseInt(halves[1]);
      return Optional.of(Subnet.around(halves[0], prefix));
    } catch (IllegalArgumentException e) {
      return Optional.empty();
    }
  }

  private static Map<String, String> records() {
    Map<String, String> records = new LinkedHashMap<>();
    if (Files.isDirectory(HostNetwork.RUN)) {
      try (Stream<Path> files = Files.list(HostNetwork.RUN)) {
        files.sorted().forEach(file -> records.put(file.getFileName().toString(), read(file)));
      } catch (IOException e) {
        throw unreadable(HostNetwork.RUN, e);
      }
    }
    return records;
  }

  private static Optional<Long> dnsmasq() {
    Path file = HostNetwork.RUN.resolve("dnsmasq.pid");
    String pid = Files.exists(file) ? read(file).strip() : "";
    // the number may be another process's by now; a dead one has no command line
    boolean alive =
        pid.matches("[0-9]+")
            && Files.exists(Path.of("/proc", pid, "cmdline"))
            && read(Path.of("/proc", pid, "cmdline")).contains("dnsmasq");
    return alive ? Optional.of(Long.parseLong(pid)) : Optional.empty();
  }

  private List<String> resolvers(String address) {
    List<String> wanted = List.of("0.0.0.0:53", "*:53", "[::]:53", address + ":53");
    return asRoot(Argv.of("ss", "-Hltunp", "sport = :53"))
        .map(Commands.Result::out)
        .orElse("")
        .lines()
        .map(line -> line.strip().split(" +"))
        .filter(words -> words.length > 4 && wanted.contains(words[4]))
        .map(words -> words[4] + (words.length > 6 ? " " + program(words[6]) : ""))
        .distinct()
        .toList();
  }

  /** {@code users:(("dnsmasq",pid=1,fd=4))} is dnsmasq. */
  private static String program(String users) {
    String[] parts = users.split("\"");
    return parts.length > 1 ? "(" + parts[1] + ")" : "";
  }

  private static List<String> filter(String tables) {
    return tables
        .lines()
        .dropWhile(line -> !line.equals("*filter"))
        .takeWhile(line -> !line.equals("COMMIT"))
        .toList();
  }

  private String firewalld() {
    if (!asRoot(Argv.of("firewall-cmd", "--state")).map(Commands.Result::succeeded).orElse(false)) {
      return "";
    }
    String zone =
        asRoot(Argv.of("firewall-cmd", "--get-zone-of-interface=" + HostNetwork.NAME))
            .map(result -> result.succeeded() ? result.out().strip() : "")
            .orElse("");
    return zone.isEmpty() ? "none" : zone;
  }

  /** What a command says that only root may ask; nothing where there is no such program. */
  private Optional<Commands.Result> asRoot(Argv command) {
    return Commands.find(command.program())
        .map(file -> Commands.run(sudo ? Argv.of("sudo").then(command) : command));
  }

  private static JsonNode json(Argv command) {
    try {
      // `ip` of some versions prints nothing at all where there is nothing
      String out = Commands.run(command).orProblem().out();
      return new ObjectMapper().readTree(out.isBlank() ? "[]" : out);
    } catch (JsonProcessingException e) {
      throw new Problem(
          "cannot read what `%s` says: %s".formatted(command.toShell(), e.getOriginalMessage()),
          "iproute2 of 2018 or later is needed",
          e);
    }
  }

  private static String read(Path file) {
    try {
      return Files.readString(file);
    } catch (IOException e) {
      throw unreadable(file, e);
    }
  }

  private static Problem unreadable(Path file, IOException cause) {
    return new Problem(
        "cannot read " + file + ": " + cause.getMessage(), "check its owner and mode", cause);
  }
}

package lib.bridge;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import lib.Argv;
import lib.cluster.Network;
import lib.cluster.Subnet;

/**
 * A Linux host's firewall as it was found, and what lets the bridge through it.
 *
 * @param table whether nftables has our table
 * @param filter what iptables-save says of table {@code filter}
 * @param firewalld the zone of our bridge, {@code none}; empty where firewalld does not run
 */
public record HostFirewall(boolean table, List<String> filter, String firewalld) {
  private static final String NAME = Network.Bridge.NAME;

  /**
   * {@return what lets nodes out in the host's name, and to the host}
   *
   * @param file the record of our own table
   * @param recorded what that file holds; null if it is not there
   */
  List<HostStep> open(Subnet subnet, Path file, String recorded) {
    List<HostStep> steps = new ArrayList<>();
    String own = table(subnet);
    if (!table || !own.equals(recorded)) {
      steps.add(HostStep.write(file, own));
      steps.add(new HostStep("nft", "-f", file.toString()));
    }
    for (List<String> rule : missing()) {
      steps.add(new HostStep(Argv.of("iptables", "-w", "-I").add(words(rule)), ""));
    }
    if (firewalld.equals("none")) {
      steps.add(new HostStep("firewall-cmd", "--zone=trusted", "--add-interface=" + NAME));
    }
    return steps;
  }

  /** {@return what takes all of that back} */
  List<HostStep> close() {
    List<HostStep> steps = new ArrayList<>();
    for (String line : filter) {
      if (line.startsWith("-A ") && (line + " ").contains(" --comment " + NAME + " ")) {
        String[] rule = line.substring("-A ".length()).split(" ");
        steps.add(new HostStep(Argv.of("iptables", "-w", "-D").add(rule), ""));
      }
    }
    if (firewalld.equals("trusted")) {
      steps.add(new HostStep("firewall-cmd", "--zone=trusted", "--remove-interface=" + NAME));
    }
    if (table) {
      steps.add(new HostStep("nft", "delete", "table", "ip", NAME));
    }
    return steps;
  }

  private static String table(Subnet subnet) {
    return """
    # made anew as a whole, however often it is loaded
    table ip %1$s
    delete table ip %1$s
    table ip %1$s {
      chain out {
        type nat hook postrouting priority srcnat; policy accept;
        ip saddr %2$s ip daddr != %2$s masquerade
      }
      chain in {
        # other machines reach guests only by answering them
        type filter hook forward priority filter; policy accept;
        iifname != "%1$s" oifname "%1$s" ct state new drop
      }
    }
    """
        .formatted(NAME, subnet);
  }

  /**
   * The rules that are missing where iptables' table {@code filter} is in use. What one table drops
   * no other can let through: so these stand in its chains (Docker's own for users, where it is),
   * first of all.
   */
  private List<List<String>> missing() {
    String mark = " -m comment --comment " + NAME + " -j ACCEPT";
    List<String> wanted = new ArrayList<>();
    if (filters("FORWARD")) {
      String chain = has("DOCKER-USER") ? "DOCKER-USER" : "FORWARD";
      wanted.add(chain + " -i " + NAME + mark);
      wanted.add(chain + " -o " + NAME + " -m conntrack --ctstate RELATED,ESTABLISHED" + mark);
    }
    if (filters("INPUT")) {
      for (String port : List.of("udp 53", "tcp 53", "udp 67")) {
        String[] words = port.split(" ");
        wanted.add(
            "INPUT -i %s -p %s -m %2$s --dport %s".formatted(NAME, words[0], words[1]) + mark);
      }
    }
    return wanted.stream()
        .map(rule -> List.of(rule.split(" ")))
        .filter(
            rule ->
                filter.stream()
                    .filter(line -> line.startsWith("-A " + rule.get(0) + " "))
                    .noneMatch(line -> Set.of(distinct(line)).containsAll(rule)))
        .toList();
  }

  private static String[] distinct(String line) {
    return List.of(line.split(" ")).stream().distinct().toArray(String[]::new);
  }

  private static String[] words(List<String> rule) {
    return rule.toArray(String[]::new);
  }

  private boolean has(String chain) {
    return filter.stream().anyMatch(line -> line.startsWith(":" + chain + " "));
  }

  /** A chain that lets all through needs no rule of ours, and may not be there but in the list. */
  private boolean filters(String chain) {
    return filter.stream()
        .anyMatch(
            line -> line.startsWith(":" + chain + " DROP") || line.startsWith("-A " + chain + " "));
  }
}

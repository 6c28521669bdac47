///usr/bin/env jbang "$0" "$@" ; exit $?
//DESCRIPTION Makes this Linux host ready for `network: bridge`, where it reaches every node by name.
//DESCRIPTION Example: ./jbang prepare-host.java --dry-run
//JAVA 17+
//MAIN PrepareHost
//DEPS info.picocli:picocli:4.7.7
//SOURCES lib/package-info.java         // what any script could use
//SOURCES lib/cluster/package-info.java // nodes, networks, cluster.yaml
//SOURCES lib/state/package-info.java   // the folders, and what they hold
//SOURCES lib/tools/package-info.java   // programs and their packages
//SOURCES lib/bridge/package-info.java  // the host's side of `network: bridge`
//RUNTIME_OPTIONS -Xmx256m -XX:+UseSerialGC -XX:TieredStopAtLevel=1

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.Callable;
import lib.Commands;
import lib.Problem;
import lib.Terminal;
import lib.bridge.HostNetwork;
import lib.bridge.HostStep;
import lib.bridge.HostSurvey;
import lib.cluster.Cluster;
import lib.cluster.Host;
import lib.cluster.Network;
import lib.state.Options;
import lib.tools.Preflight;
import lib.tools.Tool;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

@Command(
    name = "prepare-host",
    description =
        "Makes this Linux host ready for `network: bridge`: a bridge with a tap for each node, "
            + "NAT, DHCP and DNS, and the nodes' names in /etc/hosts.",
    footer = {
      "",
      "Example: ./jbang prepare-host.java --dry-run",
      "",
      "Every command is shown before it is run; those that need root are run with sudo, QEMU is "
          + "not. What is so already is left alone. But for the names, a reboot undoes it: then "
          + "run this again."
    })
class PrepareHost implements Callable<Integer> {
  @Mixin private Options options;

  @Option(names = "--undo", description = "Leave the host as it was before.")
  private boolean undo;

  @Option(
      names = "--user",
      paramLabel = "NAME",
      description = "Who may run QEMU on it; else who runs this, or called sudo.")
  private String user;

  public static void main(String... arguments) {
    System.exit(Options.run(new PrepareHost(), arguments));
  }

  @Override
  public Integer call() {
    Terminal terminal = Terminal.current();
    Cluster cluster = options.cluster();
    Network network = cluster.network();
    if (!undo && !(network instanceof Network.Bridge)) {
      terminal.line(
          "# `network: %s` in cluster.yaml changes nothing on this host; `bridge` does",
          network.word());
      return 0;
    }
    if (Host.Os.current() != Host.Os.LINUX) {
      throw new Problem(
          "`network: bridge` does not exist on this system",
          "bridge is Linux's, vmnet is macOS's, user works on both");
    }
    HostNetwork host = new HostNetwork(cluster, user());
    if (!options.dryRun() && !undo) {
      List<Tool> tools = List.of(Tool.IP, Tool.NFT, Tool.DNSMASQ, Tool.SYSCTL);
      Preflight.tools(terminal, options.yes(), tools);
    }
    HostNetwork.Found found = new HostSurvey().look(host);
    List<HostStep> steps = undo ? HostNetwork.undo(found) : prepare(host, found);
    if (!Host.isRoot()) {
      steps = steps.stream().map(HostStep::withSudo).toList();
    }
    steps.forEach(step -> terminal.line(step.toShell()));
    if (steps.isEmpty()) {
      terminal.line("# nothing to change: the host is already " + state());
    }
    if (options.dryRun() || steps.isEmpty()) {
      return 0;
    }
    if (!options.yes() && !terminal.confirm("Run these?")) {
      throw new Problem("the host was not changed", "answer yes, or give --yes");
    }
    steps.forEach(step -> Commands.run(step.command(), step.input()).orProblem());
    terminal.line("# done: the host is " + state());
    return 0;
  }

  private String state() {
    return undo ? "as it was" : "ready; undo it with: ./jbang prepare-host.java --undo";
  }

  private static List<HostStep> prepare(HostNetwork host, HostNetwork.Found found) {
    List<Problem> obstacles = new ArrayList<>(host.obstacles(found));
    if (!Files.exists(Path.of("/dev/net/tun"))) {
      obstacles.add(new Problem("there is no /dev/net/tun: no taps", "load it: sudo modprobe tun"));
    }
    if (!obstacles.isEmpty()) {
      throw Problem.all(obstacles);
    }
    return host.prepare(found);
  }

  private String user() {
    return Optional.ofNullable(user)
        .or(() -> Optional.ofNullable(System.getenv("SUDO_USER")))
        .orElse(System.getProperty("user.name"));
  }
}

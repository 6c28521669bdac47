///usr/bin/env jbang "$0" "$@" ; exit $?
//DESCRIPTION Shows a row a node: stage, seconds since it started, address, SSH port, QEMU pid.
//DESCRIPTION Example: ./jbang status.java --json
//JAVA 17+
//MAIN Status
//DEPS info.picocli:picocli:4.7.7
//SOURCES lib/Argv.java
//SOURCES lib/BootRecord.java
//SOURCES lib/Cluster.java
//SOURCES lib/ClusterFile.java
//SOURCES lib/ClusterRecord.java
//SOURCES lib/Commands.java
//SOURCES lib/Each.java
//SOURCES lib/EthernetSwitch.java
//SOURCES lib/Firmware.java
//SOURCES lib/GuestClock.java
//SOURCES lib/Host.java
//SOURCES lib/ImageEntries.java
//SOURCES lib/ImageSource.java
//SOURCES lib/LanPort.java
//SOURCES lib/LanSwitch.java
//SOURCES lib/Layout.java
//SOURCES lib/Leg.java
//SOURCES lib/Marker.java
//SOURCES lib/Meter.java
//SOURCES lib/Network.java
//SOURCES lib/Node.java
//SOURCES lib/NodeStatus.java
//SOURCES lib/Options.java
//SOURCES lib/Plan.java
//SOURCES lib/Problem.java
//SOURCES lib/Qmp.java
//SOURCES lib/Readiness.java
//SOURCES lib/Role.java
//SOURCES lib/SavedState.java
//SOURCES lib/Sessions.java
//SOURCES lib/Ssh.java
//SOURCES lib/SshKey.java
//SOURCES lib/Stage.java
//SOURCES lib/Stall.java
//SOURCES lib/StateFolder.java
//SOURCES lib/Subnet.java
//SOURCES lib/Terminal.java
//SOURCES lib/Timeline.java
//SOURCES lib/Tmux.java
//SOURCES lib/Turn.java
//SOURCES lib/Visible.java
//SOURCES lib/Vm.java
//SOURCES lib/VmnetWay.java
//SOURCES lib/Wait.java
//SOURCES lib/Yaml.java
//SOURCES lib/YamlFields.java
//RUNTIME_OPTIONS -Xmx256m -XX:+UseSerialGC -XX:TieredStopAtLevel=1

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.Callable;
import lib.BootRecord;
import lib.Cluster;
import lib.ClusterRecord;
import lib.Each;
import lib.Layout;
import lib.Node;
import lib.NodeStatus;
import lib.Options;
import lib.Problem;
import lib.Terminal;
import lib.Timeline;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

@Command(
    name = "status",
    description =
        "Shows a row a node: stage, seconds since it started, address, SSH port, QEMU pid.",
    footer = {
      "",
      "Example: ./jbang status.java --json",
      "",
      "Stages: stopped, queued (waits for its turn), booting, ssh (greets), cloud-init (at work),"
          + " ready, failed (cloud-init), refused (the login); or QEMU's own word for a VM that"
          + " does not run, such as paused or io-error."
    })
class Status implements Callable<Integer> {
  @Mixin private Options options;

  @Option(names = "--json", description = "Print a JSON array, an object a node.")
  private boolean json;

  @Option(
      names = "--timeline",
      paramLabel = "FILE.svg",
      description = "Draw where the time of the last launch went, and ask no node.")
  private Path timeline;

  public static void main(String... arguments) {
    System.exit(Options.run(new Status(), arguments));
  }

  @Override
  public Integer call() {
    Terminal terminal = Terminal.current();
    Layout layout = options.layout();
    Cluster file = options.cluster();
    Cluster cluster = options.existing(layout);
    List<Node> nodes = options.existing(cluster, layout);
    if (timeline != null) {
      draw(terminal, cluster, layout, nodes);
      return 0;
    }
    if (options.dryRun()) {
      nodes.forEach(
          node ->
              terminal.line(
                  "# asks %s and %s", layout.node(node).pid(), cluster.network().ssh(node)));
      return 0;
    }
    List<String> gone = ClusterRecord.gone(file, layout);
    List<NodeStatus> rows =
        Each.map(
            nodes,
            node -> {
              NodeStatus row = NodeStatus.of(node, cluster, layout);
              return gone.contains(node.name()) ? row.with(Status.gone(options.file())) : row;
            });
    terminal.line(json ? NodeStatus.json(rows) : NodeStatus.table(rows));
    return 0;
  }

  private static String gone(String file) {
    return "no longer in %s; stop-all.java stops it, stop-all.java --destroy --only NODE removes it"
        .formatted(file);
  }

  private void draw(Terminal terminal, Cluster cluster, Layout layout, List<Node> nodes) {
    if (options.dryRun()) {
      terminal.line("# writes " + timeline);
      return;
    }
    List<Timeline.Row> rows =
        nodes.stream()
            .map(node -> new Timeline.Row(node.name(), BootRecord.of(layout.node(node)).spans()))
            .toList();
    try {
      Files.writeString(timeline, Timeline.svg(cluster.name(), rows));
    } catch (IOException e) {
      throw new Problem("cannot write " + timeline + ": " + e, "choose another file", e);
    }
  }
}

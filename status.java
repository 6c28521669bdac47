///usr/bin/env jbang "$0" "$@" ; exit $?
//DESCRIPTION Shows a row a node: stage, seconds since it started, address, SSH port, QEMU pid.
//DESCRIPTION Example: ./jbang status.java --json
//JAVA 17+
//MAIN Status
//DEPS info.picocli:picocli:4.7.7
//SOURCES lib/package-info.java         // what any script could use
//SOURCES lib/cluster/package-info.java // nodes, networks, cluster.yaml
//SOURCES lib/state/package-info.java   // the folders, and what they hold
//SOURCES lib/vm/package-info.java      // the life of one QEMU
//SOURCES lib/lan/package-info.java     // the switch between the nodes
//SOURCES lib/ready/package-info.java   // from power-on to ready
//SOURCES lib/status/package-info.java  // what status shows
//RUNTIME_OPTIONS -Xmx256m -XX:+UseSerialGC -XX:TieredStopAtLevel=1

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.Callable;
import lib.Each;
import lib.Problem;
import lib.Terminal;
import lib.cluster.Cluster;
import lib.cluster.Node;
import lib.ready.BootRecord;
import lib.state.ClusterRecord;
import lib.state.Layout;
import lib.state.Options;
import lib.status.NodeStatus;
import lib.status.Timeline;
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

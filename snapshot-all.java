///usr/bin/env jbang "$0" "$@" ; exit $?
//DESCRIPTION Keeps the state of all nodes under a name, memory and disks, and takes them back to it.
//DESCRIPTION Example: ./jbang snapshot-all.java before-chapter-5
//JAVA 17+
//MAIN SnapshotAll
//DEPS info.picocli:picocli:4.7.7
//SOURCES lib/package-info.java         // what any script could use
//SOURCES lib/cluster/package-info.java // nodes, networks, cluster.yaml
//SOURCES lib/state/package-info.java   // the folders, and what they hold
//SOURCES lib/vm/package-info.java      // the life of one QEMU
//SOURCES lib/qemu/package-info.java    // QEMU commands as values
//SOURCES lib/tools/package-info.java   // programs and their packages
//SOURCES lib/ready/package-info.java   // from power-on to ready
//SOURCES lib/stop/package-info.java    // stop, snapshots, removal
//RUNTIME_OPTIONS -Xmx256m -XX:+UseSerialGC -XX:TieredStopAtLevel=1

import java.nio.file.Files;
import java.util.List;
import java.util.concurrent.Callable;
import lib.Lock;
import lib.Problem;
import lib.Terminal;
import lib.cluster.Cluster;
import lib.cluster.Node;
import lib.state.ClusterRecord;
import lib.state.Layout;
import lib.state.Options;
import lib.stop.Shutdown;
import lib.stop.SnapshotSet;
import lib.tools.Preflight;
import lib.tools.Tool;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

@Command(
    name = "snapshot-all",
    description = "Keeps the state of all nodes under a name, and takes them back to it.",
    footer = {
      "",
      "Example: ./jbang snapshot-all.java before-chapter-5",
      "",
      "Nodes that run are suspended for it; launch-all.java goes on. With --restore, what they "
          + "did since then is lost, and launch-all.java goes on from the snapshot. With --remove, "
          + "they just run on."
    })
class SnapshotAll implements Callable<Integer> {
  @Mixin private Options options;

  @Parameters(
      arity = "0..1",
      paramLabel = "NAME",
      description = "Letters, digits and dashes; without it, all names are listed.")
  private String name;

  @Option(names = "--restore", description = "Take all nodes back to it; asks first.")
  private boolean restore;

  @Option(names = "--remove", description = "Forget it, which frees its room.")
  private boolean remove;

  public static void main(String... arguments) {
    System.exit(Options.run(new SnapshotAll(), arguments));
  }

  @Override
  public Integer call() {
    Terminal terminal = Terminal.current();
    Layout layout = options.layout();
    Cluster cluster = options.existing(layout);
    if (options.isPartial() || restore && remove) {
      throw new Problem("it is of all nodes, and does one thing at a time", "see --help");
    }
    if (name == null) {
      SnapshotSet.all(layout).forEach(set -> terminal.line(set.name()));
      return 0;
    }
    SnapshotSet set = new SnapshotSet(layout, name);
    List<Node> all = ClusterRecord.wished(options.cluster(), layout);
    List<Node> nodes = all.stream().filter(node -> Files.exists(layout.node(node).disk())).toList();
    if (options.dryRun()) {
      String what = restore ? "takes back to" : remove ? "removes" : "suspends and keeps as";
      terminal.line("# %s %s: %d nodes", what, name, nodes.size());
      return 0;
    }
    if (nodes.isEmpty()) {
      throw new Problem("there is no node in " + layout.state(), "launch-all.java makes them");
    }
    Preflight.tools(terminal, options.yes(), List.of(Tool.QEMU_IMG));
    check(set, all, nodes);
    if (restore && !options.yes() && !terminal.confirm("Lose what the nodes did since then?")) {
      throw new Problem("nothing was changed", "answer yes, or give --yes");
    }
    try (Lock lock = Lock.take(layout.lock())) {
      check(set, all, nodes); // now that nobody changes anything
      if (restore) {
        new Shutdown(cluster, layout, terminal).cut(set.checkRestore(all));
        set.restore(all);
        terminal.line("all nodes are back at %s; launch-all.java goes on there", name);
        return 0;
      }
      if (remove) {
        set.remove(nodes);
        terminal.line("removed %s", name);
        return 0;
      }
      new Shutdown(cluster, layout, terminal).suspend(nodes);
      set.make(nodes);
      terminal.line("kept as %s; launch-all.java goes on", name);
      return 0;
    }
  }

  /** Before anything is stopped. */
  private void check(SnapshotSet set, List<Node> all, List<Node> nodes) {
    if (restore) {
      set.checkRestore(all);
    } else if (remove) {
      set.checkRemove(nodes);
    } else {
      set.checkMake(nodes);
    }
  }
}

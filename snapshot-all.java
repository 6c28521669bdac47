///usr/bin/env jbang "$0" "$@" ; exit $?
//DESCRIPTION Keeps the state of all nodes under a name, memory and disks, and takes them back to it.
//DESCRIPTION Example: ./jbang snapshot-all.java before-chapter-5
//JAVA 17+
//MAIN SnapshotAll
//DEPS info.picocli:picocli:4.7.7
//SOURCES lib/Argv.java
//SOURCES lib/Boot.java
//SOURCES lib/BootRecord.java
//SOURCES lib/CacheFolder.java
//SOURCES lib/Cluster.java
//SOURCES lib/ClusterFile.java
//SOURCES lib/ClusterRecord.java
//SOURCES lib/Commands.java
//SOURCES lib/Each.java
//SOURCES lib/EthernetSwitch.java
//SOURCES lib/Firmware.java
//SOURCES lib/Forward.java
//SOURCES lib/Host.java
//SOURCES lib/Image.java
//SOURCES lib/ImageEntries.java
//SOURCES lib/ImageSource.java
//SOURCES lib/LanSwitch.java
//SOURCES lib/Layout.java
//SOURCES lib/Leg.java
//SOURCES lib/Lock.java
//SOURCES lib/Marker.java
//SOURCES lib/Meter.java
//SOURCES lib/Network.java
//SOURCES lib/Node.java
//SOURCES lib/Options.java
//SOURCES lib/Plan.java
//SOURCES lib/Preflight.java
//SOURCES lib/Probe.java
//SOURCES lib/Problem.java
//SOURCES lib/Qemu.java
//SOURCES lib/QemuImg.java
//SOURCES lib/Qmp.java
//SOURCES lib/Role.java
//SOURCES lib/SavedState.java
//SOURCES lib/Sessions.java
//SOURCES lib/Shutdown.java
//SOURCES lib/SnapshotSet.java
//SOURCES lib/Ssh.java
//SOURCES lib/SshKey.java
//SOURCES lib/Stall.java
//SOURCES lib/StateFolder.java
//SOURCES lib/Subnet.java
//SOURCES lib/Suspension.java
//SOURCES lib/Terminal.java
//SOURCES lib/Tmux.java
//SOURCES lib/Tool.java
//SOURCES lib/Trial.java
//SOURCES lib/Turn.java
//SOURCES lib/Visible.java
//SOURCES lib/Vm.java
//SOURCES lib/VmSession.java
//SOURCES lib/VmnetWay.java
//SOURCES lib/Wait.java
//SOURCES lib/Yaml.java
//SOURCES lib/YamlFields.java
//RUNTIME_OPTIONS -Xmx256m -XX:+UseSerialGC -XX:TieredStopAtLevel=1

import java.nio.file.Files;
import java.util.List;
import java.util.concurrent.Callable;
import lib.Cluster;
import lib.ClusterRecord;
import lib.Layout;
import lib.Lock;
import lib.Node;
import lib.Options;
import lib.Preflight;
import lib.Problem;
import lib.Shutdown;
import lib.SnapshotSet;
import lib.Terminal;
import lib.Tool;
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

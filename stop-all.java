///usr/bin/env jbang "$0" "$@" ; exit $?
//DESCRIPTION Shuts every node down in order; what does not shut down is left running and named.
//DESCRIPTION Example: ./jbang stop-all.java --destroy
//JAVA 17+
//MAIN StopAll
//DEPS info.picocli:picocli:4.7.7
//SOURCES lib/package-info.java         // what any script could use
//SOURCES lib/cluster/package-info.java // nodes, networks, cluster.yaml
//SOURCES lib/state/package-info.java   // the folders, and what they hold
//SOURCES lib/vm/package-info.java      // the life of one QEMU
//SOURCES lib/qemu/package-info.java    // QEMU commands as values
//SOURCES lib/lan/package-info.java     // the switch between the nodes
//SOURCES lib/tmux/package-info.java    // windows and panes
//SOURCES lib/ready/package-info.java   // from power-on to ready
//SOURCES lib/stop/package-info.java    // stop, snapshots, removal
//RUNTIME_OPTIONS -Xmx256m -XX:+UseSerialGC -XX:TieredStopAtLevel=1

import java.nio.file.Files;
import java.util.ArrayList;
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
import lib.state.StateFolder;
import lib.stop.Remains;
import lib.stop.Shutdown;
import lib.stop.SnapshotSet;
import lib.tmux.Sessions;
import lib.tmux.VmSession;
import lib.vm.Abandoned;
import lib.vm.Suspension;
import lib.vm.Vm;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

@Command(
    name = "stop-all",
    description =
        "Shuts every node down in order; what does not shut down is left running and named.",
    footer = {
      "",
      "Example: ./jbang stop-all.java --destroy",
      "",
      "The power button is pressed; if QEMU does not answer, the guest is powered off over SSH. "
          + "--kill ends a node that takes neither: QEMU's quit, then SIGTERM, then SIGKILL.",
      "",
      "Disks and keys stay, so that launch-all.java starts the same nodes again. "
          + "--destroy cuts the nodes' power and removes these files too: it lists them, and asks "
          + "unless --yes is given."
    })
class StopAll implements Callable<Integer> {
  @Mixin private Options options;

  @Option(names = "--destroy", description = "Remove the nodes' disks, seeds and keys as well.")
  private boolean destroy;

  @Option(
      names = "--kill",
      description = "End what does not shut down, which loses what its guest has not written.")
  private boolean kill;

  @Option(
      names = "--suspend",
      description = "Save what each node is doing; launch-all.java goes on there.")
  private boolean suspend;

  @Option(
      names = "--discard",
      description = "Give up what --suspend saved; the nodes boot from their disks then.")
  private boolean discard;

  public static void main(String... arguments) {
    System.exit(Options.run(new StopAll(), arguments));
  }

  @Override
  public Integer call() {
    if (suspend && destroy) {
      throw new Problem("--suspend saves nodes, --destroy removes them", "give one of the two");
    }
    if (suspend && kill) {
      throw new Problem("--suspend saves nodes, --kill ends them", "give one of the two");
    }
    if (discard && (suspend || destroy || kill)) {
      throw new Problem("--discard only gives up what was saved", "give it alone");
    }
    Terminal terminal = Terminal.current();
    Layout layout = options.layout();
    Cluster cluster = options.existing(layout);
    List<Node> nodes = options.existing(cluster, layout);
    if (discard) {
      return discard(terminal, layout, nodes);
    }
    Remains remains = remains(layout, nodes);
    if (options.dryRun()) {
      nodes.stream()
          .filter(node -> Vm.of(node, layout).alive())
          .forEach(node -> terminal.line("# %s %s", suspend ? "suspends" : "stops", node.name()));
      remains.summary().forEach(path -> terminal.line("# removes " + path));
      return 0;
    }
    if (!StateFolder.isUsed(layout)) {
      String what = Files.exists(layout.state()) ? "cluster in " : "";
      terminal.line("nothing to stop: there is no " + what + layout.state());
      return 0;
    }
    if (destroy && !agreed(terminal, layout, nodes, remains)) {
      throw new Problem("nothing was stopped or removed", "answer yes, or give --yes");
    }
    try (Lock lock = Lock.take(layout.lock())) {
      if (destroy && !options.isPartial()) {
        Remains.refuseOthersThatRun(layout, nodes); // before the first one's power is cut
      } else if (destroy) {
        SnapshotSet.refuseWhileRestored(layout, nodes);
      }
      Shutdown shutdown = new Shutdown(cluster, layout, terminal);
      if (suspend) {
        shutdown.suspend(nodes);
      } else if (destroy) {
        shutdown.cut(nodes);
      } else if (kill) {
        shutdown.kill(nodes);
      } else {
        shutdown.stop(nodes);
      }
      List<Node> all = ClusterRecord.nodes(cluster, layout);
      if (all.stream().noneMatch(node -> Vm.of(node, layout).alive())) {
        Sessions sessions = Sessions.of(layout);
        sessions.endOwn(cluster.sshSession());
        if (!sessions.isOthers(cluster.vmsSession())) {
          VmSession.of(cluster, layout, terminal).end(all);
        }
      }
      if (destroy) {
        remains(layout, nodes)
            .removeFor(layout, nodes, !options.isPartial())
            .forEach(terminal::line);
      }
    }
    Abandoned.endAll();
    return 0;
  }

  /** Nodes that run have nothing saved, or are about to go on from it. */
  private int discard(Terminal terminal, Layout layout, List<Node> nodes) {
    List<Suspension> saved = new ArrayList<>(Suspension.savedOf(nodes, layout));
    if (saved.isEmpty()) {
      terminal.line("nothing to give up: no node is suspended");
      return 0;
    }
    String verb = options.dryRun() ? "# gives up " : "will give up ";
    saved.forEach(suspension -> terminal.line(verb + suspension.words()));
    if (options.dryRun()) {
      return 0;
    }
    if (!options.yes() && !terminal.confirm("Lose that?")) {
      throw new Problem("nothing was given up", "answer yes, or give --yes");
    }
    try (Lock lock = Lock.take(layout.lock())) {
      saved.retainAll(Suspension.savedOf(nodes, layout)); // as before, and no other
      saved.forEach(Suspension::discard);
    }
    return 0;
  }

  private Remains remains(Layout layout, List<Node> nodes) {
    return destroy
        ? Remains.of(layout, nodes, !options.isPartial())
        : new Remains(List.of(), List.of());
  }

  private boolean agreed(Terminal terminal, Layout layout, List<Node> nodes, Remains remains) {
    if (remains.paths().isEmpty()) {
      return true;
    }
    remains.announced().forEach(terminal::line);
    if (options.isPartial()) {
      SnapshotSet.lost(nodes, layout).forEach(terminal::line);
    }
    return options.yes() || terminal.confirm("Cut these nodes' power and remove these files?");
  }
}

///usr/bin/env jbang "$0" "$@" ; exit $?
//DESCRIPTION Stops every node in order: power button, then QEMU's quit, then kill.
//DESCRIPTION Example: ./jbang stop-all.java --destroy
//JAVA 17+
//MAIN StopAll
//DEPS info.picocli:picocli:4.7.7
//SOURCES lib/Argv.java
//SOURCES lib/Digest.java
//SOURCES lib/EthernetSwitch.java
//SOURCES lib/Image.java
//SOURCES lib/Leg.java
//SOURCES lib/Meter.java
//SOURCES lib/Problem.java
//SOURCES lib/Qmp.java
//SOURCES lib/Role.java
//SOURCES lib/Subnet.java
//SOURCES lib/Yaml.java
//SOURCES lib/Commands.java
//SOURCES lib/Firmware.java
//SOURCES lib/Node.java
//SOURCES lib/SshKey.java
//SOURCES lib/Tmux.java
//SOURCES lib/VmnetWay.java
//SOURCES lib/Wait.java
//SOURCES lib/YamlFields.java
//SOURCES lib/EachNode.java
//SOURCES lib/Host.java
//SOURCES lib/LanSwitch.java
//SOURCES lib/Layout.java
//SOURCES lib/Network.java
//SOURCES lib/Plan.java
//SOURCES lib/QemuImg.java
//SOURCES lib/SavedState.java
//SOURCES lib/Sessions.java
//SOURCES lib/Terminal.java
//SOURCES lib/BootRecord.java
//SOURCES lib/ImageSource.java
//SOURCES lib/Lock.java
//SOURCES lib/Tool.java
//SOURCES lib/Cluster.java
//SOURCES lib/ImageEntries.java
//SOURCES lib/ImageMaker.java
//SOURCES lib/Vm.java
//SOURCES lib/BaseImage.java
//SOURCES lib/ClusterFile.java
//SOURCES lib/Forward.java
//SOURCES lib/Suspension.java
//SOURCES lib/Turn.java
//SOURCES lib/VirtualIp.java
//SOURCES lib/CloudInit.java
//SOURCES lib/Options.java
//SOURCES lib/Shutdown.java
//SOURCES lib/VmSession.java
//SOURCES lib/Identity.java
//SOURCES lib/Remains.java
//RUNTIME_OPTIONS -XX:+UseSerialGC -XX:TieredStopAtLevel=1

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.Callable;
import lib.BaseImage;
import lib.Cluster;
import lib.Layout;
import lib.Lock;
import lib.Node;
import lib.Options;
import lib.Problem;
import lib.Remains;
import lib.Sessions;
import lib.Shutdown;
import lib.Suspension;
import lib.Terminal;
import lib.Vm;
import lib.VmSession;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

@Command(
    name = "stop-all",
    description = "Stops every node in order: power button, then QEMU's quit, then kill.",
    footer = {
      "",
      "Example: ./jbang stop-all.java --destroy",
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
    if (discard && (suspend || destroy)) {
      throw new Problem("--discard only gives up what was saved", "give it alone");
    }
    Terminal terminal = Terminal.current();
    Cluster cluster = options.cluster();
    Layout layout = options.layout();
    List<Node> nodes = options.nodes(cluster);
    if (discard) {
      return discard(terminal, layout, nodes);
    }
    List<Path> remains = remains(cluster, layout, nodes);
    if (options.dryRun()) {
      nodes.stream()
          .filter(node -> Vm.of(node, layout).alive())
          .forEach(node -> terminal.line("# %s %s", suspend ? "suspends" : "stops", node.name()));
      Remains.summary(remains).forEach(path -> terminal.line("# removes " + path));
      return 0;
    }
    if (!Files.exists(layout.state())) {
      terminal.line("nothing to stop: there is no " + layout.state());
      return 0;
    }
    if (!remains.isEmpty() && !agreed(terminal, remains)) {
      throw new Problem("nothing was stopped or removed", "answer yes, or give --yes");
    }
    try (Lock lock = Lock.take(layout)) {
      Shutdown shutdown = new Shutdown(layout, terminal);
      if (suspend) {
        shutdown.suspend(nodes);
      } else if (destroy) {
        shutdown.cut(nodes);
      } else {
        shutdown.stop(nodes);
      }
      boolean last = cluster.nodes().stream().noneMatch(node -> Vm.of(node, layout).alive());
      if (last) {
        new Sessions(layout.state()).end(cluster.sshSession());
        VmSession.of(cluster, layout).end(cluster.nodes());
      }
      if (destroy && !options.isPartial()) {
        BaseImage.release(layout);
      }
      remove(terminal, remains(cluster, layout, nodes)); // with the lock, which may be new
    }
    return 0;
  }

  /** Nodes that run have nothing saved, or are about to go on from it. */
  private int discard(Terminal terminal, Layout layout, List<Node> nodes) {
    List<Suspension> saved =
        nodes.stream()
            .map(node -> Suspension.of(node, layout))
            .filter(suspension -> suspension.isSaved() && !suspension.vm().alive())
            .toList();
    if (saved.isEmpty()) {
      terminal.line("nothing to give up: no node is suspended");
      return 0;
    }
    saved.forEach(
        suspension ->
            terminal.line(
                (options.dryRun() ? "# gives up " : "will give up ") + suspension.words()));
    if (options.dryRun()) {
      return 0;
    }
    if (!options.yes() && !terminal.confirm("Lose that?")) {
      throw new Problem("nothing was given up", "answer yes, or give --yes");
    }
    try (Lock lock = Lock.take(layout)) {
      saved.stream()
          .filter(suspension -> !suspension.vm().alive()) // as before
          .forEach(Suspension::discard);
    }
    return 0;
  }

  private List<Path> remains(Cluster cluster, Layout layout, List<Node> nodes) {
    return destroy ? Remains.of(cluster, layout, nodes, !options.isPartial()) : List.of();
  }

  private void remove(Terminal terminal, List<Path> remains) {
    List<Path> left = Remains.remove(remains);
    if (destroy) {
      long removed = remains.stream().filter(path -> !Files.exists(path)).count();
      terminal.line("removed %d files and folders", removed);
      left.forEach(path -> terminal.line("left %s: kubenet did not make it", path));
    }
  }

  private boolean agreed(Terminal terminal, List<Path> remains) {
    Remains.summary(remains).forEach(path -> terminal.line("will remove " + path));
    return options.yes() || terminal.confirm("Cut these nodes' power and remove these files?");
  }
}

///usr/bin/env jbang "$0" "$@" ; exit $?
//DESCRIPTION Boots every node of the cluster, each in a pane of tmux session NAME-vms.
//DESCRIPTION Example: ./jbang launch-all.java
//JAVA 17+
//MAIN LaunchAll
//DEPS info.picocli:picocli:4.7.7
//SOURCES lib/package-info.java         // what any script could use
//SOURCES lib/cluster/package-info.java // nodes, networks, cluster.yaml
//SOURCES lib/state/package-info.java   // the folders, and what they hold
//SOURCES lib/vm/package-info.java      // the life of one QEMU
//SOURCES lib/qemu/package-info.java    // QEMU commands as values
//SOURCES lib/seed/package-info.java    // a node's files
//SOURCES lib/host/package-info.java    // checks of this machine
//SOURCES lib/lan/package-info.java     // the switch between the nodes
//SOURCES lib/tmux/package-info.java    // windows and panes
//SOURCES lib/ready/package-info.java   // from power-on to ready
//SOURCES lib/image/package-info.java   // the base image
//SOURCES lib/fork/package-info.java    // templates
//SOURCES lib/launch/package-info.java  // from options to files
//RUNTIME_OPTIONS -Xmx256m -XX:+UseSerialGC -XX:TieredStopAtLevel=1

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.function.Consumer;
import lib.Lock;
import lib.Terminal;
import lib.cluster.Network;
import lib.cluster.Node;
import lib.cluster.Role;
import lib.fork.Templates;
import lib.image.ImageOptions;
import lib.lan.LanPort;
import lib.launch.Launch;
import lib.ready.Admission;
import lib.ready.Readiness;
import lib.seed.Forward;
import lib.state.Options;
import lib.tmux.VmSession;
import lib.vm.Abandoned;
import lib.vm.Stall;
import lib.vm.Vm;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

@Command(
    name = "launch-all",
    description = "Boots every node of the cluster, each in a pane of tmux session NAME-vms.",
    footer = {
      "",
      "Example: ./jbang launch-all.java",
      "",
      "A node that has no disk yet is forked from a template of its role: a VM that was booted "
          + "once, and saved. A suspended or paused one goes on where it was. "
          + "What runs already is left alone. The VMs go on when this ends. Where the host only "
          + "emulates, as many nodes boot at a time as it has cores; the others wait, paused, for "
          + "their turn."
    })
class LaunchAll implements Callable<Integer> {
  @Mixin private Options options;
  @Mixin private ImageOptions image;

  @Option(names = "--cold", description = "Boot each node; fork none from its role's template.")
  private boolean cold;

  public static void main(String... arguments) {
    System.exit(Options.run(new LaunchAll(), arguments));
  }

  @Override
  public Integer call() {
    Terminal terminal = Terminal.current();
    List<Node> nodes = options.nodes(options.cluster());
    Launch launch = Launch.decide(options, image, nodes, terminal);
    boolean switched = launch.cluster().network() instanceof Network.User;
    boolean queued = launch.host().emulates();
    if (options.dryRun()) {
      launch.describe(nodes);
      VmSession.of(launch.cluster(), launch.layout(), terminal)
          .commands(nodes, launch.layout(), queued, switched)
          .forEach(command -> terminal.line(command.toShell()));
      return 0;
    }
    try (Lock lock = launch.lock()) {
      VmSession session = VmSession.of(launch.cluster(), launch.layout(), terminal);
      List<Node> starting = new ArrayList<>(nodes);
      starting.removeIf(node -> Vm.of(node, launch.layout()).alive());
      if (starting.size() < nodes.size()) {
        terminal.line("%d of %d run already", nodes.size() - starting.size(), nodes.size());
      }
      Stall.endAll(nodes, launch.layout(), terminal);
      Abandoned.endAll();
      Readiness.setClocks(nodes, launch.cluster(), launch.layout(), terminal);
      launch.prepare();
      Templates templates = launch.templates(starting, cold);
      List<Role> missing = templates.missing();
      List<Node> later =
          starting.stream()
              .filter(node -> launch.isFresh(node) && missing.contains(node.role()))
              .toList();
      List<Node> now = starting.stream().filter(node -> !later.contains(node)).toList();
      Consumer<Node> start = node -> session.start(node, launch.layout().node(node), queued);
      launch.files(now, templates);
      if (switched) {
        session.startLan();
        LanPort.connectAll(launch.nodes(), launch.layout(), terminal);
      }
      now.forEach(start);
      if (switched) {
        session.startForward(launch.forwardChanges());
        terminal.line("kubernetes   " + Forward.words(launch.cluster()));
      }
      launch.record(session);
      terminal.line(
          "%sconsoles: %s", now.isEmpty() ? "" : now.size() + " started; ", session.attach());
      List<Node> running = nodes.stream().filter(node -> !later.contains(node)).toList();
      Admission admission =
          Admission.of(launch.cluster(), launch.layout(), launch.host(), start, terminal);
      try (Lock making = missing.isEmpty() ? null : templates.lock(terminal)) {
        admission.resumeAll(running, forks(launch, templates, later, start));
        launch.record(session); // which the first fork may have made
      }
      return 0;
    }
  }

  /** The nodes whose template is to be made first, by their roles. */
  private static List<Admission.Later> forks(
      Launch launch, Templates templates, List<Node> later, Consumer<Node> start) {
    return later.stream()
        .map(Node::role)
        .distinct()
        .map(
            role -> {
              List<Node> nodes = later.stream().filter(node -> node.role() == role).toList();
              Runnable template = launch.makeTemplate(role, templates);
              return new Admission.Later(
                  nodes,
                  () -> {
                    template.run();
                    launch.files(nodes, templates);
                    nodes.forEach(start);
                  });
            })
        .toList();
  }
}

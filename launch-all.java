///usr/bin/env jbang "$0" "$@" ; exit $?
//DESCRIPTION Boots every node of the cluster, each in a pane of tmux session NAME-vms.
//DESCRIPTION Example: ./jbang launch-all.java
//JAVA 17+
//MAIN LaunchAll
//DEPS info.picocli:picocli:4.7.7
//SOURCES check-host.java
//SOURCES lan.java
//SOURCES prepare-image.java
//SOURCES lib/package-info.java         // what any script could use
//SOURCES lib/cluster/package-info.java // nodes, networks, cluster.yaml
//SOURCES lib/state/package-info.java   // the folders, and what they hold
//SOURCES lib/vm/package-info.java      // the life of one QEMU
//SOURCES lib/qemu/package-info.java    // QEMU commands as values
//SOURCES lib/seed/package-info.java    // a node's files
//SOURCES lib/tools/package-info.java   // programs and their packages
//SOURCES lib/host/package-info.java    // checks of this machine
//SOURCES lib/lan/package-info.java     // the switch between the nodes
//SOURCES lib/tmux/package-info.java    // windows and panes
//SOURCES lib/ready/package-info.java   // from power-on to ready
//SOURCES lib/image/package-info.java   // the base image
//SOURCES lib/fork/package-info.java    // templates
//RUNTIME_OPTIONS -Xmx256m -XX:+UseSerialGC -XX:TieredStopAtLevel=1

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.function.Consumer;
import lib.Lock;
import lib.Terminal;
import lib.cluster.Cluster;
import lib.cluster.Node;
import lib.cluster.Role;
import lib.cluster.VmnetWay;
import lib.fork.Templates;
import lib.image.ImageOptions;
import lib.qemu.BaseImage;
import lib.ready.Admission;
import lib.ready.Readiness;
import lib.seed.NodeFiles;
import lib.state.Layout;
import lib.state.Options;
import lib.state.StateFolder;
import lib.tmux.VmSession;
import lib.tools.Preflight;
import lib.tools.Tool;
import lib.vm.Abandoned;
import lib.vm.Changes;
import lib.vm.Checks;
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

  LaunchAll() {}

  /** The step as a part of another script. */
  LaunchAll(Options options, ImageOptions image, boolean cold) {
    this.options = options;
    this.image = image;
    this.cold = cold;
  }

  public static void main(String... arguments) {
    System.exit(Options.run(new LaunchAll(), arguments));
  }

  @Override
  public Integer call() {
    Terminal terminal = Terminal.current();
    Cluster cluster = VmnetWay.onThisHost(options.cluster());
    List<Node> nodes = options.nodes(cluster);
    Layout layout = options.layout();
    options.existing(layout); // checks whose nodes they are
    Changes.refuse(cluster, layout, options.file());
    Lan lan = new Lan(options);
    PrepareImage step = new PrepareImage(options, image);
    if (!options.dryRun()) {
      Checks.beforeLaunch(
          cluster,
          nodes,
          layout,
          () -> Tool.TMUX.isPresent() && VmSession.of(cluster, layout, terminal).forwards(),
          terminal);
      List<Tool> tools = new ArrayList<>(CheckHost.tools());
      tools.addAll(step.tools(cluster, terminal));
      Preflight.tools(terminal, options.yes(), tools);
    }
    PrepareImage.Prepared prepared = step.forLaunch(cluster, terminal);
    NodeFiles files =
        NodeFiles.of(options, cluster, prepared.facts(), prepared.choice().image(), terminal);
    boolean queued = prepared.facts().host().emulates();
    if (options.dryRun()) {
      files.describe(nodes).forEach(terminal::line);
      if (Lan.isOurs(cluster)) {
        lan.describe(cluster, layout, terminal);
      }
      VmSession.of(cluster, layout, terminal)
          .commands(nodes, layout, queued, Lan.isOurs(cluster))
          .forEach(command -> terminal.line(command.toShell()));
      return 0;
    }
    BaseImage base = prepared.choice().base().orElseThrow();
    try (Lock lock = StateFolder.lock(layout)) { // from here on, the folder has its id
      VmSession session = VmSession.of(cluster, layout, terminal);
      List<Node> starting = new ArrayList<>(nodes);
      starting.removeIf(node -> Vm.of(node, layout).alive());
      if (starting.size() < nodes.size()) {
        terminal.line("%d of %d run already", nodes.size() - starting.size(), nodes.size());
      }
      Stall.endAll(nodes, layout, terminal);
      Abandoned.endAll();
      Readiness.setClocks(nodes, cluster, layout, terminal);
      Checks.underLock(cluster, layout, prepared.facts(), options.file());
      files.makeShared();
      List<Node> fresh = starting.stream().filter(node -> !cold && !files.hasDisk(node)).toList();
      Templates templates = Templates.of(files, base, fresh, terminal::line);
      List<Role> missing = templates.missing();
      List<Node> later = fresh.stream().filter(node -> missing.contains(node.role())).toList();
      List<Node> now = starting.stream().filter(node -> !later.contains(node)).toList();
      Consumer<List<Node>> make =
          some -> files.make(some, base, templates.found(), options.configOf(layout), terminal);
      Consumer<Node> start = node -> session.start(node, layout.node(node), queued);
      make.accept(now);
      if (Lan.isOurs(cluster)) {
        lan.start(cluster, layout, session, terminal);
      }
      now.forEach(start);
      if (Lan.isOurs(cluster)) {
        Lan.forward(cluster, layout, session, terminal);
      }
      session.record(layout);
      terminal.line(
          "%sconsoles: %s", now.isEmpty() ? "" : now.size() + " started; ", session.attach());
      List<Node> running = nodes.stream().filter(node -> !later.contains(node)).toList();
      Admission admission =
          Admission.of(
              cluster,
              layout,
              prepared.facts().host(),
              start,
              new Admission.Panes(session::hasEnded, session::tail, session::attach),
              terminal);
      try (Lock making = missing.isEmpty() ? null : templates.lock(terminal)) {
        Consumer<List<Node>> begin = make.andThen(some -> some.forEach(start));
        admission.resumeAll(running, forks(templates, later, begin, terminal));
        session.record(layout); // the first fork may have made the session
      }
      return 0;
    }
  }

  /** The nodes whose template is to be made first, by role; without a template, they boot. */
  private static List<Admission.Later> forks(
      Templates templates, List<Node> later, Consumer<List<Node>> begin, Terminal terminal) {
    return later.stream()
        .map(Node::role)
        .distinct()
        .map(role -> later.stream().filter(node -> node.role() == role).toList())
        .map(
            nodes ->
                new Admission.Later(
                    nodes,
                    () -> {
                      templates.attempt(nodes.get(0).role(), terminal);
                      begin.accept(nodes);
                    }))
        .toList();
  }
}

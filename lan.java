///usr/bin/env jbang "$0" "$@" ; exit $?
//DESCRIPTION Starts the LAN of `network: user`: the switch, and the forward to the virtual IP.
//DESCRIPTION Example: ./jbang lan.java
//JAVA 17+
//MAIN Lan
//DEPS info.picocli:picocli:4.7.7
//SOURCES lib/package-info.java         // what any script could use
//SOURCES lib/cluster/package-info.java // nodes, networks, cluster.yaml
//SOURCES lib/state/package-info.java   // the folders, and what they hold
//SOURCES lib/vm/package-info.java      // the life of one QEMU
//SOURCES lib/tools/package-info.java   // programs and their packages
//SOURCES lib/lan/package-info.java     // the switch between the nodes
//SOURCES lib/tmux/package-info.java    // windows and panes
//RUNTIME_OPTIONS -Xmx256m -XX:+UseSerialGC -XX:TieredStopAtLevel=1

import java.util.List;
import java.util.concurrent.Callable;
import lib.Lock;
import lib.Plan;
import lib.Terminal;
import lib.cluster.Cluster;
import lib.cluster.Network;
import lib.lan.Forward;
import lib.lan.LanPort;
import lib.state.ClusterRecord;
import lib.state.Layout;
import lib.state.Options;
import lib.state.StateFolder;
import lib.tmux.VmSession;
import lib.tools.Preflight;
import lib.tools.Tool;
import lib.vm.Checks;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;

@Command(
    name = "lan",
    description = "Starts the LAN of `network: user`: the switch, and the forward to the VIP.",
    footer = {
      "",
      "Example: ./jbang lan.java",
      "",
      "Both run in panes of tmux session NAME-vms; stop-all ends them. VMs that lost their switch "
          + "are connected again. What runs already is left alone. The other networks have a LAN "
          + "of the host's."
    })
class Lan implements Callable<Integer> {
  @Mixin private Options options;

  Lan() {}

  /** The step as a part of another script. */
  Lan(Options options) {
    this.options = options;
  }

  public static void main(String... arguments) {
    System.exit(Options.run(new Lan(), arguments));
  }

  @Override
  public Integer call() {
    Terminal terminal = Terminal.current();
    Layout layout = options.layout();
    Cluster cluster = options.existing(layout);
    if (!isOurs(cluster)) {
      terminal.line("# `network: %s` needs no LAN of kubenet's own", cluster.network().word());
      return 0;
    }
    VmSession session = VmSession.of(cluster, layout, terminal);
    if (options.dryRun()) {
      describe(cluster, layout, terminal);
      terminal.line("# both in tmux session " + session.session());
      terminal.line(session.lan().command().toShell());
      terminal.line(session.forward().toShell());
      return 0;
    }
    Preflight.tools(terminal, options.yes(), List.of(Tool.TMUX, Tool.SSH));
    Checks.services(cluster, session::forwards);
    try (Lock lock = StateFolder.lock(layout)) { // from here on, the folder has its id
      Checks.unchanged(options.cluster(), layout, options.file());
      VmSession owned = VmSession.of(cluster, layout, terminal);
      start(cluster, layout, owned, terminal);
      forward(cluster, layout, owned, terminal);
      terminal.line("the switch and the forward: " + owned.attach());
    }
    return 0;
  }

  /** {@return whether a cluster's LAN is this switch} */
  static boolean isOurs(Cluster cluster) {
    return cluster.network() instanceof Network.User;
  }

  /** Prints which file would be written. */
  void describe(Cluster cluster, Layout layout, Terminal terminal) {
    new Plan(List.of(script(cluster, layout))).toShell().forEach(terminal::line);
  }

  /** Starts the switch, unless it is running; the caller holds the lock. */
  void start(Cluster cluster, Layout layout, VmSession session, Terminal terminal) {
    StateFolder.claimRuntime(layout);
    session.startLan();
    LanPort.connectAll(ClusterRecord.wished(cluster, layout), layout, terminal);
    if (ClusterRecord.read(layout).isEmpty()) { // a launch finds the session by it
      ClusterRecord.add(cluster, layout, options.configOf(layout), List.of(), "");
    }
    session.record(layout);
  }

  /** Starts the forward, unless it is running as it should; the caller holds the lock. */
  static void forward(Cluster cluster, Layout layout, VmSession session, Terminal terminal) {
    Plan.Write script = script(cluster, layout);
    boolean changes = !script.isDone();
    script.run();
    session.startForward(changes);
    terminal.line("kubernetes   " + Forward.words(cluster));
  }

  private static Plan.Write script(Cluster cluster, Layout layout) {
    return new Plan.Write(layout.forward(), Forward.script(cluster, layout), true);
  }
}

///usr/bin/env jbang "$0" "$@" ; exit $?
//DESCRIPTION Boots one VM of the cluster on this terminal: seed, disk and QEMU command of one node.
//DESCRIPTION Example: ./jbang launch-vm.java worker0 --dry-run
//JAVA 17+
//MAIN LaunchVm
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

import java.util.List;
import java.util.concurrent.Callable;
import lib.Argv;
import lib.Commands;
import lib.Lock;
import lib.Terminal;
import lib.cluster.Network;
import lib.cluster.Node;
import lib.image.ImageOptions;
import lib.lan.LanPort;
import lib.launch.Launch;
import lib.ready.Admission;
import lib.state.Options;
import lib.tmux.VmSession;
import lib.vm.Vm;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

@Command(
    name = "launch-vm",
    description = "Boots one VM of the cluster on this terminal.",
    footer = {
      "",
      "Example: ./jbang launch-vm.java worker0 --dry-run",
      "",
      "The guest's console is on this terminal. Ctrl-A x ends QEMU at once, Ctrl-A c "
          + "switches to QEMU's monitor and back; Ctrl-C goes to the guest."
    })
class LaunchVm implements Callable<Integer> {
  @Mixin private Options options;
  @Mixin private ImageOptions image;

  @Option(names = "--cold", description = "Boot it, even if its role's template is there.")
  private boolean cold;

  @Parameters(paramLabel = "NODE", description = "The node's name, such as worker0.")
  private String name;

  public static void main(String... arguments) {
    System.exit(Options.run(new LaunchVm(), arguments));
  }

  @Override
  public Integer call() {
    Terminal terminal = Terminal.current();
    Node node = options.cluster().node(name); // a wrong name fails before anything is installed
    Launch launch = Launch.decide(options, image, List.of(node), terminal);
    boolean switched = launch.cluster().network() instanceof Network.User;
    if (options.dryRun()) {
      launch.describe(List.of(node));
      if (switched) {
        VmSession session = VmSession.of(launch.cluster(), launch.layout(), terminal);
        terminal.line("# the LAN switch and the forward, in tmux session " + session.session());
        terminal.line(session.lan().command().toShell());
        terminal.line(session.forward().toShell());
      }
      terminal.line(launch.command(node).toShellLines());
      return 0;
    }
    try (Lock lock = launch.lock()) {
      VmSession session = VmSession.of(launch.cluster(), launch.layout(), terminal);
      if (Vm.of(node, launch.layout()).alive()) {
        terminal.line("%s runs already; its console: %s", name, session.attach());
        return 0;
      }
      launch.prepare();
      launch.files(List.of(node), launch.templates(List.of(node), cold));
      if (switched) {
        session.startLan();
        LanPort.connectAll(launch.nodes(), launch.layout(), terminal);
        session.startForward(launch.forwardChanges());
        launch.record(session);
      }
    }
    Argv script = Argv.of("/bin/sh", launch.layout().node(node).launch().toString());
    terminal.line("running      " + script.toShell());
    Admission.loadLater(node, launch.layout(), terminal);
    return Commands.onTerminal(script) == 0 ? 0 : 1;
  }
}

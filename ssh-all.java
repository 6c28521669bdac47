///usr/bin/env jbang "$0" "$@" ; exit $?
//DESCRIPTION Waits for every node, then opens SSH to all of them in tmux session NAME-ssh.
//DESCRIPTION Example: ./jbang ssh-all.java --ready
//JAVA 17+
//MAIN SshAll
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
//SOURCES lib/GuestClock.java
//SOURCES lib/Host.java
//SOURCES lib/Image.java
//SOURCES lib/ImageEntries.java
//SOURCES lib/ImageSource.java
//SOURCES lib/LanSwitch.java
//SOURCES lib/Layout.java
//SOURCES lib/Leg.java
//SOURCES lib/Marker.java
//SOURCES lib/Meter.java
//SOURCES lib/Network.java
//SOURCES lib/Node.java
//SOURCES lib/Options.java
//SOURCES lib/Plan.java
//SOURCES lib/Preflight.java
//SOURCES lib/Probe.java
//SOURCES lib/Problem.java
//SOURCES lib/Progress.java
//SOURCES lib/Qemu.java
//SOURCES lib/Qmp.java
//SOURCES lib/Readiness.java
//SOURCES lib/ReadyAll.java
//SOURCES lib/Role.java
//SOURCES lib/SavedState.java
//SOURCES lib/Sessions.java
//SOURCES lib/Ssh.java
//SOURCES lib/SshConfig.java
//SOURCES lib/SshKey.java
//SOURCES lib/SshSession.java
//SOURCES lib/Stage.java
//SOURCES lib/StateFolder.java
//SOURCES lib/Subnet.java
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

import java.util.List;
import java.util.concurrent.Callable;
import lib.Argv;
import lib.Cluster;
import lib.ClusterRecord;
import lib.Commands;
import lib.Layout;
import lib.Node;
import lib.Options;
import lib.Preflight;
import lib.ReadyAll;
import lib.SshSession;
import lib.Stage;
import lib.Terminal;
import lib.Tool;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

@Command(
    name = "ssh-all",
    description = "Waits for every node, then opens SSH to all of them in tmux session NAME-ssh.",
    footer = {
      "",
      "Example: ./jbang ssh-all.java --ready",
      "",
      "Windows: gateway, control, worker, and nodes (control and worker); a pane a node. "
          + "The tmux prefix and S switches typing in all panes of a window on and off; the "
          + "status line shows it."
    })
class SshAll implements Callable<Integer> {
  @Mixin private Options options;

  @Option(names = "--detach", description = "Do not show the session on this terminal.")
  private boolean detach;

  @Option(names = "--ready", description = "Also wait until cloud-init is done on every node.")
  private boolean ready;

  public static void main(String... arguments) {
    System.exit(Options.run(new SshAll(), arguments));
  }

  @Override
  public Integer call() {
    Terminal terminal = Terminal.current();
    Layout layout = options.layout();
    Cluster file = options.cluster();
    Cluster cluster = options.existing(layout);
    List<String> names = options.nodes(file).stream().map(Node::name).toList();
    List<Node> nodes =
        ClusterRecord.nodes(cluster, layout).stream()
            .filter(node -> names.contains(node.name()))
            .toList();
    SshSession session = SshSession.of(cluster, layout, nodes, terminal);
    boolean inside = System.getenv("TMUX") != null;
    if (options.dryRun()) {
      nodes.forEach(
          node ->
              terminal.line(
                  "# waits for SSH of %s on %s", node.name(), cluster.network().ssh(node)));
      session.commands().forEach(command -> terminal.line(command.toShell()));
      terminal.line((detach ? "# " : "") + session.show(inside).toShell());
      return 0;
    }
    Preflight.tools(terminal, options.yes(), List.of(Tool.TMUX, Tool.SSH));
    new ReadyAll(cluster, layout, terminal)
        .await(nodes, ready ? Stage.READY : Stage.SSH, session::open);
    Argv show = session.show(inside);
    terminal.line("SSH to all:  " + show.toShell());
    if (ready) {
      terminal.line("%d of %d nodes are ready", nodes.size(), nodes.size());
    }
    return detach || !terminal.isInteractive() ? 0 : Commands.onTerminal(show);
  }
}

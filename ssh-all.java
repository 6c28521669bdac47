///usr/bin/env jbang "$0" "$@" ; exit $?
//DESCRIPTION Waits for every node, then opens SSH to all of them in tmux session NAME-ssh.
//DESCRIPTION Example: ./jbang ssh-all.java --ready
//JAVA 17+
//MAIN SshAll
//DEPS info.picocli:picocli:4.7.7
//SOURCES lib/package-info.java         // what any script could use
//SOURCES lib/cluster/package-info.java // nodes, networks, cluster.yaml
//SOURCES lib/state/package-info.java   // the folders, and what they hold
//SOURCES lib/vm/package-info.java      // the life of one QEMU
//SOURCES lib/tools/package-info.java   // programs and their packages
//SOURCES lib/lan/package-info.java     // the switch between the nodes
//SOURCES lib/tmux/package-info.java    // windows and panes
//SOURCES lib/ready/package-info.java   // from power-on to ready
//RUNTIME_OPTIONS -Xmx256m -XX:+UseSerialGC -XX:TieredStopAtLevel=1

import java.util.List;
import java.util.concurrent.Callable;
import lib.Argv;
import lib.Commands;
import lib.Terminal;
import lib.cluster.Cluster;
import lib.cluster.Node;
import lib.ready.ReadyAll;
import lib.ready.Stage;
import lib.state.ClusterRecord;
import lib.state.Layout;
import lib.state.Options;
import lib.tmux.SshSession;
import lib.tools.Preflight;
import lib.tools.Tool;
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

  SshAll() {}

  /** The step as a part of another script. */
  SshAll(Options options, boolean detach, boolean ready) {
    this.options = options;
    this.detach = detach;
    this.ready = ready;
  }

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

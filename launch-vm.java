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
//RUNTIME_OPTIONS -Xmx256m -XX:+UseSerialGC -XX:TieredStopAtLevel=1

import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.Callable;
import lib.Argv;
import lib.Commands;
import lib.Lock;
import lib.Terminal;
import lib.cluster.Cluster;
import lib.cluster.Node;
import lib.cluster.Role;
import lib.cluster.VmnetWay;
import lib.qemu.BaseImage;
import lib.qemu.Basis;
import lib.qemu.Image;
import lib.seed.NodeFiles;
import lib.seed.Template;
import lib.state.HostFacts;
import lib.state.Layout;
import lib.state.Options;
import lib.state.StateFolder;
import lib.vm.Changes;
import lib.vm.Checks;
import lib.vm.Resumption;
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
      "It takes what other steps made: the image (prepare-image), the facts about this machine "
          + "(check-host), the LAN (lan) and, if it is there, the role's template "
          + "(prepare-template). To have all of that made: launch-all.java --only worker0",
      "",
      "The guest's console is on this terminal. Ctrl-A x ends QEMU at once, Ctrl-A c "
          + "switches to QEMU's monitor and back; Ctrl-C goes to the guest."
    })
class LaunchVm implements Callable<Integer> {
  @Mixin private Options options;

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
    Cluster cluster = VmnetWay.onThisHost(options.cluster());
    Node node = cluster.node(name);
    Layout layout = options.layout();
    options.existing(layout); // checks whose nodes they are
    Changes.refuse(cluster, layout, options.file());
    if (options.dryRun()) {
      describe(node, cluster, layout, terminal);
      return 0;
    }
    Vm vm = Vm.of(node, layout);
    if (vm.alive()) {
      terminal.line("%s runs already", name);
      return 0;
    }
    Checks.beforeLaunch(cluster, List.of(node), layout, () -> true, terminal);
    HostFacts facts = HostFacts.known();
    BaseImage base = Basis.known(layout);
    terminal.line("image        %s in %s", base.facts().name(), base.folder());
    terminal.line("accelerator  " + facts.accelerator());
    NodeFiles files = NodeFiles.of(options, cluster, facts, base.image(), terminal);
    Checks.lan(cluster, layout);
    try (Lock lock = StateFolder.lock(layout)) {
      if (vm.alive()) { // another command got there first
        terminal.line("%s runs already", name);
        return 0;
      }
      Checks.underLock(cluster, layout, facts, options.file());
      files.makeShared();
      Map<Role, BaseImage> template = template(files, base, node, terminal);
      files.make(List.of(node), base, template, options.configOf(layout), terminal);
    }
    Argv script = Argv.of("/bin/sh", vm.files().launch().toString());
    terminal.line("running      " + script.toShell());
    Resumption.later(vm, terminal);
    return Commands.onTerminal(script) == 0 ? 0 : 1;
  }

  /** The template that the node is forked from, if it has no disk yet and one fits. */
  private Map<Role, BaseImage> template(
      NodeFiles files, BaseImage base, Node node, Terminal terminal) {
    if (cold || files.hasDisk(node)) {
      return Map.of();
    }
    Optional<Template> fitting = files.template(node, base);
    Optional<BaseImage> found = fitting.flatMap(Template::found);
    if (found.isPresent()) {
      terminal.line("%s is forked from %s", name, found.get().folder());
    } else if (fitting.isEmpty()) {
      terminal.line("%s boots from the start: its role has work that each node does itself", name);
    } else {
      terminal.line(
          "%s boots from the start: no template fits its image, size and cloud-init file; to make"
              + " one: ./jbang prepare-template.java --only %s",
          name, name);
    }
    return found.map(image -> Map.of(node.role(), image)).orElse(Map.of());
  }

  private void describe(Node node, Cluster cluster, Layout layout, Terminal terminal) {
    HostFacts facts = HostFacts.kept().orElseGet(HostFacts::assumed);
    Image image = Basis.chosenOrAssumed(cluster, layout);
    terminal.line("# image        %s in %s", image.name(), image.disk().getParent());
    terminal.line("# accelerator  " + facts.accelerator());
    NodeFiles files = NodeFiles.of(options, cluster, facts, image, terminal);
    files.describe(List.of(node)).forEach(terminal::line);
    terminal.line(files.command(node).toShellLines());
  }
}

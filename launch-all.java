///usr/bin/env jbang "$0" "$@" ; exit $?
//DESCRIPTION Boots every node of the cluster, each in a pane of tmux session NAME-vms.
//DESCRIPTION Example: ./jbang launch-all.java
//JAVA 17+
//MAIN LaunchAll
//DEPS info.picocli:picocli:4.7.7
//SOURCES lib/Abandoned.java
//SOURCES lib/Admission.java
//SOURCES lib/Argv.java
//SOURCES lib/Bake.java
//SOURCES lib/BaseImage.java
//SOURCES lib/Boot.java
//SOURCES lib/BootRecord.java
//SOURCES lib/CacheFolder.java
//SOURCES lib/Changes.java
//SOURCES lib/CloudInit.java
//SOURCES lib/Cluster.java
//SOURCES lib/ClusterFile.java
//SOURCES lib/ClusterRecord.java
//SOURCES lib/Commands.java
//SOURCES lib/ConsoleLog.java
//SOURCES lib/DebianBuilt.java
//SOURCES lib/Digest.java
//SOURCES lib/Disk.java
//SOURCES lib/Download.java
//SOURCES lib/Each.java
//SOURCES lib/EthernetSwitch.java
//SOURCES lib/Firmware.java
//SOURCES lib/Forward.java
//SOURCES lib/GuestClock.java
//SOURCES lib/HeldBoot.java
//SOURCES lib/Host.java
//SOURCES lib/Identity.java
//SOURCES lib/Image.java
//SOURCES lib/ImageBuild.java
//SOURCES lib/ImageDownload.java
//SOURCES lib/ImageEntries.java
//SOURCES lib/ImageImport.java
//SOURCES lib/ImageMaker.java
//SOURCES lib/ImageOptions.java
//SOURCES lib/ImageSource.java
//SOURCES lib/ImageStore.java
//SOURCES lib/Images.java
//SOURCES lib/LanPort.java
//SOURCES lib/LanSwitch.java
//SOURCES lib/Launch.java
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
//SOURCES lib/Progress.java
//SOURCES lib/Provision.java
//SOURCES lib/Qemu.java
//SOURCES lib/QemuImg.java
//SOURCES lib/Qmp.java
//SOURCES lib/Readiness.java
//SOURCES lib/RecipeFiles.java
//SOURCES lib/Role.java
//SOURCES lib/RoleFiles.java
//SOURCES lib/SavedState.java
//SOURCES lib/Sessions.java
//SOURCES lib/Ssh.java
//SOURCES lib/SshConfig.java
//SOURCES lib/SshKey.java
//SOURCES lib/Stage.java
//SOURCES lib/Stall.java
//SOURCES lib/StateFolder.java
//SOURCES lib/Subnet.java
//SOURCES lib/Suspension.java
//SOURCES lib/Template.java
//SOURCES lib/TemplateVm.java
//SOURCES lib/Templates.java
//SOURCES lib/Terminal.java
//SOURCES lib/Tmux.java
//SOURCES lib/Tool.java
//SOURCES lib/Trial.java
//SOURCES lib/Turn.java
//SOURCES lib/VirtualIp.java
//SOURCES lib/Visible.java
//SOURCES lib/Vm.java
//SOURCES lib/VmSession.java
//SOURCES lib/VmnetWay.java
//SOURCES lib/Wait.java
//SOURCES lib/WebProxy.java
//SOURCES lib/Yaml.java
//SOURCES lib/YamlFields.java
//FILES cloud-init/gateway.yaml=cloud-init/gateway.yaml
//FILES cloud-init/control.yaml=cloud-init/control.yaml
//FILES cloud-init/worker.yaml=cloud-init/worker.yaml
//FILES image/after.sh=image/after.sh
//FILES image/bake.sh=image/bake.sh
//FILES image/before.sh=image/before.sh
//FILES image/boot.sh=image/boot.sh
//FILES image/fork.py=image/fork.py
//FILES image/grub.cfg=image/grub.cfg
//RUNTIME_OPTIONS -Xmx256m -XX:+UseSerialGC -XX:TieredStopAtLevel=1

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.function.Consumer;
import lib.Abandoned;
import lib.Admission;
import lib.Forward;
import lib.ImageOptions;
import lib.LanPort;
import lib.Launch;
import lib.Lock;
import lib.Network;
import lib.Node;
import lib.Options;
import lib.Readiness;
import lib.Role;
import lib.Stall;
import lib.Suspension;
import lib.Templates;
import lib.Terminal;
import lib.Vm;
import lib.VmSession;
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
      Suspension.endCutOff(nodes, launch.layout(), terminal);
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
      Admission admission = Admission.of(launch.cluster(), launch.layout(), launch.host());
      try (Lock making = missing.isEmpty() ? null : templates.lock(terminal)) {
        admission.letGoAll(running, forks(launch, templates, later, start), start, terminal);
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

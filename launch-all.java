///usr/bin/env jbang "$0" "$@" ; exit $?
//DESCRIPTION Boots every node of the cluster, each in a pane of tmux session NAME-vms.
//DESCRIPTION Example: ./jbang launch-all.java
//JAVA 17+
//MAIN LaunchAll
//DEPS info.picocli:picocli:4.7.7
//SOURCES lib/Argv.java
//SOURCES lib/Digest.java
//SOURCES lib/Image.java
//SOURCES lib/Meter.java
//SOURCES lib/Problem.java
//SOURCES lib/Qmp.java
//SOURCES lib/Role.java
//SOURCES lib/Stage.java
//SOURCES lib/Subnet.java
//SOURCES lib/Yaml.java
//SOURCES lib/Commands.java
//SOURCES lib/Firmware.java
//SOURCES lib/Node.java
//SOURCES lib/RecipeFiles.java
//SOURCES lib/SshKey.java
//SOURCES lib/Tmux.java
//SOURCES lib/VmnetWay.java
//SOURCES lib/Wait.java
//SOURCES lib/WebProxy.java
//SOURCES lib/YamlFields.java
//SOURCES lib/EachNode.java
//SOURCES lib/Host.java
//SOURCES lib/LanSwitch.java
//SOURCES lib/Layout.java
//SOURCES lib/Network.java
//SOURCES lib/Plan.java
//SOURCES lib/QemuImg.java
//SOURCES lib/Sessions.java
//SOURCES lib/Terminal.java
//SOURCES lib/Disk.java
//SOURCES lib/Download.java
//SOURCES lib/ImageSource.java
//SOURCES lib/Lock.java
//SOURCES lib/Progress.java
//SOURCES lib/Ssh.java
//SOURCES lib/Tool.java
//SOURCES lib/Vm.java
//SOURCES lib/Cluster.java
//SOURCES lib/DebianBuilt.java
//SOURCES lib/ImageEntries.java
//SOURCES lib/ImageMaker.java
//SOURCES lib/BaseImage.java
//SOURCES lib/Boot.java
//SOURCES lib/ClusterFile.java
//SOURCES lib/Forward.java
//SOURCES lib/ImageBuild.java
//SOURCES lib/ImageDownload.java
//SOURCES lib/ImageImport.java
//SOURCES lib/ImageOptions.java
//SOURCES lib/Readiness.java
//SOURCES lib/SshConfig.java
//SOURCES lib/VirtualIp.java
//SOURCES lib/Admission.java
//SOURCES lib/CloudInit.java
//SOURCES lib/Options.java
//SOURCES lib/Qemu.java
//SOURCES lib/VmSession.java
//SOURCES lib/Provision.java
//SOURCES lib/RoleFiles.java
//SOURCES lib/Trial.java
//SOURCES lib/Bake.java
//SOURCES lib/Probe.java
//SOURCES lib/Preflight.java
//SOURCES lib/ImageStore.java
//SOURCES lib/Images.java
//SOURCES lib/Launch.java
//FILES cloud-init/gateway.yaml=cloud-init/gateway.yaml
//FILES cloud-init/control.yaml=cloud-init/control.yaml
//FILES cloud-init/worker.yaml=cloud-init/worker.yaml
//FILES image/after.sh=image/after.sh
//FILES image/bake.sh=image/bake.sh
//FILES image/before.sh=image/before.sh
//FILES image/boot.sh=image/boot.sh
//FILES image/grub.cfg=image/grub.cfg
//RUNTIME_OPTIONS -XX:+UseSerialGC -XX:TieredStopAtLevel=1

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import lib.Admission;
import lib.Forward;
import lib.ImageOptions;
import lib.Launch;
import lib.Lock;
import lib.Network;
import lib.Node;
import lib.Options;
import lib.Terminal;
import lib.Vm;
import lib.VmSession;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;

@Command(
    name = "launch-all",
    description = "Boots every node of the cluster, each in a pane of tmux session NAME-vms.",
    footer = {
      "",
      "Example: ./jbang launch-all.java",
      "",
      "What runs already is left alone. The VMs go on when this ends. Where the host only "
          + "emulates, as many nodes boot at a time as it has cores; the others wait, paused, for "
          + "their turn."
    })
class LaunchAll implements Callable<Integer> {
  @Mixin private Options options;
  @Mixin private ImageOptions image;

  public static void main(String... arguments) {
    System.exit(Options.run(new LaunchAll(), arguments));
  }

  @Override
  public Integer call() {
    Terminal terminal = Terminal.current();
    List<Node> nodes = options.nodes(options.cluster());
    Launch launch = Launch.decide(options, image, nodes, terminal);
    VmSession session = VmSession.of(launch.cluster(), launch.layout());
    boolean switched = launch.cluster().network() instanceof Network.User;
    boolean queued = launch.host().emulates();
    if (options.dryRun()) {
      launch.describe(nodes);
      session
          .commands(nodes, launch.layout(), queued, switched)
          .forEach(command -> terminal.line(command.toShell()));
      return 0;
    }
    try (Lock lock = launch.lock()) {
      List<Node> starting = new ArrayList<>(nodes);
      starting.removeIf(node -> Vm.of(node, launch.layout()).alive());
      if (starting.size() < nodes.size()) {
        terminal.line("%d of %d run already", nodes.size() - starting.size(), nodes.size());
        if (switched && !session.lan().alive()) {
          // QEMU connects to the switch once, when it starts
          terminal.line("the LAN switch had ended: those are off the LAN until they are restarted");
        }
      }
      launch.prepare(starting);
      if (switched) {
        session.startLan();
      }
      starting.forEach(node -> session.start(node, launch.layout().node(node), queued));
      if (switched) {
        session.startForward();
        terminal.line("kubernetes   " + Forward.words(launch.cluster()));
      }
      terminal.line("%d started; consoles: tmux attach -t %s", starting.size(), session.session());
      Admission.of(launch.cluster(), launch.layout(), launch.host()).letGoAll(nodes, terminal);
      return 0;
    }
  }
}

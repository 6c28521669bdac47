///usr/bin/env jbang "$0" "$@" ; exit $?
//DESCRIPTION Boots one VM of the cluster on this terminal: seed, disk and QEMU command of one node.
//DESCRIPTION Example: ./jbang launch-vm.java worker0 --dry-run
//JAVA 17+
//MAIN LaunchVm
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

import java.util.List;
import java.util.concurrent.Callable;
import lib.Admission;
import lib.Argv;
import lib.Commands;
import lib.ImageOptions;
import lib.LanPort;
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
    Admission.of(launch.cluster(), launch.layout(), launch.host()).loadLater(node, terminal);
    return Commands.onTerminal(script) == 0 ? 0 : 1;
  }
}

///usr/bin/env jbang "$0" "$@" ; exit $?
//DESCRIPTION The whole way: the image, launch-all, then ssh-all.
//DESCRIPTION Example: ./jbang setup.java --yes
//JAVA 17+
//MAIN Setup
//DEPS info.picocli:picocli:4.7.7
//SOURCES launch-all.java
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
//SOURCES lib/ReadyAll.java
//SOURCES lib/RecipeFiles.java
//SOURCES lib/Role.java
//SOURCES lib/RoleFiles.java
//SOURCES lib/SavedState.java
//SOURCES lib/Sessions.java
//SOURCES lib/Ssh.java
//SOURCES lib/SshConfig.java
//SOURCES lib/SshKey.java
//SOURCES lib/SshSession.java
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
//SOURCES ssh-all.java
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
import lib.ImageOptions;
import lib.Options;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

@Command(
    name = "setup",
    description = "The whole way: the image, launch-all, then ssh-all.",
    footer = {
      "",
      "Example: ./jbang setup.java --yes",
      "",
      "Each step is a script of its own: prepare-image, which launch-all starts with if the "
          + "image is not there, launch-all, ssh-all. Run again, this starts what is missing and "
          + "changes nothing else."
    })
class Setup implements Callable<Integer> {
  @Mixin private Options options;
  @Mixin private ImageOptions image;
  @Spec private CommandSpec spec;

  @Option(names = "--detach", description = "Do not show the SSH session on this terminal.")
  private boolean detach;

  @Option(names = "--cold", description = "Boot each node; fork none from its role's template.")
  private boolean cold;

  @Option(names = "--ready", description = "Also wait until cloud-init is done on every node.")
  private boolean ready;

  public static void main(String... arguments) {
    System.exit(Options.run(new Setup(), arguments));
  }

  @Override
  public Integer call() {
    List<String> given = spec.commandLine().getParseResult().originalArgs();
    List<String> forLaunch = new ArrayList<>(given);
    forLaunch.removeAll(List.of("--detach", "--ready"));
    int exit = Options.run(new LaunchAll(), forLaunch.toArray(String[]::new));
    List<String> forSsh = new ArrayList<>(ImageOptions.without(given));
    forSsh.remove("--cold");
    return exit == 0 ? Options.run(new SshAll(), forSsh.toArray(String[]::new)) : exit;
  }
}

///usr/bin/env jbang "$0" "$@" ; exit $?
//DESCRIPTION Makes the base image that all nodes' disks are overlays of, once.
//DESCRIPTION Example: ./jbang prepare-image.java --yes
//JAVA 17+
//MAIN PrepareImage
//DEPS info.picocli:picocli:4.7.7
//SOURCES lib/Argv.java
//SOURCES lib/Firmware.java
//SOURCES lib/Image.java
//SOURCES lib/Problem.java
//SOURCES lib/Qmp.java
//SOURCES lib/Role.java
//SOURCES lib/Subnet.java
//SOURCES lib/Yaml.java
//SOURCES lib/Commands.java
//SOURCES lib/Host.java
//SOURCES lib/Node.java
//SOURCES lib/SshKey.java
//SOURCES lib/Tmux.java
//SOURCES lib/Wait.java
//SOURCES lib/LanSwitch.java
//SOURCES lib/Layout.java
//SOURCES lib/Network.java
//SOURCES lib/Plan.java
//SOURCES lib/Sessions.java
//SOURCES lib/Terminal.java
//SOURCES lib/Tool.java
//SOURCES lib/Cluster.java
//SOURCES lib/DebianBuilt.java
//SOURCES lib/Lock.java
//SOURCES lib/Boot.java
//SOURCES lib/ClusterFile.java
//SOURCES lib/Forward.java
//SOURCES lib/ImageBuild.java
//SOURCES lib/VirtualIp.java
//SOURCES lib/CloudInit.java
//SOURCES lib/Images.java
//SOURCES lib/Options.java
//SOURCES lib/Qemu.java
//SOURCES lib/VmSession.java
//SOURCES lib/RoleFiles.java
//SOURCES lib/Trial.java
//SOURCES lib/Probe.java
//SOURCES lib/Preflight.java
//FILES cloud-init/gateway.yaml=cloud-init/gateway.yaml
//FILES cloud-init/control.yaml=cloud-init/control.yaml
//FILES cloud-init/worker.yaml=cloud-init/worker.yaml
//FILES image/after.sh=image/after.sh
//FILES image/before.sh=image/before.sh
//FILES image/grub.cfg=image/grub.cfg
//RUNTIME_OPTIONS -XX:+UseSerialGC -XX:TieredStopAtLevel=1

import java.util.Set;
import java.util.concurrent.Callable;
import lib.Cluster;
import lib.Host;
import lib.Images;
import lib.Options;
import lib.Preflight;
import lib.RoleFiles;
import lib.Terminal;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;

@Command(
    name = "prepare-image",
    description = "Makes the base image that all nodes' disks are overlays of, once.",
    footer = {
      "",
      "Example: ./jbang prepare-image.java --yes",
      "",
      "The first of `images` in cluster.yaml that can be had is taken. An image that is "
          + "there already is not made again."
    })
class PrepareImage implements Callable<Integer> {
  @Mixin private Options options;

  public static void main(String... arguments) {
    System.exit(Options.run(new PrepareImage(), arguments));
  }

  @Override
  public Integer call() {
    Terminal terminal = Terminal.current();
    Cluster cluster = options.cluster();
    Host.Arch arch = Host.Arch.current();
    Set<String> packages = RoleFiles.packages(RoleFiles.read(options.base()));
    if (!options.dryRun()) {
      Preflight.tools(terminal, options.yes(), Images.tools(cluster, arch, packages));
    }
    Images images = Images.choose(cluster, arch, options.base(), packages);
    terminal.line((options.dryRun() ? "# " : "") + "image        " + images.line());
    if (options.dryRun()) {
      images.describe().forEach(terminal::line);
    } else {
      images.make(terminal, options.yes());
    }
    return 0;
  }
}

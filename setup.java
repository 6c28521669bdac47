///usr/bin/env jbang "$0" "$@" ; exit $?
//DESCRIPTION The whole way: the image, launch-all, then ssh-all.
//DESCRIPTION Example: ./jbang setup.java --yes
//JAVA 17+
//MAIN Setup
//DEPS info.picocli:picocli:4.7.7
//SOURCES check-host.java
//SOURCES lan.java
//SOURCES launch-all.java
//SOURCES prepare-image.java
//SOURCES ssh-all.java
//SOURCES lib/package-info.java         // what any script could use
//SOURCES lib/cluster/package-info.java // nodes, networks, cluster.yaml
//SOURCES lib/state/package-info.java   // the folders, and what they hold
//SOURCES lib/vm/package-info.java      // the life of one QEMU
//SOURCES lib/qemu/package-info.java    // QEMU commands as values
//SOURCES lib/seed/package-info.java    // a node's files
//SOURCES lib/tools/package-info.java   // programs and their packages
//SOURCES lib/host/package-info.java    // checks of this machine
//SOURCES lib/lan/package-info.java     // the switch between the nodes
//SOURCES lib/tmux/package-info.java    // windows and panes
//SOURCES lib/ready/package-info.java   // from power-on to ready
//SOURCES lib/image/package-info.java   // the base image
//SOURCES lib/fork/package-info.java    // templates
//RUNTIME_OPTIONS -Xmx256m -XX:+UseSerialGC -XX:TieredStopAtLevel=1

import java.util.concurrent.Callable;
import lib.image.ImageOptions;
import lib.state.Options;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

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
    int exit = new LaunchAll(options, image, cold).call();
    return exit == 0 ? new SshAll(options, detach, ready).call() : exit;
  }
}

///usr/bin/env jbang "$0" "$@" ; exit $?
//DESCRIPTION Makes the templates that new nodes are forked from: a VM a role, booted once and saved.
//DESCRIPTION Example: ./jbang prepare-template.java --only worker0
//JAVA 17+
//MAIN PrepareTemplate
//DEPS info.picocli:picocli:4.7.7
//SOURCES lib/package-info.java         // what any script could use
//SOURCES lib/cluster/package-info.java // nodes, networks, cluster.yaml
//SOURCES lib/state/package-info.java   // the folders, and what they hold
//SOURCES lib/vm/package-info.java      // the life of one QEMU
//SOURCES lib/qemu/package-info.java    // QEMU commands as values
//SOURCES lib/seed/package-info.java    // a node's files
//SOURCES lib/tools/package-info.java   // programs and their packages
//SOURCES lib/host/package-info.java    // checks of this machine
//SOURCES lib/image/package-info.java   // the base image
//SOURCES lib/fork/package-info.java    // templates
//RUNTIME_OPTIONS -Xmx256m -XX:+UseSerialGC -XX:TieredStopAtLevel=1

import java.util.concurrent.Callable;
import lib.Lock;
import lib.Terminal;
import lib.cluster.Cluster;
import lib.cluster.Role;
import lib.cluster.VmnetWay;
import lib.fork.Templates;
import lib.qemu.BaseImage;
import lib.qemu.Basis;
import lib.seed.NodeFiles;
import lib.state.HostFacts;
import lib.state.Layout;
import lib.state.Options;
import lib.vm.Checks;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;

@Command(
    name = "prepare-template",
    description =
        "Makes the templates that new nodes are forked from: a VM a role, booted once and saved.",
    footer = {
      "",
      "Example: ./jbang prepare-template.java --only worker0",
      "",
      "--only names nodes whose roles are meant. It takes the image (prepare-image) and the facts "
          + "about this machine (check-host). A template that is there already is not made again; "
          + "one that could not be made earlier is tried again."
    })
class PrepareTemplate implements Callable<Integer> {
  @Mixin private Options options;

  public static void main(String... arguments) {
    System.exit(Options.run(new PrepareTemplate(), arguments));
  }

  @Override
  public Integer call() {
    Terminal terminal = Terminal.current();
    Cluster cluster = VmnetWay.onThisHost(options.cluster());
    Layout layout = options.layout();
    if (options.dryRun() && Basis.chosen(layout).isEmpty()) {
      terminal.line("# no image yet: ./jbang prepare-image.java");
      return 0;
    }
    BaseImage base = Basis.known(layout);
    HostFacts facts =
        options.dryRun() ? HostFacts.kept().orElseGet(HostFacts::assumed) : HostFacts.known();
    NodeFiles files = NodeFiles.of(options, cluster, facts, base.image(), terminal);
    Templates templates =
        Templates.of(files, base, options.nodes(cluster), line -> options.say(terminal, line));
    if (options.dryRun()) {
      templates.describe().forEach(terminal::line);
      return 0;
    }
    Checks.qemu(facts, cluster.network());
    try (Lock making = templates.lock(terminal)) {
      templates.forgetFailures();
      for (Role role : templates.missing()) {
        templates.make(role, terminal);
      }
    }
    templates.report().forEach(terminal::line);
    return 0;
  }
}

///usr/bin/env jbang "$0" "$@" ; exit $?
//DESCRIPTION Finds out what this machine can do for VMs: accelerator by trial, firmware, QEMU's version.
//DESCRIPTION Example: ./jbang check-host.java
//JAVA 17+
//MAIN CheckHost
//DEPS info.picocli:picocli:4.7.7
//SOURCES lib/package-info.java         // what any script could use
//SOURCES lib/cluster/package-info.java // nodes, networks, cluster.yaml
//SOURCES lib/state/package-info.java   // the folders, and what they hold
//SOURCES lib/vm/package-info.java      // the life of one QEMU
//SOURCES lib/qemu/package-info.java    // QEMU commands as values
//SOURCES lib/tools/package-info.java   // programs and their packages
//SOURCES lib/host/package-info.java    // checks of this machine
//RUNTIME_OPTIONS -Xmx256m -XX:+UseSerialGC -XX:TieredStopAtLevel=1

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.Callable;
import lib.Terminal;
import lib.cluster.Cluster;
import lib.cluster.Host;
import lib.host.Probe;
import lib.qemu.BaseImage;
import lib.qemu.Basis;
import lib.qemu.Image;
import lib.state.CacheFolder;
import lib.state.HostFacts;
import lib.state.Options;
import lib.tools.Preflight;
import lib.tools.Tool;
import lib.vm.Checks;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;

@Command(
    name = "check-host",
    description =
        "Finds out what this machine can do for VMs: accelerator by trial, firmware, QEMU's"
            + " version.",
    footer = {
      "",
      "Example: ./jbang check-host.java",
      "",
      "An accelerator counts only if a guest boots with it. What was found is kept until the "
          + "machine boots again or QEMU changes; launch-vm reads it."
    })
class CheckHost implements Callable<Integer> {
  @Mixin private Options options;

  CheckHost() {}

  /** The step as a part of another script. */
  CheckHost(Options options) {
    this.options = options;
  }

  public static void main(String... arguments) {
    System.exit(Options.run(new CheckHost(), arguments));
  }

  /** {@return the programs that a launch needs} */
  static List<Tool> tools() {
    List<Tool> tools = new ArrayList<>();
    tools.add(Tool.qemu(Host.Arch.current()));
    Tool iso = Tool.isoMaker(Host.Os.current());
    tools.addAll(List.of(iso, Tool.TMUX, Tool.SSH, Tool.SSH_KEYGEN, Tool.QEMU_IMG));
    if (Files.exists(Path.of("/etc/debian_version"))) {
      tools.add(Tool.debianFirmware(Host.Arch.current()));
    }
    return tools;
  }

  @Override
  public Integer call() {
    Terminal terminal = Terminal.current();
    Cluster cluster = options.cluster();
    Optional<Image.Kernel> kernel =
        Basis.chosen(options.layout()).map(BaseImage::image).flatMap(Image::kernel);
    if (!options.dryRun()) {
      CacheFolder.check();
      Preflight.tools(terminal, options.yes(), tools());
    }
    HostFacts facts = facts(kernel, terminal);
    Host host = facts.host();
    options.say(
        terminal, "QEMU         " + (facts.qemu().isEmpty() ? "not installed" : facts.qemu()));
    options.say(
        terminal,
        "firmware     "
            + host.firmware().map(found -> found.code().toString()).orElse("none for UEFI"));
    options.say(
        terminal, "machine      %d cores, %d MiB".formatted(host.cores(), host.memoryMiB()));
    Checks.qemu(facts, cluster.network());
    if (!options.dryRun()) {
      terminal.line("kept in      " + HostFacts.file());
    }
    return 0;
  }

  /**
   * {@return the facts: those that were kept, or those of a new trial, which are then kept}
   *
   * @param kernel what the trial boots until its first line; without one, UEFI firmware
   */
  HostFacts facts(Optional<Image.Kernel> kernel, Terminal terminal) {
    HostFacts facts = Probe.run(kernel, !options.dryRun());
    options.say(terminal, "accelerator  " + facts.accelerator());
    return facts;
  }
}

package lib;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Stream;

/**
 * What {@code launch-vm} and {@code launch-all} share: from options to nodes whose files are there,
 * so that what is left is to start QEMU.
 */
public final class Launch {
  private final Options options;
  private final Terminal terminal;
  private final Cluster cluster;
  private final Layout layout;
  private final Probe probe;
  private final Provision provision;

  private Launch(
      Options options,
      Terminal terminal,
      Cluster cluster,
      Layout layout,
      Probe probe,
      Provision provision) {
    this.options = options;
    this.terminal = terminal;
    this.cluster = cluster;
    this.layout = layout;
    this.probe = probe;
    this.provision = provision;
  }

  /** {@return the programs that a launch needs} */
  public static List<Tool> tools(Cluster cluster) {
    Host.Os os = Host.Os.current();
    List<Tool> tools = new ArrayList<>();
    tools.add(Tool.qemu(Host.Arch.current()));
    tools.addAll(List.of(Tool.isoMaker(os), Tool.TMUX, Tool.SSH, Tool.SSH_KEYGEN));
    if (cluster.network() instanceof Network.User) {
      tools.add(Tool.VDE_SWITCH);
    }
    if (Files.exists(Path.of("/etc/debian_version"))) {
      tools.add(Tool.debianFirmware(Host.Arch.current()));
    }
    return tools;
  }

  /**
   * {@return a launch with everything decided: accelerator, image, boot path}
   *
   * <p>Missing programs are installed if the person agrees, a missing image is built. A dry run
   * does neither.
   */
  public static Launch decide(Options options, Terminal terminal) {
    Cluster cluster = options.cluster();
    Layout layout = options.layout();
    Map<Role, Yaml> roles = RoleFiles.read(options.base());
    Host.Arch arch = Host.Arch.current();
    Set<String> packages = RoleFiles.packages(roles);
    if (!options.dryRun()) {
      List<Tool> tools = new ArrayList<>(tools(cluster));
      tools.addAll(Images.tools(cluster, arch, packages));
      Preflight.tools(terminal, options.yes(), tools);
    }
    Images images = Images.choose(cluster, arch, options.base(), packages);
    say(options, terminal, "image        " + images.line());
    if (options.dryRun()) {
      images.describe().forEach(terminal::line);
    } else {
      images.make(terminal);
    }
    Probe probe =
        Probe.run(
            images.bootableKernel(), Layout.cache().resolve("accelerator"), !options.dryRun());
    say(options, terminal, "accelerator  " + probe.accelerator());
    Boot boot = Boot.choose(cluster.boot(), probe.host(), images.image());
    say(options, terminal, "boot         " + boot.word() + ": " + boot.reason());
    Provision provision = new Provision(cluster, probe.host(), layout, images.image(), boot, roles);
    return new Launch(options, terminal, cluster, layout, probe, provision);
  }

  /** A dry run prints commands that can be pasted: everything else in it is a comment. */
  private static void say(Options options, Terminal terminal, String line) {
    terminal.line((options.dryRun() ? "# " : "") + line);
  }

  /** {@return the cluster} */
  public Cluster cluster() {
    return cluster;
  }

  /** {@return where everything is} */
  public Layout layout() {
    return layout;
  }

  /** {@return the host} */
  public Host host() {
    return probe.host();
  }

  /** {@return the QEMU command of a node} */
  public Argv command(Node node) {
    return provision.command(node);
  }

  /** Checks the host and makes the files of nodes that are about to start. */
  public void prepare(List<Node> starting) {
    Preflight.launch(cluster, starting, probe, layout, terminal);
    Provision.ssh(cluster, layout).run();
    starting.parallelStream().forEach(node -> provision.files(node).run());
  }

  /** Makes what all else stands on, the lock file's folder included: private folders and keys. */
  public void prepareKeys() {
    Provision.keys(cluster, layout).run();
  }

  /** Prints what {@link #prepareKeys} and {@link #prepare} would do. */
  public void describe(List<Node> starting) {
    Stream.of(
            Provision.keys(cluster, layout).describe().stream(),
            Provision.ssh(cluster, layout).describe().stream(),
            starting.stream().flatMap(node -> provision.files(node).describe().stream()))
        .flatMap(lines -> lines)
        .forEach(line -> terminal.line(line.startsWith("write ") ? "# " + line : line));
  }
}

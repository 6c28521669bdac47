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
   *
   * @param nodes those that are to run
   * @throws Problem naming all that is in the way on this host, before anything is touched
   */
  public static Launch decide(Options options, List<Node> nodes, Terminal terminal) {
    Cluster cluster = options.cluster();
    Layout layout = options.layout();
    Map<Role, Yaml> roles = RoleFiles.read(options.base());
    Host.Arch arch = Host.Arch.current();
    Set<String> packages = RoleFiles.packages(roles);
    if (!options.dryRun()) {
      room(cluster, nodes, layout, terminal);
      List<Tool> tools = new ArrayList<>(tools(cluster));
      tools.addAll(Images.tools(cluster, arch, packages));
      Preflight.tools(terminal, options.yes(), tools);
    }
    Images images = Images.choose(cluster, arch, options.base(), packages);
    say(options, terminal, "image        " + images.line());
    if (options.dryRun()) {
      images.describe().forEach(terminal::line);
    } else {
      images.make(terminal, options.yes());
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

  private static void room(Cluster cluster, List<Node> nodes, Layout layout, Terminal terminal) {
    List<Node> starting = nodes.stream().filter(node -> !Vm.of(node, layout).alive()).toList();
    List<Node> all =
        cluster.nodes().stream()
            .filter(node -> nodes.contains(node) || Vm.of(node, layout).alive())
            .toList();
    Preflight.room(cluster, all, starting, Probe.facts(), layout, terminal);
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
    Preflight.qemu(probe);
    Provision.keys(cluster, layout).run();
    Provision.ssh(cluster, layout).run();
    EachNode.run(starting, node -> provision.files(node).run());
  }

  /** {@return the lock that keeps other commands from changing the cluster meanwhile} */
  public Lock lock() {
    new Plan.Folder(layout.state()).run();
    return Lock.take(layout);
  }

  /** Prints what {@link #prepare} would do. */
  public void describe(List<Node> starting) {
    Stream.of(
            Provision.keys(cluster, layout).describe().stream(),
            Provision.ssh(cluster, layout).describe().stream(),
            starting.stream().flatMap(node -> provision.files(node).describe().stream()))
        .flatMap(lines -> lines)
        .forEach(line -> terminal.line(line.startsWith("write ") ? "# " + line : line));
  }
}

package lib.launch;

import java.io.IOException;
import java.io.OutputStream;
import java.io.PrintStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Stream;
import lib.Argv;
import lib.Each;
import lib.Lock;
import lib.Problem;
import lib.Terminal;
import lib.Yaml;
import lib.cluster.Cluster;
import lib.cluster.Host;
import lib.cluster.Network;
import lib.cluster.Node;
import lib.cluster.Role;
import lib.cluster.VmnetWay;
import lib.fork.Templates;
import lib.host.Preflight;
import lib.host.Probe;
import lib.host.Tool;
import lib.image.BaseImage;
import lib.image.ImageOptions;
import lib.image.ImageStore;
import lib.image.Images;
import lib.qemu.Boot;
import lib.qemu.Image;
import lib.seed.Forward;
import lib.seed.Provision;
import lib.seed.RoleFiles;
import lib.seed.VirtualIp;
import lib.state.CacheFolder;
import lib.state.ClusterRecord;
import lib.state.Layout;
import lib.state.Marker;
import lib.state.Options;
import lib.state.StateFolder;
import lib.tmux.VmSession;
import lib.vm.Changes;
import lib.vm.Suspension;
import lib.vm.Vm;

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
  private final Optional<BaseImage> base;
  private boolean forwardChanges;

  private Launch(
      Options options,
      Terminal terminal,
      Cluster cluster,
      Layout layout,
      Probe probe,
      Provision provision,
      Optional<BaseImage> base) {
    this.options = options;
    this.terminal = terminal;
    this.cluster = cluster;
    this.layout = layout;
    this.probe = probe;
    this.provision = provision;
    this.base = base;
  }

  /** {@return the programs that a launch needs} */
  public static List<Tool> tools(Cluster cluster) {
    Host.Os os = Host.Os.current();
    List<Tool> tools = new ArrayList<>();
    tools.add(Tool.qemu(Host.Arch.current()));
    tools.addAll(List.of(Tool.isoMaker(os), Tool.TMUX, Tool.SSH, Tool.SSH_KEYGEN));
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
   * @param wishes which image, and whether packages are baked into it
   * @param nodes those that are to run
   * @throws Problem naming all that is in the way on this host, before anything is touched
   */
  public static Launch decide(
      Options options, ImageOptions wishes, List<Node> nodes, Terminal terminal) {
    Cluster cluster = onThisHost(options.cluster());
    Layout layout = options.layout();
    options.existing(layout); // whose nodes they are
    Changes.refuse(cluster, layout, options.file());
    Map<Role, Yaml> roles = RoleFiles.read(options.base());
    Images images = new Images(options, wishes, cluster, roles, terminal);
    if (!options.dryRun()) {
      CacheFolder.check();
      if (Host.isRoot() && !(cluster.network() instanceof Network.Vmnet)) {
        terminal.line("note: run by root, QEMU is root's too; an ordinary user can do all of it");
      }
      room(cluster, nodes, layout, terminal);
      List<Tool> tools = new ArrayList<>(tools(cluster));
      tools.addAll(images.tools());
      Preflight.tools(terminal, options.yes(), tools);
    }
    Images.Choice chosen = images.choose();
    say(options, terminal, "image        " + chosen.line());
    chosen.describe().forEach(terminal::line);
    Probe probe =
        Probe.run(
            chosen.base().flatMap(base -> base.image().kernel()),
            Layout.cache().resolve("accelerator"),
            !options.dryRun());
    say(options, terminal, "accelerator  " + probe.accelerator());
    Images.Choice choice = images.baked(chosen, probe.host());
    if (!choice.equals(chosen)) {
      say(options, terminal, "image        " + choice.line());
      choice.describe().forEach(terminal::line);
    }
    Boot boot = Boot.choose(cluster.boot(), probe.host(), choice.image());
    say(options, terminal, "boot         " + boot.word() + ": " + boot.reason());
    Provision provision = new Provision(cluster, probe.host(), layout, choice.image(), boot, roles);
    return new Launch(options, terminal, cluster, layout, probe, provision, choice.base());
  }

  /** The cluster, on {@code vmnet} by the way that this Mac has for a user who is not root. */
  private static Cluster onThisHost(Cluster cluster) {
    return cluster.network() instanceof Network.Vmnet && !Host.isRoot()
        ? cluster.withNetwork(new Network.Vmnet(VmnetWay.find(Path.of("/"), Host.Os.major())))
        : cluster;
  }

  private static void room(Cluster cluster, List<Node> nodes, Layout layout, Terminal terminal) {
    List<Node> starting = nodes.stream().filter(node -> !Vm.of(node, layout).alive()).toList();
    List<Node> all =
        cluster.nodes().stream()
            .filter(node -> nodes.contains(node) || Vm.of(node, layout).alive())
            .toList();
    Preflight.room(
        cluster,
        all,
        starting,
        Probe.facts(),
        layout,
        () -> Tool.TMUX.isPresent() && VmSession.of(cluster, layout, terminal).forwards(),
        terminal);
  }

  /** A dry run prints commands that can be pasted: everything else in it is a comment. */
  private static void say(Options options, Terminal terminal, String line) {
    terminal.line((options.dryRun() ? "# " : "") + line);
  }

  /** {@return the cluster} */
  public Cluster cluster() {
    return cluster;
  }

  /** {@return all nodes: those of the cluster file, and those that exist beside them} */
  public List<Node> nodes() {
    return ClusterRecord.wished(cluster, layout);
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

  /** Checks the host and makes what all nodes share. */
  public void prepare() {
    Preflight.qemu(probe, cluster.network());
    Changes.refuse(cluster, layout, options.file()); // now that nobody changes anything
    refuseLostSockets();
    if (Files.exists(layout.restoring())) {
      throw new Problem(
          "the nodes are only in part back at a snapshot: " + layout.restoring() + " names it",
          "run snapshot-all.java --restore with that name again");
    }
    StateFolder.claimRuntime(layout);
    Provision.keys(cluster, layout).run();
    forwardChanges =
        Files.exists(layout.forward())
            && !isText(layout.forward(), Forward.script(cluster, layout));
    Provision.ssh(cluster, nodes(), layout).run();
  }

  private static boolean isText(Path file, String text) {
    try {
      return Files.readString(file).equals(text);
    } catch (IOException e) {
      return false; // then it is written anew
    }
  }

  /** {@return whether {@link #prepare} wrote the forward's script anew} */
  public boolean forwardChanges() {
    return forwardChanges;
  }

  /** Writes down on which tmux server the session is. */
  public void record(VmSession session) {
    session.socket().ifPresent(socket -> ClusterRecord.onTmux(layout, socket.toString()));
  }

  /** Where the sockets of running nodes are gone, new ones would not reach them. */
  private void refuseLostSockets() {
    List<String> running =
        nodes().stream().filter(node -> Vm.of(node, layout).alive()).map(Node::name).toList();
    if (!running.isEmpty() && !Files.exists(layout.runtime())) {
      throw new Problem(
          "%s: running, and the sockets by which kubenet talks to them are gone from %s"
              .formatted(String.join(", ", running), layout.runtime()),
          "stop them with stop-all.java, which asks the guests themselves, then launch again");
    }
  }

  /**
   * {@return the templates of those nodes that start for the first time}
   *
   * @param cold whether each is to boot from the start
   */
  public Templates templates(List<Node> starting, boolean cold) {
    List<Node> fresh = starting.stream().filter(this::isFresh).toList();
    VirtualIp.missing(cluster, fresh, provision.roles()).forEach(terminal::line);
    return Templates.of(
        base.orElseThrow(),
        cluster,
        cold ? List.of() : fresh,
        provision.roles(),
        probe,
        provision.boot(),
        terminal::line);
  }

  /** {@return whether a node has no disk yet} */
  public boolean isFresh(Node node) {
    return !Files.exists(layout.node(node).disk());
  }

  /**
   * Makes the files of nodes that are about to start; those without a disk are forked from the
   * template of their role, where it is there.
   */
  public synchronized void files(List<Node> starting, Templates templates) {
    Suspension.ready(starting, layout, this::command, host(), probe.qemuVersion());
    try (Lock lock = ImageStore.ofUser().lock(terminal); // nobody removes them meanwhile
        Lock other = templates.store().lock(terminal)) {
      base.orElseThrow().use(layout);
      ClusterRecord.add(
          cluster,
          layout,
          options.configOf(layout),
          starting,
          base.orElseThrow().folder().toString());
      Map<Role, Image> forks = new EnumMap<>(Role.class);
      starting.stream()
          .filter(this::isFresh)
          .map(Node::role)
          .distinct()
          .forEach(
              role ->
                  templates
                      .found(role)
                      .ifPresent(
                          template -> {
                            template.useTemplate(layout);
                            forks.put(role, template.image());
                          }));
      Each.run(
          starting,
          node -> provision.files(node, Optional.ofNullable(forks.get(node.role()))).run());
    }
  }

  /**
   * {@return the work after which the nodes of a role can be started: its template is made}
   *
   * <p>Where that fails they boot, and a line says why.
   */
  public Runnable makeTemplate(Role role, Templates templates) {
    return () -> {
      try {
        templates.make(role, Terminal.plain(new PrintStream(OutputStream.nullOutputStream())));
      } catch (Problem problem) {
        terminal.line(role.word() + ": each boots from the start: " + problem.getMessage());
      }
    };
  }

  /** {@return the lock that keeps other commands from changing the cluster meanwhile} */
  public Lock lock() {
    StateFolder.claim(layout);
    return Lock.take(layout.lock());
  }

  /** Prints what {@link #prepare} would do. */
  public void describe(List<Node> starting) {
    terminal.line("# marks %s as made by kubenet: %s", layout.state(), Marker.FILE);
    Stream.of(
            Stream.of(
                Provision.keys(cluster, layout), Provision.ssh(cluster, cluster.nodes(), layout)),
            starting.stream().map(node -> provision.files(node, Optional.empty())))
        .flatMap(plans -> plans)
        .forEach(plan -> plan.toShell().forEach(terminal::line));
  }
}

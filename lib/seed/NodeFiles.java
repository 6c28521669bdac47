package lib.seed;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.UUID;
import lib.Argv;
import lib.Each;
import lib.Lock;
import lib.Plan;
import lib.Problem;
import lib.Terminal;
import lib.Yaml;
import lib.cluster.Cluster;
import lib.cluster.Host;
import lib.cluster.Network;
import lib.cluster.Node;
import lib.cluster.Role;
import lib.qemu.BaseImage;
import lib.qemu.Basis;
import lib.qemu.Boot;
import lib.qemu.Disk;
import lib.qemu.Image;
import lib.qemu.Qemu;
import lib.state.CacheFolder;
import lib.state.ClusterRecord;
import lib.state.HostFacts;
import lib.state.Layout;
import lib.state.Marker;
import lib.state.Options;
import lib.state.SshConfig;
import lib.state.SshKey;
import lib.state.StateFolder;
import lib.vm.SavedState;
import lib.vm.Suspension;
import lib.vm.Vm;

/**
 * Makes the files of nodes: keys, seeds, disks and launch scripts.
 *
 * @param roles the tree of {@code cloud-init/ROLE.yaml} for each role
 */
public record NodeFiles(
    Cluster cluster,
    HostFacts facts,
    Layout layout,
    Image image,
    Boot boot,
    Map<Role, Yaml> roles) {

  /**
   * {@return what makes the files of a cluster's nodes; prints how they boot}
   *
   * @throws Problem if a role's file is faulty, or the image can't be booted here as configured
   */
  public static NodeFiles of(
      Options options, Cluster cluster, HostFacts facts, Image image, Terminal terminal) {
    Map<Role, Yaml> roles = RoleFiles.read(options.base());
    Boot boot = Boot.choose(cluster.boot(), facts.host(), image);
    String line = "boot         %s: %s".formatted(boot.word(), boot.reason());
    options.say(terminal, line);
    return new NodeFiles(cluster, facts, options.layout(), image, boot, roles);
  }

  private Host host() {
    return facts.host();
  }

  /** {@return what must be there first: private folders, login key, a host key for each node} */
  public static Plan keys(Cluster cluster, Layout layout) {
    List<Plan.Action> actions = new ArrayList<>();
    actions.add(new Plan.Folder(layout.state()));
    actions.add(new Plan.Folder(layout.runtime()));
    actions.add(key(layout.identity(), cluster.name()));
    actions.add(new Plan.Folder(layout.nodes()));
    for (Node node : cluster.nodes()) {
      actions.add(new Plan.Folder(layout.node(node).folder()));
      actions.add(key(layout.node(node).hostKey(), node.name()));
    }
    return new Plan(actions);
  }

  private static Plan.Make key(Path file, String comment) {
    return new Plan.Make(file, part -> SshKey.generate(part, comment), false);
  }

  /**
   * {@return the files by which this host reaches the nodes and the virtual IP; the keys must be
   * there}
   *
   * @param nodes those in the cluster file, and any others that exist
   */
  public static Plan ssh(Cluster cluster, List<Node> nodes, Layout layout) {
    Map<Node, SshKey> keys = new LinkedHashMap<>();
    nodes.forEach(node -> keys.put(node, key(layout.node(node).hostKey())));
    List<Plan.Action> actions = new ArrayList<>();
    actions.add(new Plan.Write(layout.knownHosts(), SshConfig.knownHosts(nodes, keys), false));
    actions.add(
        new Plan.Write(layout.sshConfig(), SshConfig.config(cluster, nodes, layout), false));
    if (!(cluster.network() instanceof Network.User)) {
      actions.add(new Plan.Write(layout.hosts(), cluster.hosts(), false));
    }
    return new Plan(actions);
  }

  /** Makes what all nodes share: private folders, keys, and the files of {@link #ssh}. */
  public void makeShared() {
    StateFolder.claimRuntime(layout);
    keys(cluster, layout).run();
    ssh(cluster, ClusterRecord.wished(cluster, layout), layout).run();
  }

  /** {@return whether a node already has its disk} */
  public boolean hasDisk(Node node) {
    return Files.exists(layout.node(node).disk());
  }

  /**
   * {@return the template that a node could be forked from; nothing if its role's file has work
   * that each node must do itself}
   */
  public Optional<Template> template(Node node, BaseImage base) {
    Yaml role = roles.get(node.role());
    return ForkSeed.ownWork(role).isEmpty()
        ? Optional.of(Template.of(base, cluster, node, role, facts, boot))
        : Optional.empty();
  }

  /**
   * Makes the files of nodes whose QEMU is about to start, and records them.
   *
   * @param base the image that their disks are based on
   * @param templates what nodes without a disk are forked from, by role
   * @param config the cluster file as the record names it
   * @throws Problem if the image was damaged, or a saved state no longer fits; nothing is made then
   */
  public synchronized void make(
      List<Node> starting,
      BaseImage base,
      Map<Role, BaseImage> templates,
      String config,
      Terminal terminal) {
    List<Node> fresh = starting.stream().filter(node -> !hasDisk(node)).toList();
    VirtualIp.missing(cluster, fresh, roles).forEach(terminal::line);
    Suspension.ready(starting, layout, this::command, host(), facts.qemu());
    try (Lock images = CacheFolder.lock("images", terminal); // so nobody removes them
        Lock forks = CacheFolder.lock("templates", terminal)) {
      Basis basis = new Basis(layout);
      basis.use(base);
      ClusterRecord.add(cluster, layout, config, starting, base.folder().toString());
      Map<Role, Image> below = new EnumMap<>(Role.class);
      for (Node node : fresh) {
        Optional.ofNullable(templates.get(node.role()))
            .filter(template -> !below.containsKey(node.role()))
            .flatMap(template -> BaseImage.read(template.folder())) // if pruned by now, it boots
            .filter(BaseImage::hasMemory)
            .ifPresent(
                template -> {
                  basis.useTemplate(template);
                  below.put(node.role(), template.image());
                });
      }
      Each.run(starting, node -> files(node, Optional.ofNullable(below.get(node.role()))).run());
    }
  }

  /** {@return what all this would do, as shell commands and comments} */
  public List<String> describe(List<Node> starting) {
    List<String> lines = new ArrayList<>();
    lines.add("# marks %s as made by kubenet: %s".formatted(layout.state(), Marker.FILE));
    lines.addAll(keys(cluster, layout).toShell());
    lines.addAll(ssh(cluster, cluster.nodes(), layout).toShell());
    starting.forEach(node -> lines.addAll(files(node, Optional.empty()).toShell()));
    return lines;
  }

  /** {@return the QEMU command of a node} */
  public Argv command(Node node) {
    return Qemu.command(node, host(), cluster.network(), boot, layout);
  }

  /**
   * {@return what makes one node ready to boot: seed, disk, launch script}
   *
   * @param template what a node without a disk is forked from; nothing if it is to boot
   * @throws Problem if the role's disk is smaller than the image
   */
  public Plan files(Node node, Optional<Image> template) {
    Layout.Files files = layout.node(node);
    List<Plan.Action> actions = new ArrayList<>(seed(node));
    if (((long) node.size().diskGiB() << 30) < image.bytes()) {
      throw new Problem(
          "%s has a disk of %dG, less than the %d MiB of image %s"
              .formatted(node.name(), node.size().diskGiB(), image.bytes() >> 20, image.name()),
          "give the role a larger `disk` in cluster.yaml");
    }
    if (!hasDisk(node)) { // what a disk that is gone would have resumed from
      actions.add(new Plan.Remove(files.incoming()));
      if (Files.exists(files.suspended())) {
        actions.add(new Plan.Remove(files.suspended()));
      }
      template
          .flatMap(Image::memory)
          .ifPresent(
              from -> actions.add(new Plan.Write(files.incoming(), fork(node, from), false)));
    }
    Image below = template.orElse(image);
    actions.add(
        new Plan.Make(
            files.disk(), disk -> Disk.overlay(below, disk, node.size().diskGiB()), false));
    actions.addAll(copies(boot, files));
    actions.add(new Plan.Write(files.launch(), launchScript(node), true));
    return new Plan(actions);
  }

  /** {@return what gives a guest its own copies of the files that it boots with} */
  public static List<Plan.Make> copies(Boot boot, Layout.Files files) {
    return new TreeMap<>(boot.copies(files))
        .entrySet().stream()
            .map(copy -> Plan.Make.copy(copy.getValue(), copy.getKey(), boot.copySize()))
            .toList();
  }

  /** The seed is made anew only if a file in it changes, or if it was not finished. */
  private List<Plan.Action> seed(Node node) {
    Layout.Files files = layout.node(node);
    Path folder = files.seedFolder();
    Yaml role = roles.get(node.role());
    String login = key(layout.identity()).publicKey();
    SshKey hostKey = key(files.hostKey());
    String instance = instance(node);
    Path network = folder.resolve("network-config");
    Map<Path, String> contents = new LinkedHashMap<>();
    contents.put(
        folder.resolve("user-data"),
        CloudInit.userData(cluster, node, role, image.packages(), login, hostKey));
    contents.put(folder.resolve("meta-data"), CloudInit.metaData(node, instance));
    contents.put(network, CloudInit.networkConfig(cluster, node));
    contents.put(files.forkSeed(), ForkSeed.json(cluster, node, instance, role, login, hostKey));
    if (hasDisk(node) && Files.exists(network) && !holds(network, contents.get(network))) {
      // cloud-init sets up a disk's network only once
      throw new Problem(
          node.name() + ": cluster.yaml gives it another address or network than its disk has",
          "make it anew with stop-all.java --destroy --only "
              + node.name()
              + ", or undo the change in cluster.yaml");
    }
    if (Files.exists(files.seed())
        && contents.entrySet().stream().allMatch(file -> holds(file.getKey(), file.getValue()))) {
      return List.of();
    }
    List<Plan.Action> actions = new ArrayList<>();
    actions.add(new Plan.Remove(files.seed()));
    actions.add(new Plan.Folder(folder));
    contents.forEach((path, content) -> actions.add(new Plan.Write(path, content, false)));
    actions.add(
        new Plan.Make(
            files.seed(), iso -> Disk.seed(host().os(), folder, iso), true, Disk.SEED_BYTES));
    return actions;
  }

  /**
   * A random id. It is made with the disk and stays as long as the disk: cloud-init does its work
   * again for another id, and must not do so just because the cluster was renamed or moved.
   */
  private String instance(Node node) {
    return hasDisk(node)
        ? Vm.of(node, layout).instance().orElse(cluster.name() + "-" + node.name()) // as it was
        : node.name() + "-" + UUID.randomUUID().toString().substring(24);
  }

  private String fork(Node node, Image.Memory from) {
    return SavedState.incoming(
        from.devices(), Qemu.memory(host(), node.size(), from.memory(), false));
  }

  private String launchScript(Node node) {
    Layout.Files files = layout.node(node);
    return """
    #!/bin/sh
    # Boots %1$s: the exact command that kubenet runs. More arguments go to QEMU.
    set -eu
    umask 077
    here=$(dirname -- "$0")
    %2$sif [ -f "$here/"%3$s ]; then . "$here/"%3$s; else : > "$log"; fi
    exec %4$s \\
      "$@"
    """
        .formatted(
            node.name(),
            boundConsole(files.console()),
            Argv.quote(files.incoming().getFileName().toString()),
            command(node).toShellLines());
  }

  /**
   * {@return shell commands that keep a console's log small as long as the shell's process lives,
   * which becomes QEMU}
   *
   * <p>They look every 10 s; 32 MiB is a thousand ordinary boots. They keep nothing of the terminal
   * open. In tmux, QEMU leads a session, and when it ends, they end at once; elsewhere they notice
   * the next time they look. QEMU opens the log with O_APPEND, so it can be cut while QEMU writes.
   */
  public static String boundConsole(Path log) {
    return """
    # a guest may print for ever: from 32 MiB on, only the console's last 1 MiB stays
    log=%s part=%s
    while sleep 10 && kill -0 $$; do
      if [ -f "$log" ] && [ "$(wc -c < "$log")" -gt 33554432 ]; then
        tail -c 1048576 "$log" > "$part"
        : > "$log"
        cat "$part" >> "$log"
        rm -f "$part"
      fi
    done < /dev/null > /dev/null 2>&1 &
    """
        .formatted(
            Argv.quote(log.toString()),
            Argv.quote(log.resolveSibling(".part." + log.getFileName()).toString()));
  }

  private static SshKey key(Path file) {
    return Files.exists(file) ? SshKey.read(file) : SshKey.NOT_YET_MADE;
  }

  private static boolean holds(Path file, String content) {
    try {
      return Files.exists(file) && Files.readString(file).equals(content);
    } catch (IOException e) {
      return false; // then it is written anew
    }
  }
}

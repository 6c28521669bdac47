package lib;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.concurrent.TimeUnit;

/**
 * Makes a template: a VM that was booted once for all nodes of a role, saved with its memory when
 * cloud-init had done the role's work. A node forked from it is an overlay of its disk and a
 * private view of its memory, of which the host holds each page that no node has changed only once.
 * In the guest {@code image/fork.py} prepares for that, and makes the node of it.
 *
 * <p>Its devices are a node's, in the same order, so that QEMU takes the one's state for the other.
 *
 * @param parent the image that nodes of this role would boot
 * @param node one of the role, for what all of them have: size and NICs
 * @param role the tree of the role's file
 * @param qemuVersion what QEMU calls itself: another one's state may not fit
 */
public record Template(
    BaseImage parent,
    Cluster cluster,
    Node node,
    Yaml role,
    Host host,
    Boot boot,
    String qemuVersion)
    implements ImageMaker {
  private static final String VERSION = "2";
  private static final String PROGRAM = "/run/kubenet/fork.py";
  private static final String SAYS = "kubenet-fork: ";

  /** Under emulation; with an accelerator it is a fifth of that. */
  private static final Duration LIMIT = Duration.ofMinutes(15);

  @Override
  public String name() {
    return "template of " + node.role().word() + " nodes, of " + parent.facts().name();
  }

  @Override
  public String key() {
    Layout.Files anywhere = new Layout.Files(Path.of("/template"), Path.of("/template.qmp"));
    String input =
        String.join(
            "\n",
            VERSION,
            parent.digest(),
            qemuVersion,
            qemu(anywhere, Path.of("/memory")).toShell(),
            String.valueOf(node.size().diskGiB()),
            String.join("\n", seed().values()));
    return node.role().word() + "-" + Digest.of(input).substring(0, 12);
  }

  @Override
  public String parentDigest() {
    return parent.digest();
  }

  @Override
  public List<Tool> tools() {
    return List.of(Tool.qemu(host.arch()), Tool.isoMaker(host.os()), Tool.QEMU_IMG);
  }

  @Override
  public Image expected(Path folder) {
    long bytes = (long) node.size().diskGiB() << 30;
    return new Image(
        name(), folder.resolve(DISK), bytes, parent.image().packages(), Optional.empty());
  }

  @Override
  public long bytes(Path work) {
    return (long) node.size().diskGiB() << 30;
  }

  /** The node's own command but for the host's side of the NICs, and memory in a file. */
  private Argv qemu(Layout.Files files, Path memory) {
    List<Network.Nic> nics = new ArrayList<>();
    for (Network.Nic nic : cluster.network().nics(node, Path.of("/"))) {
      int number = nics.size();
      String netdev =
          number == 0
              ? Argv.suboptions("user", "id", nic.id())
              : Argv.suboptions("hubport", "id", nic.id(), "hubid", number);
      nics.add(new Network.Nic(nic.id(), netdev, mac(number)));
    }
    return Qemu.guest("kubenet-template", node.size(), nics, host, boot, files)
        .then(Qemu.memory(host, node.size(), memory, true))
        .add("-no-reboot");
  }

  private static String mac(int nic) {
    return String.format("52:54:00:57:ff:%02x", 0xf0 + nic);
  }

  /** The files of its seed by their names. */
  private Map<String, String> seed() {
    Map<String, String> files = new TreeMap<>(); // in one order: the key is made of it
    files.put(
        "user-data",
        CloudInit.templateData(
            cluster,
            node.role(),
            role,
            parent.image().packages(),
            List.of("systemd-run", "--no-block", "--unit", "kubenet-fork", "python3", PROGRAM),
            Map.entry(PROGRAM, RecipeFiles.text("fork.py"))));
    files.put("meta-data", CloudInit.templateMetaData(node.role()));
    files.put("network-config", CloudInit.templateNetwork(mac(0)));
    return files;
  }

  private Plan prepare(Path work) {
    Layout.Files files = files(work);
    List<Plan.Action> actions = new ArrayList<>();
    actions.add(new Plan.Folder(files.folder()));
    actions.add(new Plan.Folder(files.seedFolder()));
    seed()
        .forEach(
            (name, text) ->
                actions.add(new Plan.Write(files.seedFolder().resolve(name), text, false)));
    actions.add(
        new Plan.Make(
            files.seed(),
            iso -> Disk.seed(host.os(), files.seedFolder(), iso),
            true,
            Disk.SEED_BYTES));
    actions.add(
        new Plan.Make(
            files.disk(), disk -> Disk.overlay(parent.image(), disk, node.size().diskGiB()), true));
    actions.addAll(Provision.copies(boot, files));
    return new Plan(actions);
  }

  private static Layout.Files files(Path work) {
    return new Layout.Files(work.resolve("vm"), Layout.of(work).runtime().resolve("template.qmp"));
  }

  @Override
  public void make(Path work, Terminal terminal, boolean yes) {
    Layout.Files files = files(work);
    Path memory = work.resolve(MEMORY);
    Path runtime = Layout.of(work).runtime();
    Path console = Layout.cache().resolve("template-console.log");
    new Plan.Folder(runtime).run();
    Bake.endOther(files.qmp());
    prepare(work).run();
    Path errors = files.folder().resolve("errors");
    Process process = Commands.start(qemu(files, memory), errors);
    try {
      String said = awaitSettled(process, files);
      if (!said.startsWith("settled")) {
        throw failed(said.isEmpty() ? Commands.tail(errors, 3) : said, files, console);
      }
      try (Qmp qmp = Qmp.connect(files.qmp(), Duration.ofSeconds(10))) {
        // QEMU's user network has a state of its own, which a node's network may not take
        qmp.execute("netdev_del", Map.of("id", firstNic()));
      }
      SavedState.save(files.qmp(), work.resolve(DEVICES));
      try (Qmp qmp = Qmp.connect(files.qmp(), Duration.ofSeconds(10))) {
        qmp.execute("quit");
      }
      process.waitFor(30, TimeUnit.SECONDS);
      Files.move(files.disk(), work.resolve(DISK));
      Files.setPosixFilePermissions(memory, PosixFilePermissions.fromString("rw-------"));
      Commands.run(Argv.of("rm", "-r", Argv.word(files.folder()))).orProblem();
    } catch (IOException e) {
      throw failed(e.getMessage(), files, console);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new Problem("interrupted", "run the same again", e);
    } finally {
      process.destroyForcibly();
      Commands.run(Argv.of("rm", "-rf", runtime.toString()));
    }
  }

  private String firstNic() {
    return cluster.network().nics(node, Path.of("/")).get(0).id();
  }

  /** What the guest says at last; empty if it does not. */
  private String awaitSettled(Process process, Layout.Files files) {
    Duration limit = host.emulates() ? LIMIT : LIMIT.dividedBy(5);
    return Wait.until(
            limit,
            Duration.ofMillis(100),
            () -> {
              Optional<String> said = said(files.console());
              return said.isPresent() || process.isAlive() ? said : Optional.of("");
            })
        .orElse("not settled within %d s".formatted(limit.toSeconds()));
  }

  private static Optional<String> said(Path console) {
    return Commands.tail(console, 50)
        .lines()
        .filter(line -> line.contains(SAYS))
        .map(line -> line.substring(line.indexOf(SAYS) + SAYS.length()))
        .findFirst();
  }

  private Problem failed(String fact, Layout.Files files, Path console) {
    Bake.keep(files.console(), console); // the folder goes
    return new Problem(
        "no %s: %s".formatted(name(), Yaml.visible(fact)),
        "its console is in " + console + "; --cold boots each node from the start");
  }

  @Override
  public List<String> describe(Path work) {
    List<String> lines = new ArrayList<>();
    lines.add("# makes the " + name());
    lines.addAll(prepare(work).toShell());
    lines.add(qemu(files(work), work.resolve(MEMORY)).toShellLines());
    lines.add(
        "# then its memory and the state of its devices are saved, and its nodes go on there");
    return lines;
  }
}

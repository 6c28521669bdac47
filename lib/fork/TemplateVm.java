package lib.fork;

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
import lib.Argv;
import lib.Commands;
import lib.Plan;
import lib.Problem;
import lib.Visible;
import lib.Wait;
import lib.cluster.Cluster;
import lib.cluster.Host;
import lib.cluster.Network;
import lib.cluster.Node;
import lib.host.Tool;
import lib.image.Bake;
import lib.image.BaseImage;
import lib.image.ImageMaker;
import lib.qemu.Boot;
import lib.qemu.Disk;
import lib.qemu.Image;
import lib.qemu.Qemu;
import lib.seed.Provision;
import lib.state.Layout;
import lib.vm.Qmp;
import lib.vm.SavedState;
import lib.vm.Vm;

/**
 * The throwaway VM that a template is made with: it runs until its guest says that it can be saved;
 * then its disk, its memory and its devices' state are files.
 *
 * <p>Its devices are a node's, in the same order, so that QEMU takes the one's state for the other.
 *
 * @param name what is made, for a message
 * @param parent the image that its disk is based on
 * @param node one of those that will go on from it, for what all of them have: size and NICs
 * @param seed the files of its seed by their names
 * @param last the word that the guest says when it can be saved
 * @param limit until then, under emulation; with an accelerator it is a fifth of that
 */
public record TemplateVm(
    String name,
    BaseImage parent,
    Cluster cluster,
    Node node,
    Host host,
    Boot boot,
    Map<String, String> seed,
    String last,
    Duration limit) {
  private static final String SAYS = "kubenet-fork: ";

  private static final Duration COPY = Duration.ofMinutes(10);
  private static final Duration ANSWER = Duration.ofSeconds(10);

  /** {@return all that what is made depends on, as a text that is other for any other} */
  public String input(String qemuVersion) {
    Layout.Files anywhere = new Layout.Files(Path.of("/template"), Path.of("/template.qmp"));
    return String.join(
        "\n",
        parent.digest(),
        qemuVersion,
        qemu(anywhere, Path.of("/memory")).toShell(),
        String.valueOf(node.size().diskGiB()),
        String.join("\n", new TreeMap<>(seed).values()));
  }

  /** {@return the programs that this takes} */
  public List<Tool> tools() {
    return List.of(Tool.qemu(host.arch()), Tool.isoMaker(host.os()), Tool.QEMU_IMG);
  }

  /** {@return its disk's virtual size in bytes} */
  public long bytes() {
    return (long) node.size().diskGiB() << 30;
  }

  /** {@return what it leaves in a folder} */
  public Image expected(Path folder) {
    return new Image(
        name,
        folder.resolve(ImageMaker.DISK),
        bytes(),
        parent.image().packages(),
        Optional.empty());
  }

  /** The node's own command but for the host's side of the NICs, and memory in a file. */
  private Argv qemu(Layout.Files files, Path memory) {
    List<Network.Nic> nics = new ArrayList<>();
    for (Network.Nic nic : nics()) {
      int number = nics.size();
      String netdev =
          number == 0
              ? Network.User.outside(nic.id())
              : Argv.suboptions("hubport", "id", nic.id(), "hubid", number);
      nics.add(new Network.Nic(nic.id(), netdev, mac(number)));
    }
    return Qemu.guest("kubenet-template", node.size(), nics, host, boot, files)
        .then(Qemu.memory(host, node.size(), memory, true))
        .add("-no-reboot");
  }

  private List<Network.Nic> nics() {
    return cluster.network().nics(node, Path.of("/"));
  }

  /** {@return the MAC of one of its NICs, which no node has} */
  static String mac(int nic) {
    return String.format("52:54:00:57:ff:%02x", 0xf0 + nic);
  }

  private static Layout.Files files(Path work) {
    return new Layout.Files(work.resolve("vm"), Layout.of(work).runtime().resolve("template.qmp"));
  }

  /** The files of a VM; of a boot that was held, its disk is a copy. */
  private Plan prepare(Path work, Optional<BaseImage> held) {
    Layout.Files files = files(work);
    List<Plan.Action> actions = new ArrayList<>();
    actions.add(new Plan.Folder(files.folder()));
    actions.add(new Plan.Folder(files.seedFolder()));
    seed.forEach(
        (name, text) -> actions.add(new Plan.Write(files.seedFolder().resolve(name), text, false)));
    actions.add(
        new Plan.Make(
            files.seed(),
            iso -> Disk.seed(host.os(), files.seedFolder(), iso),
            true,
            Disk.SEED_BYTES));
    if (held.isPresent()) {
      actions.add(new Plan.Copy(held.get().disk(), files.disk()));
    } else {
      int gib = node.size().diskGiB();
      actions.add(
          new Plan.Make(files.disk(), disk -> Disk.overlay(parent.image(), disk, gib), true));
    }
    actions.addAll(Provision.copies(boot, files));
    return new Plan(actions);
  }

  /**
   * Runs it and saves it.
   *
   * @param work an empty folder, which has disk, memory and devices' state afterwards
   * @param held a boot to go on from; nothing if it is to boot from the start
   * @throws Problem with what the guest said at last, if it is another
   */
  void make(Path work, Optional<BaseImage> held) {
    Layout.Files files = files(work);
    new Plan.Folder(Layout.of(work).runtime()).run();
    prepare(work, held).run();
    Argv command = qemu(files, work.resolve(ImageMaker.MEMORY));
    if (held.isPresent()) {
      Image.Memory from = held.get().image().memory().orElseThrow();
      // by a program that keeps holes: most of it was never touched
      Argv copy =
          Argv.of("cp", from.memory().toString(), work.resolve(ImageMaker.MEMORY).toString());
      Commands.run(copy, COPY, files.folder().resolve("errors")).orProblem();
      command = SavedState.incomingTo(from.devices(), command);
    }
    Path errors = files.folder().resolve("errors");
    Process process = Commands.start(command, errors);
    try {
      if (held.isPresent()) {
        Vm vm = new Vm(node, files);
        Wait.until(ANSWER, () -> vm.status().isPresent() || !process.isAlive());
        resume(vm, errors);
      }
      String said = awaitWord(process, files);
      if (!said.startsWith(last)) {
        throw failed(said.isEmpty() ? Commands.tail(errors, 3) : said, files);
      }
      try (Qmp qmp = Qmp.connect(files.qmp(), ANSWER)) {
        // QEMU's user network has a state of its own, which a node's network may not take
        qmp.execute("netdev_del", Map.of("id", nics().get(0).id()));
      }
      SavedState.save(files.qmp(), work.resolve(ImageMaker.DEVICES));
      try (Qmp qmp = Qmp.connect(files.qmp(), ANSWER)) {
        qmp.execute("quit");
      }
      process.waitFor(30, TimeUnit.SECONDS);
      Files.move(files.disk(), work.resolve(ImageMaker.DISK));
      Files.setPosixFilePermissions(
          work.resolve(ImageMaker.MEMORY), PosixFilePermissions.fromString("rw-------"));
      Commands.run(Argv.of("rm", "-r", Argv.word(files.folder()))).orProblem();
    } catch (IOException e) {
      throw failed(e.getMessage(), files);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new Problem("interrupted", "run the same again", e);
    } finally {
      process.destroyForcibly();
    }
  }

  private void resume(Vm vm, Path errors) {
    try {
      vm.resume();
    } catch (Problem e) {
      throw failed("its held boot can't go on: " + Commands.tail(errors, 3), vm.files());
    }
  }

  /** What the guest says at last; empty if it does not. */
  private String awaitWord(Process process, Layout.Files files) {
    Duration within = host.emulates() ? limit : limit.dividedBy(5);
    return Wait.until(
            within,
            Duration.ofMillis(100),
            () -> {
              Optional<String> said = said(files.console());
              return said.isPresent() || process.isAlive() ? said : Optional.of("");
            })
        .orElse("nothing within %d s".formatted(within.toSeconds()));
  }

  private static Optional<String> said(Path console) {
    return Commands.tail(console, 50)
        .lines()
        .filter(line -> line.contains(SAYS))
        .map(line -> line.substring(line.indexOf(SAYS) + SAYS.length()))
        .findFirst();
  }

  private Problem failed(String fact, Layout.Files files) {
    Path console = Layout.cache().resolve("template-console.log");
    Bake.keep(files.console(), console); // the folder goes
    return new Problem(
        "no %s: %s".formatted(name, Visible.line(fact)),
        "its console is in " + console + "; --cold boots each node from the start");
  }

  /** {@return what it would do, as shell commands and comments} */
  List<String> describe(Path work) {
    List<String> lines = new ArrayList<>();
    lines.add("# makes the " + name);
    lines.addAll(prepare(work, Optional.empty()).toShell());
    lines.add(qemu(files(work), work.resolve(ImageMaker.MEMORY)).toShellLines());
    lines.add(
        "# then its memory and the state of its devices are saved, and its nodes go on there");
    return lines;
  }
}

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
import java.util.concurrent.TimeUnit;
import lib.Argv;
import lib.Commands;
import lib.Plan;
import lib.Problem;
import lib.Terminal;
import lib.Visible;
import lib.Wait;
import lib.image.ImageMaker;
import lib.image.Throwaway;
import lib.qemu.BaseImage;
import lib.qemu.Disk;
import lib.qemu.Image;
import lib.seed.Template;
import lib.state.Layout;
import lib.tools.Tool;
import lib.vm.Qmp;
import lib.vm.SavedState;
import lib.vm.Vm;

/**
 * Makes a template, or a held boot: a throwaway VM runs until its guest says that it can be saved;
 * then its disk, its memory and its devices' state are kept as files.
 *
 * @param template what is made
 * @param held the boot that it goes on from; nothing if it boots from the start
 */
public record TemplateMaker(Template template, Optional<BaseImage> held) implements ImageMaker {
  private static final String SAYS = "kubenet-fork: ";
  private static final Duration COPY = Duration.ofMinutes(10);
  private static final Duration ANSWER = Duration.ofSeconds(10);

  @Override
  public String name() {
    return template.name();
  }

  @Override
  public String key() {
    return template.key();
  }

  @Override
  public String parentDigest() {
    return template.parent().digest();
  }

  @Override
  public List<Tool> tools() {
    return Throwaway.tools(template.host());
  }

  @Override
  public long bytes(Path work) {
    return template.bytes();
  }

  @Override
  public Image expected(Path folder) {
    return new Image(
        name(),
        folder.resolve(Image.DISK),
        template.bytes(),
        template.parent().image().packages(),
        Optional.empty());
  }

  /** The files are those of a VM; its memory and its devices' state are saved later. */
  @Override
  public List<String> describe(Path work) {
    List<String> lines = new ArrayList<>(List.of("# makes the " + name()));
    Throwaway vm = vm(work);
    lines.addAll(vm.plan(disk(vm)).toShell());
    lines.add(template.qemu(vm.files(), work.resolve(Image.MEMORY)).toShellLines());
    return lines;
  }

  private Throwaway vm(Path work) {
    return new Throwaway("template", work, template.host(), template.boot(), template.seed());
  }

  /** A copy of the held boot's disk, or else a new overlay of the image. */
  private Plan.Action disk(Throwaway vm) {
    Path path = vm.files().disk();
    int gib = template.node().size().diskGiB();
    return held.isPresent()
        ? Plan.Make.copy(held.get().disk(), path, 0)
        : new Plan.Make(path, disk -> Disk.overlay(template.parent().image(), disk, gib), true);
  }

  /**
   * Runs it and saves it.
   *
   * @throws Problem with the guest's last word, if it is not the expected one
   */
  @Override
  public void make(Path work, Terminal terminal, boolean yes) {
    template.parent().verify();
    Throwaway vm = vm(work);
    vm.prepare(disk(vm));
    Layout.Files files = vm.files();
    Argv command = template.qemu(files, work.resolve(Image.MEMORY));
    if (held.isPresent()) {
      Image.Memory from = held.get().image().memory().orElseThrow();
      // cp keeps holes, and most of the memory was never touched
      Argv copy = Argv.of("cp", from.memory().toString(), work.resolve(Image.MEMORY).toString());
      Commands.run(copy, COPY, vm.errors()).orProblem();
      command = SavedState.incomingTo(from.devices(), command);
    }
    Process process = Commands.start(command, vm.errors());
    try {
      if (held.isPresent()) {
        resume(new Vm(template.node(), files), process, vm);
      }
      String said = awaitWord(process, files.console());
      if (!said.startsWith(template.last())) {
        throw failed(said.isEmpty() ? Commands.tail(vm.errors(), 3) : said, vm);
      }
      try (Qmp qmp = Qmp.connect(files.qmp(), ANSWER)) {
        // QEMU's user network has a state of its own, which a node's network may not accept
        qmp.execute("netdev_del", Map.of("id", template.nics().get(0).id()));
      }
      SavedState.save(files.qmp(), work.resolve(Image.DEVICES));
      try (Qmp qmp = Qmp.connect(files.qmp(), ANSWER)) {
        qmp.execute("quit");
      }
      process.waitFor(30, TimeUnit.SECONDS);
      Files.move(files.disk(), work.resolve(Image.DISK));
      Files.setPosixFilePermissions(
          work.resolve(Image.MEMORY), PosixFilePermissions.fromString("rw-------"));
      Commands.run(vm.removing()).orProblem();
    } catch (IOException e) {
      throw failed(e.getMessage(), vm);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new Problem("interrupted", "run the same again", e);
    } finally {
      process.destroyForcibly();
    }
  }

  private void resume(Vm guest, Process process, Throwaway vm) {
    Wait.until(ANSWER, () -> guest.status().isPresent() || !process.isAlive());
    try {
      guest.resume();
    } catch (Problem e) {
      throw failed("its held boot can't go on: " + Commands.tail(vm.errors(), 3), vm);
    }
  }

  /** The guest's last word; empty if QEMU ends without one. */
  private String awaitWord(Process process, Path console) {
    Duration within = template.host().emulates() ? template.limit() : template.limit().dividedBy(5);
    return Wait.until(
            within,
            Duration.ofMillis(100),
            () -> {
              Optional<String> said = said(console);
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

  private Problem failed(String fact, Throwaway vm) {
    Path console = vm.keepConsole(); // the folder is removed
    return new Problem(
        "no %s: %s".formatted(name(), Visible.line(fact)),
        "its console is in " + console + "; --cold boots each node from the start");
  }
}

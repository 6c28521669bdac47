package lib.image;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import lib.Argv;
import lib.Plan;
import lib.cluster.Host;
import lib.qemu.Boot;
import lib.qemu.Disk;
import lib.seed.NodeFiles;
import lib.state.Layout;
import lib.tools.Tool;

/**
 * A VM that runs once in the folder of an image that is being made. What it leaves there becomes
 * part of the image; its own files are removed.
 *
 * @param kind {@code bake} or {@code template}, which names its QMP socket and its console's copy
 * @param work the folder in which the image is made
 * @param host what it runs on
 * @param boot how it boots
 * @param seed the files of its seed by their names
 */
public record Throwaway(String kind, Path work, Host host, Boot boot, Map<String, String> seed) {

  /** {@return the programs that such a VM needs} */
  public static List<Tool> tools(Host host) {
    return List.of(Tool.qemu(host.arch()), Tool.isoMaker(host.os()), Tool.QEMU_IMG);
  }

  /** {@return its own files, laid out like those of a node} */
  public Layout.Files files() {
    return new Layout.Files(work.resolve("vm"), Layout.of(work).runtime().resolve(kind + ".qmp"));
  }

  /** {@return the file for its QEMU's complaints} */
  public Path errors() {
    return files().folder().resolve("errors");
  }

  /** {@return what makes its files, including its disk} */
  public Plan plan(Plan.Action disk) {
    Layout.Files files = files();
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
    actions.add(disk);
    actions.addAll(NodeFiles.copies(boot, files));
    return new Plan(actions);
  }

  /** Makes its files and the folder of its socket. */
  public void prepare(Plan.Action disk) {
    new Plan.Folder(Layout.of(work).runtime()).run();
    plan(disk).run();
  }

  /** {@return the command that removes its files} */
  public Argv removing() {
    return Argv.of("rm", "-r", Argv.word(files().folder()));
  }

  /** {@return a copy of its console's log, which stays when its files are removed} */
  public Path keepConsole() {
    Path console = Layout.cache().resolve(kind + "-console.log");
    try {
      Files.copy(files().console(), console, StandardCopyOption.REPLACE_EXISTING);
    } catch (IOException e) {
      // QEMU did not get that far
    }
    return console;
  }
}

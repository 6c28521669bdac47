///usr/bin/env jbang "$0" "$@" ; exit $?
//DESCRIPTION Makes the base image that all nodes' disks are overlays of, once.
//DESCRIPTION Example: ./jbang prepare-image.java --yes
//JAVA 17+
//MAIN PrepareImage
//DEPS info.picocli:picocli:4.7.7
//SOURCES lib/Abandoned.java
//SOURCES lib/Argv.java
//SOURCES lib/Bake.java
//SOURCES lib/BaseImage.java
//SOURCES lib/Boot.java
//SOURCES lib/BootRecord.java
//SOURCES lib/CacheFolder.java
//SOURCES lib/CloudInit.java
//SOURCES lib/Cluster.java
//SOURCES lib/ClusterFile.java
//SOURCES lib/ClusterRecord.java
//SOURCES lib/Commands.java
//SOURCES lib/ConsoleLog.java
//SOURCES lib/DebianBuilt.java
//SOURCES lib/Digest.java
//SOURCES lib/Disk.java
//SOURCES lib/Download.java
//SOURCES lib/EthernetSwitch.java
//SOURCES lib/Firmware.java
//SOURCES lib/Forward.java
//SOURCES lib/Host.java
//SOURCES lib/Identity.java
//SOURCES lib/Image.java
//SOURCES lib/ImageBuild.java
//SOURCES lib/ImageDownload.java
//SOURCES lib/ImageEntries.java
//SOURCES lib/ImageImport.java
//SOURCES lib/ImageMaker.java
//SOURCES lib/ImageOptions.java
//SOURCES lib/ImageSource.java
//SOURCES lib/ImageStore.java
//SOURCES lib/Images.java
//SOURCES lib/LanSwitch.java
//SOURCES lib/Layout.java
//SOURCES lib/Leg.java
//SOURCES lib/Lock.java
//SOURCES lib/Marker.java
//SOURCES lib/Meter.java
//SOURCES lib/Network.java
//SOURCES lib/Node.java
//SOURCES lib/Options.java
//SOURCES lib/Plan.java
//SOURCES lib/Preflight.java
//SOURCES lib/Probe.java
//SOURCES lib/Problem.java
//SOURCES lib/Provision.java
//SOURCES lib/Qemu.java
//SOURCES lib/QemuImg.java
//SOURCES lib/Qmp.java
//SOURCES lib/RecipeFiles.java
//SOURCES lib/Role.java
//SOURCES lib/RoleFiles.java
//SOURCES lib/SavedState.java
//SOURCES lib/Sessions.java
//SOURCES lib/SshConfig.java
//SOURCES lib/SshKey.java
//SOURCES lib/StateFolder.java
//SOURCES lib/Subnet.java
//SOURCES lib/Terminal.java
//SOURCES lib/Tmux.java
//SOURCES lib/Tool.java
//SOURCES lib/Trial.java
//SOURCES lib/VirtualIp.java
//SOURCES lib/Visible.java
//SOURCES lib/Vm.java
//SOURCES lib/VmSession.java
//SOURCES lib/VmnetWay.java
//SOURCES lib/Wait.java
//SOURCES lib/WebProxy.java
//SOURCES lib/Yaml.java
//SOURCES lib/YamlFields.java
//FILES cloud-init/gateway.yaml=cloud-init/gateway.yaml
//FILES cloud-init/control.yaml=cloud-init/control.yaml
//FILES cloud-init/worker.yaml=cloud-init/worker.yaml
//FILES image/after.sh=image/after.sh
//FILES image/bake.sh=image/bake.sh
//FILES image/before.sh=image/before.sh
//FILES image/boot.sh=image/boot.sh
//FILES image/fork.py=image/fork.py
//FILES image/grub.cfg=image/grub.cfg
//RUNTIME_OPTIONS -Xmx256m -XX:+UseSerialGC -XX:TieredStopAtLevel=1

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.Callable;
import lib.BaseImage;
import lib.Cluster;
import lib.ClusterFile;
import lib.Host;
import lib.ImageOptions;
import lib.ImageSource;
import lib.ImageStore;
import lib.Images;
import lib.Layout;
import lib.Lock;
import lib.Options;
import lib.Preflight;
import lib.Probe;
import lib.Problem;
import lib.Role;
import lib.RoleFiles;
import lib.Terminal;
import lib.Tool;
import lib.Yaml;
import picocli.CommandLine.ArgGroup;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

@Command(
    name = "prepare-image",
    description = "Gets or makes the base image that all nodes' disks are overlays of, once.",
    footer = {
      "",
      "Example: ./jbang prepare-image.java --yes",
      "",
      "The first of `images` in cluster.yaml that can be had is taken. What the roles' packages "
          + "lack in it is installed by one VM, once for all nodes. An image that is there already "
          + "is not made again."
    })
class PrepareImage implements Callable<Integer> {
  @Mixin private Options options;
  @Mixin private ImageOptions image;

  @Option(
      names = "--suite",
      paramLabel = "SUITE",
      description = "Make debian-built of this Debian release, such as trixie.")
  private String suite;

  @Option(
      names = "--packages",
      paramLabel = "NAME",
      split = ",",
      description = "Make debian-built with these packages, too.")
  private List<String> packages = new ArrayList<>();

  @ArgGroup private What what = new What();

  /** What to do in place of getting an image: one of these. */
  private static final class What {
    @Option(names = "--list", description = "Print which images there are, and who uses them.")
    private boolean list;

    @Option(
        names = "--prune",
        description =
            "Remove images that no disk is based on, but for this cluster's, and leftovers.")
    private boolean prune;

    @Option(names = "--verify", description = "Check every image's files against their digests.")
    private boolean verify;
  }

  public static void main(String... arguments) {
    System.exit(Options.run(new PrepareImage(), arguments));
  }

  @Override
  public Integer call() {
    Terminal terminal = Terminal.current();
    options.layout(); // the images of a cluster are asked for: a folder of others is refused first
    ImageStore store = ImageStore.ofUser();
    ImageStore templates = ImageStore.ofTemplates();
    if (what.list) {
      terminal.line(store.table());
      if (!templates.all().isEmpty()) {
        terminal.line(templates.table());
      }
      if (Layout.isOldPlace()) {
        terminal.line(
            "note: these are in %s, where an older kubenet put them and where cleaners may remove"
                + " them; once no image is there, new ones are put in %s",
            Layout.cache(), Layout.data());
      }
    } else if (what.verify) {
      List<BaseImage> all = new ArrayList<>(store.all());
      all.addAll(templates.all());
      verify(all, terminal);
    } else if (what.prune) {
      if (!templates.all().isEmpty() || !templates.unfinished().isEmpty()) {
        prune(templates, List.of(), terminal);
      }
      List<BaseImage> kept = new ArrayList<>(images(options.cluster(), terminal).stored());
      kept.addAll(below(templates.all(), store.all()));
      prune(store, kept, terminal);
    } else {
      prepare(terminal);
    }
    return 0;
  }

  private void prepare(Terminal terminal) {
    Cluster cluster = options.cluster();
    Images images = images(cluster, terminal);
    if (!options.dryRun()) {
      Preflight.tools(terminal, options.yes(), images.tools());
    }
    Images.Choice chosen = wished().map(images::get).orElseGet(images::first);
    say(terminal, chosen);
    if (images.wantsBake(chosen)) {
      if (!options.dryRun()) {
        Host.Os os = Host.Os.current();
        List<Tool> tools = List.of(Tool.qemu(Host.Arch.current()), Tool.isoMaker(os));
        Preflight.tools(terminal, options.yes(), tools);
      }
      Probe probe =
          Probe.run(
              chosen.image().kernel(), Layout.cache().resolve("accelerator"), !options.dryRun());
      say(terminal, images.baked(chosen, probe.host()));
    }
    wished()
        .ifPresent(source -> terminal.line("# to launch with it, in cluster.yaml:\n" + entry()));
  }

  private Images images(Cluster cluster, Terminal terminal) {
    Map<Role, Yaml> roles = RoleFiles.read(options.base());
    return new Images(options, image, cluster, roles, terminal);
  }

  private void say(Terminal terminal, Images.Choice choice) {
    terminal.line((options.dryRun() ? "# " : "") + "image        " + choice.line());
    choice.describe().forEach(terminal::line);
  }

  /** The image that the options describe, which cluster.yaml may not name. */
  private Optional<ImageSource> wished() {
    if (suite == null && packages.isEmpty()) {
      return Optional.empty();
    }
    // the same rules as in the file
    String text = "images:\n" + entry();
    return Optional.of(ClusterFile.parse("--suite and --packages", text).images().get(0));
  }

  private String entry() {
    List<String> wishes = new ArrayList<>();
    if (suite != null) {
      wishes.add("suite: " + suite);
    }
    if (!packages.isEmpty()) {
      wishes.add("packages: [" + String.join(", ", packages) + "]");
    }
    return "  - debian-built: {" + String.join(", ", wishes) + "}";
  }

  private void verify(List<BaseImage> all, Terminal terminal) {
    List<Problem> problems = new ArrayList<>();
    for (BaseImage base : all) {
      try {
        base.verifyFully();
        terminal.line("good         %s", base.folder());
      } catch (Problem problem) {
        problems.add(problem);
      }
    }
    if (!problems.isEmpty()) {
      throw Problem.all(problems);
    }
  }

  /** The images that templates are overlays of. */
  private static List<BaseImage> below(List<BaseImage> templates, List<BaseImage> images) {
    return images.stream()
        .filter(
            image ->
                templates.stream()
                    .anyMatch(template -> template.facts().parent().equals(image.digest())))
        .toList();
  }

  private void prune(ImageStore store, List<BaseImage> kept, Terminal terminal) {
    List<Path> unneeded = store.unneeded(kept);
    for (Path path : unneeded) {
      String line = "%s, %d MiB".formatted(path, ImageStore.mib(path));
      terminal.line((options.dryRun() ? "# removes " : "will remove ") + line);
    }
    if (options.dryRun() || unneeded.isEmpty()) {
      terminal.line((options.dryRun() ? "# " : "") + "%d to remove".formatted(unneeded.size()));
      return;
    }
    if (!options.yes() && !terminal.confirm("Remove these?")) {
      throw new Problem("nothing was removed", "answer yes, or give --yes");
    }
    try (Lock making = store.makingLock(terminal);
        Lock using = store.lock(terminal)) {
      unneeded.retainAll(store.unneeded(kept)); // somebody may need one by now
      unneeded.forEach(store::remove);
      terminal.line("removed %d", unneeded.size());
    }
  }
}

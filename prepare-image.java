///usr/bin/env jbang "$0" "$@" ; exit $?
//DESCRIPTION Makes the base image that all nodes' disks are overlays of, once.
//DESCRIPTION Example: ./jbang prepare-image.java --yes
//JAVA 17+
//MAIN PrepareImage
//DEPS info.picocli:picocli:4.7.7
//SOURCES check-host.java
//SOURCES lib/package-info.java         // what any script could use
//SOURCES lib/cluster/package-info.java // nodes, networks, cluster.yaml
//SOURCES lib/state/package-info.java   // the folders, and what they hold
//SOURCES lib/vm/package-info.java      // the life of one QEMU
//SOURCES lib/qemu/package-info.java    // QEMU commands as values
//SOURCES lib/seed/package-info.java    // a node's files
//SOURCES lib/tools/package-info.java   // programs and their packages
//SOURCES lib/host/package-info.java    // checks of this machine
//SOURCES lib/image/package-info.java   // the base image
//RUNTIME_OPTIONS -Xmx256m -XX:+UseSerialGC -XX:TieredStopAtLevel=1

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.Callable;
import java.util.stream.Collectors;
import lib.Lock;
import lib.Problem;
import lib.Terminal;
import lib.Yaml;
import lib.cluster.Cluster;
import lib.cluster.ClusterFile;
import lib.cluster.Host;
import lib.cluster.ImageSource;
import lib.cluster.Role;
import lib.image.ImageOptions;
import lib.image.ImageStore;
import lib.image.Images;
import lib.image.Upkeep;
import lib.qemu.BaseImage;
import lib.qemu.Basis;
import lib.seed.RoleFiles;
import lib.state.CacheFolder;
import lib.state.HostFacts;
import lib.state.Layout;
import lib.state.Options;
import lib.state.StateFolder;
import lib.tools.Preflight;
import lib.tools.Tool;
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

  /** What to do instead of getting an image: one of these. */
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

  PrepareImage() {}

  /** The step as a part of another script. */
  PrepareImage(Options options, ImageOptions image) {
    this.options = options;
    this.image = image;
  }

  public static void main(String... arguments) {
    System.exit(Options.run(new PrepareImage(), arguments));
  }

  @Override
  public Integer call() {
    Terminal terminal = Terminal.current();
    options.layout(); // a state folder of another user or program is refused first
    Upkeep images = new Upkeep(ImageStore.ofUser());
    Upkeep templates = new Upkeep(ImageStore.ofTemplates());
    if (what.list) {
      list(images, templates, terminal);
    } else if (what.verify) {
      List<Problem> problems = new ArrayList<>(images.verify(terminal));
      problems.addAll(templates.verify(terminal));
      Problem.throwAll(problems);
    } else if (what.prune) {
      prune(images, templates, terminal);
    } else {
      prepare(terminal);
    }
    return 0;
  }

  private static void list(Upkeep images, Upkeep templates, Terminal terminal) {
    terminal.line(images.table());
    if (!templates.store().all().isEmpty()) {
      terminal.line(templates.table());
    }
    if (Layout.isOldPlace()) {
      terminal.line(
          "note: these are in %s, where an older kubenet put them and where cleaners may remove"
              + " them; once no image is there, new ones are put in %s",
          Layout.cache(), Layout.data());
    }
  }

  private void prune(Upkeep images, Upkeep templates, Terminal terminal) {
    ImageStore forks = templates.store();
    if (!forks.all().isEmpty() || !forks.unfinished().isEmpty()) {
      templates.prune(List.of(), options.dryRun(), options.yes(), terminal);
    }
    List<BaseImage> kept = new ArrayList<>(images(options.cluster(), terminal).stored());
    Set<String> below =
        forks.all().stream().map(fork -> fork.facts().parent()).collect(Collectors.toSet());
    images.store().all().stream().filter(base -> below.contains(base.digest())).forEach(kept::add);
    chosen().ifPresent(kept::add);
    images.prune(kept, options.dryRun(), options.yes(), terminal);
  }

  private Optional<BaseImage> chosen() {
    try {
      return Basis.chosen(options.layout());
    } catch (Problem gone) {
      return Optional.empty(); // a launch will say so
    }
  }

  private void prepare(Terminal terminal) {
    Cluster cluster = options.cluster();
    if (!options.dryRun()) {
      Preflight.tools(terminal, options.yes(), tools(cluster, terminal));
    }
    Images images = images(cluster, terminal);
    Images.Choice chosen = wished().map(images::get).orElseGet(images::first);
    say(terminal, chosen);
    if (images.wantsBake(chosen)) {
      if (!options.dryRun()) {
        Host.Os os = Host.Os.current();
        List<Tool> tools = List.of(Tool.qemu(Host.Arch.current()), Tool.isoMaker(os));
        Preflight.tools(terminal, options.yes(), tools);
      }
      chosen =
          baked(
              images,
              chosen,
              new CheckHost(options).facts(chosen.image().kernel(), terminal),
              terminal);
    }
    if (wished().isPresent()) {
      terminal.line("# to launch with it, in cluster.yaml:\n" + entry());
    } else {
      chosen.base().ifPresent(base -> choose(base));
    }
  }

  /** Notes, for later steps, which image this cluster's disks are to be based on. */
  private void choose(BaseImage base) {
    Layout layout = options.layout();
    Basis basis = new Basis(layout);
    if (options.dryRun() || basis.isNeeded()) {
      return;
    }
    try (Lock images = CacheFolder.lock("images", Terminal.current())) { // only one at a time
      StateFolder.claim(layout);
      try (Lock lock = Lock.attempt(layout.lock()).orElse(null)) {
        if (lock != null) { // else a launch is under way, which chooses the image
          basis.choose(base);
        }
      }
    }
  }

  /** What a launch goes on with: the image, and the machine that it was tried on. */
  record Prepared(Images.Choice choice, HostFacts facts) {}

  /** {@return the image that a cluster's disks are based on, or else the first that can be had} */
  Prepared forLaunch(Cluster cluster, Terminal terminal) {
    Images images = images(cluster, terminal);
    Images.Choice chosen = images.choose();
    say(terminal, chosen);
    HostFacts facts = new CheckHost(options).facts(chosen.image().kernel(), terminal);
    return new Prepared(baked(images, chosen, facts, terminal), facts);
  }

  private Images.Choice baked(
      Images images, Images.Choice chosen, HostFacts facts, Terminal terminal) {
    Images.Choice choice = images.baked(chosen, facts.host());
    if (!choice.equals(chosen)) {
      say(terminal, choice);
    }
    return choice;
  }

  /** {@return the programs that the first image needs} */
  List<Tool> tools(Cluster cluster, Terminal terminal) {
    return images(cluster, terminal).tools();
  }

  private Images images(Cluster cluster, Terminal terminal) {
    Map<Role, Yaml> roles = RoleFiles.read(options.base());
    return new Images(options, image, cluster, roles, terminal);
  }

  private void say(Terminal terminal, Images.Choice choice) {
    options.say(terminal, "image        " + choice.line());
    choice.describe().forEach(terminal::line);
  }

  /** The image that the options describe; cluster.yaml need not name it. */
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
}

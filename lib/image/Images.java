package lib.image;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Stream;
import lib.Problem;
import lib.Terminal;
import lib.Yaml;
import lib.cluster.Cluster;
import lib.cluster.Host;
import lib.cluster.ImageSource;
import lib.cluster.Role;
import lib.host.Probe;
import lib.qemu.BaseImage;
import lib.qemu.Basis;
import lib.qemu.Image;
import lib.seed.RoleFiles;
import lib.state.Options;
import lib.tools.Preflight;
import lib.tools.Tool;

/**
 * Decides on the base image of a cluster: the one that its disks are based on already, else the
 * first of {@code images} that can be had, which is got or made. A dry run only finds out.
 */
public final class Images {
  private final Options options;
  private final ImageOptions wishes;
  private final Cluster cluster;
  private final Map<Role, Yaml> roles;
  private final Terminal terminal;
  private final ImageStore store = ImageStore.ofUser();
  private final Host.Arch arch = Host.Arch.current();

  /** What there is to choose from, for a cluster and the packages that its roles want. */
  public Images(
      Options options,
      ImageOptions wishes,
      Cluster cluster,
      Map<Role, Yaml> roles,
      Terminal terminal) {
    this.options = options;
    this.wishes = wishes;
    this.cluster = cluster;
    this.roles = roles;
    this.terminal = terminal;
  }

  /**
   * The image that was decided on.
   *
   * @param image what VMs need to know of it
   * @param base the image in the store; nothing in a dry run that did not find it there
   * @param line which image, and why it is this one
   * @param describe what making it would run; nothing if it is there
   */
  public record Choice(Image image, Optional<BaseImage> base, String line, List<String> describe) {}

  /** {@return the programs that the first image takes, if it is to be made here} */
  public List<Tool> tools() {
    List<Tool> tools = new ArrayList<>(List.of(Tool.QEMU_IMG));
    if (!hasDisks()
        && sources().get(0) instanceof ImageSource.Web
        && stored(sources().get(0)).isEmpty()) {
      tools.add(Tool.CURL);
    }
    if (!hasDisks() && sources().get(0) instanceof ImageSource.Built built) {
      ImageBuild build = build(built);
      if (store.find(build.key()).isEmpty() && ImageBuild.isPossible()) {
        tools.addAll(build.tools());
      }
    }
    return tools;
  }

  /**
   * {@return the image that the cluster's disks are based on, else {@link #first}}
   *
   * @throws Problem with the reason for each image, if none can be had
   */
  public Choice choose() {
    return current()
        .map(base -> there(base, "which this cluster's disks are based on"))
        .orElseGet(this::first);
  }

  /**
   * {@return the first image that can be had}
   *
   * @throws Problem with the reason for each image, if none can be had
   */
  public Choice first() {
    List<Problem> problems = new ArrayList<>();
    for (ImageSource source : sources()) {
      try {
        return because(get(source), problems);
      } catch (Problem problem) {
        problems.add(problem);
      }
    }
    throw Problem.all(problems);
  }

  /**
   * {@return whether the roles' packages are to be baked into an image, in one VM for all nodes}
   */
  public boolean wantsBake(Choice choice) {
    return choice.base.isPresent() && !hasDisks() && !bakes(choice.image).isEmpty();
  }

  /** The packages that a bake would install into an image; none if there is to be no bake. */
  private List<String> bakes(Image image) {
    return !wishes.bake() || !Bake.isPossible(roles)
        ? List.of()
        : RoleFiles.packages(roles).stream()
            .filter(name -> !image.packages().contains(name))
            .toList();
  }

  /**
   * {@return the image with the roles' packages in it, if that {@link #wantsBake}; else the same}
   */
  public Choice baked(Choice choice, Host host) {
    return wantsBake(choice)
        ? made(
            Bake.of(choice.base.orElseThrow(), cluster, roles, host),
            "with the roles' packages baked in")
        : choice;
  }

  /** {@return the images in the store that a launch of this cluster would use as they are} */
  public List<BaseImage> stored() {
    Optional<BaseImage> first =
        sources().stream().map(this::stored).flatMap(Optional::stream).findFirst();
    Optional<BaseImage> baked =
        first.map(base -> Bake.of(base, cluster, roles, Probe.facts()).key()).flatMap(store::find);
    return Stream.of(first, baked).flatMap(Optional::stream).toList();
  }

  private Optional<BaseImage> stored(ImageSource source) {
    try {
      if (source instanceof ImageSource.Built built) {
        return store.find(build(built).key());
      }
      if (source instanceof ImageSource.LocalFile file) {
        return store.find(ImageImport.of(file.name(), options.base()).key());
      }
      ImageSource.Web web = (ImageSource.Web) source;
      return pinned(web).or(() -> earlier(web));
    } catch (Problem problem) {
      return Optional.empty(); // a launch could not have it either
    }
  }

  private Optional<BaseImage> pinned(ImageSource.Web source) {
    return pinnedKeys(source).stream().map(store::find).flatMap(Optional::stream).findFirst();
  }

  private List<String> pinnedKeys(ImageSource.Web source) {
    return source.places().getOrDefault(arch, List.of()).stream()
        .filter(place -> place.sha256().isPresent())
        .map(place -> ImageDownload.of(source.name(), place).key())
        .toList();
  }

  /** The newest that came from a place where images move; a pinned one is that or none. */
  private Optional<BaseImage> earlier(ImageSource.Web source) {
    return store.all().stream()
        .filter(image -> moves(source))
        .filter(image -> image.facts().name().equals(source.name()))
        .filter(image -> image.facts().arch().equals(arch.word()))
        .filter(image -> image.facts().parent().isEmpty())
        .findFirst();
  }

  private boolean moves(ImageSource.Web source) {
    return source.places().getOrDefault(arch, List.of()).stream()
        .anyMatch(place -> place.sha256().isEmpty());
  }

  /** Whether no digest in this repository vouches for it, or for the image that it was baked of. */
  private boolean isUnpinned(BaseImage image) {
    String parent = image.facts().parent();
    if (!parent.isEmpty()) {
      return store.all().stream()
          .filter(other -> other.digest().equals(parent))
          .anyMatch(this::isUnpinned);
    }
    return ImageSource.known(image.facts().name())
        .filter(source -> source instanceof ImageSource.Web)
        .map(source -> (ImageSource.Web) source)
        .filter(this::moves)
        .filter(source -> !pinnedKeys(source).contains(image.folder().getFileName().toString()))
        .isPresent();
  }

  /** Whether the choice is made already. */
  private boolean hasDisks() {
    return new Basis(options.layout()).isNeeded();
  }

  private Optional<BaseImage> current() {
    Optional<BaseImage> current = new Basis(options.layout()).current();
    Optional<ImageSource> insisted = wishes.insisted(cluster);
    if (current.isPresent() && insisted.isPresent() && !is(current.get(), insisted.get())) {
      throw new Problem(
          "--image %s: the disks in %s are based on %s"
              .formatted(
                  insisted.get().name(), options.layout().state(), current.get().facts().name()),
          "leave --image out; other disks need another --state, or stop-all.java --destroy");
    }
    return current;
  }

  /** Whether an image is a source's, or was baked of it. */
  private boolean is(BaseImage image, ImageSource source) {
    return image.facts().name().equals(source.name())
        || stored(source)
            .filter(
                other ->
                    image.digest().equals(other.digest())
                        || image.facts().parent().equals(other.digest()))
            .isPresent();
  }

  private List<ImageSource> sources() {
    return wishes.insisted(cluster).map(List::of).orElse(cluster.images());
  }

  /**
   * {@return the image of one source}
   *
   * @throws Problem if it can't be had
   */
  public Choice get(ImageSource source) {
    if (source instanceof ImageSource.Built built) {
      return made(build(built), "made here");
    }
    if (source instanceof ImageSource.LocalFile file) {
      return made(ImageImport.of(file.name(), options.base()), "copied from the file");
    }
    return downloaded((ImageSource.Web) source);
  }

  private ImageBuild build(ImageSource.Built source) {
    return ImageBuild.of(arch, source, RoleFiles.packages(roles));
  }

  /**
   * From the best place that has it; without a network, one that came earlier serves.
   *
   * <p>The next place is asked only if the server of the one before says that it has it no more.
   * Else whoever can disturb a connection could turn a pinned image into one that is not.
   */
  private Choice downloaded(ImageSource.Web source) {
    List<Problem> problems = new ArrayList<>();
    List<ImageSource.Published> places = source.places().getOrDefault(arch, List.of());
    for (ImageSource.Published place : places) {
      ImageDownload download = ImageDownload.of(source.name(), place);
      boolean there = store.find(download.key()).isPresent();
      try {
        if (!there && !options.dryRun()) {
          Preflight.tools(terminal, options.yes(), download.tools());
          if (places.size() > 1 && download.isGone()) {
            problems.add(
                new Problem(
                    "its server no longer has " + download.url(),
                    "name another image in `images` of cluster.yaml"));
            continue;
          }
          download = download.withDigest();
        }
      } catch (Problem problem) {
        problems.add(problem);
        break;
      }
      // one that is there and is another than it should be has no stand-in
      return because(made(download, "downloaded"), problems);
    }
    Optional<BaseImage> earlier = earlier(source);
    if (earlier.isPresent()) {
      return because(there(earlier.get(), "downloaded earlier"), problems);
    }
    if (problems.isEmpty()) {
      throw new Problem(
          "image " + source.name() + " is not for " + arch.word(), "name one that is in `images`");
    }
    throw Problem.all(problems);
  }

  /** The choice with the reasons why it is not a better one. */
  private static Choice because(Choice found, List<Problem> problems) {
    String others =
        problems.isEmpty() ? "" : "; " + Problem.all(problems).getMessage().replace("\n", "; ");
    return new Choice(found.image, found.base, found.line + others, found.describe);
  }

  private Choice made(ImageMaker maker, String how) {
    Optional<BaseImage> there = store.find(maker.key());
    if (there.isPresent()) {
      return there(there.get(), how);
    }
    if (!options.dryRun()) {
      return there(store.get(maker, arch, terminal, options.yes()), how);
    }
    List<String> describe = new ArrayList<>(maker.describe(store.work(maker.key())));
    Path folder = store.folder().resolve(maker.key());
    describe.add("# then it is in " + folder + ", with its digests");
    Image expected = maker.expected(folder);
    List<String> lacking = bakes(expected);
    if (!lacking.isEmpty()) {
      describe.add("# then one VM installs into it, for all nodes: " + String.join(" ", lacking));
    }
    return new Choice(expected, Optional.empty(), maker.name() + ", to be made first", describe);
  }

  private Choice there(BaseImage base, String how) {
    String line = "%s, %s, in %s".formatted(base.facts().name(), how, base.folder());
    if (isUnpinned(base)) {
      line += "; unpinned: kubenet has no digest of its own for it";
    }
    return new Choice(base.image(), Optional.of(base), line, List.of());
  }
}

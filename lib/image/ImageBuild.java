package lib.image;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Stream;
import lib.Argv;
import lib.Commands;
import lib.Plan;
import lib.Problem;
import lib.Terminal;
import lib.cluster.Host;
import lib.cluster.ImageSource;
import lib.qemu.Digest;
import lib.qemu.Image;
import lib.seed.RoleFiles;
import lib.tools.Tool;

/**
 * Makes the image {@code debian-built} of the host's own package sources.
 *
 * @param arch of the guest
 * @param suite the Debian release
 * @param packages what the roles and the cluster file want, sorted
 */
public record ImageBuild(Host.Arch arch, String suite, Set<String> packages) implements ImageMaker {
  private static final Duration LIMIT = Duration.ofMinutes(30);
  private static final Path APT = Path.of("/etc/apt");

  public ImageBuild {
    packages = new TreeSet<>(packages);
  }

  /**
   * {@return the maker for a wish of the cluster file}
   *
   * @param roles the packages that the roles want
   */
  public static ImageBuild of(Host.Arch arch, ImageSource.Built source, Set<String> roles) {
    Set<String> packages = new TreeSet<>(roles);
    packages.addAll(source.packages());
    String own = release("VERSION_CODENAME").orElse("stable");
    return new ImageBuild(arch, source.suite().orElse(own), packages);
  }

  /** {@return whether this host can make it: a Debian} */
  public static boolean isPossible() {
    return release("ID").filter("debian"::equals).isPresent();
  }

  /** Fails with the reason, unless {@link #isPossible}. */
  private static void check() {
    if (!isPossible()) {
      throw new Problem(
          "image debian-built can be made on Debian only",
          "name another one in `images` of cluster.yaml: ubuntu-24.04, or a path such as ./my.img");
    }
  }

  @Override
  public String name() {
    return ImageSource.Built.NAME;
  }

  @Override
  public String key() {
    return "debian-built-" + digest();
  }

  @Override
  public List<Tool> tools() {
    check(); // before any is installed
    return DebianBuilt.tools(Host.isRoot());
  }

  @Override
  public Image expected(Path folder) {
    Image.Kernel kernel =
        new Image.Kernel(
            folder.resolve(Image.VMLINUZ), folder.resolve(Image.INITRD), DebianBuilt.ARGUMENTS);
    return new Image(
        name(), folder.resolve(Image.DISK), DebianBuilt.BYTES, packages, Optional.of(kernel));
  }

  @Override
  public void make(Path work, Terminal terminal, boolean yes) {
    check();
    boolean root = Host.isRoot();
    terminal.line("making the image debian-built; this is done once");
    DebianBuilt recipe = recipe(knownSources(terminal, yes, root), root);
    prepare(recipe, work);
    for (DebianBuilt.Step step : recipe.steps(work)) {
      run(step, work.resolve("errors"), terminal);
    }
  }

  @Override
  public List<String> describe(Path work) {
    check();
    List<String> lines = new ArrayList<>();
    for (DebianBuilt.Step step : recipe(sources(), Host.isRoot()).steps(work)) {
      lines.add("# " + step.title());
      step.commands().forEach(command -> lines.add(command.toShell()));
    }
    return lines;
  }

  private static void run(DebianBuilt.Step step, Path errors, Terminal terminal) {
    long start = System.nanoTime();
    for (Argv command : step.commands()) {
      Commands.run(command, LIMIT, errors).orProblem();
    }
    terminal.line("  %-18s %4d s", step.title(), seconds(start));
  }

  private static long seconds(long start) {
    return (System.nanoTime() - start) / 1_000_000_000;
  }

  private static void prepare(DebianBuilt recipe, Path work) {
    List<Plan.Action> actions = new ArrayList<>();
    for (String file : DebianBuilt.FILES) {
      String text =
          RoleFiles.bundled("image/" + file).replace("@CONSOLE@", recipe.arch().console());
      actions.add(new Plan.Write(work.resolve(file), text, false));
    }
    String sources = String.join("\n", recipe.sources()) + "\n";
    actions.add(new Plan.Write(work.resolve("sources.list"), sources, false));
    actions.add(new Plan.Write(work.resolve(Image.ARGUMENTS), DebianBuilt.ARGUMENTS + "\n", false));
    actions.add(new Plan.Write(work.resolve("partitions"), recipe.partitions(), false));
    new Plan(actions).run();
  }

  private DebianBuilt recipe(List<String> sources, boolean root) {
    return new DebianBuilt(arch, sources, suite, settings(), List.copyOf(packages), root);
  }

  /** The host's sources; apt knows an archive's origin from its package lists only. */
  private List<String> knownSources(Terminal terminal, boolean yes, boolean root) {
    List<String> sources = sources();
    if (sources.isEmpty()) {
      Argv update = Argv.of("apt-get", "update", "--quiet");
      Argv command = root ? update : Argv.of("sudo").then(update);
      terminal.line("apt has no package lists yet; fetch them with: " + command.toShell());
      if (!yes && !terminal.confirm("Run that now?")) {
        throw new Problem(
            "apt has no package lists", "run `" + command.toShell() + "`, or this with --yes");
      }
      Commands.run(command, LIMIT).orProblem();
      sources = sources();
    }
    if (sources.isEmpty()) {
      throw new Problem(
          "apt on this machine has no sources of Debian's archive", "see /etc/apt/sources.list");
    }
    return sources;
  }

  /** The host's entries for Debian's own archive, by apt's own reading of its files. */
  private List<String> sources() {
    String format = "$(ORIGIN)\t$(RELEASE)\t$(REPO_URI)\t$(COMPONENT)";
    Argv list =
        Argv.of("apt-get", "indextargets").option("--format", format).add("Created-By: Packages");
    return Commands.run(list)
        .orProblem()
        .out()
        .lines()
        .map(line -> line.split("\t"))
        .filter(field -> field[0].equals("Debian")) // not "Debian Backports"
        .flatMap(field -> inSuite(field[1]).map(release -> source(field[2], release, field[3])))
        .distinct()
        .toList();
  }

  private static String source(String uri, String release, String component) {
    String keyring = "/usr/share/keyrings/debian-archive-keyring.gpg";
    return "deb [signed-by=%s] %s %s %s".formatted(keyring, uri, release, component);
  }

  /** The same part of the archive for this image's suite: bookworm-updates, trixie-updates. */
  private Stream<String> inSuite(String release) {
    String own = release("VERSION_CODENAME").orElse("");
    if (suite.equals(own)) {
      return Stream.of(release);
    }
    boolean named = release.equals(own) || release.startsWith(own + "-");
    return named ? Stream.of(suite + release.substring(own.length())) : Stream.empty();
  }

  /** How the host fetches: proxies, certificates, and whether dates are checked. */
  private static List<String> settings() {
    return Commands.run(Argv.of("apt-config", "dump"))
        .orProblem()
        .out()
        .lines()
        .filter(line -> line.matches("Acquire::(Check-|https?::)\\S+ \"[^\"]+\";"))
        .map(line -> line.substring(0, line.length() - 1))
        .toList();
  }

  /** A value of /etc/os-release. */
  private static Optional<String> release(String key) {
    try (Stream<String> lines = Files.lines(Path.of("/etc/os-release"))) {
      return lines
          .filter(line -> line.startsWith(key + "="))
          .map(line -> line.substring(key.length() + 1).replace("\"", ""))
          .findFirst();
    } catch (IOException e) {
      return Optional.empty(); // another system
    }
  }

  /** Of the recipe, its files, the packages and the host's sources: twelve digits. */
  private String digest() {
    StringBuilder input = new StringBuilder();
    input.append(DebianBuilt.VERSION).append(' ').append(this);
    DebianBuilt.FILES.forEach(file -> input.append(RoleFiles.bundled("image/" + file)));
    try {
      if (Files.isDirectory(APT)) {
        try (Stream<Path> files = Files.walk(APT, 2)) {
          for (Path file : files.filter(ImageBuild::isSource).sorted().toList()) {
            input.append(Files.readString(file));
          }
        }
      }
      return Digest.of(input.toString()).substring(0, 12);
    } catch (IOException | UncheckedIOException e) {
      throw new Problem("cannot read " + APT + ": " + e.getMessage(), "check its owner", e);
    }
  }

  private static boolean isSource(Path file) {
    return file.toString().matches(".*/sources\\.list(\\.d/[^/]+\\.(list|sources))?");
  }
}

package lib;

import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.attribute.PosixFilePermissions;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.HexFormat;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Stream;

/**
 * Builds the image {@code debian-built} into the cache, once for all clusters of this user that
 * want the same.
 *
 * @param folder where it is, or will be; its name has a digest of all that goes in
 * @param arch of the guest
 * @param packages what the roles want, sorted
 */
public record ImageBuild(Path folder, Host.Arch arch, Set<String> packages) {
  private static final Duration LIMIT = Duration.ofMinutes(30);
  private static final Path APT = Path.of("/etc/apt");

  /**
   * {@return the build for an architecture and packages}
   *
   * @throws Problem if the host has no Debian sources and the image is not there either
   */
  public static ImageBuild of(Host.Arch arch, Set<String> packages) {
    ImageBuild build = new ImageBuild(folder(arch, packages), arch, new TreeSet<>(packages));
    if (!build.isDone() && !isDebian()) {
      throw new Problem(
          "image debian-built can be made on Debian only",
          "name a local file in `images` of cluster.yaml, such as ./my.img");
    }
    return build;
  }

  /** {@return the programs that it takes; none if the image is there or can't be made here} */
  static List<Tool> tools(Host.Arch arch, Set<String> packages) {
    boolean needed = !Files.isDirectory(folder(arch, packages)) && isDebian();
    return needed ? DebianBuilt.tools(Host.isRoot()) : List.of();
  }

  private static Path folder(Host.Arch arch, Set<String> packages) {
    String name = "debian-built-" + key(arch, new TreeSet<>(packages));
    return Layout.cache().resolve("images").resolve(name);
  }

  private static boolean isDebian() {
    return release("ID").filter("debian"::equals).isPresent();
  }

  /** {@return whether the image is there; it appears whole or not at all} */
  public boolean isDone() {
    return Files.isDirectory(folder);
  }

  /** {@return the image, there or not} */
  public Image image() {
    Image.Kernel kernel =
        new Image.Kernel(
            folder.resolve("vmlinuz"), folder.resolve("initrd.img"), DebianBuilt.ARGUMENTS);
    return new Image(
        "debian-built",
        folder.resolve("disk.qcow2"),
        "qcow2",
        DebianBuilt.BYTES,
        installed(),
        Optional.of(kernel));
  }

  /** What is in it; before it is made, what will be. */
  private Set<String> installed() {
    Path list = folder.resolve("packages");
    try {
      return Files.exists(list) ? new HashSet<>(Files.readAllLines(list)) : packages;
    } catch (IOException e) {
      throw new Problem("cannot read " + list + ": " + e.getMessage(), "check its owner", e);
    }
  }

  /** Builds it, unless another process did so meanwhile; shows a line for each stage. */
  public void run(Terminal terminal, boolean yes) {
    boolean root = Host.isRoot();
    Plan.cacheFolder(folder.getParent());
    try (Lock lock = Lock.await(folder.getParent().resolve("lock"))) {
      if (isDone()) {
        return;
      }
      terminal.line("making the image debian-built; this is done once");
      long start = System.nanoTime();
      Path work = work();
      clear(work, root);
      new Plan.Folder(work).run();
      DebianBuilt recipe = recipe(knownSources(terminal, yes, root), root);
      prepare(recipe, work);
      for (DebianBuilt.Step step : recipe.steps(work)) {
        run(step, terminal);
      }
      protect(work);
      Files.move(work, folder, StandardCopyOption.ATOMIC_MOVE);
      terminal.line(
          "made %s, %d MiB, in %d s",
          folder, Files.size(folder.resolve("disk.qcow2")) >> 20, seconds(start));
    } catch (IOException e) {
      throw new Problem(
          "cannot make the image in " + folder.getParent() + ": " + e.getMessage(),
          "check that the disk has 3 GiB free, then run this again",
          e);
    }
  }

  /** {@return the commands that {@link #run} runs, a line each, under a heading a stage} */
  public List<String> describe() {
    boolean root = Host.isRoot();
    List<String> lines = new ArrayList<>();
    for (DebianBuilt.Step step : recipe(sources(), root).steps(work())) {
      lines.add("# " + step.title());
      step.commands().forEach(command -> lines.add(command.toShell()));
    }
    lines.add(Argv.of("mv", work().toString(), folder.toString()).toShell());
    return lines;
  }

  private Path work() {
    return folder.resolveSibling("." + folder.getFileName() + ".part");
  }

  /** A base image is only ever read. */
  private static void protect(Path work) throws IOException {
    for (String name : List.of("disk.qcow2", "vmlinuz", "initrd.img", "packages")) {
      Files.setPosixFilePermissions(
          work.resolve(name), PosixFilePermissions.fromString("r--------"));
    }
  }

  private static void run(DebianBuilt.Step step, Terminal terminal) {
    long start = System.nanoTime();
    for (Argv command : step.commands()) {
      Commands.run(command, LIMIT, line -> {}).orProblem();
    }
    terminal.line("  %-18s %4d s", step.title(), seconds(start));
  }

  private static long seconds(long start) {
    return (System.nanoTime() - start) / 1_000_000_000;
  }

  /** A killed build leaves a folder; files in it may belong to users of a namespace. */
  private static void clear(Path work, boolean root) {
    Argv remove = Argv.of("rm", "-rf", work.toString());
    Argv namespace = Argv.of("unshare", "--map-root-user", "--map-auto", "--");
    Commands.run(root ? remove : namespace.then(remove)).orProblem();
  }

  private static void prepare(DebianBuilt recipe, Path work) {
    List<Plan.Action> actions = new ArrayList<>();
    for (String file : DebianBuilt.FILES) {
      String text = resource(file).replace("@CONSOLE@", recipe.arch().console());
      actions.add(new Plan.Write(work.resolve(file), text, false));
    }
    String sources = String.join("\n", recipe.sources()) + "\n";
    actions.add(new Plan.Write(work.resolve("sources.list"), sources, false));
    actions.add(new Plan.Write(work.resolve("partitions"), recipe.partitions(), false));
    new Plan(actions).run();
  }

  private DebianBuilt recipe(List<String> sources, boolean root) {
    String suite = release("VERSION_CODENAME").orElse("stable");
    return new DebianBuilt(arch, sources, suite, settings(), List.copyOf(packages), root);
  }

  /** The host's sources; apt knows an archive's origin from its package lists only. */
  private static List<String> knownSources(Terminal terminal, boolean yes, boolean root) {
    List<String> sources = sources();
    if (sources.isEmpty()) {
      Argv update = Argv.of("apt-get", "update", "--quiet");
      Argv command = root ? update : Argv.of("sudo").then(update);
      terminal.line("apt has no package lists yet; fetch them with: " + command.toShell());
      if (!yes && !terminal.confirm("Run that now?")) {
        throw new Problem(
            "apt has no package lists", "run `" + command.toShell() + "`, or this with --yes");
      }
      Commands.run(command, LIMIT, line -> {}).orProblem();
      sources = sources();
    }
    if (sources.isEmpty()) {
      throw new Problem(
          "apt on this machine has no sources of Debian's archive", "see /etc/apt/sources.list");
    }
    return sources;
  }

  /** The host's entries for Debian's own archive, by apt's own reading of its files. */
  private static List<String> sources() {
    String format = "$(ORIGIN)\t$(REPO_URI) $(RELEASE) $(COMPONENT)";
    Argv list =
        Argv.of("apt-get", "indextargets").option("--format", format).add("Created-By: Packages");
    String keyring = "/usr/share/keyrings/debian-archive-keyring.gpg";
    return Commands.run(list)
        .orProblem()
        .out()
        .lines()
        .filter(line -> line.startsWith("Debian\t")) // not "Debian Backports\t"
        .map(line -> "deb [signed-by=" + keyring + "]" + " " + line.substring("Debian\t".length()))
        .distinct()
        .toList();
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

  /** A digest of the recipe, its files, the packages and the host's sources. */
  private static String key(Host.Arch arch, Set<String> packages) {
    StringBuilder input = new StringBuilder(DebianBuilt.VERSION + " " + arch + " " + packages);
    DebianBuilt.FILES.forEach(file -> input.append(resource(file)));
    try {
      if (Files.isDirectory(APT)) {
        try (Stream<Path> files = Files.walk(APT, 2)) {
          for (Path file : files.filter(ImageBuild::isSource).sorted().toList()) {
            input.append(Files.readString(file));
          }
        }
      }
      byte[] digest =
          MessageDigest.getInstance("SHA-256")
              .digest(input.toString().getBytes(StandardCharsets.UTF_8));
      return HexFormat.of().formatHex(digest, 0, 6);
    } catch (IOException e) {
      throw new Problem("cannot read " + APT + ": " + e.getMessage(), "check its owner", e);
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException(e); // every Java has SHA-256
    }
  }

  private static boolean isSource(Path file) {
    return file.toString().matches(".*/sources\\.list(\\.d/[^/]+\\.(list|sources))?");
  }

  private static String resource(String name) {
    try (InputStream file = ImageBuild.class.getResourceAsStream("/image/" + name)) {
      if (file == null) {
        throw new Problem(
            "image/" + name + " did not come with this script",
            "add it to the header: //FILES image/%1$s=image/%1$s".formatted(name));
      }
      return new String(file.readAllBytes(), StandardCharsets.UTF_8);
    } catch (IOException e) {
      throw new Problem("cannot read image/" + name, "run this again", e);
    }
  }
}

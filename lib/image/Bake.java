//DEPS com.fasterxml.jackson.dataformat:jackson-dataformat-yaml:2.21.8
package lib.image;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;
import lib.Argv;
import lib.Commands;
import lib.Plan;
import lib.Problem;
import lib.Terminal;
import lib.Visible;
import lib.Yaml;
import lib.cluster.Cluster;
import lib.cluster.Host;
import lib.cluster.Network;
import lib.cluster.Node;
import lib.cluster.Role;
import lib.qemu.BaseImage;
import lib.qemu.Boot;
import lib.qemu.Digest;
import lib.qemu.Disk;
import lib.qemu.Image;
import lib.qemu.Qemu;
import lib.qemu.QemuImg;
import lib.seed.RoleFiles;
import lib.tools.Tool;

/**
 * Installs packages into a base image once, in one throwaway VM, and makes a new base image of the
 * result: so that no node need do it, nor reach a package mirror.
 *
 * @param parent the image without the packages
 * @param packages all that the result must have in it
 * @param apt the roles' cloud-init key {@code apt}, which may say where packages come from; null if
 *     they have none
 * @param gib virtual size of the result in GiB
 * @param host what it runs on
 */
public record Bake(BaseImage parent, Set<String> packages, Object apt, int gib, Host host)
    implements ImageMaker {
  private static final String VERSION = "1";
  private static final Duration LIMIT = Duration.ofMinutes(30);
  private static final Node.Size SIZE = new Node.Size(2, 1024, 0);
  private static final long OUT_BYTES = 1L << 30;
  private static final int ROOM_GIB = 3;

  public Bake {
    packages = new TreeSet<>(packages);
  }

  /** {@return whether one VM can do it for all roles: they take packages from the same places} */
  public static boolean isPossible(Map<Role, Yaml> roles) {
    return apts(roles).size() < 2;
  }

  /**
   * {@return the bake that spares a cluster's nodes the installation}
   *
   * @param roles the tree of each role's file
   */
  public static Bake of(BaseImage parent, Cluster cluster, Map<Role, Yaml> roles, Host host) {
    List<Object> apts = apts(roles);
    int smallest =
        cluster.nodes().stream().mapToInt(node -> node.size().diskGiB()).min().orElseThrow();
    int parentGib = (int) ((parent.facts().bytes() + (1L << 30) - 1) >> 30);
    if (smallest < parentGib) {
      throw new Problem(
          "a role has a disk of %dG, less than the %d GiB of image %s"
              .formatted(smallest, parentGib, parent.facts().name()),
          "give it a larger `disk` in cluster.yaml");
    }
    int gib = Math.min(smallest, parentGib + ROOM_GIB); // no node's disk may be smaller
    Object apt = apts.isEmpty() ? null : apts.get(0);
    return new Bake(parent, RoleFiles.packages(roles), apt, gib, host);
  }

  private static List<Object> apts(Map<Role, Yaml> roles) {
    return roles.values().stream()
        .map(role -> role.map().get("apt"))
        .filter(apt -> apt != null)
        .map(Yaml::plain)
        .distinct()
        .toList();
  }

  @Override
  public String name() {
    return parent.facts().name();
  }

  @Override
  public String key() {
    String input =
        String.join(
            "\n",
            VERSION,
            parent.digest(),
            String.valueOf(packages),
            String.valueOf(apt),
            String.valueOf(gib),
            script());
    String base = parent.folder().getFileName().toString().replaceFirst("-[0-9a-f]{12}$", "");
    return base + "-baked-" + Digest.of(input).substring(0, 12);
  }

  @Override
  public String parentDigest() {
    return parent.digest();
  }

  @Override
  public List<Tool> tools() {
    return Throwaway.tools(host);
  }

  @Override
  public Image expected(Path folder) {
    return new Image(
        name(), folder.resolve(Image.DISK), (long) gib << 30, packages, Optional.empty());
  }

  @Override
  public void make(Path work, Terminal terminal, boolean yes) {
    terminal.line("baking: one VM installs the packages, once for all nodes");
    parent.verify();
    Throwaway vm = vm(work);
    try {
      vm.prepare(disk(vm));
      try (RandomAccessFile out = new RandomAccessFile(out(vm).toFile(), "rw")) {
        out.setLength(OUT_BYTES); // sparse
      }
      long start = System.nanoTime();
      try {
        Commands.run(command(vm), LIMIT, vm.errors()).orProblem();
      } finally {
        vm.keepConsole(); // the folder goes
      }
      terminal.line("  %-18s %4d s", "packages", (System.nanoTime() - start) / 1_000_000_000);
      take(vm);
      for (Argv command : afterwards(vm)) {
        Commands.run(command, LIMIT, work.resolve("errors")).orProblem();
      }
    } catch (IOException e) {
      throw new Problem("cannot bake in " + work + ": " + e.getMessage(), "free some space", e);
    }
  }

  private Throwaway vm(Path work) {
    Map<String, String> seed = new LinkedHashMap<>();
    seed.put("user-data", userData());
    seed.put("meta-data", "instance-id: bake\n");
    Boot boot = Boot.choose(Cluster.BootChoice.AUTO, host, parent.image());
    return new Throwaway("bake", work, host, boot, seed);
  }

  private Plan.Action disk(Throwaway vm) {
    return new Plan.Make(vm.files().disk(), disk -> Disk.overlay(parent.image(), disk, gib), true);
  }

  private static Path out(Throwaway vm) {
    return vm.files().folder().resolve("out.tar");
  }

  /** {@return what the VM's cloud-init is told} */
  String userData() {
    Map<String, Object> script = new LinkedHashMap<>();
    script.put("path", "/run/kubenet-bake.sh");
    script.put("permissions", "0700");
    script.put("content", script());
    Map<String, Object> tree = new LinkedHashMap<>();
    tree.put("users", List.of()); // nobody logs in
    tree.put("preserve_hostname", true);
    tree.put("locale", "false");
    if (apt != null) {
      tree.put("apt", apt);
    }
    tree.put("package_update", true);
    tree.put("packages", List.copyOf(packages));
    tree.put("write_files", List.of(script));
    // of its own, as cloud-init waits for what it runs itself
    tree.put(
        "runcmd", List.of(List.of("systemd-run", "--no-block", "/bin/sh", "/run/kubenet-bake.sh")));
    return "#cloud-config\n" + Yaml.write(tree);
  }

  private Argv command(Throwaway vm) {
    Network.Nic wan = new Network.Nic("wan", Network.User.outside("wan"), "52:54:00:57:ff:ff");
    return Qemu.guest("kubenet-bake", SIZE, List.of(wan), host, vm.boot(), vm.files())
        .then(Qemu.drive("kubenet-out", out(vm)))
        .add("-no-reboot");
  }

  private static List<Argv> afterwards(Throwaway vm) {
    return List.of(
        QemuImg.convert("qcow2", vm.files().disk(), vm.work().resolve(Image.DISK)), vm.removing());
  }

  /** Takes what the VM left for the host; a guest is a stranger, so nothing else is unpacked. */
  private void take(Throwaway vm) throws IOException {
    Path work = vm.work();
    for (String name :
        List.of(Image.PACKAGES, "result.json", Image.ARGUMENTS, Image.VMLINUZ, Image.INITRD)) {
      Argv unpack =
          Argv.of("tar").option("-xf", out(vm)).option("-C", Argv.word(work)).add("./" + name);
      Commands.run(unpack); // what is not in it is missed below
      Path file = work.resolve(name);
      boolean there = Files.exists(file, LinkOption.NOFOLLOW_LINKS);
      if (there && !Files.isRegularFile(file, LinkOption.NOFOLLOW_LINKS)) {
        throw failed(name + " is no file", vm); // a link would name any file of this host
      }
    }
    if (!Files.exists(work.resolve(Image.PACKAGES)) || !Files.exists(work.resolve("result.json"))) {
      throw failed("the VM ended before it was done", vm);
    }
    String result = Files.readString(work.resolve("result.json"));
    JsonNode errors = new ObjectMapper().readTree(result).at("/v1/errors");
    if (!errors.isArray() || !errors.isEmpty()) {
      throw failed("cloud-init says " + Visible.line(result.strip()), vm);
    }
    // a name that others provide is installed, too, and is not to be asked for again
    Set<String> installed = new TreeSet<>(Files.readAllLines(work.resolve(Image.PACKAGES)));
    installed.addAll(packages);
    Files.write(work.resolve(Image.PACKAGES), installed);
    Path arguments = work.resolve(Image.ARGUMENTS);
    boolean kernel =
        Files.exists(arguments)
            && Files.exists(work.resolve(Image.VMLINUZ))
            && Files.exists(work.resolve(Image.INITRD))
            && Files.readString(arguments).matches("root=[\\w=./:,-]+( [\\w=./:,-]+)* ?");
    if (!kernel) { // then nodes boot by the image's own boot loader
      Files.deleteIfExists(arguments);
    }
  }

  private static Problem failed(String fact, Throwaway vm) {
    Path console = vm.keepConsole();
    return new Problem(
        "baking failed: %s; the VM's console ended with:\n%s"
            .formatted(fact, Commands.tail(console, 8)),
        "the whole console is in "
            + console
            + "; with --no-bake each node installs its packages itself");
  }

  @Override
  public List<String> describe(Path work) {
    Throwaway vm = vm(work);
    List<String> lines = new ArrayList<>();
    lines.add("# bakes " + String.join(", ", packages) + " into " + name());
    lines.addAll(vm.plan(disk(vm)).toShell());
    lines.add(Argv.of("truncate").option("-s", OUT_BYTES).add(Argv.word(out(vm))).toShell());
    lines.add(command(vm).toShellLines());
    afterwards(vm).forEach(command -> lines.add(command.toShell()));
    return lines;
  }

  private static String script() {
    return RoleFiles.bundled("image/bake.sh");
  }
}

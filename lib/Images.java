//DEPS com.fasterxml.jackson.dataformat:jackson-dataformat-yaml:2.21.8
package lib;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Set;

/**
 * The base image of a cluster: the first of {@code images} that can be had on this machine.
 *
 * @param image the image, which may still have to be made
 * @param line which image, and why it is this one
 * @param build how it is made, unless it is there
 */
public record Images(Image image, String line, Optional<ImageBuild> build) {

  /**
   * {@return the image of a cluster}
   *
   * @param base the folder that relative paths start from
   * @param packages what the roles want to find in it
   * @throws Problem with the reason for each image, if none can be had
   */
  public static Images choose(Cluster cluster, Host.Arch arch, Path base, Set<String> packages) {
    List<Problem> problems = new ArrayList<>();
    for (String name : cluster.images()) {
      try {
        Images found =
            name.equals("debian-built") ? debianBuilt(arch, packages) : local(name, base);
        String others = problems.isEmpty() ? "" : "; " + Problem.all(problems).getMessage();
        return new Images(found.image, found.line + others.replace("\n", "; "), found.build);
      } catch (Problem problem) {
        problems.add(problem);
      }
    }
    throw Problem.all(problems);
  }

  /** {@return the programs that choosing and making the image may take} */
  public static List<Tool> tools(Cluster cluster, Host.Arch arch, Set<String> packages) {
    List<Tool> tools = new ArrayList<>(List.of(Tool.QEMU_IMG));
    if (cluster.images().contains("debian-built")) {
      tools.addAll(ImageBuild.tools(arch, packages));
    }
    return tools;
  }

  /** Makes the image, if it is not there; shows its progress. */
  public void make(Terminal terminal, boolean yes) {
    build.ifPresent(recipe -> recipe.run(terminal, yes));
  }

  /** {@return what {@link #make} would run, a line each that can be pasted} */
  public List<String> describe() {
    return build.map(ImageBuild::describe).orElse(List.of());
  }

  /** {@return the image's kernel, if it is there to be booted now} */
  public Optional<Image.Kernel> bootableKernel() {
    return image.kernel().filter(kernel -> Files.exists(kernel.vmlinuz()));
  }

  private static Images debianBuilt(Host.Arch arch, Set<String> packages) {
    ImageBuild build = ImageBuild.of(arch, packages);
    return build.isDone()
        ? new Images(build.image(), "debian-built, in " + build.folder(), Optional.empty())
        : new Images(build.image(), "debian-built, to be made first", Optional.of(build));
  }

  private static Images local(String name, Path base) {
    Path home = Path.of(System.getProperty("user.home"));
    Path file =
        name.startsWith("~/") ? home.resolve(name.substring(2)) : base.resolve(name).normalize();
    if (!Files.isReadable(file)) {
      throw new Problem(
          "image " + name + ": there is no " + file, "check `images` in cluster.yaml");
    }
    JsonNode info = info(file);
    if (info.has("backing-filename")
        || info.path("format-specific").path("data").has("data-file")) {
      // such an image can name any file of the host, which the guest would then read
      throw new Problem(
          "image " + name + " refers to another file",
          "make a whole one of it: qemu-img convert -O qcow2 %s whole.qcow2".formatted(file));
    }
    String format = info.path("format").asText();
    if (!List.of("qcow2", "raw").contains(format)) {
      throw new Problem(
          "image " + name + " has the format " + format,
          "convert it: qemu-img convert -O qcow2 %s whole.qcow2".formatted(file));
    }
    Image image =
        new Image(
            name, file, format, info.path("virtual-size").asLong(), Set.of(), Optional.empty());
    return new Images(image, "the local file " + file, Optional.empty());
  }

  private static JsonNode info(Path file) {
    Argv command = Argv.of("qemu-img", "info", "-U", "--output=json", Argv.word(file));
    try {
      return new ObjectMapper().readTree(Commands.run(command).orProblem().out());
    } catch (JsonProcessingException e) {
      throw new Problem("qemu-img says nothing about " + file, "try: " + command.toShell(), e);
    }
  }
}

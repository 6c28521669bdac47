//DEPS com.fasterxml.jackson.dataformat:jackson-dataformat-yaml:2.21.8
package lib.qemu;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import lib.Argv;
import lib.Commands;
import lib.Problem;

/**
 * What qemu-img says of an image file that came from elsewhere.
 *
 * @param format {@code qcow2} or {@code raw}
 * @param bytes its virtual size
 */
public record QemuImg(String format, long bytes) {
  private static final Duration LIMIT = Duration.ofMinutes(30);

  /**
   * {@return what an image is}
   *
   * @throws Problem if it is damaged, refers to other files, or has another format
   */
  public static QemuImg inspect(Path file) {
    JsonNode info = info(file);
    if (info.has("backing-filename")
        || info.path("format-specific").path("data").has("data-file")) {
      // such an image can name any file of the host, which the guest would then read
      throw new Problem(
          "the image " + file + " refers to another file",
          "make a whole one of it: qemu-img convert -O qcow2 %s whole.qcow2".formatted(file));
    }
    String format = info.path("format").asText();
    if (!List.of("qcow2", "raw").contains(format)) {
      throw new Problem(
          "the image " + file + " has the format " + format,
          "convert it: qemu-img convert -O qcow2 %s whole.qcow2".formatted(file));
    }
    if (format.equals("qcow2")) {
      check(file);
    }
    return new QemuImg(format, info.path("virtual-size").asLong());
  }

  /** A truncated image shows in `check` alone: `info` finds nothing wrong with it. */
  private static void check(Path file) {
    Argv command = Argv.of("qemu-img", "check", "-q").option("-f", "qcow2").add(Argv.word(file));
    int exit = Commands.run(command, LIMIT).exit();
    if (exit != 0 && exit != 3) { // 3: clusters that nothing refers to, which harm nobody
      throw new Problem(
          "the image " + file + " is damaged or cut off",
          "get it anew; to see what is wrong: " + command.toShell());
    }
  }

  /** {@return the names of the snapshots inside an image} */
  public static List<String> snapshots(Path file) {
    return info(file).path("snapshots").findValuesAsText("name");
  }

  /** {@return the command that makes a qcow2 image of any, without the blocks that hold nothing} */
  public static Argv convert(String format, Path from, Path to) {
    return Argv.of("qemu-img", "convert")
        .option("-f", format)
        .option("-O", "qcow2")
        .add(Argv.word(from), Argv.word(to));
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

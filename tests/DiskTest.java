import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import lib.Argv;
import lib.Commands;
import lib.cluster.Host;
import lib.qemu.Disk;
import lib.qemu.Image;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class DiskTest {
  private static final List<String> NAMES = List.of("meta-data", "network-config", "user-data");

  @Test
  void commandsAreWhole() {
    Path seed = Path.of("/lab/seed");
    Path iso = Path.of("/lab/seed.iso");

    assertThat(Disk.overlay(Lab.IMAGE, Path.of("/lab/disk.qcow2"), 20).toShell())
        .isEqualTo(
            "qemu-img create -q -f qcow2 -F qcow2 -b /images/disk.qcow2 /lab/disk.qcow2 20G");
    assertThat(Disk.seed(Host.Os.LINUX, seed, iso).toShell())
        .isEqualTo(
            "env SOURCE_DATE_EPOCH=1577836800 xorriso -as mkisofs -quiet -volid cidata -joliet"
                + " -rational-rock --set_all_file_dates =1577836800 -o /lab/seed.iso /lab/seed");
    assertThat(Disk.seed(Host.Os.DARWIN, seed, iso).toShell())
        .isEqualTo(
            "hdiutil makehybrid -quiet -iso -joliet -default-volume-name cidata -o /lab/seed.iso"
                + " /lab/seed");
  }

  @Test
  void theRealQemuImgMakesTheOverlay(@TempDir Path folder) throws IOException {
    Path nasty = Files.createDirectory(folder.resolve(Lab.nastyName()));
    Path base = nasty.resolve("base.qcow2");
    Commands.run(Argv.of("qemu-img", "create", "-q", "-f", "qcow2", base + "", "1G")).orProblem();
    Image image = new Image("x", base, 1L << 30, Set.of(), Optional.empty());
    Path disk = nasty.resolve("disk.qcow2");

    Commands.run(Disk.overlay(image, disk, 20)).orProblem();

    JsonNode info =
        new ObjectMapper()
            .readTree(
                Commands.run(Argv.of("qemu-img", "info", "--output=json", disk.toString()))
                    .orProblem()
                    .out());
    assertThat(info.path("virtual-size").asLong()).isEqualTo(20L << 30);
    assertThat(info.path("backing-filename").asText()).isEqualTo(base.toString());
    assertThat(info.path("backing-filename-format").asText()).isEqualTo("qcow2");
  }

  @Test
  void equalFilesGiveEqualSeeds(@TempDir Path folder) throws IOException {
    byte[] one = seed(folder.resolve("one"), 0, NAMES);
    byte[] two = seed(folder.resolve(Lab.nastyName()), 1_700_000_000_000L, reversed());

    assertThat(Arrays.equals(one, two)).isTrue();
  }

  private static List<String> reversed() {
    return List.of(NAMES.get(2), NAMES.get(1), NAMES.get(0));
  }

  private static byte[] seed(Path folder, long time, List<String> names) throws IOException {
    Path files = Files.createDirectories(folder.resolve("seed"));
    for (String name : names) {
      Path file = Files.writeString(files.resolve(name), "content of " + name + "\n");
      Files.setLastModifiedTime(file, FileTime.fromMillis(time));
    }
    Path iso = folder.resolve("seed.iso");
    Commands.run(Disk.seed(Host.Os.LINUX, files, iso)).orProblem();
    return Files.readAllBytes(iso);
  }

  @Test
  void cloudInitFindsItsFiles(@TempDir Path folder) throws IOException {
    seed(folder, 0, NAMES);
    Argv xorriso = Argv.of("xorriso", "-indev", folder.resolve("seed.iso") + "");

    assertThat(Commands.run(xorriso.add("-pvd_info")).orProblem().out())
        .contains("Volume Id    : cidata\n");
    assertThat(Commands.run(xorriso.add("-find", "/", "-type", "f")).orProblem().out().lines())
        .containsExactlyInAnyOrder("'/meta-data'", "'/network-config'", "'/user-data'");
    Path out = folder.resolve("out");
    Commands.run(xorriso.add("-osirrox", "on", "-extract", "/user-data", out.toString()))
        .orProblem();
    assertThat(out).hasContent("content of user-data");
  }
}

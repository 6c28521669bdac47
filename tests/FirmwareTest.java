import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Stream;
import lib.Plan;
import lib.cluster.Cluster;
import lib.cluster.Firmware;
import lib.host.FirmwareSearch;
import lib.qemu.Boot;
import lib.state.Layout;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** On file trees like those of the systems that kubenet runs on. */
class FirmwareTest {
  @TempDir private Path root;

  private void files(String... paths) throws IOException {
    for (String path : paths) {
      Path file = root.resolve(path);
      Files.createDirectories(file.getParent());
      Files.writeString(file, "");
    }
  }

  private String find(String architecture, String... shares) {
    String machine = architecture.equals("x86_64") ? "q35" : "virt";
    Optional<Firmware> found =
        FirmwareSearch.find(
            root,
            root.resolve("home/me/.config"),
            architecture,
            machine,
            Stream.of(shares).map(root::resolve).toList());
    return found
        .map(
            pair ->
                "%s %s, %s %s"
                    .formatted(
                        root.relativize(pair.code()),
                        pair.codeFormat(),
                        root.relativize(pair.variables()),
                        pair.variablesFormat()))
        .orElse("none");
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "Debian 12  | x86_64  | usr/share/OVMF/OVMF_CODE_4M.fd | usr/share/OVMF/OVMF_VARS_4M.fd",
        "Debian 11  | x86_64  | usr/share/OVMF/OVMF_CODE.fd    | usr/share/OVMF/OVMF_VARS.fd",
        "Debian     | aarch64 | usr/share/AAVMF/AAVMF_CODE.fd  | usr/share/AAVMF/AAVMF_VARS.fd",
        "Arch       | x86_64  | usr/share/edk2/x64/OVMF_CODE.4m.fd"
            + " | usr/share/edk2/x64/OVMF_VARS.4m.fd",
        "Arch       | aarch64 | usr/share/edk2/aarch64/QEMU_CODE.fd"
            + " | usr/share/edk2/aarch64/QEMU_VARS.fd",
        "Fedora     | x86_64  | usr/share/edk2/ovmf/OVMF_CODE.fd |"
            + " usr/share/edk2/ovmf/OVMF_VARS.fd",
        "Fedora     | aarch64 | usr/share/edk2/aarch64/QEMU_EFI-pflash.raw"
            + " | usr/share/edk2/aarch64/vars-template-pflash.raw",
        "Fedora 40  | x86_64  | usr/share/edk2/ovmf/OVMF_CODE_4M.qcow2 |"
            + " usr/share/edk2/ovmf/OVMF_VARS_4M.qcow2",
        "Fedora 40  | aarch64 | usr/share/edk2/aarch64/QEMU_EFI-pflash.qcow2"
            + " | usr/share/edk2/aarch64/vars-template-pflash.qcow2",
        "openSUSE   | aarch64 | usr/share/qemu/aavmf-aarch64-code.bin"
            + " | usr/share/qemu/aavmf-aarch64-vars.bin",
        "Debian, unpadded | aarch64 | usr/share/qemu-efi-aarch64/QEMU_EFI.fd"
            + " | usr/share/AAVMF/AAVMF_VARS.fd",
        "Homebrew, Intel | x86_64 | usr/local/share/qemu/edk2-x86_64-code.fd"
            + " | usr/local/share/qemu/edk2-i386-vars.fd",
        "openSUSE   | x86_64  | usr/share/qemu/ovmf-x86_64-4m-code.bin"
            + " | usr/share/qemu/ovmf-x86_64-4m-vars.bin",
        "Homebrew   | x86_64  | opt/homebrew/share/qemu/edk2-x86_64-code.fd"
            + " | opt/homebrew/share/qemu/edk2-i386-vars.fd",
        "Homebrew   | aarch64 | opt/homebrew/share/qemu/edk2-aarch64-code.fd"
            + " | opt/homebrew/share/qemu/edk2-arm-vars.fd",
        "MacPorts   | x86_64  | opt/local/share/qemu/edk2-x86_64-code.fd"
            + " | opt/local/share/qemu/edk2-i386-vars.fd",
        "MacPorts   | aarch64 | opt/local/share/qemu/edk2-aarch64-code.fd"
            + " | opt/local/share/qemu/edk2-arm-vars.fd",
      })
  void knowsTheFilesOfASystem(String system, String architecture, String code, String variables)
      throws IOException {
    String other = architecture.equals("x86_64") ? "aarch64" : "x86_64";
    String[] shares = {"opt/homebrew/share/qemu", "usr/local/share/qemu", "opt/local/share/qemu"};
    String format = code.endsWith(".qcow2") ? "qcow2" : "raw";
    files(code);
    assertThat(find(architecture, shares)).as("half a pair").isEqualTo("none");

    files(variables);
    assertThat(find(architecture, shares))
        .as(system)
        .isEqualTo("%s %s, %s %2$s".formatted(code, format, variables));
    assertThat(find(other, shares)).isEqualTo("none");
  }

  @Test
  void theSizesOfAPairFitTogether() throws IOException {
    files("usr/share/OVMF/OVMF_CODE_4M.fd", "usr/share/OVMF/OVMF_VARS.fd");
    assertThat(find("x86_64")).isEqualTo("none");

    files("usr/share/OVMF/OVMF_CODE.fd");
    assertThat(find("x86_64"))
        .isEqualTo("usr/share/OVMF/OVMF_CODE.fd raw, usr/share/OVMF/OVMF_VARS.fd raw");

    files("usr/share/OVMF/OVMF_VARS_4M.fd");
    assertThat(find("x86_64"))
        .isEqualTo("usr/share/OVMF/OVMF_CODE_4M.fd raw, usr/share/OVMF/OVMF_VARS_4M.fd raw");
  }

  @Test
  void aDescriptorGoesFirst() throws IOException {
    files("usr/share/OVMF/OVMF_CODE_4M.fd", "usr/share/OVMF/OVMF_VARS_4M.fd", "fw/c", "fw/v");
    files("share/edk2-x86_64-code.fd", "share/edk2-i386-vars.fd");
    assertThat(find("x86_64", "share"))
        .isEqualTo("share/edk2-x86_64-code.fd raw, share/edk2-i386-vars.fd raw");

    descriptor("share/firmware/60-x.json", "share", "x86_64", "pc-q35-*", "");
    assertThat(find("x86_64", "share")).isEqualTo("fw/share.c qcow2, fw/share.v raw");
    descriptor("usr/share/qemu/firmware/60-x.json", "usr", "x86_64", "pc-q35-*", "");
    assertThat(find("x86_64", "share")).isEqualTo("fw/usr.c qcow2, fw/usr.v raw");
    descriptor("etc/qemu/firmware/60-x.json", "etc", "x86_64", "pc-q35-*", "");
    assertThat(find("x86_64", "share")).isEqualTo("fw/etc.c qcow2, fw/etc.v raw");
    descriptor("home/me/.config/qemu/firmware/60-x.json", "own", "x86_64", "pc-q35-*", "");
    assertThat(find("x86_64", "share")).isEqualTo("fw/own.c qcow2, fw/own.v raw");
  }

  /** QEMU source, docs/interop/firmware.json: sorted by file name over all folders. */
  @Test
  void aLowerNumberGoesFirstWhateverItsFolder() throws IOException {
    descriptor("etc/qemu/firmware/99-x.json", "etc", "x86_64", "pc-q35-*", "");
    descriptor("usr/share/qemu/firmware/50-x.json", "sooner", "x86_64", "pc-q35-*", "");
    assertThat(find("x86_64")).isEqualTo("fw/sooner.c qcow2, fw/sooner.v raw");
  }

  /** QEMU source, docs/interop/firmware.json: a zero-length file of the administrator's. */
  @Test
  void anEmptyDescriptorHidesThatOfTheSameName() throws IOException {
    descriptor("usr/share/qemu/firmware/50-x.json", "sooner", "x86_64", "pc-q35-*", "");
    descriptor("usr/share/qemu/firmware/60-x.json", "later", "x86_64", "pc-q35-*", "");
    files("etc/qemu/firmware/50-x.json");
    assertThat(find("x86_64")).isEqualTo("fw/later.c qcow2, fw/later.v raw");
    files("etc/qemu/firmware/60-x.json");
    assertThat(find("x86_64")).isEqualTo("none");
  }

  /** QEMU's machine virt takes no image smaller than its flash. */
  @Test
  void smallFirmwareOfAarch64IsPaddedForEachVm() throws IOException {
    files("usr/share/AAVMF/AAVMF_CODE.fd", "usr/share/AAVMF/AAVMF_VARS.fd");
    Firmware small = FirmwareSearch.find(root, root, "aarch64", "virt", List.of()).orElseThrow();
    assertThat(small.small()).isTrue();
    Layout.Files files = Lab.LAYOUT.node(Cluster.standard().node("worker0"));
    Boot boot = new Boot.ByFirmware(small, "");
    assertThat(boot.copies(files))
        .containsOnly(
            Map.entry(files.efiCode(), small.code()),
            Map.entry(files.efiVariables(), small.variables()));
    assertThat(boot.copySize()).isEqualTo(64L << 20);
    assertThat(boot.arguments(files).toShell())
        .contains("readonly=on,file=" + files.efiCode(), "file=" + files.efiVariables());

    for (String file : List.of("usr/share/AAVMF/AAVMF_CODE.fd", "usr/share/AAVMF/AAVMF_VARS.fd")) {
      Path copy = root.resolve("copy");
      Files.writeString(root.resolve(file), "firmware");
      Files.deleteIfExists(copy);
      Plan.Make.copy(root.resolve(file), copy, boot.copySize()).run();
      assertThat(Files.size(copy)).isEqualTo(64L << 20);
      Files.copy(copy, root.resolve(file), StandardCopyOption.REPLACE_EXISTING);
    }
    Firmware whole = FirmwareSearch.find(root, root, "aarch64", "virt", List.of()).orElseThrow();
    assertThat(whole.small()).isFalse();
    assertThat(new Boot.ByFirmware(whole, "").copies(files)).containsOnlyKeys(files.efiVariables());
  }

  @Test
  void descriptorsThatDoNotFitArePassedOver() throws IOException {
    String folder = "usr/share/qemu/firmware/";
    descriptor(folder + "10.json", "arm", "aarch64", "virt-*", "");
    descriptor(folder + "11.json", "old", "x86_64", "pc-i440fx-*", "");
    descriptor(folder + "12.json", "secure", "x86_64", "pc-q35-*", "\"acpi-s3\", \"secure-boot\"");
    descriptor(folder + "13.json", "keys", "x86_64", "pc-q35-*", "\"enrolled-keys\"");
    descriptor(folder + "14.json", "smm", "x86_64", "pc-q35-*", "\"requires-smm\"");
    descriptor(folder + "20.txt", "text", "x86_64", "pc-q35-*", "");
    descriptor(folder + "21.json", "gone", "x86_64", "pc-q35-*", "");
    Files.delete(root.resolve("fw/gone.v"));
    String[] broken = {
      "", "{", "[]", "null", "5", "{\"mapping\": []}", "{\"targets\": {}, \"features\": 3}", "\0"
    };
    for (int i = 0; i < broken.length; i++) {
      Files.writeString(root.resolve(folder + "3" + i + ".json"), broken[i]);
    }
    Files.createDirectory(root.resolve(folder + "40.json"));
    Files.writeString(
        root.resolve(folder + "41.json"),
        """
        {"interface-types": ["uefi"], "features": [],
         "targets": [{"architecture": "x86_64", "machines": ["pc-q35-*"]}],
         "mapping": {"device": "memory", "filename": "/fw/arm.c"}}
        """);
    assertThat(find("x86_64")).isEqualTo("none");
    assertThat(find("aarch64")).isEqualTo("fw/arm.c qcow2, fw/arm.v raw");

    descriptor(folder + "90.json", "good", "x86_64", "pc-q35-*", "\"acpi-s3\", \"amd-sev\"");
    assertThat(find("x86_64")).isEqualTo("fw/good.c qcow2, fw/good.v raw");
  }

  private void descriptor(
      String path, String name, String architecture, String machine, String features)
      throws IOException {
    files(path, "fw/%s.c".formatted(name), "fw/%s.v".formatted(name));
    Files.writeString(
        root.resolve(path),
        """
        {
          "description": "UEFI",
          "interface-types": ["uefi"],
          "mapping": {
            "device": "flash",
            "executable": {"filename": "/fw/%s.c", "format": "qcow2"},
            "nvram-template": {"filename": "/fw/%s.v", "format": "raw"}
          },
          "targets": [{"architecture": "%s", "machines": ["%s"]}],
          "features": [%s],
          "tags": []
        }
        """
            .formatted(name, name, architecture, machine, features));
  }

  @Test
  void nothingIsFoundWhereThereIsNothing() {
    assertThat(find("x86_64", "no/such/folder")).isEqualTo("none");
    assertThat(List.of(find("aarch64"))).containsExactly("none");
  }
}

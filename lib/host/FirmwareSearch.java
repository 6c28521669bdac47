//DEPS com.fasterxml.jackson.dataformat:jackson-dataformat-yaml:2.21.8
package lib.host;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.stream.Stream;
import java.util.stream.StreamSupport;
import lib.cluster.Firmware;

/** Finds the UEFI firmware that a host has for guests. */
public final class FirmwareSearch {
  /** Pairs for hosts whose QEMU has no descriptors, first readable one wins; %s is a prefix. */
  private static final List<String> X86_64 =
      List.of(
          "usr/share/OVMF/OVMF_CODE_4M.fd usr/share/OVMF/OVMF_VARS_4M.fd", // Debian, Ubuntu
          "usr/share/OVMF/OVMF_CODE.fd usr/share/OVMF/OVMF_VARS.fd", // older Debian, Ubuntu
          "usr/share/edk2/x64/OVMF_CODE.4m.fd usr/share/edk2/x64/OVMF_VARS.4m.fd", // Arch
          "usr/share/edk2/ovmf/OVMF_CODE_4M.qcow2 usr/share/edk2/ovmf/OVMF_VARS_4M.qcow2", // Fedora
          "usr/share/edk2/ovmf/OVMF_CODE.fd usr/share/edk2/ovmf/OVMF_VARS.fd", // older Fedora
          "usr/share/qemu/ovmf-x86_64-4m-code.bin usr/share/qemu/ovmf-x86_64-4m-vars.bin"); // SUSE

  private static final List<String> AARCH64 =
      List.of(
          "usr/share/AAVMF/AAVMF_CODE.fd usr/share/AAVMF/AAVMF_VARS.fd", // Debian, Ubuntu
          "usr/share/edk2/aarch64/QEMU_CODE.fd usr/share/edk2/aarch64/QEMU_VARS.fd", // Arch
          "usr/share/edk2/aarch64/QEMU_EFI-pflash.qcow2"
              + " usr/share/edk2/aarch64/vars-template-pflash.qcow2", // Fedora
          "usr/share/edk2/aarch64/QEMU_EFI-pflash.raw"
              + " usr/share/edk2/aarch64/vars-template-pflash.raw", // older Fedora
          "usr/share/qemu/aavmf-aarch64-code.bin usr/share/qemu/aavmf-aarch64-vars.bin", // SUSE
          "usr/share/qemu-efi-aarch64/QEMU_EFI.fd usr/share/AAVMF/AAVMF_VARS.fd"); // unpadded

  /**
   * {@return the firmware for guests of an architecture: by QEMU's descriptors (QEMU source,
   * docs/interop/firmware.json), then beside QEMU itself, then by the distributions' paths}
   *
   * @param root the file system's root; another folder in tests
   * @param config the user's folder for settings, whose descriptors come before the system's
   * @param architecture QEMU's word for the guests' architecture
   * @param machine QEMU machine type
   * @param qemuShares folders that may hold the firmware that QEMU itself ships
   */
  public static Optional<Firmware> find(
      Path root, Path config, String architecture, String machine, List<Path> qemuShares) {
    Stream<Firmware> described =
        described(
            root,
            Stream.concat(
                    Stream.of(
                        config.resolve("qemu/firmware"),
                        root.resolve("etc/qemu/firmware"),
                        root.resolve("usr/share/qemu/firmware")),
                    qemuShares.stream().map(share -> share.resolve("firmware")))
                .toList(),
            architecture,
            machine);
    Stream<Firmware> shipped =
        qemuShares.stream()
            .map(
                share ->
                    pair(
                        share.resolve("edk2-" + architecture + "-code.fd"),
                        share.resolve(
                            architecture.equals("x86_64")
                                ? "edk2-i386-vars.fd" // QEMU ships one for both x86 widths
                                : "edk2-arm-vars.fd")));
    Stream<Firmware> known =
        (architecture.equals("x86_64") ? X86_64 : AARCH64)
            .stream()
                .map(pair -> pair.split(" "))
                .map(pair -> pair(root.resolve(pair[0]), root.resolve(pair[1])));
    return Stream.of(described, shipped, known)
        .flatMap(found -> found)
        .filter(FirmwareSearch::isReadable)
        .findFirst()
        .map(found -> architecture.equals("aarch64") ? measured(found) : found);
  }

  private FirmwareSearch() {}

  private static Firmware pair(Path code, Path variables) {
    return new Firmware(code, format(code), variables, format(variables));
  }

  private static String format(Path file) {
    return file.toString().endsWith(".qcow2") ? "qcow2" : "raw";
  }

  private static Firmware measured(Firmware found) {
    boolean less =
        isSmall(found.code(), found.codeFormat())
            || isSmall(found.variables(), found.variablesFormat());
    return new Firmware(
        found.code(), found.codeFormat(), found.variables(), found.variablesFormat(), less);
  }

  private static boolean isSmall(Path file, String format) {
    return format.equals("raw") && file.toFile().length() < Firmware.FLASH;
  }

  private static boolean isReadable(Firmware found) {
    return Files.isReadable(found.code()) && Files.isReadable(found.variables());
  }

  /**
   * The fitting firmware of descriptors, in the order of their file names over all folders. Of two
   * with one name that in the former folder counts; an empty one hides the other (QEMU source,
   * docs/interop/firmware.json).
   */
  private static Stream<Firmware> described(
      Path root, List<Path> folders, String architecture, String machine) {
    Map<String, Path> descriptors = new TreeMap<>();
    for (Path folder : folders) {
      if (Files.isDirectory(folder)) {
        try (Stream<Path> files = Files.list(folder)) {
          files
              .filter(file -> file.toString().endsWith(".json"))
              .forEach(file -> descriptors.putIfAbsent(file.getFileName().toString(), file));
        } catch (IOException e) {
          continue; // an unreadable folder holds no firmware for us
        }
      }
    }
    return descriptors.values().stream()
        .map(FirmwareSearch::read) // an empty one fits nothing
        .filter(descriptor -> fits(descriptor, architecture, machine))
        .map(descriptor -> descriptor.path("mapping"))
        .map(
            mapping ->
                new Firmware(
                    file(root, mapping.path("executable")),
                    mapping.path("executable").path("format").asText(),
                    file(root, mapping.path("nvram-template")),
                    mapping.path("nvram-template").path("format").asText()));
  }

  private static JsonNode read(Path descriptor) {
    try {
      return new ObjectMapper().readTree(descriptor.toFile());
    } catch (IOException e) {
      return new ObjectMapper().createObjectNode(); // fits nothing
    }
  }

  private static Path file(Path root, JsonNode flash) {
    return root.resolve(flash.path("filename").asText().replaceFirst("^/", ""));
  }

  private static boolean fits(JsonNode descriptor, String architecture, String machine) {
    boolean target =
        items(descriptor.path("targets"))
            .anyMatch(
                candidate ->
                    candidate.path("architecture").asText().equals(architecture)
                        && items(candidate.path("machines"))
                            .anyMatch(glob -> glob.asText().contains(machine)));
    return target
        && items(descriptor.path("interface-types")).anyMatch(type -> type.asText().equals("uefi"))
        && descriptor.path("mapping").path("device").asText().equals("flash")
        && descriptor.path("mapping").has("nvram-template")
        // Secure Boot would refuse unsigned kernels, and wants SMM emulated
        && items(descriptor.path("features"))
            .noneMatch(
                feature -> feature.asText().matches("secure-boot|enrolled-keys|requires-smm"));
  }

  private static Stream<JsonNode> items(JsonNode array) {
    return StreamSupport.stream(array.spliterator(), false);
  }
}

package lib.image;

import java.nio.file.Path;
import java.util.List;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import lib.Argv;
import lib.cluster.Host;
import lib.qemu.QemuImg;
import lib.tools.Tool;

/**
 * The recipe of the image {@code debian-built}: a Debian guest made from packages of the host's own
 * apt sources, without loop devices, and as an ordinary user as well as root.
 *
 * @param arch of the guest
 * @param sources lines of a sources.list: the archive to take packages from
 * @param suite the release, such as {@code bookworm}
 * @param options the host's own apt settings for fetching, lines of an apt.conf
 * @param packages what the roles want beside what every node needs
 * @param root whether this process is root; if not, a user namespace stands in
 */
public record DebianBuilt(
    Host.Arch arch,
    List<String> sources,
    String suite,
    List<String> options,
    List<String> packages,
    boolean root) {
  /** Names the recipe: another number, another image. */
  public static final String VERSION = "2";

  /** The files that the recipe reads, beside the script in {@code image/}. */
  public static final List<String> FILES = List.of("before.sh", "after.sh", "boot.sh", "grub.cfg");

  /** The virtual size of the image in bytes; overlays are larger, the guest grows into them. */
  public static final long BYTES = 3L << 30;

  /** The kernel command line's part for this image. */
  public static final String ARGUMENTS = "root=LABEL=kubenet-root ro loglevel=4";

  private static final List<String> EVERY_NODE =
      List.of(
          // boots: kernel, init, devices, file systems
          "initramfs-tools zstd systemd-sysv udev dbus libpam-systemd kmod e2fsprogs fdisk",
          // finds its network
          "systemd-resolved netplan.io iproute2 iputils-ping iputils-arping ca-certificates",
          // takes its identity and lets its user in
          "cloud-init cloud-guest-utils openssh-server sudo");

  private static final long MIB = 1 << 20;
  private static final long SECTOR = 512;
  private static final long EFI_START = 2 * MIB;
  private static final long EFI_SIZE = 16 * MIB;
  private static final long ROOT_START = EFI_START + EFI_SIZE;

  /**
   * One stage of the build.
   *
   * @param title for the line that shows it
   * @param commands run in order
   */
  public record Step(String title, List<Argv> commands) {}

  /** {@return the programs that the recipe runs} */
  public static List<Tool> tools(boolean root) {
    List<Tool> tools =
        List.of(Tool.MMDEBSTRAP, Tool.MKE2FS, Tool.SFDISK, Tool.MFORMAT, Tool.QEMU_IMG);
    return root ? tools : Stream.concat(tools.stream(), Stream.of(Tool.NEWUIDMAP)).toList();
  }

  /** {@return every package that is asked for, without what they depend on} */
  public List<String> allPackages() {
    return Stream.of(
            Stream.of("linux-image-cloud-" + arch.debian()),
            EVERY_NODE.stream().flatMap(line -> Stream.of(line.split(" "))),
            packages.stream())
        .flatMap(names -> names)
        .distinct()
        .toList();
  }

  /**
   * {@return the stages that build the image}
   *
   * @param work an empty folder that holds {@link #FILES} and {@code sources.list}; at the end it
   *     holds {@code disk.qcow2}, {@code vmlinuz}, {@code initrd.img} and {@code packages}
   */
  public List<Step> steps(Path work) {
    return List.of(
        new Step("packages", List.of(bootstrap(work))),
        new Step("root file system", rootFileSystem(work)),
        new Step("disk", disk(work)),
        new Step(
            "image",
            List.of(
                QemuImg.convert("raw", work.resolve("disk.raw"), work.resolve("disk.qcow2")),
                inNamespace(Argv.of("rm", "-rf", word(work, "root"))),
                Argv.of("rm", word(work, "disk.raw"), word(work, "root.tar")))));
  }

  private Argv bootstrap(Path work) {
    Argv command =
        Argv.of("mmdebstrap", "--variant=minbase", "--format=tar")
            .add(
                "--architectures=" + arch.debian(), "--include=" + String.join(",", allPackages()));
    for (String option : options) {
      command = command.add("--aptopt=" + option);
    }
    return command
        .add("--aptopt=APT::Install-Recommends \"false\"")
        .add("--aptopt=Acquire::Languages \"none\"")
        .add("--dpkgopt=path-exclude=/usr/share/man/*")
        .add("--dpkgopt=path-exclude=/usr/share/locale/*")
        .add("--dpkgopt=path-exclude=/usr/share/doc/*")
        .add("--dpkgopt=path-include=/usr/share/doc/*/copyright")
        // uploads and downloads are done as this user, the rest as root of the new system's own
        // namespace, who can't read this user's files; nothing configured is in a shell's line
        .add("--essential-hook=" + upload(work, "before.sh"))
        .add("--essential-hook=chroot \"$1\" sh /tmp/before.sh")
        // by the host's own way to the archive, as the new system has none; with mmdebstrap's
        // settings (mmdebstrap(1), "HOOKS"), as the guest may be of another architecture
        .add(
            "--customize-hook=mkdir \"$1/tmp/grub\" && cd \"$1/tmp/grub\""
                + " && APT_CONFIG=\"$MMDEBSTRAP_APT_CONFIG\" apt-get download "
                + grub())
        .add("--customize-hook=" + upload(work, "grub.cfg"))
        .add("--customize-hook=" + upload(work, "boot.sh"))
        .add("--customize-hook=chroot \"$1\" sh /tmp/boot.sh")
        .add("--customize-hook=" + upload(work, "after.sh"))
        .add("--customize-hook=chroot \"$1\" sh /tmp/after.sh")
        .add("--customize-hook=" + download("/tmp/grub.efi", work, "grub.efi"))
        .add("--customize-hook=" + download("/tmp/grub-boot.img", work, "grub-boot.img"))
        .add("--customize-hook=" + download("/tmp/grub-core.img", work, "grub-core.img"))
        .add("--customize-hook=" + download("/vmlinuz", work, "vmlinuz"))
        .add("--customize-hook=" + download("/initrd.img", work, "initrd.img"))
        .add("--customize-hook=" + download("/tmp/packages", work, "packages"))
        .add(suite, word(work, "root.tar"), word(work, "sources.list"));
  }

  /** The packages that {@code boot.sh} takes GRUB from; only x86_64 has a BIOS. */
  private String grub() {
    String efi = "grub-efi-" + arch.debian() + "-bin";
    return arch == Host.Arch.X86_64 ? efi + " grub-pc-bin grub-common libdevmapper1.02.1" : efi;
  }

  private static String upload(Path work, String script) {
    return "upload " + Argv.quote(word(work, script)) + " /tmp/" + script;
  }

  private static String download(String from, Path work, String to) {
    return "download " + from + " " + Argv.quote(word(work, to));
  }

  /** Owners and modes of a root file system: a user namespace where this is not root. */
  private List<Argv> rootFileSystem(Path work) {
    String root = word(work, "root");
    return List.of(
        Argv.of("mkdir", root),
        inNamespace(
            Argv.of("tar", "--numeric-owner", "--xattrs", "--xattrs-include=*", "--exclude=./dev/*")
                .option("-C", root)
                .option("-xf", word(work, "root.tar"))));
  }

  /**
   * A GPT disk: BIOS boot loader, EFI system partition, and last the root file system, which the
   * guest grows.
   */
  private List<Argv> disk(Path work) {
    String disk = word(work, "disk.raw");
    String efi = disk + "@@" + EFI_START;
    String loader = arch == Host.Arch.X86_64 ? "BOOTX64.EFI" : "BOOTAA64.EFI";
    long rootKiB = (BYTES - ROOT_START - MIB) / 1024; // the last MiB holds the table's copy
    return List.of(
        Argv.of("truncate").option("-s", BYTES).add(disk),
        Argv.of("sh", "-c", "sfdisk --quiet \"$1\" < \"$2\"", "sh", disk, word(work, "partitions")),
        copy("bs=440", work.resolve("grub-boot.img"), disk),
        copy("bs=" + MIB + " seek=1", work.resolve("grub-core.img"), disk),
        Argv.of("mformat")
            .option("-i", efi)
            .option("-T", EFI_SIZE / SECTOR)
            .option("-h", 64)
            .option("-s", 32)
            .add("::"),
        Argv.of("mmd").option("-i", efi).add("::/EFI", "::/EFI/BOOT", "::/EFI/debian"),
        Argv.of("mcopy").option("-i", efi).add(word(work, "grub.efi"), "::/EFI/BOOT/" + loader),
        // where Debian's prebuilt GRUB looks for its configuration
        Argv.of("mcopy").option("-i", efi).add(word(work, "grub.cfg"), "::/EFI/debian/grub.cfg"),
        inNamespace(
            Argv.of("mke2fs", "-q", "-F")
                .option("-t", "ext4")
                .option("-L", "kubenet-root")
                .option("-E", "offset=" + ROOT_START + ",lazy_itable_init=0,lazy_journal_init=0")
                .option("-d", word(work, "root"))
                .add(disk, rootKiB + "K")));
  }

  /** Copies a file into the disk's midst; {@code sizes} are dd's. */
  private static Argv copy(String sizes, Path from, String disk) {
    return Argv.of("dd", "if=" + from, "of=" + disk, "conv=notrunc", "status=none")
        .add(sizes.split(" "));
  }

  /** {@return the partition table, for sfdisk: sizes in sectors of 512 bytes} */
  public String partitions() {
    // partition types: UEFI specification; Discoverable Partitions Specification for the root
    String root =
        arch == Host.Arch.X86_64
            ? "4F68BCE3-E8CD-4DB1-96E7-FBCAF984B709"
            : "B921B045-1DF0-41C3-AF44-4C6F280D3FAE";
    return Stream.of(
            "label: gpt",
            "start=%d, size=%d, type=21686148-6449-6E6F-744E-656564454649, name=bios"
                .formatted(MIB / SECTOR, MIB / SECTOR),
            "start=%d, size=%d, type=C12A7328-F81F-11D2-BA4B-00A0C93EC93B, name=efi"
                .formatted(EFI_START / SECTOR, EFI_SIZE / SECTOR),
            "start=%d, type=%s, name=root".formatted(ROOT_START / SECTOR, root))
        .collect(Collectors.joining("\n", "", "\n"));
  }

  private Argv inNamespace(Argv command) {
    return root ? command : Argv.of("unshare", "--map-root-user", "--map-auto", "--").then(command);
  }

  private static String word(Path work, String name) {
    return Argv.word(work.resolve(name));
  }
}

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assumptions.assumeThat;

import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import lib.Argv;
import lib.Commands;
import lib.Wait;
import lib.cluster.Cluster;
import lib.cluster.Firmware;
import lib.cluster.Host;
import lib.cluster.Network;
import lib.cluster.Node;
import lib.cluster.VmnetWay;
import lib.lan.LanSwitch;
import lib.qemu.Boot;
import lib.qemu.Image;
import lib.qemu.Qemu;
import lib.state.Layout;
import lib.vm.Qmp;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestFactory;
import org.junit.jupiter.api.io.TempDir;

/**
 * The whole QEMU command for each kind of host, network and role; and what the real QEMU says to
 * those of Linux.
 */
class QemuTest {
  /** One golden file. */
  private record Case(Host host, Network network, Node node) {
    String name() {
      String way =
          network instanceof Network.Vmnet vmnet && vmnet.way() != VmnetWay.ROOT
              ? "-" + vmnet.way().kind().name().toLowerCase(Locale.ROOT)
              : "";
      return "qemu/%s/%s-%s.args".formatted(host, network.word() + way, node.name());
    }

    Argv command() {
      Boot boot = Lab.boot(host);
      return Qemu.command(node, host, network, boot, Lab.LAYOUT);
    }
  }

  private static List<Case> cases() {
    List<Case> cases = new ArrayList<>();
    for (Host host : Lab.hosts()) {
      for (Network network : Lab.networks(host.os())) {
        for (Node node : Lab.nodes(Lab.cluster(network))) {
          cases.add(new Case(host, network, node));
        }
      }
    }
    return cases;
  }

  @TestFactory
  Stream<DynamicTest> commandIsGolden() {
    return cases().stream()
        .map(
            one ->
                DynamicTest.dynamicTest(
                    one.name(),
                    () -> Golden.check(one.name(), one.command().toShellLines() + "\n")));
  }

  /**
   * Each command of a Linux host is started with {@code -S}, as it is but for what one machine
   * can't have: the paths below another folder, any free port for 127.0.0.1:22xx, and for kvm the
   * {@code -accel} and {@code -cpu} of tcg.
   */
  @TestFactory
  Stream<DynamicTest> theRealQemuTakesIt(@TempDir Path folder) throws Exception {
    List<Case> linux = cases().stream().filter(one -> one.host().os() == Host.Os.LINUX).toList();
    Map<String, Future<String>> answers = new LinkedHashMap<>();
    ExecutorService workers =
        Executors.newFixedThreadPool(Runtime.getRuntime().availableProcessors());
    Optional<String> noTaps = noTaps();
    for (Case one : linux) {
      boolean skip = one.network() instanceof Network.Bridge && noTaps.isPresent();
      if (!skip) {
        Path root = folder.resolve("" + answers.size());
        answers.put(one.name(), workers.submit(() -> new Trial(one, root).status()));
      }
    }
    workers.shutdown();
    return linux.stream()
        .map(
            one ->
                DynamicTest.dynamicTest(
                    one.name(),
                    () -> {
                      assumeThat(answers)
                          .withFailMessage(noTaps.orElse(""))
                          .containsKey(one.name());
                      assertThat(answers.get(one.name()).get(5, TimeUnit.MINUTES))
                          .isEqualTo("prelaunch");
                    }));
  }

  /** Why this machine can't make a tap in a network namespace of its own, if it can't. */
  private static Optional<String> noTaps() {
    Commands.Result made = Commands.run(inNamespace("true"));
    return made.succeeded()
        ? Optional.empty()
        : Optional.of("no tap can be made here without harm: " + made.err().strip());
  }

  private static Argv inNamespace(String script) {
    return Argv.of("unshare", "--net", "--map-root-user", "/bin/sh", "-c")
        .add("PATH=$PATH:/usr/sbin:/sbin; ip tuntap add kubenet-0 mode tap && " + script);
  }

  /** One start of QEMU, with all that its command names. */
  private record Trial(Case test, Path root) {

    String status() throws IOException {
      Path lab = Files.createDirectories(root.resolve("lab"));
      Path run = Leftovers.folder("kubenet-test-");
      List<Process> started = new ArrayList<>();
      try {
        files(lab);
        if (test.network() instanceof Network.User) {
          LanSwitch lan = new LanSwitch(run.resolve("lan.socket"));
          started.add(new ProcessBuilder(lan.command().toList()).start());
          lan.awaitAlive();
        }
        Path script = root.resolve("launch.sh");
        Files.writeString(script, script(run));
        Path errors = root.resolve("errors");
        Argv shell =
            test.network() instanceof Network.Bridge
                ? inNamespace(
                    "for i in 1 4; do ip tuntap add kubenet-$i mode tap; done; exec sh " + script)
                : Argv.of("sh", script.toString());
        Process qemu = Commands.start(shell, errors);
        started.add(qemu);
        return Wait.until(
                Duration.ofMinutes(2),
                Duration.ofMillis(20),
                () -> answer(qemu, run.resolve(test.node().name() + ".qmp"), errors))
            .orElse("QEMU does not answer");
      } finally {
        for (Process process : started) {
          process.destroyForcibly().onExit().join();
        }
        Lab.remove(run);
      }
    }

    private Optional<String> answer(Process qemu, Path socket, Path errors) {
      try (Qmp qmp = Qmp.connect(socket, Duration.ofSeconds(20))) {
        return Optional.of(qmp.execute("query-status").path("status").asText());
      } catch (IOException e) {
        return qemu.isAlive()
            ? Optional.empty()
            : Optional.of("QEMU ended: " + Commands.tail(errors, 5));
      }
    }

    private String script(Path run) {
      String text = test.command().toShellLines();
      if (test.host().accelerator() == Host.Accelerator.KVM) {
        assertThat(text).contains("-accel kvm", "-cpu host");
        text = text.replace("-accel kvm", "-accel tcg").replace("-cpu host", "-cpu max");
      }
      return "exec "
          + text.replace("/run/lab", run.toString())
              .replace("/lab", root.resolve("lab").toString())
              .replace("/images", root.resolve("images").toString())
              .replace("/usr/share", root.resolve("share").toString())
              .replaceFirst("127\\.0\\.0\\.1:22\\d\\d-", "127.0.0.1:0-")
          + " -S\n";
    }

    /** Disk, seed, flash and kernel: empty but of a shape that QEMU takes. */
    private void files(Path lab) throws IOException {
      Path node = Files.createDirectories(lab.resolve("nodes").resolve(test.node().name()));
      Commands.run(Argv.of("qemu-img", "create", "-q", "-f", "qcow2", node + "/disk.qcow2", "1M"))
          .orProblem();
      sparse(node.resolve("seed.iso"), 1 << 20);
      boolean x86 = test.host().arch() == Host.Arch.X86_64;
      sparse(root.resolve("share/OVMF/OVMF_CODE_4M.fd"), 3653632);
      sparse(root.resolve("share/AAVMF/AAVMF_CODE.fd"), 64 << 20);
      sparse(node.resolve("efi-variables.fd"), x86 ? 540672 : 64 << 20);
      sparse(node.resolve("initrd.img"), 4096);
      kernel(node.resolve("vmlinuz"));
    }

    private static void sparse(Path file, long size) throws IOException {
      Files.createDirectories(file.getParent());
      try (RandomAccessFile bytes = new RandomAccessFile(file.toFile(), "rw")) {
        bytes.setLength(size);
      }
    }

    /** The header of an x86 kernel (Linux, Documentation/arch/x86/boot.rst); arm64 takes any. */
    private static void kernel(Path file) throws IOException {
      sparse(file, 8192);
      try (RandomAccessFile bytes = new RandomAccessFile(file.toFile(), "rw")) {
        bytes.seek(0x1f1);
        bytes.write(1); // one sector of set-up code
        bytes.seek(0x202);
        bytes.write("HdrS".getBytes());
        bytes.write(new byte[] {0x0c, 0x02}); // protocol 2.12
        bytes.seek(0x211);
        bytes.write(1); // loaded high
        bytes.seek(0x22c);
        bytes.write(new byte[] {-1, -1, -1, 0x7f}); // an initrd may lie below 2 GiB
        bytes.seek(0x238);
        bytes.write(new byte[] {0, 8}); // command line of up to 2 KiB
      }
    }
  }

  /** Commas, blanks, quotes, percent signs: in every path that a user may choose. */
  @Test
  void theRealQemuTakesAnyFolder(@TempDir Path folder) throws Exception {
    Path root = Files.createDirectory(folder.resolve(Lab.nastyName()));
    Path run = Leftovers.folder("kubenet-test-");
    Layout layout = new Layout(root.resolve("lab"), run);
    Node node = Cluster.standard().node("worker0");
    Network network = new Network.User();
    Host host = Lab.host(Host.Os.LINUX, Host.Arch.X86_64, Host.Accelerator.TCG);
    Path code = root.resolve("share/OVMF/OVMF_CODE_4M.fd");
    Path images = root.resolve("images");
    Image.Kernel kernel =
        new Image.Kernel(images.resolve("vmlinuz"), images.resolve("initrd.img"), "ro");
    Trial trial = new Trial(new Case(host, network, node), root);
    Process lan = new ProcessBuilder(new LanSwitch(layout.lan()).command().toList()).start();
    try {
      trial.files(layout.state());
      new LanSwitch(layout.lan()).awaitAlive();
      for (Boot boot :
          List.of(
              new Boot.ByKernel(kernel, "ttyS0", ""),
              new Boot.ByFirmware(new Firmware(code, "raw", code, "raw"), ""))) {
        List<String> words =
            new ArrayList<>(Qemu.command(node, host, network, boot, layout).add("-S").toList());
        words.replaceAll(word -> word.replaceFirst("127\\.0\\.0\\.1:22\\d\\d-", "127.0.0.1:0-"));
        Path errors = folder.resolve("errors");
        Process qemu =
            Commands.start(
                Argv.of(words.get(0), words.subList(1, words.size()).toArray(String[]::new)),
                errors);
        try {
          assertThat(
                  Wait.until(
                      Duration.ofMinutes(2),
                      Duration.ofMillis(20),
                      () -> trial.answer(qemu, layout.node(node).qmp(), errors)))
              .contains("prelaunch");
        } finally {
          qemu.destroyForcibly().onExit().join();
        }
      }
    } finally {
      lan.destroyForcibly().onExit().join();
      Lab.remove(run);
    }
  }

  @Test
  void trialIsGolden() {
    StringBuilder all = new StringBuilder();
    for (Host host : Lab.hosts()) {
      trial(all, host, "kernel", Lab.IMAGE.kernel(), host.firmware());
      trial(all, host, "firmware", Optional.empty(), host.firmware());
      trial(all, host, "paused", Optional.empty(), Optional.empty());
    }
    Golden.check("qemu/trial.args", all.toString());
  }

  private static void trial(
      StringBuilder all,
      Host host,
      String what,
      Optional<Image.Kernel> kernel,
      Optional<Firmware> firmware) {
    Path folder = Path.of("/tmp/t,1");
    Argv trial =
        Qemu.trial(host, kernel, firmware, folder.resolve("console"), folder.resolve("qmp"));
    all.append("# %s %s\n".formatted(host, what)).append(trial.toShellLines()).append("\n\n");
  }
}

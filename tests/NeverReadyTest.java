import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.net.SocketTimeoutException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import lib.Argv;
import lib.Commands;
import lib.Wait;
import lib.cluster.Cluster;
import lib.cluster.Host;
import lib.cluster.Network;
import lib.cluster.Node;
import lib.qemu.Boot;
import lib.qemu.Image;
import lib.qemu.Qemu;
import lib.ready.Readiness;
import lib.ready.Stage;
import lib.state.Layout;
import lib.vm.Vm;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.parallel.Execution;
import org.junit.jupiter.api.parallel.ExecutionMode;

/** Guests that never get ready: what the message says, and how soon. */
@Execution(ExecutionMode.SAME_THREAD) // another test would take turns from the one that counts them
class NeverReadyTest {
  private static final String USER = System.getProperty("user.name");

  private final Node node = Cluster.standard().node("worker0");
  private final List<Stage> reached = new ArrayList<>();
  private Path folder;
  private Layout.Files files;
  private Vm vm;
  private Process qemu;

  @BeforeEach
  void makeFolders() throws IOException {
    folder = Leftovers.folder("kubenet-never-");
    Layout layout = new Layout(folder.resolve("state"), folder);
    files = layout.node(node);
    vm = Vm.of(node, layout);
    Files.createDirectories(files.folder());
  }

  @AfterEach
  void end() throws IOException {
    if (qemu != null) {
      qemu.destroyForcibly().onExit().join();
    }
    Lab.remove(folder);
  }

  /** Starts QEMU with the node's very command, but for a NIC, and waits until it lives. */
  private void start(Boot boot, Path disk) throws IOException {
    Host host =
        new Host(
            Host.Os.LINUX,
            Host.Arch.current(),
            Host.Accelerator.TCG,
            Optional.empty(),
            2,
            4096,
            false);
    Node.Size size = new Node.Size(1, 512, 10);
    Argv command = Qemu.guest("worker0", size, List.of(), host, boot, files);
    Argv convert = Argv.of("qemu-img", "convert", "-O", "qcow2");
    Commands.run(convert.add(disk.toString(), files.disk().toString())).orProblem();
    Files.createFile(files.seed());
    qemu = Commands.start(command, folder.resolve("errors"));
    assertThat(Wait.until(Duration.ofMinutes(1), vm::alive))
        .as(Commands.tail(folder.resolve("errors"), 5))
        .isTrue();
  }

  private String problem(Network.Endpoint endpoint, Path identity, double slowness) {
    Readiness readiness = new Readiness(vm, endpoint, USER, identity, slowness);
    return Lab.problem(() -> readiness.await(Stage.READY, reached::add));
  }

  private static Network.Endpoint nobody() throws IOException {
    return new Network.Endpoint("127.0.0.1", Lab.freePort());
  }

  @Test
  @Fault(
      value = "a guest's kernel panics",
      promise =
          "kubenet stops waiting within seconds; it gives the node, stage, seconds, last console"
              + " lines and log")
  void aKernelThatPanics() throws IOException {
    Files.copy(BuiltImage.folder().resolve("vmlinuz"), files.kernel());
    Files.write(files.initrd(), new byte[512]);
    Image.Kernel image = new Image.Kernel(files.kernel(), files.initrd(), "root=LABEL=none quiet");
    String console = Host.Arch.current().console();
    start(
        new Boot.ByKernel(image, console, ""), BootSector.WAITS.write(folder.resolve("disk.img")));

    String problem = problem(nobody(), folder, 5);
    Instant panic = Files.getLastModifiedTime(files.console()).toInstant(); // its last words
    assertThat(Duration.between(panic, Instant.now())).isLessThan(Duration.ofMinutes(1));
    assertThat(problem)
        .matches(
            "(?s)worker0: stage ssh: the guest's kernel panicked, after \\d+ s here;"
                + " its console ends with:\n.*end Kernel panic - not syncing: .*\n"
                + "\\(the whole console is in "
                + files.console()
                + "\\)");
    assertThat(reached).containsExactly(Stage.BOOTING);
  }

  @Test
  @Fault(
      value = "a guest has no network, or hangs",
      promise =
          "at the stage's time limit kubenet gives the node, stage, seconds, last console lines and"
              + " log")
  void aGuestWithoutANetwork() throws IOException {
    start(new Boot.ByBios(""), BootSector.WAITS.write(folder.resolve("disk.img")));
    Wait.until(
        Duration.ofMinutes(3), () -> Commands.tail(files.console(), 9).contains("Hard Disk"));

    assertThat(problem(nobody(), folder, 1 / 60.0))
        .matches(
            "(?s)worker0: stage ssh: not reached within 2 s; its console ends with:\n"
                + ".*Booting from Hard Disk\\.\\.\\.\n\\(the whole console is in "
                + files.console()
                + "\\)");
    assertThat(reached).containsExactly(Stage.BOOTING);
  }

  @Test
  @Fault(
      value = "cloud-init fails in a guest, or never ends",
      promise =
          "kubenet names the node, gives cloud-init's own message or the seconds, and says where to"
              + " read more")
  void aCloudInitThatFails() throws IOException {
    start(new Boot.ByBios(""), BootSector.WAITS.write(folder.resolve("disk.img")));
    Wait.until(
        Duration.ofSeconds(30), () -> Commands.tail(files.console(), 9).contains("Hard Disk"));
    try (Sshd server = new Sshd()) {
      for (String end : Set.of("", ".pub")) {
        Files.copy(server.folder().resolve("host_key" + end), Path.of(files.hostKey() + end));
      }
      String keys = "AuthorizedKeysFile " + server.folder().resolve("authorized_keys");
      // what cloud-init 22.4 left in a guest with `bootcmd: [[false]]`
      String status =
          "{\"v1\": {\"init\": {\"errors\": [\"('bootcmd', ProcessExecutionError(\\\"Exit code:"
              + " 1\\\"))\"], \"finished\": 12.1}, \"modules-final\": {\"errors\": [],"
              + " \"finished\": 14.0}}}";
      Path file = Files.writeString(server.folder().resolve("status.json"), status);
      Network.Endpoint failing = server.start(keys + "\nForceCommand cat " + file);
      assertThat(problem(failing, server.identity(), 1))
          .isEqualTo(
              "worker0: cloud-init ended with errors:\n"
                  + "('bootcmd', ProcessExecutionError(\"Exit code: 1\"))\n"
                  + "(in the node, see /var/log/cloud-init.log and"
                  + " /var/log/cloud-init-output.log)");
      assertThat(reached).containsExactly(Stage.SSH, Stage.CLOUD_INIT);

      Network.Endpoint endless = server.start(keys + "\nForceCommand sleep 600");
      // a tenth: two seconds for a login, which is enough on a slow machine too
      assertThat(problem(endless, server.identity(), 1 / 10.0))
          .contains("worker0: stage ready: ", "not done within 30 s", files.console().toString());
    }
  }

  @Test
  @Fault(
      value = "guests that never answer over SSH take up all the boot slots of an emulated launch",
      promise =
          "a guest that nobody can reach and whose console is silent for a minute gives its slot to"
              + " the next one; launch-all ends")
  @Execution(ExecutionMode.CONCURRENT) // its turns are those of a process of its own
  void silentGuestsGiveTheirPlacesToOthers() throws IOException {
    int places = Runtime.getRuntime().availableProcessors();
    try (TinyCluster tiny = TinyCluster.make()) {
      Path config = tiny.folder().resolve("cluster.yaml");
      String workers = "worker:  {count: ";
      String more = workers + 2 * places;
      Files.writeString(config, Files.readString(config).replace(workers + 1, more));
      String nodes =
          IntStream.range(0, 2 * places)
              .mapToObj(i -> "worker" + i)
              .collect(Collectors.joining(","));
      long start = System.nanoTime();
      CommandResult launch = tiny.run("launch-all", "--only", nodes).succeeded();
      assertThat(tiny.vm("worker0").emulated()).isEqualTo(launch.out().contains("boot at a time"));
      assertThat((System.nanoTime() - start) / 1e9).isLessThan(180);
      String status = tiny.run("status", "--only", nodes).succeeded().out();
      assertThat(status).doesNotContain("queued", "stopped");
      if (tiny.vm("worker0").emulated()) {
        assertThat(launch.out()).containsPattern("(?m)^worker0 +failed");
      }
    }
  }

  @Test
  @Fault(
      value = "a VM's QEMU ends while kubenet waits for the guest",
      promise = "the wait ends at once, with the node and its last console lines")
  void aQemuThatEnds() throws IOException {
    start(new Boot.ByBios(""), BootSector.WAITS.write(folder.resolve("disk.img")));
    Wait.until(
        Duration.ofMinutes(3), () -> Commands.tail(files.console(), 9).contains("Hard Disk"));
    Network.Endpoint nobody = nobody();
    new Thread(
            () -> {
              Wait.until(Duration.ofSeconds(1), () -> false); // until it is waited for
              qemu.destroyForcibly();
            })
        .start();
    long start = System.nanoTime();
    assertThat(problem(nobody, folder, 5))
        .startsWith("worker0: QEMU is not running; its console ended with:\n")
        .contains("Booting from Hard Disk", files.console().toString());
    assertThat((System.nanoTime() - start) / 1e9).isLessThan(100); // the limit is ten minutes
  }

  @Test
  @Fault(
      value = "guests answer late, as when many boot at once under emulation",
      promise =
          "kubenet asks only as many at a time as there are cores, and is more patient the longer"
              + " it has waited")
  void guestsThatAnswerLate() throws Exception {
    start(new Boot.ByBios(""), BootSector.WAITS.write(folder.resolve("disk.img")));
    Wait.until(
        Duration.ofMinutes(3), () -> Commands.tail(files.console(), 9).contains("Hard Disk"));
    Files.writeString(files.launch(), "exec qemu-system-x86_64 -accel tcg\n");
    int cores = Runtime.getRuntime().availableProcessors();
    ExecutorService watchers = Executors.newCachedThreadPool();
    try (ServerSocket late = new ServerSocket(0, 50, InetAddress.getLoopbackAddress())) {
      AtomicInteger waiting = new AtomicInteger();
      AtomicInteger most = new AtomicInteger();
      watchers.execute(
          () -> {
            while (!late.isClosed()) {
              accepted(late)
                  .ifPresent(guest -> watchers.execute(() -> greet(guest, waiting, most)));
            }
          });
      Network.Endpoint endpoint = new Network.Endpoint("127.0.0.1", late.getLocalPort());
      List<Future<?>> watched = new ArrayList<>();
      for (int i = 0; i < 3 * cores; i++) {
        Readiness readiness = new Readiness(vm, endpoint, USER, folder, 5);
        watched.add(watchers.submit(() -> readiness.await(Stage.SSH, stage -> {})));
      }
      for (Future<?> each : watched) {
        each.get(2, TimeUnit.MINUTES);
      }
      // the server may see the next one come before it has seen the last one go
      assertThat(most.get()).isBetween(cores, 2 * cores);
    } finally {
      watchers.shutdownNow();
    }
  }

  private static Optional<Socket> accepted(ServerSocket server) {
    try {
      return Optional.of(server.accept());
    } catch (IOException e) {
      return Optional.empty(); // the test is over
    }
  }

  /** Greets after 2.3 s whoever waits for that long. */
  private static void greet(Socket guest, AtomicInteger waiting, AtomicInteger most) {
    most.accumulateAndGet(waiting.incrementAndGet(), Math::max);
    try (guest) {
      guest.setSoTimeout(2300);
      if (patient(guest)) {
        guest.getOutputStream().write("SSH-2.0-late\r\n".getBytes(StandardCharsets.US_ASCII));
      }
    } catch (IOException e) {
      // it has just given up
    } finally {
      waiting.decrementAndGet();
    }
  }

  private static boolean patient(Socket guest) throws IOException {
    try {
      guest.getInputStream().read(); // ends when the other side gives up
      return false;
    } catch (SocketTimeoutException e) {
      return true;
    }
  }
}

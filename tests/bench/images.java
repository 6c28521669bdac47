///usr/bin/env jbang "$0" "$@" ; exit $?
//DESCRIPTION Measures boots of a plain, a baked and the lean image, side by side.
//DESCRIPTION Example: ./jbang tests/bench/images.java --nodes 1,7 --plain "$(./jbang tests/bench/plain-image.java)"
//JAVA 17+
//MAIN ImageBench
//DEPS info.picocli:picocli:4.7.7
//SOURCES ../Leftovers.java
//SOURCES ../../lib/package-info.java         // what any script could use
//SOURCES ../../lib/cluster/package-info.java // nodes, networks, cluster.yaml
//SOURCES ../../lib/state/package-info.java   // the folders, and what they hold
//SOURCES ../../lib/vm/package-info.java      // the life of one QEMU
//RUNTIME_OPTIONS -Xmx512m

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.Callable;
import lib.Argv;
import lib.Commands;
import lib.Terminal;
import lib.cluster.Cluster;
import lib.cluster.ClusterFile;
import lib.state.Layout;
import lib.vm.Vm;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/**
 * For each image and number of nodes: a cluster is launched, and destroyed again. Seconds are from
 * the launch until all nodes are ready; CPU-seconds are those that their QEMU processes took.
 */
@Command(
    name = "images",
    mixinStandardHelpOptions = true,
    description = "Measures boots of a plain, a baked and the lean image.")
class ImageBench implements Callable<Integer> {
  @Option(names = "--plain", required = true, description = "The disk of the plain image.")
  private Path plain;

  @Option(names = "--nodes", split = ",", defaultValue = "1,7", description = "Sizes of clusters.")
  private List<Integer> sizes;

  private final Terminal terminal = Terminal.plain(System.out);
  private final StringBuilder details = new StringBuilder();

  public static void main(String... arguments) {
    Locale.setDefault(Locale.ROOT);
    System.exit(new CommandLine(new ImageBench()).execute(arguments));
  }

  @Override
  public Integer call() throws IOException {
    terminal.line("| image | nodes | seconds to ready | CPU-seconds |");
    terminal.line("|---|---|---|---|");
    for (int nodes : sizes) {
      row("plain, each node installs", plain.toString(), nodes, "--no-bake");
      row("plain, baked", plain.toString(), nodes);
      row("debian-built", "debian-built", nodes);
    }
    terminal.line("\nWhere the seconds of one node's boot go:\n" + details);
    return 0;
  }

  private void row(String name, String image, int nodes, String... options) throws IOException {
    Path folder = Leftovers.folder("kubenet-bench");
    Leftovers.note(Layout.of(folder.resolve(".kubenet")).runtime());
    String config =
        """
        name: bench
        sshPorts: 27200
        loadBalancer: {hostPorts: 27300}
        images: ["%s"]
        roles:
          gateway: {count: 1, memory: 768M, disk: 8G}
          control: {count: 3, memory: 768M, disk: 8G}
          worker: {count: 3, cpus: 2, memory: 768M, disk: 8G}
        """
            .formatted(image);
    Path file = Files.writeString(folder.resolve("cluster.yaml"), config);
    List<String> names =
        ClusterFile.read(file).nodes().stream().map(node -> node.name()).limit(nodes).toList();
    String only = String.join(",", names);
    try {
      run(script(folder, "prepare-image", "--yes").add(options));
      long start = System.nanoTime();
      run(script(folder, "launch-all", "--only", only).add(options));
      run(script(folder, "ssh-all", "--ready", "--detach", "--only", only));
      terminal.line("| %s | %d | %.0f | %.0f |", name, nodes, seconds(start), cpu(file, folder));
      if (nodes == 1) {
        details
            .append("\n")
            .append(name)
            .append(":\n\n```\n")
            .append(details(folder))
            .append("```\n");
      }
    } finally {
      run(script(folder, "stop-all", "--destroy", "--yes"));
      Commands.run(Argv.of("rm", "-r", folder.toString()));
    }
  }

  /** As the guest's own systemd and cloud-init see it. */
  private static String details(Path folder) {
    String look =
        "systemd-analyze time | head -1; systemd-analyze blame | head -12;"
            + " cloud-init analyze show | grep -A99 -m1 'Total Time' | head -1;"
            + " cloud-init analyze blame | head -8";
    Argv ssh = Argv.of("ssh", "-F", folder.resolve(".kubenet/ssh_config").toString(), "gateway");
    return Commands.run(ssh.add(look), Duration.ofMinutes(2)).out();
  }

  private static Argv script(Path folder, String name, String... arguments) {
    Path root = Path.of(System.getenv("JBANG_LAUNCH_CMD")).toAbsolutePath().getParent();
    return Argv.of("env", "-C", folder.toString(), "-u", "TMUX", "TMUX_TMPDIR=" + folder)
        .add(root.resolve("jbang").toString(), "--quiet", root.resolve(name + ".java").toString())
        .add(arguments);
  }

  private static void run(Argv command) {
    Commands.run(command, Duration.ofHours(1)).orProblem();
  }

  private static double seconds(long start) {
    return (System.nanoTime() - start) / 1e9;
  }

  private static double cpu(Path file, Path folder) {
    Cluster cluster = ClusterFile.read(file);
    Layout layout = Layout.of(folder.resolve(".kubenet"));
    return cluster.nodes().stream()
        .flatMap(node -> Vm.of(node, layout).process().stream())
        .flatMap(qemu -> qemu.info().totalCpuDuration().stream())
        .mapToDouble(time -> time.toMillis() / 1e3)
        .sum();
  }
}

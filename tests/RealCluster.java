import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Map;
import lib.Argv;
import lib.Commands;
import lib.cluster.Cluster;
import lib.cluster.ClusterFile;
import lib.state.Layout;

/**
 * A cluster of real guests, brought up by the scripts as a person runs them: in a folder with a
 * space in its name, with a tmux server of its own. It leaves nothing.
 */
final class RealCluster {
  private static final Duration LIMIT = Duration.ofMinutes(20);

  private final Path folder;
  private final Cluster cluster;
  private final Layout layout;

  private RealCluster(Path folder, String config) {
    this.folder = folder;
    this.cluster = ClusterFile.parse("cluster.yaml", config);
    this.layout = Layout.of(folder.resolve(".kubenet"));
    Leftovers.note(layout.runtime());
  }

  /**
   * A cluster of which nothing runs yet.
   *
   * @param config its cluster file
   * @param files more for its folder: content by path
   */
  static RealCluster of(String config, Map<String, String> files) throws IOException {
    Path folder = Files.createDirectory(Leftovers.folder("kubenet-real").resolve("a b"));
    Files.writeString(folder.resolve("cluster.yaml"), config);
    for (Map.Entry<String, String> file : files.entrySet()) {
      Path path = folder.resolve(file.getKey());
      Files.createDirectories(path.getParent());
      Files.writeString(path, file.getValue());
    }
    return new RealCluster(folder, config);
  }

  /** The folder that has the cluster file. */
  Path folder() {
    return folder;
  }

  Cluster cluster() {
    return cluster;
  }

  Layout layout() {
    return layout;
  }

  /** Runs a script in the folder. */
  Commands.Result script(String name, String... arguments) {
    Argv command =
        Argv.of("env", "-C", folder.toString(), "-u", "TMUX", "TMUX_TMPDIR=" + folder)
            .add(CommandResult.wrapper(), "--quiet")
            .add(Project.root().resolve(name + ".java").toString())
            .add(arguments);
    return Commands.run(command, LIMIT);
  }

  /** What a command prints on a node. */
  String ssh(String node, String command) {
    Argv ssh = Argv.of("ssh", "-F", layout.sshConfig().toString(), node, command);
    return Commands.run(ssh).orProblem().out().strip();
  }

  String tmux(String... arguments) {
    Argv tmux = Argv.of("env", "-u", "TMUX", "TMUX_TMPDIR=" + folder, "tmux").add(arguments);
    return Commands.run(tmux).out().strip();
  }

  /** Destroys it, and fails if something is left. */
  void destroy() throws IOException {
    script("stop-all", "--destroy", "--yes");
    tmux("kill-server");
    assertThat(layout.state()).doesNotExist();
    assertThat(layout.runtime()).doesNotExist();
    Lab.remove(folder.getParent());
  }
}

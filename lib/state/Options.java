//DEPS info.picocli:picocli:4.7.7
package lib.state;

import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.concurrent.Callable;
import lib.Problem;
import lib.Terminal;
import lib.Visible;
import lib.cluster.Cluster;
import lib.cluster.ClusterFile;
import lib.cluster.Node;
import picocli.CommandLine;
import picocli.CommandLine.Option;

/** The options that every script has, and how every script ends. */
public final class Options {
  @Option(
      names = {"-h", "--help"},
      usageHelp = true,
      description = "Show this help and exit.")
  private boolean help;

  @Option(
      names = "--config",
      paramLabel = "FILE",
      description = "The cluster file; else ./cluster.yaml, else the built-in seven nodes.")
  private Path config;

  @Option(
      names = "--state",
      paramLabel = "DIR",
      description = "Keys, disks and logs; else .kubenet beside the cluster file.")
  private Path state;

  @Option(
      names = "--only",
      paramLabel = "NODE",
      split = ",",
      description = "Only these nodes, separated by commas.")
  private List<String> only = new ArrayList<>();

  @Option(names = "--dry-run", description = "Print what would be run and written; change nothing.")
  private boolean dryRun;

  @Option(
      names = "--yes",
      description = "Answer yes to every question, such as whether to install missing packages.")
  private boolean yes;

  @Option(names = "--verbose", description = "On failure, print the stack trace as well.")
  private boolean verbose;

  /**
   * Runs a script's command and returns its exit code: 0 done, 1 failed, 2 wrong usage. A failure
   * is printed as a fact and a hint, never as a stack trace, unless {@code --verbose} asks for it.
   */
  public static int run(Callable<Integer> command, String... arguments) {
    Locale.setDefault(Locale.ROOT); // else %d is written in Arabic digits where those are usual
    CommandLine line = new CommandLine(command);
    line.setParameterExceptionHandler(
        (e, given) -> {
          complain(e.getCommandLine(), e.getMessage(), "see --help");
          return CommandLine.ExitCode.USAGE;
        });
    line.setExecutionExceptionHandler(
        (e, failed, parsed) -> {
          if (parsed.hasMatchedOption("--verbose")) {
            StringWriter trace = new StringWriter();
            e.printStackTrace(new PrintWriter(trace));
            failed.getErr().print(Visible.lines(trace.toString()));
          }
          Problem problem = Problem.of(e);
          complain(failed, problem.getMessage(), problem.hint());
          return CommandLine.ExitCode.SOFTWARE;
        });
    try {
      return line.execute(arguments);
    } catch (OutOfMemoryError | StackOverflowError e) {
      complain(
          line,
          "out of memory, of which it takes %d MiB at most"
              .formatted(Runtime.getRuntime().maxMemory() >> 20),
          "something told it far too much; if not, allow more: ./jbang -R-Xmx1g ...");
      return CommandLine.ExitCode.SOFTWARE;
    }
  }

  private static void complain(CommandLine line, String fact, String hint) {
    line.getErr().println(Visible.lines(line.getCommandName() + ": " + fact));
    line.getErr().println(Visible.lines("(" + hint.replace("\n", ";\n ") + ")"));
    line.getErr().flush();
  }

  /** {@return whether to print and not to do} */
  public boolean dryRun() {
    return dryRun;
  }

  /**
   * Prints a line for the reader. A dry run prints commands that can be pasted, so there it is a
   * comment.
   */
  public void say(Terminal terminal, String line) {
    terminal.line((dryRun ? "# " : "") + line);
  }

  /** {@return whether every question is answered with yes} */
  public boolean yes() {
    return yes;
  }

  /** {@return the cluster file, if there is one} */
  public Optional<Path> config() {
    Path standard = Path.of("cluster.yaml");
    return config != null
        ? Optional.of(config)
        : Files.exists(standard) ? Optional.of(standard) : Optional.empty();
  }

  /** {@return the folder that relative paths of the cluster file start from} */
  public Path base() {
    return config()
        .map(file -> file.toAbsolutePath().getParent())
        .orElse(Path.of("").toAbsolutePath());
  }

  /** {@return the cluster file's name, for messages} */
  public String file() {
    return config().map(Path::toString).orElse("the built-in cluster file");
  }

  /**
   * {@return the cluster}
   *
   * @throws Problem if its file is faulty, or {@code --only} names a node that there is not
   */
  public Cluster cluster() {
    Cluster cluster = config().map(ClusterFile::read).orElseGet(Cluster::standard);
    if (!only.isEmpty()) {
      existing(cluster, layout()); // a wrong name fails here, before anything is installed or made
    }
    return cluster;
  }

  /**
   * {@return where everything is}
   *
   * @throws Problem if the state folder is not this user's and kubenet's: nothing may be written
   *     into it then, and nothing removed
   */
  public Layout layout() {
    return StateFolder.check(state != null ? state : base().resolve(".kubenet"));
  }

  /** {@return whether {@code --only} was given} */
  public boolean isPartial() {
    return !only.isEmpty();
  }

  /** {@return the nodes to launch: those of {@code --only}, or all of the cluster file} */
  public List<Node> nodes(Cluster cluster) {
    return cluster.select(only);
  }

  /**
   * {@return the cluster as it exists: what scripts act on that launch nothing}
   *
   * @throws Problem as {@link #cluster}, or if another cluster has the state folder
   */
  public Cluster existing(Layout layout) {
    return ClusterRecord.existing(cluster(), layout, configOf(layout));
  }

  /** {@return the cluster file as a record names it, which holds when the project is moved} */
  public String configOf(Layout layout) {
    return config()
        .map(file -> layout.state().getParent().relativize(real(file)).toString())
        .orElse("");
  }

  private static Path real(Path file) {
    try {
      return file.toRealPath();
    } catch (IOException e) {
      return file.toAbsolutePath().normalize(); // not there: for others to say
    }
  }

  /**
   * {@return the nodes to act on as they are: those of {@code --only}, or all of the cluster file
   * and all that exist}
   */
  public List<Node> existing(Cluster cluster, Layout layout) {
    return Cluster.select(ClusterRecord.nodes(cluster, layout), only);
  }
}

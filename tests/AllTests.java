///usr/bin/env jbang "$0" "$@" ; exit $?
//DESCRIPTION Runs every test of the project; the last line counts them.
//DESCRIPTION Example: ./jbang tests/AllTests.java --only Qemu
//JAVA 17+
//MAIN AllTests
//DEPS info.picocli:picocli:4.7.7
//DEPS org.junit.jupiter:junit-jupiter:6.1.3
//DEPS org.junit.platform:junit-platform-launcher:6.1.3
//SOURCES *.java
//SOURCES ../lib/**.java
//SOURCES ../*.java
//RUNTIME_OPTIONS -Xmx1g

import static org.junit.platform.engine.discovery.DiscoverySelectors.selectClass;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Locale;
import java.util.Random;
import java.util.concurrent.Callable;
import java.util.jar.JarFile;
import java.util.regex.Pattern;
import lib.Terminal;
import lib.cluster.Host;
import lib.image.DebianBuilt;
import lib.tools.Preflight;
import lib.tools.Tool;
import org.junit.jupiter.api.MethodOrderer;
import org.junit.jupiter.api.parallel.Execution;
import org.junit.jupiter.api.parallel.ExecutionMode;
import org.junit.platform.launcher.core.LauncherDiscoveryRequestBuilder;
import org.junit.platform.launcher.core.LauncherFactory;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/** Runs the classes named XTest that were compiled together with this one. */
@Command(
    name = "AllTests",
    mixinStandardHelpOptions = true,
    description = "Runs every test of the project.")
class AllTests implements Callable<Integer> {
  @Option(names = "--yes", description = "Install the host packages that tests need, unasked.")
  private boolean yes;

  @Option(
      names = "--only",
      paramLabel = "REGEX",
      defaultValue = "",
      description = "Run only the test classes in whose name this is found.")
  private Pattern only;

  @Option(
      names = "--shuffle",
      paramLabel = "SEED",
      arity = "0..1",
      fallbackValue = "0",
      description =
          "Run classes, and the tests of each, in another order. Without SEED, a new one.")
  private Long shuffle;

  @Option(names = "--list", description = "Print the names of the test classes, and run none.")
  private boolean list;

  public static void main(String[] args) {
    Locale.setDefault(Locale.ROOT);
    System.exit(new CommandLine(new AllTests()).execute(args));
  }

  @Override
  public Integer call() throws Exception {
    List<String> classes =
        new ArrayList<>(testClasses().stream().filter(only.asPredicate()).toList());
    if (shuffle != null) {
      shuffle(classes);
    }
    if (list) {
      classes.forEach(System.out::println);
      return 0;
    }
    System.setProperty("kubenet.tests.yes", Boolean.toString(yes));
    preflight();

    TestReport report = new TestReport(System.out);
    run(classes.stream().filter(AllTests::waits).toList(), 4, report);
    run(classes.stream().filter(name -> !waits(name)).toList(), 2, report);
    if (only.pattern().isEmpty()) {
      report.leftOvers(Golden.unasked());
    }
    return report.end();
  }

  /** No class needs another before it, and no test another but where the class says so. */
  private void shuffle(List<String> classes) {
    if (shuffle == 0) {
      shuffle = System.nanoTime();
    }
    System.out.println("shuffled; to repeat it: --shuffle " + shuffle);
    Collections.shuffle(classes, new Random(shuffle));
  }

  /**
   * Whether a class is annotated with {@code CONCURRENT}: its tests wait for most of their time,
   * and it runs beside other classes.
   */
  private static boolean waits(String name) {
    try {
      Execution execution = Class.forName(name).getAnnotation(Execution.class);
      return execution != null && execution.value() == ExecutionMode.CONCURRENT;
    } catch (ClassNotFoundException e) {
      throw new IllegalStateException(e);
    }
  }

  /**
   * Runs classes one after the other, but those that wait all at once. Tests of one class run at
   * the same time, too; a class that can't have it is annotated with {@code SAME_THREAD}.
   *
   * @param tests how many run at a time
   */
  private void run(List<String> classes, int tests, TestReport report) {
    LauncherDiscoveryRequestBuilder request = LauncherDiscoveryRequestBuilder.request();
    classes.forEach(name -> request.selectors(selectClass(name)));
    String parallel = "junit.jupiter.execution.parallel.";
    request.configurationParameter(parallel + "enabled", "true");
    request.configurationParameter(parallel + "mode.default", "concurrent");
    request.configurationParameter(parallel + "mode.classes.default", "same_thread");
    request.configurationParameter(parallel + "config.strategy", "fixed");
    request.configurationParameter(parallel + "config.fixed.parallelism", "" + tests);
    // with threads that never take up another test while one waits for something
    request.configurationParameter(parallel + "config.executor-service", "WORKER_THREAD_POOL");
    request.configurationParameter("junit.jupiter.tempdir.factory.default", "NotedTempDir");
    if (shuffle != null) {
      request.configurationParameter(
          MethodOrderer.DEFAULT_ORDER_PROPERTY_NAME, MethodOrderer.Random.class.getName());
      request.configurationParameter(MethodOrderer.Random.RANDOM_SEED_PROPERTY_NAME, "" + shuffle);
    }
    LauncherFactory.create().execute(request.build(), report);
  }

  /** The one place where the tests' host packages are looked for, and installed with --yes. */
  private void preflight() {
    List<Tool> tools = new ArrayList<>(CheckHost.tools());
    tools.add(Tool.CURL);
    tools.addAll(DebianBuilt.tools(Host.isRoot()));
    for (Host.Arch arch : Host.Arch.values()) { // golden commands are fed to both QEMUs
      tools.add(Tool.qemu(arch));
      tools.add(Tool.debianFirmware(arch));
    }
    tools.add(debian("cloud-init", "cloud-init")); // its schema, and its YAML 1.1 parser
    tools.add(debian("/usr/sbin/sshd", "openssh-server")); // a peer on loopback
    tools.add(debian("ss", "iproute2"));
    tools.add(debian("pgrep", "procps"));
    tools.addAll(List.of(Tool.NFT, Tool.DNSMASQ, Tool.SYSCTL)); // a host in a namespace
    tools.add(debian("iptables-save", "iptables"));
    tools.add(debian("ping", "iputils-ping"));
    Preflight.tools(Terminal.current(), yes, tools);
  }

  private static Tool debian(String program, String packageName) {
    return new Tool(program, packageName, packageName, packageName, "");
  }

  static List<String> testClasses() throws Exception {
    Path jar = Path.of(AllTests.class.getProtectionDomain().getCodeSource().getLocation().toURI());
    try (JarFile file = new JarFile(jar.toFile())) {
      return file.stream()
          .map(entry -> entry.getName())
          .filter(name -> name.matches("\\w+Test\\.class"))
          .map(name -> name.replace(".class", ""))
          .sorted()
          .toList();
    }
  }
}

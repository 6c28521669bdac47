///usr/bin/env jbang "$0" "$@" ; exit $?
//DESCRIPTION A race to a ready cluster: kubenet's ways, a replay of the guide, vagrant-libvirt.
//DESCRIPTION Example: ./jbang tests/bench/race.java --contestants a,e --nodes 7
//JAVA 17+
//MAIN Race
//DEPS info.picocli:picocli:4.7.7
//SOURCES ../Leftovers.java
//SOURCES ../../lib/package-info.java         // what any script could use
//SOURCES ../../lib/cluster/package-info.java // nodes, networks, cluster.yaml
//SOURCES ../../lib/state/package-info.java   // the folders, and what they hold
//RUNTIME_OPTIONS -Xmx512m

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.function.ToDoubleFunction;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import lib.Argv;
import lib.Commands;
import lib.Problem;
import lib.Terminal;
import lib.state.Layout;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/**
 * Each contestant brings up the same nodes of the same image, one contestant after the other, in
 * folders below one that is removed at the end. What is measured of all alike: seconds from the
 * command to its end; CPU-seconds and memory of the QEMU processes that name that folder; CPU-
 * seconds of the command and what it started and waited for; disk; and how late the end came after
 * the last node was ready by its own clock.
 */
@Command(
    name = "race",
    mixinStandardHelpOptions = true,
    description =
        "A race to a ready cluster: kubenet's ways, a replay of the guide, vagrant-libvirt.")
class Race implements Callable<Integer> {
  private static final String SETUP = "kubenet setup --yes --detach --ready $ONLY";
  private static final String DESTROY = "kubenet stop-all --destroy --yes";
  private static final String SSH = "ssh -F .kubenet/ssh_config";

  /**
   * A way to a ready cluster, as lines of bash; {@code kubenet SCRIPT} runs a script of this tree.
   *
   * @param folder where it runs, below that of the race
   * @param programs those that it takes, beside kubenet's own
   * @param before what is not timed
   * @param timed from the person's command until all nodes are reported ready
   * @param ssh logs in to the node that comes next
   * @param after leaves nothing running
   */
  private record Contestant(
      String letter,
      String name,
      String folder,
      List<String> programs,
      String before,
      String timed,
      String ssh,
      String after) {}

  private static final List<Contestant> CONTESTANTS =
      List.of(
          new Contestant(
              "a",
              "kubenet, cold",
              "kubenet",
              List.of(),
              "kubenet prepare-image --yes",
              SETUP + " $COLD",
              SSH,
              DESTROY),
          new Contestant(
              "b",
              "kubenet, first run",
              "kubenet",
              List.of(),
              "fresh_cache; kubenet prepare-image --yes",
              SETUP,
              SSH,
              DESTROY),
          new Contestant(
              "c",
              "kubenet, templates there",
              "kubenet",
              List.of(),
              SETUP + "; " + DESTROY,
              SETUP,
              SSH,
              DESTROY),
          new Contestant(
              "d",
              "kubenet, resumed",
              "kubenet",
              List.of(),
              SETUP + "; kubenet stop-all --suspend",
              SETUP,
              SSH,
              DESTROY),
          new Contestant(
              "e",
              "replay of the guide",
              "replay",
              List.of("unshare nsenter ip dnsmasq nc tmux ssh ssh-keyscan xorriso".split(" ")),
              "bash \"$RACE/replay.sh\" host",
              "bash \"$RACE/replay.sh\" up",
              "bash \"$RACE/replay.sh\" ssh",
              "bash \"$RACE/replay.sh\" down"),
          new Contestant(
              "f",
              "vagrant-libvirt",
              "vagrant",
              List.of(
                  "unshare nsenter ip pgrep xorriso vagrant libvirtd virtlogd virsh".split(" ")),
              "bash \"$RACE/vagrant.sh\" host",
              "bash \"$RACE/vagrant.sh\" up",
              "bash \"$RACE/vagrant.sh\" ssh",
              "bash \"$RACE/vagrant.sh\" down"));

  /** What every line of bash knows. */
  private static final String PRELUDE =
      """
      set -euo pipefail
      kubenet() { "$ROOT/jbang" --quiet "$ROOT/$1.java" "${@:2}"; }
      fresh_cache() { # the image, and nothing that was made of it
        rm -rf "$KUBENET_CACHE"
        mkdir -p "$KUBENET_CACHE/images"
        cp -a "$IMAGE_FOLDER" "$KUBENET_CACHE/images/"
        # what was found to work on this host with this image's kernel
        sed "s#$IMAGE_FOLDER#$KUBENET_CACHE/images/${IMAGE_FOLDER##*/}#" \
          "$IMAGE_FOLDER/../../accelerator" > "$KUBENET_CACHE/accelerator" || true
        kubenet prepare-image --verify # else the first launch reads the copy whole
      }
      """;

  @Option(
      names = "--contestants",
      split = ",",
      defaultValue = "a,b,c,d,e",
      description =
          "a: kubenet, cold boots; b: its first run, with templates; c: templates are there; "
              + "d: resumed; e: a plain replay of the guide's steps; f: vagrant-libvirt. "
              + "Default ${DEFAULT-VALUE}.")
  private List<String> letters;

  @Option(
      names = "--nodes",
      split = ",",
      defaultValue = "7",
      description = "How many, such as 1,2,4,7,14,28; default 7, the most that e and f know.")
  private List<Integer> sizes;

  @Option(names = "--memory", defaultValue = "768M", description = "Of a node; default 768M.")
  private String memory;

  @Option(names = "--cpus", defaultValue = "2", description = "Of a node; default 2.")
  private int cpus;

  @Option(names = "--accel", defaultValue = "tcg", description = "kubenet's here; default tcg.")
  private String accelerator;

  @Option(names = "--runs", defaultValue = "1", description = "Medians of these; default 1.")
  private int runs;

  @Option(names = "--ports", defaultValue = "35000", description = "The first of a thousand.")
  private int ports;

  private final Terminal terminal = Terminal.plain(System.out);
  private Path folder;
  private int count;
  private Map<String, String> environment;

  public static void main(String... arguments) {
    Locale.setDefault(Locale.ROOT);
    System.exit(new CommandLine(new Race()).execute(arguments));
  }

  @Override
  public Integer call() throws IOException {
    try {
      programs();
      race();
      return 0;
    } catch (Problem problem) {
      System.err.printf("race: %s%n(%s)%n", problem.getMessage(), problem.hint());
      return 1;
    }
  }

  /** Fails before anything is measured: a contestant that lacks one might wait for it for ever. */
  private void programs() {
    List<Contestant> all =
        CONTESTANTS.stream().filter(one -> letters.contains(one.letter())).toList();
    List<String> missing =
        all.stream()
            .flatMap(one -> one.programs().stream())
            .distinct()
            .filter(program -> Commands.find(program).isEmpty())
            .toList();
    if (!missing.isEmpty()) {
      throw new Problem(
          "not installed: " + String.join(", ", missing),
          "race.md names the packages; or leave out who needs them: --contestants a,b,c,d");
    }
    boolean root = System.getProperty("user.name").equals("root");
    if (!root && all.stream().anyMatch(one -> !one.programs().isEmpty())) {
      throw new Problem("e and f need root", "leave them out: --contestants a,b,c,d");
    }
  }

  private void race() throws IOException {
    folder = Files.createTempDirectory(Path.of("/var/tmp"), "kubenet-race-");
    Leftovers.note(folder);
    Leftovers.note(Layout.of(folder.resolve("kubenet/.kubenet")).runtime());
    environment = environment();
    Map<Key, List<Figures>> figures = new LinkedHashMap<>();
    try {
      Files.createDirectories(folder.resolve("kubenet"));
      size(1);
      image();
      for (int run = 1; run <= runs; run++) {
        for (int size : sizes) {
          size(size);
          for (Contestant contestant : CONTESTANTS) {
            if (letters.contains(contestant.letter())) {
              System.err.printf("run %d of %d, %d nodes: %s%n", run, runs, size, contestant.name());
              figures
                  .computeIfAbsent(new Key(size, contestant), key -> new ArrayList<>())
                  .add(race(contestant));
            }
          }
        }
      }
    } finally {
      table(figures); // also what was seen before a contestant failed
      run(folder.resolve("kubenet"), DESTROY, Duration.ofMinutes(10));
      Commands.run(Argv.of("rm", "-rf", folder.toString()), Duration.ofMinutes(5));
    }
  }

  private Map<String, String> environment() {
    Path root = Path.of(System.getenv("JBANG_LAUNCH_CMD")).toAbsolutePath().getParent();
    Map<String, String> all = new LinkedHashMap<>();
    all.put("ROOT", root.toString());
    all.put("RACE", root.resolve("tests/bench/race").toString());
    all.put("TMUX_TMPDIR", folder.toString());
    all.put("KUBENET_CACHE", folder.resolve("cache").toString());
    all.put("MEMORY", memory);
    all.put("CPUS", Integer.toString(cpus));
    all.put("ACCEL", accelerator);
    return all;
  }

  /** As many nodes from now on: a gateway, up to three control nodes, the others workers. */
  private void size(int nodes) throws IOException {
    count = nodes;
    String size = "cpus: %d, memory: %s, disk: 20G".formatted(cpus, memory);
    Files.writeString(
        folder.resolve("kubenet/cluster.yaml"),
        """
        name: race
        sshPorts: %d
        loadBalancer: {hostPorts: %d}
        images: [debian-built]
        roles:
          gateway: {count: 1, %s}
          control: {count: %d, %s}
          worker: {count: %d, %s}
        """
            .formatted(ports, ports + 500, size, controls(), size, Math.max(1, count - 4), size));
    // a cluster file has a node of each role at least
    environment.put("ONLY", count >= 5 ? "" : "--only " + String.join(",", nodes()));
    environment.put("NODES", Integer.toString(count));
  }

  private int controls() {
    return Math.max(1, Math.min(3, count - 1));
  }

  private List<String> nodes() {
    List<String> names = new ArrayList<>(List.of("gateway"));
    for (int i = 0; names.size() < count; i++) {
      names.add(i < controls() ? "control" + i : "worker" + (i - controls()));
    }
    return names;
  }

  /** All contestants get one copy of the user's image; it is made if it is not there. */
  private void image() throws IOException {
    String made = run("kubenet", "unset KUBENET_CACHE; kubenet prepare-image --yes").out();
    Matcher path = Pattern.compile("(?m)^image .* in (/.+/images/[^/\n;]+)").matcher(made);
    if (!path.find()) {
      throw new Problem("prepare-image names no image: " + made, "see its output");
    }
    Path image = Path.of(path.group(1));
    environment.put("IMAGE_FOLDER", image.toString());
    environment.put(
        "IMAGE", folder.resolve("cache/images/" + image.getFileName() + "/disk.qcow2").toString());
    run("kubenet", "fresh_cache");
    boolean cold = run("kubenet", "kubenet setup --help").out().contains("--cold");
    environment.put("COLD", cold ? "--cold" : ""); // without it, every launch was cold
  }

  private record Key(int nodes, Contestant contestant) {}

  /** What one contestant took; seconds, and MiB. */
  private record Figures(
      double wall,
      double qemu,
      double scripts,
      double resident,
      double proportional,
      double disk,
      double late,
      double legs) {}

  private Figures race(Contestant contestant) throws IOException {
    Files.createDirectories(folder.resolve(contestant.folder()));
    try {
      run(contestant.folder(), contestant.before());
      double disk = disk();
      Machines machines = new Machines(folder.toString());
      machines.start();
      String timed =
          "began=$EPOCHREALTIME; TIMEFORMAT='scripts %U %S'; time { "
              + contestant.timed()
              + "; }; echo timed $began $EPOCHREALTIME";
      Commands.Result result = run(contestant.folder(), timed);
      double[] cpu = numbers(result.err(), "scripts", 2);
      double[] times = numbers(result.out(), "timed", 2);
      machines.finish();
      Figures figures =
          new Figures(
              times[1] - times[0],
              machines.cpuSeconds(),
              cpu[0] + cpu[1],
              machines.memory("Rss"),
              machines.memory("Pss"),
              disk() - disk,
              late(contestant, times),
              contestant.folder().equals("kubenet") ? legs() : Double.NaN);
      System.err.println("  " + figures);
      return figures;
    } finally {
      run(folder.resolve(contestant.folder()), contestant.after(), Duration.ofMinutes(10));
    }
  }

  /** Seconds from the last node's being ready, by its own clock, to the command's end. */
  private double late(Contestant contestant, double[] times) {
    double last = 0;
    for (String node : nodes()) {
      String clock = "bash \"$RACE/clock.sh\" " + contestant.ssh() + " " + node;
      last = Math.max(last, Double.parseDouble(run(contestant.folder(), clock).out().strip()));
    }
    return last < times[0] ? Double.NaN : times[1] - last; // a resumed node was ready long ago
  }

  /** The longest that a node was ready and not reported so, as kubenet itself recorded it. */
  private double legs() {
    String status = run("kubenet", "kubenet status --json $ONLY").out();
    return Pattern.compile(
            "\"stage\" : \"ready\",\\s+\"start\".*\\s+\"end\".*\\s+\"seconds\" : ([0-9.]+)")
        .matcher(status)
        .results()
        .mapToDouble(match -> Double.parseDouble(match.group(1)))
        .max()
        .orElse(Double.NaN);
  }

  /** MiB that all files of the race take. */
  private double disk() {
    String du = Commands.run(Argv.of("du", "-sk", folder.toString())).orProblem().out();
    return Long.parseLong(du.split("\\s")[0]) / 1024.0;
  }

  private Commands.Result run(String contestant, String line) {
    return run(folder.resolve(contestant), line, Duration.ofHours(1)).orProblem();
  }

  private Commands.Result run(Path where, String line, Duration limit) {
    Argv command = Argv.of("env", "-C", where.toString(), "-u", "TMUX");
    for (Map.Entry<String, String> variable : environment.entrySet()) {
      command = command.add(variable.getKey() + "=" + variable.getValue());
    }
    return Commands.run(command.add("bash", "-c", PRELUDE + line), limit);
  }

  /** The numbers behind a word at a line's start. */
  private static double[] numbers(String text, String word, int count) {
    Matcher found =
        Pattern.compile("(?m)^" + word + "((?: [0-9.]+){" + count + "})$").matcher(text);
    if (!found.find()) {
      throw new Problem("no line `" + word + "` in: " + text, "see the contestant's commands");
    }
    return Stream.of(found.group(1).strip().split(" ")).mapToDouble(Double::parseDouble).toArray();
  }

  private void table(Map<Key, List<Figures>> all) {
    terminal.line(
        "%s and %d CPUs a node, %s, %d run(s), %d cores",
        memory, cpus, accelerator, runs, Runtime.getRuntime().availableProcessors());
    terminal.line("");
    terminal.line(
        "| nodes | | wall against (e) | CPU against (e) | wall s | QEMU CPU-s | scripts CPU-s |"
            + " resident MiB | proportional MiB | disk MiB | reported late s | a node, late s |");
    terminal.line("|---|---|---|---|---|---|---|---|---|---|---|---|");
    for (Key key : all.keySet()) {
      List<Figures> own = all.get(key);
      List<Figures> other =
          all.entrySet().stream()
              .filter(entry -> entry.getKey().nodes() == key.nodes())
              .filter(entry -> entry.getKey().contestant().letter().equals("e"))
              .map(Map.Entry::getValue)
              .findFirst()
              .orElse(List.of());
      terminal.line(
          "| %d | (%s) %s | %s | %s | %s | %s | %s | %s | %s | %s | %s | %s |",
          key.nodes(),
          key.contestant().letter(),
          key.contestant().name(),
          number(median(own, Figures::wall) / median(other, Figures::wall), 2),
          number(median(own, Figures::qemu) / median(other, Figures::qemu), 2),
          number(median(own, Figures::wall), 1),
          number(median(own, Figures::qemu), 0),
          number(median(own, Figures::scripts), 1),
          number(median(own, Figures::resident), 0),
          number(median(own, Figures::proportional), 0),
          number(median(own, Figures::disk), 0),
          number(median(own, Figures::late), 2),
          number(median(own, Figures::legs), 2));
    }
  }

  private static double median(List<Figures> runs, ToDoubleFunction<Figures> figure) {
    double[] sorted = runs.stream().mapToDouble(figure).sorted().toArray();
    int half = sorted.length / 2;
    return sorted.length == 0
        ? Double.NaN
        : sorted.length % 2 == 1 ? sorted[half] : (sorted[half - 1] + sorted[half]) / 2;
  }

  private static String number(double value, int digits) {
    return Double.isNaN(value) ? "-" : String.format(Locale.ROOT, "%." + digits + "f", value);
  }

  /**
   * The QEMU processes whose command line names a folder. What each has used is looked at twice a
   * second, so of one that ends meanwhile at most that much is missed.
   */
  private static final class Machines extends Thread {
    private final String folder;
    private final Map<Long, Duration> before = new HashMap<>();
    private final Map<Long, Duration> used = new HashMap<>();

    Machines(String folder) {
      this.folder = folder;
      setDaemon(true);
      look();
      before.putAll(used);
    }

    @Override
    public void run() {
      try {
        while (true) {
          Thread.sleep(500);
          look();
        }
      } catch (InterruptedException e) {
        // the race is over
      }
    }

    void finish() {
      interrupt();
      try {
        join();
      } catch (InterruptedException e) {
        throw new IllegalStateException(e);
      }
      look();
    }

    private void look() {
      ProcessHandle.allProcesses()
          .filter(process -> isOurs(process.pid()))
          .forEach(
              process ->
                  process
                      .info()
                      .totalCpuDuration()
                      .ifPresent(time -> used.put(process.pid(), time)));
    }

    private boolean isOurs(long pid) {
      String command = read(pid, "cmdline");
      return command.matches("(?s)(\\S*/)?qemu-system-.*") && command.contains(folder);
    }

    double cpuSeconds() {
      return used.entrySet().stream()
          .mapToDouble(
              entry ->
                  entry
                          .getValue()
                          .minus(before.getOrDefault(entry.getKey(), Duration.ZERO))
                          .toMillis()
                      / 1e3)
          .sum();
    }

    /** MiB of those that live: {@code Rss}, or {@code Pss}, where shared pages count in part. */
    double memory(String kind) {
      double kib = 0;
      for (long pid : used.keySet()) {
        Matcher line =
            Pattern.compile("(?m)^" + kind + ":\\s+(\\d+) kB").matcher(read(pid, "smaps_rollup"));
        kib += line.find() ? Long.parseLong(line.group(1)) : 0;
      }
      return kib / 1024;
    }

    private static String read(long pid, String file) {
      try {
        return Files.readString(Path.of("/proc/" + pid + "/" + file));
      } catch (IOException e) {
        return ""; // it has ended
      }
    }
  }
}

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.regex.MatchResult;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import lib.Argv;
import lib.cluster.Cluster;
import lib.cluster.ClusterFile;
import lib.cluster.Node;
import lib.qemu.Basis;
import lib.qemu.Boot;
import lib.qemu.Qemu;
import lib.seed.Template;
import lib.state.HostFacts;
import lib.state.Layout;
import org.junit.jupiter.api.Test;

/** The drawings in docs/architecture.md are made from the code; UPDATE_GOLDEN=1 makes them anew. */
class ArchitectureDocTest {
  private static final Path DOC = Project.root().resolve("docs/architecture.md");
  private static final String START = "<!-- drawn by ArchitectureDocTest: %s -->\n";
  private static final String END = "<!-- end -->\n";

  /** The folders that {@link Layout} can't name without a cluster. */
  private static final Layout LAYOUT = new Layout(Path.of(".kubenet"), Path.of("RUNTIME"));

  private static final Layout.Files NODE = LAYOUT.node("NODE");

  /** In the drawing: what nearly all steps use would hide the rest, and is in the table alone. */
  private static final int MOST_ARROWS = 6;

  private static final String QEMU = "QEMU";

  /** Files that join steps; which scripts make and use them is read from the scripts. */
  private static final List<Joint> JOINTS =
      List.of(
          new Joint("facts", List.of(cached(HostFacts.file())), "Probe\\.run", "HostFacts\\.known"),
          new Joint(
              "image",
              List.of(Path.of("CACHE/images/KEY"), LAYOUT.image()),
              "basis\\.choose",
              "Basis\\.(known|chosen)"),
          new Joint(
              "template",
              List.of(cached(Template.store().resolve("KEY"))),
              "templates\\.(make|attempt)",
              "flatMap\\(Template::found"),
          new Joint(
              "keys",
              List.of(LAYOUT.identity(), LAYOUT.knownHosts(), LAYOUT.sshConfig()),
              "files\\.makeShared",
              "(SshSession|NodeStatus)\\.of|Forward\\.script|new (ReadyAll|Shutdown)"),
          new Joint(
              "node",
              List.of(NODE.seed(), NODE.disk(), NODE.launch()),
              "files\\.make",
              "layout\\.node\\(node\\)\\.disk"),
          new Joint(
              "lan", List.of(LAYOUT.lan(), LAYOUT.forward()), "session\\.startLan", "Checks\\.lan"),
          new Joint(
              "life",
              List.of(NODE.pid(), NODE.console(), NODE.qmp()),
              QEMU,
              "(Vm|NodeStatus)\\.of|new (ReadyAll|Shutdown)"),
          new Joint(
              "suspended",
              List.of(NODE.suspended(), NODE.suspension(), NODE.incoming()),
              "\\w*\\W{1,2}suspend(?=\\(nodes)",
              "Resumption\\.later|admission\\.resumeAll"),
          new Joint(
              "timeline",
              List.of(NODE.timeline()),
              "new ReadyAll|Admission\\.of",
              "BootRecord\\.of"),
          new Joint(
              "record",
              List.of(LAYOUT.record()),
              "ClusterRecord\\.add|files\\.make",
              "options\\.existing"));

  /**
   * Files of one purpose.
   *
   * @param name in the drawing
   * @param made the call in a script that makes them, as a pattern; or QEMU, if it does
   * @param used the same for a script that uses them
   */
  private record Joint(String name, List<Path> files, String made, String used) {}

  private final Map<String, Source> all = Source.all(Project.root());
  private final String doc = Files.readString(DOC);

  ArchitectureDocTest() throws IOException {}

  @Test
  void roomsAreThoseOfTheCode() throws IOException {
    StringBuilder text =
        new StringBuilder("| | room | what it is for | files |\n|---|---|---|---|\n");
    for (String room : HeaderTest.ORDER) {
      Source info = all.get(room.replace('.', '/') + "/package-info.java");
      text.append(
          "| %d | [`%s`](../%s) | %s | %d |\n"
              .formatted(
                  number(room),
                  info.folder().replaceFirst("/$", ""),
                  info.path(),
                  sentence(info),
                  info.values("SOURCES").size()));
    }
    compare("rooms", text.toString());
  }

  @Test
  void importsAreThoseOfTheCode() throws IOException {
    StringBuilder text = new StringBuilder("```text\n");
    text.append(row("", HeaderTest.ORDER.stream().map(room -> "" + number(room)).toList()));
    for (String room : HeaderTest.ORDER) {
      Set<String> used =
          all.values().stream()
              .filter(source -> source.room().equals(room))
              .flatMap(source -> source.rooms().stream())
              .collect(Collectors.toSet());
      text.append(
          row(
              "%2d %s".formatted(number(room), room.replace('.', '/')),
              HeaderTest.ORDER.stream()
                  .limit(number(room))
                  .map(other -> other.equals(room) ? "\\" : used.contains(other) ? "x" : "-")
                  .toList()));
    }
    text.append("\n");
    for (Source script : scripts()) {
      List<String> listed = script.values("SOURCES");
      text.append(
          row(
              "   " + script.path().replace(".java", ""),
              HeaderTest.ORDER.stream()
                  .map(room -> room.replace('.', '/') + "/package-info.java")
                  .map(info -> listed.contains(info) ? "x" : "-")
                  .toList()));
    }
    compare("imports", text.append("```\n").toString());
  }

  private static String row(String name, List<String> cells) {
    return ("%-20s".formatted(name)
                + cells.stream().map("%3s"::formatted).collect(Collectors.joining()))
            .stripTrailing()
        + "\n";
  }

  @Test
  void filesBetweenStepsAreThoseOfTheCode() throws IOException {
    StringBuilder picture = new StringBuilder("```mermaid\nflowchart LR\n");
    StringBuilder table = new StringBuilder("| made by | file | used by |\n|---|---|---|\n");
    Set<String> steps = new TreeSet<>();
    StringBuilder arrows = new StringBuilder();
    for (Joint joint : JOINTS) {
      List<String> makers = makers(joint);
      List<String> users = users(joint);
      assertThat(makers).as("who makes %s", joint).isNotEmpty();
      assertThat(users).as("who uses %s", joint).isNotEmpty();
      table.append(
          "| %s | %s | %s |\n"
              .formatted(
                  String.join(", ", makers),
                  joint.files().stream().map("`%s`"::formatted).collect(Collectors.joining(", ")),
                  String.join(", ", users)));
      if (makers.size() + users.size() > MOST_ARROWS) {
        continue;
      }
      picture.append(
          "  %s_file[\"%s\"]\n"
              .formatted(
                  joint.name(),
                  joint.files().stream()
                      .map(ArchitectureDocTest::shortName)
                      .collect(Collectors.joining("<br>"))));
      String file = joint.name() + "_file";
      makers.forEach(one -> arrows.append("  %s --> %s\n".formatted(id(one), file)));
      users.forEach(one -> arrows.append("  %s --> %s\n".formatted(file, id(one))));
      steps.addAll(makers);
      steps.addAll(users);
    }
    steps.forEach(step -> picture.append("  %s([\"%s\"])\n".formatted(id(step), step)));
    compare("files", picture.append(arrows).append("```\n\n").append(table).toString());
  }

  private static String id(String step) {
    return step.replace('-', '_');
  }

  private static String shortName(Path file) {
    String name = file.getFileName().toString();
    return name.matches("KEY|image") ? file.getParent().getFileName() + "/" + name : name;
  }

  private List<String> makers(Joint joint) {
    return joint.made().equals(QEMU) ? List.of(QEMU) : calling(joint.made());
  }

  /** What makes files may use them as well. */
  private List<String> users(Joint joint) {
    List<String> users = new ArrayList<>(calling(joint.used()));
    users.removeAll(makers(joint));
    String qemu = qemu(Cluster.standard(), "worker0").toShell();
    boolean named =
        joint.files().stream()
            .map(file -> file.toString().replace("NODE", "worker0"))
            .anyMatch(qemu::contains);
    boolean sourced = joint.files().contains(NODE.incoming()); // by launch.sh
    if (!joint.made().equals(QEMU) && (named || sourced)) {
      users.add(QEMU);
    }
    return users;
  }

  private List<String> calling(String call) {
    Pattern pattern = Pattern.compile("(?<!\\w)(?:" + call + ")\\b");
    return scripts().stream()
        .filter(script -> pattern.matcher(script.code()).find())
        .map(script -> script.path().replace(".java", ""))
        .toList();
  }

  /** {@code memory: 2G} in the file is {@code -m 2048M} of QEMU, by the way that the page tells. */
  @Test
  void memoryGoesTheWayThatThePageTells() {
    Cluster cluster = ClusterFile.parse("cluster.yaml", "roles: {worker: {memory: 2G}}");
    assertThat(cluster.node("worker0").size().memoryMiB()).isEqualTo(2048);
    assertThat(qemu(cluster, "worker0").parts()).contains(List.of("-m", "2048M"));
    String way = doc.substring(doc.indexOf("## The way of one value"), doc.indexOf("## Where to"));
    assertThat(way.lines().filter(line -> line.matches("[1-9]\\. .*"))).hasSizeBetween(3, 5);
  }

  private static Argv qemu(Cluster cluster, String name) {
    Node node = cluster.node(name);
    HostFacts facts = HostFacts.assumed();
    Boot boot = Boot.choose(cluster.boot(), facts.host(), Basis.chosenOrAssumed(cluster, LAYOUT));
    return Qemu.command(node, facts.host(), cluster.network(), boot, LAYOUT);
  }

  /** Of a link {@code [`Type.member`](Type.java)} the file has to declare the member. */
  @Test
  void linksLeadToFilesThatHaveWhatTheyName() throws IOException {
    List<MatchResult> links =
        Pattern.compile("\\[([^\\]]*)\\]\\(([^)#]+)(?:#[^)]*)?\\)").matcher(doc).results().toList();
    assertThat(links).hasSizeGreaterThan(20);
    for (MatchResult link : links) {
      Path file = DOC.resolveSibling(link.group(2)).normalize();
      assertThat(file).as(link.group()).exists();
      if (link.group(1).matches("`[A-Z]\\w+\\.\\w+`")) {
        String[] names = link.group(1).replace("`", "").split("\\.");
        Source source = all.get(Project.root().relativize(file).toString());
        assertThat(source.type()).as(link.group()).isEqualTo(names[0]);
        assertThat(declares(source, names[1])).as("%s declares it", link.group()).isTrue();
      }
    }
  }

  private static boolean declares(Source source, String member) {
    return Pattern.compile(
            "(?m)^ +(?!return|new|throw)(?:[\\w.<>\\[\\],?]+ )+" + member + "\\b(?:\\(| [{=])")
        .matcher(source.code())
        .find();
  }

  private static int number(String room) {
    return HeaderTest.ORDER.indexOf(room) + 1;
  }

  private static String sentence(Source info) {
    String text = info.body().substring(0, info.body().indexOf("*/"));
    return text.replaceAll("[/*\\s]+", " ").strip().replaceAll("\\{@code ([^}]+)}", "`$1`");
  }

  private List<Source> scripts() {
    return all.values().stream().filter(source -> source.folder().isEmpty()).toList();
  }

  private static Path cached(Path file) {
    return Path.of("CACHE").resolve(Layout.cache().relativize(file));
  }

  private static void compare(String name, String drawn) throws IOException {
    String text = Files.readString(DOC);
    String mark = START.formatted(name);
    assertThat(text).contains(mark);
    int start = text.indexOf(mark) + mark.length();
    int end = text.indexOf(END, start);
    if (System.getenv("UPDATE_GOLDEN") != null) {
      Files.writeString(DOC, text.substring(0, start) + drawn + text.substring(end));
    } else {
      assertThat(text.substring(start, end)).isEqualTo(drawn);
    }
  }
}

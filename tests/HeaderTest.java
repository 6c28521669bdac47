import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.regex.MatchResult;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

/**
 * What keeps a script easy to copy: its header names all rooms that it needs, a room lists its
 * files, and imports have one direction.
 */
class HeaderTest {
  /** The rooms of lib: each may use those before it. */
  static final List<String> ORDER =
      List.of(
          "lib",
          "lib.cluster",
          "lib.state",
          "lib.vm",
          "lib.qemu",
          "lib.seed",
          "lib.tools",
          "lib.host",
          "lib.lan",
          "lib.tmux",
          "lib.ready",
          "lib.stop",
          "lib.status",
          "lib.image",
          "lib.fork",
          "lib.bridge");

  /** The lib file that is a program of its own, which goes on when the script has ended. */
  private static final String PROGRAM = "EthernetSwitch";

  /**
   * What prints, and the lib files that may: they make text {@code Visible}. The others return what
   * there is to say, or throw a Problem.
   */
  private static final Map<String, Set<String>> PRINTERS =
      Map.of(
          "System\\.(out|err|console)\\b|\\bFileDescriptor\\b", Set.of("Terminal", PROGRAM),
          "\\.(getOut|getErr|printStackTrace)\\(", Set.of("Options"),
          "\\.draw\\(", Set.of("Progress"), // escape codes, of its own
          "\\binheritIO\\b|\\bINHERIT\\b", Set.of("Commands"));

  /** Which package comes with which library. */
  private static final Map<String, String> LIBRARIES =
      Map.ofEntries(
          Map.entry(
              "com.fasterxml.jackson.", "com.fasterxml.jackson.dataformat:jackson-dataformat-yaml"),
          Map.entry(
              "com.google.googlejavaformat.", "com.google.googlejavaformat:google-java-format"),
          Map.entry("com.hierynomus.", "com.hierynomus:sshj"),
          Map.entry("net.schmizz.", "com.hierynomus:sshj"),
          Map.entry("org.assertj.", "org.assertj:assertj-core"),
          Map.entry("org.junit.jupiter.", "org.junit.jupiter:junit-jupiter"),
          Map.entry("org.junit.platform.", "org.junit.platform:junit-platform-launcher"),
          Map.entry(
              "org.yaml.snakeyaml.", "com.fasterxml.jackson.dataformat:jackson-dataformat-yaml"),
          Map.entry("org.zeroturnaround.", "org.zeroturnaround:zt-exec"),
          Map.entry("picocli.", "info.picocli:picocli"));

  /** Libraries that no file imports: they only have to be there at run time. */
  private static final Set<String> RUNTIME_ONLY =
      Set.of(
          "org.slf4j:slf4j-nop",
          "org.bouncycastle:bcprov-jdk18on",
          "org.bouncycastle:bcpkix-jdk18on");

  /** The one header that takes whole folders, and the libraries of all tests. */
  private static final String ALL_TESTS = "tests/AllTests.java";

  private static final String SHEBANG = "///usr/bin/env jbang \"$0\" \"$@\" ; exit $?\n";
  private static final Pattern IMPORT = Pattern.compile("(?m)^import\\s+(?:static\\s+)?([\\w.*]+)");
  private static final Pattern MAIN = Pattern.compile("\\bvoid\\s+main\\s*\\(");

  private final Map<String, Source> all = Source.all(Project.root());
  private final List<String> complaints = new ArrayList<>();

  HeaderTest() throws IOException {}

  @Test
  void scriptsStartThemselves() {
    for (Source script : scripts()) {
      if (!script.header().startsWith(SHEBANG)) {
        complain(script, "the first line is not exactly " + SHEBANG.strip());
      }
      if (!Files.isExecutable(Project.root().resolve(script.path()))) {
        complain(script, "it is not executable: chmod +x " + script.path());
      }
      if (!script.values("JAVA").equals(List.of("17+"))) {
        complain(script, "its header has to have one line //JAVA 17+");
      }
      if (script.values("DESCRIPTION").isEmpty()) {
        complain(script, "its header has to have a line //DESCRIPTION that says what it is for");
      }
    }
    end();
  }

  @Test
  void scriptsNameTheirMainClass() {
    for (Source script : scripts()) {
      List<String> main = script.values("MAIN");
      if (main.size() != 1) {
        complain(script, "its header has to have one line //MAIN with the class that holds main");
        continue;
      }
      String code = script.code();
      if (!Pattern.compile("(?m)^(?:final )?class " + main.get(0) + "\\b").matcher(code).find()) {
        complain(
            script, "//MAIN says " + main.get(0) + ", but it has no non-public class of that name");
      }
      if (!MAIN.matcher(code).find()) {
        complain(script, "it has no main");
      }
    }
    end();
  }

  @Test
  void directivesStandInTheHeader() {
    Pattern late = Pattern.compile("(?m)^//[A-Z_]{3,}\\b.*");
    Pattern blank =
        Pattern.compile("(?m)^//+[ \\t]+(?:DEPS|DESCRIPTION|FILES|JAVA|MAIN|REPOS|SOURCES)\\b.*");
    for (Source source : all.values()) {
      late.matcher(source.body())
          .results()
          .forEach(line -> complain(source, "move up into the header: " + line.group()));
      blank
          .matcher(source.header())
          .results()
          .forEach(
              line -> complain(source, "JBang ignores a directive after a blank: " + line.group()));
    }
    end();
  }

  @Test
  void roomsAndFilesUsedAreThoseListed() {
    for (Source script : scripts()) {
      if (script.path().equals(ALL_TESTS)) {
        continue;
      }
      Set<String> needed = new TreeSet<>();
      Set<String> rooms = new TreeSet<>();
      collect(script.rooms(), rooms);
      for (String path : script.closure(all)) {
        needed.add(relative(script, path));
        collect(all.get(path).rooms(), rooms);
      }
      rooms.forEach(room -> needed.add(relative(script, info(room))));
      List<String> listed = script.values("SOURCES");
      needed.stream()
          .filter(path -> !listed.contains(path))
          .forEach(path -> complain(script, "add to its header: //SOURCES " + path));
      listed.stream()
          .filter(path -> !needed.contains(path))
          .forEach(path -> complain(script, "it does not use this, delete: //SOURCES " + path));
      if (new TreeSet<>(listed).size() < listed.size()) {
        complain(script, "it lists a file of //SOURCES twice");
      }
    }
    end();
  }

  /** Rooms, and all rooms that files in them use. */
  private void collect(Set<String> used, Set<String> rooms) {
    for (String room : used) {
      if (rooms.add(room)) {
        libs().stream()
            .filter(lib -> lib.room().equals(room))
            .forEach(lib -> collect(lib.rooms(), rooms));
      }
    }
  }

  private static String info(String room) {
    return room.replace('.', '/') + "/package-info.java";
  }

  /** Of files that list files of other folders JBang makes files of two names (0.132.1). */
  @Test
  void aRoomListsItsOwnFiles() {
    for (String room : ORDER) {
      Source info = all.get(info(room));
      if (info == null) {
        complaints.add("ORDER in HeaderTest.java names " + room + ": there is no " + info(room));
        continue;
      }
      List<String> files =
          libs().stream()
              .filter(lib -> lib.room().equals(room) && !lib.isRoom())
              .map(lib -> lib.type() + ".java")
              .toList();
      if (!info.values("SOURCES").equals(files)) {
        complain(info, "it has to list exactly: //SOURCES " + String.join(" ", files));
      }
      int most = room.equals("lib") ? 10 : 12;
      if (files.size() > most) {
        complain(info, "more than %d files in a room: which belong elsewhere?".formatted(most));
      }
      if (!info.body().strip().matches("(?s)/\\*\\*.+\\*/\\s*package [a-z.]+;")) {
        complain(info, "it has to say in a sentence what the room is for");
      }
    }
    for (Source lib : libs()) {
      if (!lib.isRoom() && !lib.values("SOURCES").isEmpty()) {
        complain(lib, "delete its //SOURCES: its room lists it");
      }
    }
    end();
  }

  @Test
  void filesAreSingleFiles() {
    for (Source source : all.values()) {
      for (String value : source.values("FILES")) {
        String file = value.substring(value.indexOf('=') + 1);
        if (file.matches(".*[*?\\[{].*")) {
          complain(
              source, "list each file, JBang drops patterns of a remote script: //FILES " + value);
        } else if (!Files.isRegularFile(Project.root().resolve(source.folder() + file))) {
          complain(source, "there is no such file: //FILES " + value);
        }
      }
    }
    end();
  }

  @Test
  void librariesAreThoseImported() {
    for (Source source : all.values()) {
      if (source.isTest()) {
        continue;
      }
      Set<String> imported = librariesOf(source);
      if (source.path().equals(ALL_TESTS)) {
        imported.addAll(librariesOfTests());
      }
      Set<String> listed = new TreeSet<>(listed(source));
      listed.removeAll(RUNTIME_ONLY);
      imported.stream()
          .filter(artifact -> !listed.contains(artifact))
          .forEach(
              artifact -> complain(source, "it imports, so add: //DEPS " + artifact + ":VERSION"));
      listed.stream()
          .filter(artifact -> !imported.contains(artifact))
          .forEach(
              artifact -> complain(source, "it imports nothing of it, delete: //DEPS " + artifact));
    }
    end();
  }

  @Test
  void eachLibraryHasOneVersion() {
    Map<String, Set<String>> versions = new TreeMap<>();
    for (Source source : all.values()) {
      for (String dependency : source.values("DEPS")) {
        versions.computeIfAbsent(artifact(dependency), key -> new TreeSet<>()).add(dependency);
      }
    }
    for (Set<String> found : versions.values()) {
      if (found.size() > 1) {
        complaints.add("choose one version for all files: " + String.join(" or ", found));
      }
    }
    end();
  }

  @Test
  void libOnlyReturnsOrThrows() {
    for (Source lib : libs()) {
      String code = lib.code();
      if (MAIN.matcher(code).find() && !lib.type().equals(PROGRAM)) {
        complain(lib, "lib has no main: JBang would have to choose one");
      }
      if (code.contains("System.exit")) {
        complain(lib, "throw a Problem in place of System.exit");
      }
    }
    end();
  }

  @Test
  void whatPeopleReadIsMadeVisible() {
    for (Source source : all.values()) {
      if (source.folder().startsWith("tests/")) {
        continue;
      }
      PRINTERS.forEach(
          (print, allowed) -> {
            if (!(source.isLib() && allowed.contains(source.type()))
                && Pattern.compile(print).matcher(source.code()).find()) {
              complain(source, "print by Terminal.line or throw a Problem, it has: " + print);
            }
          });
    }
    end();
  }

  /** Numbers are for programs, too: none may be in the digits of the user's language. */
  @Test
  void programsStartWithNoLanguage() {
    for (Source source : all.values()) {
      String code = source.code();
      boolean starts = source.isScript() || source.type().equals(PROGRAM);
      if (starts
          && !code.contains("System.exit(Options.run(")
          && !code.contains("Locale.setDefault(Locale.ROOT);")) {
        complain(source, "begin its main with Locale.setDefault(Locale.ROOT)");
      }
    }
    end();
  }

  @Test
  void scriptsSayHowMuchMemoryTheyTake() {
    for (Source script : scripts()) {
      if (script.values("RUNTIME_OPTIONS").stream().noneMatch(line -> line.contains("-Xmx"))) {
        complain(script, "its header has to say how much memory it may have: //RUNTIME_OPTIONS");
      }
    }
    end();
  }

  @Test
  void importsGoDownTheOrderOfRooms() {
    for (Source lib : libs()) {
      int place = ORDER.indexOf(lib.room());
      if (place < 0) {
        complain(lib, "give its room a place in ORDER in HeaderTest.java");
      }
      for (String used : lib.rooms()) {
        if (ORDER.indexOf(used) >= place) {
          complain(lib, "it imports from " + used + ", which comes after " + lib.room());
        }
      }
    }
    end();
  }

  /** Of the tests' libraries those that do not come with the scripts and lib files they test. */
  private Set<String> librariesOfTests() {
    Set<String> artifacts = new TreeSet<>();
    for (Source source : all.values()) {
      if (source.isTest()) {
        artifacts.addAll(librariesOf(source));
      }
    }
    for (Source source : all.values()) {
      if (!source.path().equals(ALL_TESTS)) {
        artifacts.removeAll(listed(source));
      }
    }
    return artifacts;
  }

  private Set<String> librariesOf(Source source) {
    Set<String> artifacts = new TreeSet<>();
    for (MatchResult found : IMPORT.matcher(source.code()).results().toList()) {
      String name = found.group(1);
      if (name.matches("(?:java|javax|lib|com\\.sun|org\\.w3c|org\\.xml)\\..*")) {
        continue;
      }
      LIBRARIES.keySet().stream()
          .filter(name::startsWith)
          .findFirst()
          .map(LIBRARIES::get)
          .ifPresentOrElse(
              artifacts::add,
              () ->
                  complain(
                      source, "name the library of " + name + " in LIBRARIES in HeaderTest.java"));
    }
    return artifacts;
  }

  private static Set<String> listed(Source source) {
    return source.values("DEPS").stream().map(HeaderTest::artifact).collect(Collectors.toSet());
  }

  private static String artifact(String dependency) {
    return Stream.of(dependency.split(":")).limit(2).collect(Collectors.joining(":"));
  }

  private static String relative(Source from, String path) {
    return Path.of("/" + from.folder()).relativize(Path.of("/" + path)).toString();
  }

  private List<Source> scripts() {
    return all.values().stream().filter(Source::isScript).toList();
  }

  private List<Source> libs() {
    return all.values().stream().filter(Source::isLib).toList();
  }

  private void complain(Source source, String what) {
    complaints.add(source.path() + ": " + what);
  }

  private void end() {
    assertThat(complaints).withFailMessage(() -> String.join("\n", complaints)).isEmpty();
  }
}

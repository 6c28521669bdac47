import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.concurrent.ConcurrentHashMap;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** A Java file of the project: its path from the top folder, its JBang header, and what it says. */
record Source(String path, String header, String body) {
  /** What each refers to; looked for once, as it is asked for by many. */
  private static final Map<Source, Set<String>> USES = new ConcurrentHashMap<>();

  private static final Pattern HEADER = Pattern.compile("\\A(?:[ \\t]*\\R|//.*\\R)*");
  // As JBang reads it: the value ends before a trailing comment.
  private static final Pattern DIRECTIVE =
      Pattern.compile("(?m)^//([A-Z_]+)[ \\t]+(.*?)[ \\t]*(?:[ \\t]//[ \\t].*)?$");
  private static final Pattern ROOM =
      Pattern.compile("(?m)^import\\s+(?:static\\s+)?(lib(?:\\.[a-z]+)*)\\.[A-Z]");
  private static final Pattern NOT_CODE =
      Pattern.compile(
          "\"\"\"[\\s\\S]*?(?<!\\\\)\"\"\""
              + "|\"(?:\\\\.|[^\"\\\\\\n])*+\""
              + "|'(?:\\\\.|[^'\\\\\\n])*+'"
              + "|/\\*[\\s\\S]*?\\*/"
              + "|//[^\\n]*");

  /** All files of the project by their path from the top folder. */
  static Map<String, Source> all(Path root) throws IOException {
    Map<String, Source> sources = new TreeMap<>();
    for (Path file : Format.files(root)) {
      String path = root.relativize(file).toString().replace('\\', '/');
      sources.put(path, of(path, Files.readString(file)));
    }
    return sources;
  }

  /** Splits a text into header (the leading blank and `//` lines) and body. */
  static Source of(String path, String text) {
    Matcher header = HEADER.matcher(text);
    int body = header.find() ? header.end() : 0;
    return new Source(path, text.substring(0, body), text.substring(body));
  }

  /** The folder from the top folder, "" for the top folder itself. */
  String folder() {
    return path.substring(0, path.lastIndexOf('/') + 1);
  }

  boolean isLib() {
    return folder().startsWith("lib/");
  }

  /** What says which files a room has. */
  boolean isRoom() {
    return isLib() && type().equals("package-info");
  }

  /** The room that a file of lib is in, as its package is called: {@code lib.cluster}. */
  String room() {
    return folder().replaceFirst("/$", "").replace('/', '.');
  }

  /** The rooms of which it imports something, itself not counted. */
  Set<String> rooms() {
    Set<String> rooms = new TreeSet<>();
    ROOM.matcher(code()).results().forEach(found -> rooms.add(found.group(1)));
    rooms.remove(room());
    return rooms;
  }

  /** Whether JBang can start it: all at the top, and those below tests that say so. */
  boolean isScript() {
    return folder().isEmpty() || folder().startsWith("tests/") && header.startsWith("///");
  }

  /** A test, or what tests share: it takes its libraries from AllTests. */
  boolean isTest() {
    return folder().equals("tests/") && !isScript();
  }

  /** The type that this file is there for. */
  String type() {
    String name = path.substring(folder().length()).replace(".java", "");
    return isScript() ? values("MAIN").stream().findFirst().orElse(name) : name;
  }

  /** The values of a directive, in order. */
  List<String> values(String directive) {
    return DIRECTIVE
        .matcher(header)
        .results()
        .filter(found -> found.group(1).equals(directive))
        .map(found -> found.group(2))
        .toList();
  }

  /** The body without comments, and with empty strings. */
  String code() {
    return NOT_CODE.matcher(body).replaceAll(found -> found.group().startsWith("/") ? " " : "\"\"");
  }

  /** The scripts and tests, none of lib, whose type this one names itself. */
  Set<String> uses(Map<String, Source> all) {
    return USES.computeIfAbsent(this, source -> source.look(all));
  }

  private Set<String> look(Map<String, Source> all) {
    String code = code();
    Set<String> used = new TreeSet<>();
    for (Source other : all.values()) {
      if (!other.equals(this) && mayUse(other) && names(code, other)) {
        used.add(other.path);
      }
    }
    return used;
  }

  /** All that it needs to compile beside itself and the rooms of lib. */
  Set<String> closure(Map<String, Source> all) {
    Set<String> needed = new TreeSet<>();
    collect(all, needed);
    needed.remove(path);
    return needed;
  }

  private void collect(Map<String, Source> all, Set<String> needed) {
    for (String used : uses(all)) {
      if (needed.add(used)) {
        all.get(used).collect(all, needed);
      }
    }
  }

  private boolean mayUse(Source other) {
    return !other.isLib()
        && !isLib()
        && (other.folder().isEmpty() || folder().startsWith(other.folder()));
  }

  private boolean names(String code, Source other) {
    if (!code.contains(other.type())) { // most, and far sooner said than by a pattern
      return false;
    }
    String type = Pattern.quote(other.type());
    boolean ownNested =
        Pattern.compile("\\b(?:class|record|enum|interface)\\s+" + type + "\\b")
            .matcher(code)
            .find();
    return !ownNested && Pattern.compile("(?<![.\\w])" + type + "\\b").matcher(code).find();
  }
}

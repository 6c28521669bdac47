import java.nio.file.Files;
import java.nio.file.Path;
import java.util.stream.Stream;

/** The folder that holds this project, whatever the current folder is. */
final class Project {
  private static final String MARK = "jbang-catalog.json";
  private static final Path ROOT = find();

  private Project() {}

  /** The absolute path of the project's top folder. */
  static Path root() {
    return ROOT;
  }

  private static Path find() {
    String told = System.getProperty("kubenet.root");
    if (told != null) {
      return Path.of(told).toAbsolutePath().normalize();
    }
    // JBang does not tell a script where it lies, but our wrapper lies in the top folder and leaves
    // its own path in the environment.
    String launcher = System.getenv().getOrDefault("JBANG_LAUNCH_CMD", "");
    return Stream.of(Path.of(""), Path.of(launcher))
        .flatMap(
            start ->
                Stream.iterate(start.toAbsolutePath().normalize(), Path::getParent)
                    .takeWhile(folder -> folder != null))
        .filter(folder -> Files.exists(folder.resolve(MARK)))
        .findFirst()
        .orElseThrow(
            () ->
                new IllegalStateException(
                    "no folder from here upwards holds "
                        + MARK
                        + "\n(run inside the project, or with -Dkubenet.root=FOLDER)"));
  }
}

package lib.seed;

import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.EnumMap;
import java.util.LinkedHashSet;
import java.util.Map;
import java.util.Set;
import lib.Problem;
import lib.Yaml;
import lib.cluster.Role;

/**
 * The files {@code cloud-init/ROLE.yaml}: those beside the cluster file, or else those that came
 * with the script; and other files that came with it.
 */
public final class RoleFiles {
  private RoleFiles() {}

  /**
   * {@return the tree of each role's file}
   *
   * @param base the cluster file's folder
   * @throws Problem if one is missing or faulty
   */
  public static Map<Role, Yaml> read(Path base) {
    Map<Role, Yaml> roles = new EnumMap<>(Role.class);
    for (Role role : Role.values()) {
      String name = "cloud-init/" + role.word() + ".yaml";
      roles.put(role, CloudInit.role(name, text(base, name)));
    }
    return roles;
  }

  /** {@return the packages of all roles together} */
  public static Set<String> packages(Map<Role, Yaml> roles) {
    Set<String> packages = new LinkedHashSet<>();
    roles.values().forEach(role -> packages.addAll(CloudInit.packages(role)));
    return packages;
  }

  private static String text(Path base, String name) {
    Path file = base.resolve(name);
    try {
      return Files.exists(file) ? Files.readString(file) : bundled(name);
    } catch (IOException e) {
      throw new Problem("cannot read " + file + ": " + e.getMessage(), "check its owner", e);
    }
  }

  /**
   * {@return the text of a file that came with the script}
   *
   * @param name such as {@code image/fork.py}; a room's {@code //FILES} lists it
   * @throws Problem if it did not come along
   */
  public static String bundled(String name) {
    try (InputStream file = RoleFiles.class.getResourceAsStream("/" + name)) {
      if (file == null) {
        throw new Problem(
            name + " did not come with this script",
            "copy the whole folder of each room, and cloud-init/");
      }
      return new String(file.readAllBytes(), StandardCharsets.UTF_8);
    } catch (IOException e) {
      throw new Problem("cannot read " + name, "run this again", e);
    }
  }
}

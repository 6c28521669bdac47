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
 * The files {@code cloud-init/ROLE.yaml}: those beside the cluster file, else those that came with
 * the script.
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
      if (Files.exists(file)) {
        return Files.readString(file);
      }
      try (InputStream bundled = RoleFiles.class.getResourceAsStream("/" + name)) {
        if (bundled != null) {
          return new String(bundled.readAllBytes(), StandardCharsets.UTF_8);
        }
      }
      throw new Problem("there is no " + file, "copy cloud-init/ beside the cluster file");
    } catch (IOException e) {
      throw new Problem("cannot read " + file + ": " + e.getMessage(), "check its owner", e);
    }
  }
}

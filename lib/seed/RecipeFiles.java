package lib.seed;

import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import lib.Problem;

/** The files in {@code image/}, which came with the script. */
public final class RecipeFiles {
  private RecipeFiles() {}

  /** {@return the text of one of them} */
  public static String text(String name) {
    try (InputStream file = RecipeFiles.class.getResourceAsStream("/image/" + name)) {
      if (file == null) {
        throw new Problem(
            "image/" + name + " did not come with this script",
            "add it to the header: //FILES image/%1$s=image/%1$s".formatted(name));
      }
      return new String(file.readAllBytes(), StandardCharsets.UTF_8);
    } catch (IOException e) {
      throw new Problem("cannot read image/" + name, "run this again", e);
    }
  }
}

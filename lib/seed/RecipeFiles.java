package lib.seed;

import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import lib.Problem;

/** The scripts beside the code of a room that run in a guest: resources {@code image/NAME}. */
public final class RecipeFiles {
  private RecipeFiles() {}

  /** {@return the text of one of them} */
  public static String text(String name) {
    try (InputStream file = RecipeFiles.class.getResourceAsStream("/image/" + name)) {
      if (file == null) {
        throw new Problem(
            "image/" + name + " did not come with this script",
            "copy the whole folder of each room: it has such files, too");
      }
      return new String(file.readAllBytes(), StandardCharsets.UTF_8);
    } catch (IOException e) {
      throw new Problem("cannot read image/" + name, "run this again", e);
    }
  }
}

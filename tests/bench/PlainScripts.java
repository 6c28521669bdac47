//FILES image/after.sh=plain/after.sh
//FILES image/before.sh=plain/before.sh

import java.util.List;
import java.util.Optional;
import lib.cluster.ImageSource;
import lib.seed.RoleFiles;

/**
 * The plain image. Its scripts take the place of debian-built's: of two files of one name JBang
 * keeps that of the source that is listed last (0.132.1), and never that of the script itself.
 */
final class PlainScripts {
  private PlainScripts() {}

  /** {@return what is built} */
  static ImageSource.Built source() {
    if (!RoleFiles.bundled("image/after.sh").startsWith("# The plain image's")) {
      throw new AssertionError("list PlainScripts.java last, or this builds debian-built");
    }
    return new ImageSource.Built(Optional.empty(), List.of());
  }
}

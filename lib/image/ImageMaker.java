package lib.image;

import java.nio.file.Path;
import java.util.List;
import lib.Problem;
import lib.Terminal;
import lib.qemu.Image;
import lib.qemu.QemuImg;
import lib.tools.Tool;

/** One way to make a base image; {@link ImageStore} keeps what it makes. */
public interface ImageMaker {
  /** {@return what the user calls the image} */
  String name();

  /** {@return the name of the image's folder: equal for equal input, other for any other} */
  String key();

  /** {@return the digest of the image that this one is made of; empty if it is made of none} */
  default String parentDigest() {
    return "";
  }

  /** {@return the programs that making it takes} */
  List<Tool> tools();

  /**
   * Makes it; shows its progress.
   *
   * @param work an empty folder, which has the files named above afterwards
   * @param yes whether every question is answered with yes
   * @throws Problem if it can't be had; what is left in {@code work} is removed then
   */
  void make(Path work, Terminal terminal, boolean yes);

  /**
   * {@return the virtual size of the disk that was made, in bytes}
   *
   * @throws Problem if the disk is damaged or refers to other files
   */
  default long bytes(Path work) {
    return QemuImg.inspect(work.resolve(Image.DISK)).bytes();
  }

  /** {@return what {@link #make} would run or do, a line each: commands, and comments with #} */
  List<String> describe(Path work);

  /** {@return the image as far as it is known before it is made} */
  Image expected(Path folder);
}

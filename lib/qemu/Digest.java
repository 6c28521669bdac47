package lib.qemu;

import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.time.Duration;
import java.util.HexFormat;
import lib.Argv;
import lib.Commands;

/** SHA-256, as 64 hexadecimal digits. */
public final class Digest {
  private static final Duration LIMIT = Duration.ofMinutes(30);

  private Digest() {}

  /** {@return the digest of a text} */
  public static String of(String text) {
    return of(text.getBytes(StandardCharsets.UTF_8));
  }

  /** {@return the digest of some bytes} */
  public static String of(byte[] bytes) {
    return HexFormat.of().formatHex(sha256().digest(bytes));
  }

  /** {@return the digest of a file}, by {@code sha256sum} if it is there: in a third of the time */
  public static String of(Path file) throws IOException {
    if (Commands.find("sha256sum").isPresent()) {
      Argv command = Argv.of("sha256sum", "--binary", Argv.word(file));
      return Commands.run(command, LIMIT)
          .orProblem()
          .out()
          .replaceFirst("(?s)^\\\\?([0-9a-f]{64}) .*", "$1");
    }
    MessageDigest sha256 = sha256();
    byte[] buffer = new byte[1 << 16];
    try (InputStream in = Files.newInputStream(file)) {
      for (int read = in.read(buffer); read >= 0; read = in.read(buffer)) {
        sha256.update(buffer, 0, read);
      }
    }
    return HexFormat.of().formatHex(sha256.digest());
  }

  private static MessageDigest sha256() {
    try {
      return MessageDigest.getInstance("SHA-256");
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException(e); // every Java has it
    }
  }
}

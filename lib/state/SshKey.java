package lib.state;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import lib.Argv;
import lib.Problem;

/**
 * An ed25519 key pair in OpenSSH's formats.
 *
 * @param privateKey the whole private key file
 * @param publicKey the public key's one line, without line end
 */
public record SshKey(String privateKey, String publicKey) {
  /** Stands for keys that a dry run does not make. */
  public static final SshKey NOT_YET_MADE =
      new SshKey("(made at launch)\n", "ssh-ed25519 (made-at-launch)");

  /** {@return the command that makes a pair: {@code file} and {@code file.pub}, no passphrase} */
  public static Argv generate(Path file, String comment) {
    return Argv.of("ssh-keygen", "-q")
        .option("-t", "ed25519")
        .option("-N", "")
        .option("-C", comment)
        .option("-f", Argv.word(file));
  }

  /** {@return the pair in {@code file} and {@code file.pub}} */
  public static SshKey read(Path file) {
    try {
      return new SshKey(Files.readString(file), Files.readString(Path.of(file + ".pub")).strip());
    } catch (IOException e) {
      throw new Problem(
          "cannot read the SSH key " + file + ": " + e.getClass().getSimpleName(),
          "check its owner; to start anew, remove the state folder with stop-all.java --destroy",
          e);
    }
  }

  /** {@return algorithm and key of the public line, without its comment} */
  public String publicWords() {
    String[] words = publicKey.split(" ");
    return words[0] + " " + words[1];
  }

  /** Hides the private key wherever a key is printed. */
  @Override
  public String toString() {
    return "SshKey[" + publicKey + "]";
  }
}

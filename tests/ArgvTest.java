import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import lib.Argv;
import lib.Commands;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class ArgvTest {
  private static final List<String> NASTY =
      List.of(
          "plain",
          "",
          " ",
          "two words",
          "trailing ",
          "it's",
          "''",
          "\"double\"",
          "$HOME",
          "${HOME}",
          "$(id)",
          "`id`",
          "back\\slash",
          "end\\",
          "line\nbreak",
          "\n",
          "\ttab",
          "*",
          "?[a-z]",
          "~",
          "~root",
          "#no comment",
          "!history",
          "a;b",
          ";",
          "a&b|c<d>e",
          "(sub)",
          "{a,b}",
          "A=b",
          "-n",
          "--",
          "%s%d%%",
          "\u00fcml\u00e4ut \u65e5\u672c \ud83d\ude00",
          "/usr/share/OVMF/OVMF_CODE_4M.fd",
          "a,b=c:d@e+f");

  @Test
  void aRealShellReadsTheSameWords(@TempDir Path folder) throws IOException {
    Argv command = Argv.of("printf", "%s\\0").add(NASTY.toArray(String[]::new));

    assertThat(words(folder, command.toShell())).isEqualTo(NASTY);
    assertThat(words(folder, command.toShellLines())).isEqualTo(NASTY);
  }

  @Test
  void aRealShellReadsTheSameOptions(@TempDir Path folder) throws IOException {
    Argv command = Argv.of("printf", "%s\\0");
    List<String> words = new ArrayList<>();
    for (String word : NASTY) {
      command = command.option("-x", word);
      words.addAll(List.of("-x", word));
    }

    assertThat(words(folder, command.toShell())).isEqualTo(words);
    assertThat(words(folder, command.toShellLines())).isEqualTo(words);
  }

  private static List<String> words(Path folder, String script) throws IOException {
    Path file = folder.resolve("script");
    Files.writeString(file, script + "\n");
    String out = Commands.run(Argv.of("sh", file.toString())).orProblem().out();
    return List.of(out.split("\0", -1)).subList(0, out.split("\0", -1).length - 1);
  }

  @Test
  void quotesOnlyWhatNeedsIt() {
    assertThat(NASTY.stream().map(Argv::quote).filter(word -> !word.startsWith("'")))
        .containsExactly(
            "plain", "A=b", "-n", "--", "%s%d%%", "/usr/share/OVMF/OVMF_CODE_4M.fd", "a,b=c:d@e+f");
    assertThat(Argv.quote("it's")).isEqualTo("'it'\\''s'");
    assertThat(Argv.quote("")).isEqualTo("''");
    assertThat(Argv.quote("%h")).isEqualTo("%h");
  }

  @Test
  void keepsAnOptionWithItsArgument() {
    Argv command =
        Argv.of("qemu", "-nographic")
            .option("-m", 512)
            .then(Argv.empty().option("-name", "a b").add("-S"));

    assertThat(command.parts())
        .isEqualTo(
            List.of(
                List.of("qemu"),
                List.of("-nographic"),
                List.of("-m", "512"),
                List.of("-name", "a b"),
                List.of("-S")));
    assertThat(command.toList())
        .isEqualTo(List.of("qemu", "-nographic", "-m", "512", "-name", "a b", "-S"));
    assertThat(command.program()).isEqualTo("qemu");
    assertThat(command.toShell()).isEqualTo("qemu -nographic -m 512 -name 'a b' -S");
    assertThat(command.toShellLines())
        .isEqualTo(
            """
            qemu \\
              -nographic \\
              -m 512 \\
              -name 'a b' \\
              -S\
            """);
  }

  @Test
  void isAValue() {
    Argv base = Argv.of("a");
    Argv longer = base.add("b");

    assertThat(base).isEqualTo(Argv.of("a"));
    assertThat(longer).isEqualTo(Argv.of("a", "b")).isNotEqualTo(base);
  }

  @Test
  void doublesCommasInSuboptions() {
    assertThat(Argv.suboptions("user", "id", "wan", "x", 1, "path", Path.of("/a,b,,c")))
        .isEqualTo("user,id=wan,x=1,path=/a,,b,,,,c");
    assertThat(Argv.suboptions("", "if", "none", "file", "/a=b")).isEqualTo("if=none,file=/a=b");
    assertThat(Argv.suboptions("virt")).isEqualTo("virt");
    assertThat(Argv.suboptions("nic", "romfile", "")).isEqualTo("nic,romfile=");
    assertThatThrownBy(() -> Argv.suboptions("a", "key"))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("a key without a value in [key]");
  }

  @Test
  void pathsAreAbsolute() {
    assertThat(Argv.word(Path.of("/a/./b/../c"))).isEqualTo("/a/c");
    assertThat(Argv.word(Path.of("-x"))).isEqualTo(Path.of("").toAbsolutePath() + "/-x");
  }
}

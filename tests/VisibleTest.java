import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Locale;
import lib.Terminal;
import lib.Visible;
import org.junit.jupiter.api.Test;

class VisibleTest {
  @Test
  void whatActsOnATerminalIsWrittenOut() {
    assertThat(Visible.line("a\u001b[31mb\u0007c\u007fd"))
        .isEqualTo("a\\u001b[31mb\\u0007c\\u007fd");
    assertThat(Visible.line("\u0080\u0090\u009b\u009d\u009f"))
        .isEqualTo("\\u0080\\u0090\\u009b\\u009d\\u009f");
    assertThat(Visible.line("\u202e\u200b\u2066\ufeff\u2028\u2029"))
        .isEqualTo("\\u202e\\u200b\\u2066\\ufeff\\u2028\\u2029");
    assertThat(Visible.line("\ud800x\udc00")).isEqualTo("\\ud800x\\udc00");
    assertThat(Visible.line("\ufffe\uffff")).isEqualTo("\\ufffe\\uffff");
    String tag = Character.toString(0xe0041);
    assertThat(Visible.line(tag)).isEqualTo("\\udb40\\udc41");
  }

  @Test
  void otherTextIsLeftAsItIs() {
    String text = "\u00fc\u65e5\ud83d\ude00 a\\u001b \"<>&'";
    assertThat(Visible.line(text)).isEqualTo(text);
    assertThat(Visible.lines(text)).isEqualTo(text);
    assertThat(Visible.line(Visible.line("\u001b"))).isEqualTo("\\u001b");
  }

  @Test
  void newlinesAndTabsStayOnlyWhereThereAreLines() {
    assertThat(Visible.lines("a\n\tb\rc")).isEqualTo("a\n\tb\\u000dc");
    assertThat(Visible.line("a\n\tb\rc")).isEqualTo("a\\u000a\\u0009b\\u000dc");
  }

  /** No character but newline and tab that a terminal or an XML parser would not just show. */
  @Test
  void everyCharacterIsTried() {
    StringBuilder all = new StringBuilder();
    for (int c = 0; c <= Character.MAX_CODE_POINT; c++) {
      all.appendCodePoint(c);
    }
    assertThat(Visible.lines(all.toString()))
        .doesNotContainPattern("[\\p{Cc}\\p{Cf}\\p{Cs}\\p{Zl}\\p{Zp}\ufffe\uffff&&[^\n\t]]");
  }

  @Test
  void jsonSaysTheSameAsBefore() throws Exception {
    ObjectMapper json = new ObjectMapper();
    String nasty = "\u0000\u001b\u009b\u202e\\\"\n" + Character.toString(0xe0041) + "\u00fc";
    String written = json.writeValueAsString(List.of(nasty));
    String visible = Visible.lines(written);
    assertThat(visible).isNotEqualTo(written).matches("[ -~\u00fc]+");
    assertThat(json.readTree(visible)).isEqualTo(json.readTree(written));
  }

  @Test
  void linesOfATerminalAreVisible() {
    ByteArrayOutputStream said = new ByteArrayOutputStream();
    Terminal terminal = Terminal.plain(new PrintStream(said, true, StandardCharsets.UTF_8));
    terminal.line("%s\n%s", "\u001b]0;x\u0007", "\u009b2J");
    terminal.line("\u202e");
    terminal.redraw("\u001b[2J\r.img");
    assertThat(said.toString(StandardCharsets.UTF_8))
        .isEqualTo(
            String.format(
                Locale.ROOT, "\\u001b]0;x\\u0007%n\\u009b2J%n\\u202e%n\r\\u001b[2J\\u000d.img"));
  }
}

package lib;

/**
 * Makes text from outside safe to show. Guests, servers and files choose that text, and a terminal
 * acts on some characters instead of showing them: control characters, with which escape codes
 * begin, and characters that change the direction of the text. Each of these is written as in JSON:
 * a backslash, a {@code u} and four hexadecimal digits. So JSON that is treated this way keeps its
 * meaning.
 */
public final class Visible {
  private Visible() {}

  /** {@return the text on one line: newlines and tabs are escaped, too} */
  public static String line(String text) {
    return of(text, false);
  }

  /** {@return the text, in which newlines and tabs stay as they are} */
  public static String lines(String text) {
    return of(text, true);
  }

  private static String of(String text, boolean layout) {
    StringBuilder visible = new StringBuilder(text.length());
    text.codePoints()
        .forEach(
            c -> {
              if (acts(c) && !(layout && (c == '\n' || c == '\t'))) {
                for (char unit : Character.toChars(c)) {
                  visible.append("\\u").append(Integer.toHexString(0x10000 | unit), 1, 5);
                }
              } else {
                visible.appendCodePoint(c);
              }
            });
    return visible.toString();
  }

  /**
   * Whether a character must be escaped. Half a surrogate pair and U+FFFE do nothing on a terminal,
   * but XML does not allow them.
   */
  private static boolean acts(int c) {
    return switch (Character.getType(c)) {
      case Character.CONTROL, // C0, DEL and C1
          Character.FORMAT,
          Character.LINE_SEPARATOR,
          Character.PARAGRAPH_SEPARATOR,
          Character.SURROGATE ->
          true;
      default -> (c & 0xfffe) == 0xfffe;
    };
  }
}

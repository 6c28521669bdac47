package lib;

/**
 * Text from outside, made safe to show. Guests, servers and files choose it, and on a terminal some
 * characters act instead of being seen: escape codes, which begin with a control character, and
 * those that turn the direction of what follows. Each is written as in JSON: a backslash, a {@code
 * u} and four hexadecimal digits. So JSON that goes through here still says the same.
 */
public final class Visible {
  private Visible() {}

  /** {@return a text that stays on its line: newlines and tabs are written out, too} */
  public static String line(String text) {
    return of(text, false);
  }

  /** {@return a text of several lines: newlines and tabs stay as they are} */
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

  /** Half a surrogate pair and U+FFFE do nothing on a terminal, but XML does not allow them. */
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

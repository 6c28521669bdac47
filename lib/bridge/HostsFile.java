package lib.bridge;

/**
 * The host's own {@code /etc/hosts}, in which the nodes' names stand between two marks.
 *
 * @param content the whole file
 */
record HostsFile(String content) {
  private static final String BEGIN = "# begin kubenet: made by prepare-host.java";
  private static final String BROKEN_LINE = BEGIN + " after a line without end";
  private static final String END = "# end kubenet\n";

  /** {@return the file with these lines: where such are already, else at its end} */
  String with(String names) {
    String block = BEGIN + "\n" + names + END;
    int begin = content.indexOf(BEGIN);
    if (begin >= 0 && content.indexOf(END, begin) >= 0) {
      int first = content.indexOf('\n', begin) + 1;
      return content.substring(0, first) + names + content.substring(content.indexOf(END, begin));
    }
    return content.isEmpty() || content.endsWith("\n")
        ? content + block
        : content + "\n" + BROKEN_LINE + block.substring(BEGIN.length());
  }

  /** {@return the file as it was before} */
  String without() {
    int begin = content.indexOf(BEGIN);
    int end = begin < 0 ? -1 : content.indexOf(END, begin);
    if (end < 0) {
      return content;
    }
    boolean broken = content.startsWith(BROKEN_LINE, begin) && begin > 0;
    return content.substring(0, broken ? begin - 1 : begin) + content.substring(end + END.length());
  }
}

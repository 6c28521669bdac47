import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import lib.Yaml;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class YamlTest {
  /** Texts that writers and readers of YAML trip over. */
  static final List<String> TEXTS =
      List.of(
          "",
          " ",
          "\n",
          "\n\n",
          "a\n",
          "a\n\n\n",
          "\na",
          " lead",
          "trail ",
          " lead\nsecond",
          "first\n  second\n",
          "trailing blanks  \nsecond",
          "blank line of blanks\n   \nend",
          "  \n  a\n",
          "tab\there",
          "\ttab\nlines\n",
          "a\n\tb",
          "dos\r\nlines\r\n",
          "on",
          "y",
          "No",
          "null",
          "~",
          "0644",
          "0o17",
          "1e3",
          "12:30:45",
          "52:54:00:12:34:56",
          "2020-01-01",
          "1_000",
          ".5",
          ".inf",
          "=",
          "<<",
          "!tag",
          "&a",
          "*a",
          "@a",
          "`a`",
          "%h %% $(id) ${HOME}",
          "- x\ny\n",
          "# x\ny\n",
          "a # b",
          "a: b",
          "a:\n  b",
          "{a: b}",
          "[a, b]",
          "? a",
          "---\na\n...\n",
          "'single' \"double\" back\\slash",
          "\u00fc\u65e5\ud83d\ude00",
          "\u00fc\u65e5\ud83d\ude00\nsecond\n",
          "a\u0085b\u2028c\u2029d",
          "a\u2028b\n",
          "nul\0bell\u0007escape\u001bdelete\u007f\n",
          "\ufeffbom",
          "x".repeat(300) + " " + "y".repeat(300));

  @Test
  void whatIsWrittenReadsBackHereAndInPython(@TempDir Path folder) throws IOException {
    List<Object> values = new ArrayList<>(TEXTS);
    values.addAll(List.of(true, false, 0, -1, 420, 1.5, 1L << 40, List.of(), Map.of()));
    values.add(null);
    List<Object> trees = new ArrayList<>();
    List<String> written = new ArrayList<>();
    for (Object value : values) {
      Map<String, Object> tree = new LinkedHashMap<>();
      tree.put("value", value);
      tree.put("list", Arrays.asList(value, Arrays.asList(value, value), value));
      tree.put("nested", List.of(Map.of("a", Arrays.asList(tree.get("list"))), tree.get("list")));
      trees.add(tree);
      written.add(Yaml.write(tree));
    }
    for (String key : TEXTS.subList(0, TEXTS.size() - 1)) { // a simple key is not that long
      Map<String, Object> tree = Map.of("map", Map.of(key, key));
      trees.add(tree);
      written.add(Yaml.write(tree));
    }

    List<JsonNode> python = PyYaml.read(folder, written);
    for (int i = 0; i < trees.size(); i++) {
      List<String> faults = new ArrayList<>();
      Object read = Yaml.parse("f", written.get(i), faults).plain();

      assertThat(faults).as(written.get(i)).isEmpty();
      assertThat(read).as(written.get(i)).isEqualTo(trees.get(i));
      assertThat(python.get(i)).as(written.get(i)).isEqualTo(PyYaml.json(trees.get(i)));
    }
  }

  @Test
  void plainValuesMeanWhatTheyMeanToPython(@TempDir Path folder) throws IOException {
    List<String> texts = new ArrayList<>();
    List<String> written = new ArrayList<>();
    for (String value :
        ("true|false|yes|no|on|off|True|FALSE|y|N|~|null|Null||0644|0o644|08|0x1F|0b11|1_000|1e3"
                + "|1.0e3|1.0e+3|1.5|.5|5.|-.5|+1|-1|-0|1,000|word|two words|12345678901234567890"
                + "|\"on\"|'0644'|\"\\u00fc\\n\"|[a, 1, {b: no}]|{a: {}}")
            .split("\\|", -1)) {
      texts.add("key: " + value + "\n");
    }
    texts.add("key: |\n  two\n   lines \n\n");
    texts.add("key: >-\n  folded\n  line\n\n  end\n");
    texts.add("key: plain\n  goes\n  on\n");
    for (String text : texts) {
      List<String> faults = new ArrayList<>();
      written.add(Yaml.write(Yaml.parse("f", text, faults).plain()));
      assertThat(faults).isEmpty();
    }

    List<JsonNode> meant = PyYaml.read(folder, texts);
    List<JsonNode> got = PyYaml.read(folder, written);
    for (int i = 0; i < texts.size(); i++) {
      assertThat(got.get(i)).as(texts.get(i)).isEqualTo(meant.get(i));
    }
  }

  /** To YAML 1.1 these are numbers and dates; nobody who writes them without quotes means that. */
  @Test
  void whatYaml11WouldSpoilStaysAText(@TempDir Path folder) throws IOException {
    List<String> values = List.of("52:54:00:12:34:56", "12:30", "12:30:45", "2020-01-01");
    List<String> written = new ArrayList<>();
    for (String value : values) {
      written.add(Yaml.write(Yaml.parse("f", "key: " + value, new ArrayList<>()).plain()));
    }

    List<String> read = new ArrayList<>();
    for (JsonNode tree : PyYaml.read(folder, written)) {
      read.add(tree.path("key").textValue());
    }
    assertThat(read).isEqualTo(values);
  }

  @Test
  void valuesKnowTheirPlaces() {
    List<String> faults = new ArrayList<>();
    Yaml yaml =
        Yaml.parse(
            "f",
            """
            # comment
            a: 1
            b:
              - x
              - {c: "d"}
            """,
            faults);

    assertThat(faults).isEmpty();
    assertThat(yaml)
        .isEqualTo(
            new Yaml(
                "f:2:1",
                Map.of(
                    "a",
                    new Yaml("f:2:4", 1, Map.of()),
                    "b",
                    new Yaml(
                        "f:4:3",
                        List.of(
                            new Yaml("f:4:5", "x", Map.of()),
                            new Yaml(
                                "f:5:5",
                                Map.of("c", new Yaml("f:5:9", "d", Map.of())),
                                Map.of("c", "f:5:6"))),
                        Map.of())),
                Map.of("a", "f:2:1", "b", "f:3:1")));
  }

  @Test
  void describesValuesForMessages() {
    assertThat(
            Yaml.parse("f", "[~, 5, a b, on, [], {}]", new ArrayList<>()).list().stream()
                .map(Yaml::described))
        .containsExactly("empty", "`5`", "`a b`", "`true`", "a list", "a map");
  }

  @Test
  void onlyTreesCanBeWritten() {
    assertThatThrownBy(() -> Yaml.write(Map.of("a", new Object())))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("not a tree of maps, lists and scalars");
  }
}

//DEPS com.fasterxml.jackson.dataformat:jackson-dataformat-yaml:2.21.8
package lib;

import com.fasterxml.jackson.core.JsonLocation;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.JsonToken;
import com.fasterxml.jackson.dataformat.yaml.YAMLFactory;
import com.fasterxml.jackson.dataformat.yaml.YAMLGenerator;
import com.fasterxml.jackson.dataformat.yaml.YAMLMapper;
import com.fasterxml.jackson.dataformat.yaml.YAMLParser;
import com.fasterxml.jackson.dataformat.yaml.util.StringQuotingChecker;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.regex.Pattern;
import org.yaml.snakeyaml.error.Mark;
import org.yaml.snakeyaml.error.MarkedYAMLException;

/**
 * A YAML value that remembers where it stands, so that every complaint about it can name file, line
 * and column.
 *
 * @param place file:line:column, for messages
 * @param value {@code null}, String, Boolean, Number, {@code List<Yaml>} or {@code Map<String,
 *     Yaml>}
 * @param keys for a map, the places of its keys
 */
public record Yaml(String place, Object value, Map<String, String> keys) {
  /** The parser takes time that grows with the square of a long text. */
  private static final int MOST = 1 << 20;

  /** A number with a fraction to cloud-init's parser, to which 1e3 is a text (PyYAML, resolver). */
  private static final Pattern FLOAT =
      Pattern.compile("([-+]?[0-9][0-9_]*\\.[0-9_]*|\\.[0-9][0-9_]*)([eE][-+][0-9]+)?");

  /**
   * {@return the one document in {@code text}; a place without value if there is none}
   *
   * @param file its name in messages
   * @param faults gets a line for each fault: duplicate key, anchor, alias, tag, syntax
   */
  public static Yaml parse(String file, String text, List<String> faults) {
    if (text.length() > MOST) {
      faults.add(file + ":1:1: longer than " + MOST + " characters");
      return new Yaml(file + ":1:1", null, Map.of());
    }
    try (YAMLParser parser = new YAMLFactory().createParser(text)) {
      Reader reader = new Reader(file, parser, faults);
      if (parser.nextToken() == null) {
        return new Yaml(file + ":1:1", null, Map.of());
      }
      Yaml document = reader.value();
      if (parser.nextToken() != null) {
        faults.add(reader.place() + ": a second document; keep one");
      }
      return document;
    } catch (JsonProcessingException e) {
      faults.add(syntax(file, e));
      return new Yaml(file + ":1:1", null, Map.of());
    } catch (IOException e) {
      throw new UncheckedIOException(e); // a string does not fail to be read
    }
  }

  /**
   * {@return a tree of maps, lists and scalars as YAML text that YAML 1.1 and 1.2 parsers read
   * alike}
   *
   * <p>Strings are always quoted or literal blocks: unquoted, a MAC address is a base-60 number to
   * cloud-init's YAML 1.1 parser.
   */
  public static String write(Object tree) {
    try {
      return Writer.MAPPER.writeValueAsString(tree);
    } catch (JsonProcessingException e) {
      throw new IllegalArgumentException("not a tree of maps, lists and scalars", e);
    }
  }

  /** {@return the map's entries; empty if this is no map} */
  @SuppressWarnings("unchecked") // value() holds maps of this type only
  public Map<String, Yaml> map() {
    return value instanceof Map ? (Map<String, Yaml>) value : Map.of();
  }

  /** {@return the list's items; empty if this is no list} */
  @SuppressWarnings("unchecked") // value() holds lists of this type only
  public List<Yaml> list() {
    return value instanceof List ? (List<Yaml>) value : List.of();
  }

  /** {@return the same tree without places: maps in order, lists, scalars; safe to change} */
  public Object plain() {
    if (value instanceof Map) {
      Map<String, Object> plain = new LinkedHashMap<>();
      map().forEach((key, item) -> plain.put(key, item.plain()));
      return plain;
    }
    if (value instanceof List) {
      List<Object> plain = new ArrayList<>();
      list().forEach(item -> plain.add(item.plain()));
      return plain;
    }
    return value;
  }

  /** {@return what kind of value it is, with the value: for "must be ..., is ..."} */
  public String described() {
    if (value == null) {
      return "empty";
    }
    if (value instanceof Map) {
      return "a map";
    }
    return value instanceof List ? "a list" : "`" + Visible.line(value.toString()) + "`";
  }

  /** Keys need no quotes if they are words that no parser takes for anything else. */
  private static final class Keys extends StringQuotingChecker.Default {
    private static final long serialVersionUID = 1;

    @Override
    public boolean needToQuoteName(String name) {
      return !name.matches("[A-Za-z_][A-Za-z0-9_.-]*") || super.needToQuoteName(name);
    }
  }

  private static String place(String file, JsonLocation location) {
    return location == null
        ? file + ":1:1"
        : file
            + ":"
            + Math.max(1, location.getLineNr())
            + ":"
            + Math.max(1, location.getColumnNr());
  }

  /** The parser's own words and place; Jackson's would be where it stood before the fault. */
  private static String syntax(String file, JsonProcessingException e) {
    if (e.getCause() instanceof MarkedYAMLException fault && fault.getProblemMark() != null) {
      Mark mark = fault.getProblemMark();
      return "%s:%d:%d: not YAML: %s"
          .formatted(
              file, mark.getLine() + 1, mark.getColumn() + 1, Visible.line(fault.getProblem()));
    }
    String words = e.getOriginalMessage().lines().findFirst().orElse("unreadable");
    return place(file, e.getLocation()) + ": not YAML: " + words;
  }

  /** Made once, and only where something is written: a mapper takes long to make. */
  private static final class Writer {
    static final YAMLMapper MAPPER =
        YAMLMapper.builder(
                YAMLFactory.builder()
                    .stringQuotingChecker(new Keys())
                    .disable(YAMLGenerator.Feature.WRITE_DOC_START_MARKER)
                    .disable(YAMLGenerator.Feature.SPLIT_LINES)
                    .enable(YAMLGenerator.Feature.LITERAL_BLOCK_STYLE)
                    .enable(YAMLGenerator.Feature.INDENT_ARRAYS_WITH_INDICATOR)
                    .build())
            .build();
  }

  /** Turns the parser's tokens into values; on its way collects faults and goes on. */
  private record Reader(String file, YAMLParser parser, List<String> faults) {

    String place() {
      return Yaml.place(file, parser.currentTokenLocation());
    }

    /** Reads the value that starts at the current token. */
    Yaml value() throws IOException {
      String place = place();
      if (parser.isCurrentAlias() || parser.getObjectId() != null) {
        faults.add(place + ": anchors and aliases are not read; write the value out");
      }
      if (parser.getTypeId() != null) {
        faults.add(place + ": tags are not read, remove `!" + parser.getTypeId() + "`");
      }
      JsonToken token = parser.currentToken();
      if (token == JsonToken.START_OBJECT) {
        return object(place);
      }
      if (token == JsonToken.START_ARRAY) {
        List<Yaml> items = new ArrayList<>();
        while (parser.nextToken() != JsonToken.END_ARRAY) {
          items.add(value());
        }
        return new Yaml(place, items, Map.of());
      }
      return new Yaml(place, scalar(token, place), Map.of());
    }

    private Yaml object(String place) throws IOException {
      Map<String, Yaml> items = new LinkedHashMap<>();
      Map<String, String> keys = new LinkedHashMap<>();
      while (parser.nextToken() != JsonToken.END_OBJECT) {
        String key = parser.currentName();
        String keyPlace = place();
        parser.nextToken();
        Yaml item = value();
        if (keys.containsKey(key)) {
          faults.add(
              keyPlace + ": `" + Visible.line(key) + "` is there twice; first at " + keys.get(key));
        } else {
          items.put(key, item);
          keys.put(key, keyPlace);
        }
      }
      return new Yaml(place, items, keys);
    }

    private Object scalar(JsonToken token, String place) throws IOException {
      return switch (token) {
        case VALUE_STRING -> parser.getText();
        case VALUE_NUMBER_INT -> parser.getNumberValue();
        case VALUE_NUMBER_FLOAT ->
            FLOAT.matcher(parser.getText()).matches() ? parser.getNumberValue() : parser.getText();
        case VALUE_TRUE -> Boolean.TRUE;
        case VALUE_FALSE -> Boolean.FALSE;
        case VALUE_NULL -> null;
        default -> {
          faults.add(place + ": a value of a kind that kubenet does not read (" + token + ")");
          yield null;
        }
      };
    }
  }
}

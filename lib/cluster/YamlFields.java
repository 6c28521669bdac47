package lib.cluster;

import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.Function;
import java.util.stream.Collectors;
import lib.Visible;
import lib.Yaml;

/**
 * Typed values out of a YAML tree. What breaks a rule becomes a fault with its place, and the
 * standard value stands in, so that reading goes on to the next fault.
 *
 * @param faults gets a line for each fault
 */
public record YamlFields(List<String> faults) {
  /** The units of {@link #amount} for memory, in MiB. */
  public static final Map<String, Integer> MIB = Map.of("M", 1, "G", 1024);

  /** The units of {@link #amount} for disks, in GiB. */
  public static final Map<String, Integer> GIB = Map.of("G", 1, "T", 1024);

  /**
   * {@return the entries of a map whose keys are all in {@code known}; a fault for each other key}
   *
   * @param what names the map in messages
   */
  public Map<String, Yaml> keys(Yaml yaml, String what, List<String> known) {
    if (!(yaml.value() instanceof Map)) {
      faults.add("%s: %s must be a map, is %s".formatted(yaml.place(), what, yaml.described()));
      return Map.of();
    }
    yaml.keys().entrySet().stream()
        .filter(key -> !known.contains(key.getKey()))
        .forEach(
            key ->
                faults.add(
                    "%s: unknown key `%s`; %s has the keys %s"
                        .formatted(
                            key.getValue(),
                            Visible.line(key.getKey()),
                            what,
                            String.join(", ", known))));
    return yaml.map().entrySet().stream()
        .filter(entry -> known.contains(entry.getKey()))
        .collect(Collectors.toMap(Map.Entry::getKey, Map.Entry::getValue));
  }

  /**
   * {@return a text that {@code parse} takes}
   *
   * @param yaml null if the key is not there: then the standard value is meant
   * @param path the key with those above it
   * @param parse throws IllegalArgumentException with the rule that the text breaks
   */
  public <T> T text(Yaml yaml, String path, T standard, Function<String, T> parse) {
    if (yaml == null) {
      return standard;
    }
    if (!(yaml.value() instanceof String)) {
      fault(yaml, path, "must be a text");
      return standard;
    }
    try {
      return parse.apply((String) yaml.value());
    } catch (IllegalArgumentException e) {
      fault(yaml, path, e.getMessage());
      return standard;
    }
  }

  /** {@return a whole number within bounds} as {@link #text} does. */
  public int number(Yaml yaml, String path, int standard, int least, int most) {
    if (yaml == null) {
      return standard;
    }
    if (yaml.value() instanceof Integer number && number >= least && number <= most) {
      return number;
    }
    fault(yaml, path, "must be a whole number from " + least + " to " + most);
    return standard;
  }

  /**
   * {@return an amount such as {@code 2G}, in the unit that has factor 1} as {@link #text} does.
   */
  public int amount(
      Yaml yaml, String path, int standard, Map<String, Integer> units, String least, String most) {
    if (yaml == null) {
      return standard;
    }
    Optional<Integer> amount = amount(yaml.value(), units);
    if (amount.isPresent()
        && amount.get() >= amount(least, units).orElseThrow()
        && amount.get() <= amount(most, units).orElseThrow()) {
      return amount.get();
    }
    fault(yaml, path, "must be an amount such as " + least + ", from that to " + most);
    return standard;
  }

  private static Optional<Integer> amount(Object value, Map<String, Integer> units) {
    String text = String.valueOf(value);
    if (!text.matches("[1-9][0-9]{0,5}[A-Z]")) {
      return Optional.empty();
    }
    int end = text.length() - 1;
    return Optional.ofNullable(units.get(text.substring(end)))
        .map(unit -> unit * Integer.parseInt(text.substring(0, end)));
  }

  /** Notes that a value breaks a rule, which follows the key: "must be ...". */
  public void fault(Yaml yaml, String path, String rule) {
    faults.add("%s: `%s` %s, is %s".formatted(yaml.place(), path, rule, yaml.described()));
  }
}

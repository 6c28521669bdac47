package lib.cluster;

import java.util.List;

/**
 * An IPv4 subnet.
 *
 * @param base its network address as 32 bits
 * @param prefix its prefix length, 8 to 29
 */
public record Subnet(int base, int prefix) {
  /** This network, loopback, link-local, multicast and reserved (RFC 6890, RFC 5771). */
  private static final List<Subnet> NOT_FOR_HOSTS =
      List.of(
          around("0.0.0.0", 8),
          around("127.0.0.0", 8),
          around("169.254.0.0", 16),
          around("224.0.0.0", 4),
          around("240.0.0.0", 4));

  /**
   * {@return the subnet that {@code text} such as {@code 10.240.0.0/24} means}
   *
   * @throws IllegalArgumentException with the rule that {@code text} breaks
   */
  public static Subnet parse(String text) {
    String[] halves = text.split("/", -1);
    if (halves.length != 2 || !halves[1].matches("[0-9]{1,2}")) {
      throw new IllegalArgumentException("must be an address and a prefix, such as 10.240.0.0/24");
    }
    int prefix = Integer.parseInt(halves[1]);
    if (prefix < 8 || prefix > 29) {
      throw new IllegalArgumentException("must have a prefix of 8 to 29");
    }
    int base = address(halves[0]);
    if ((base & ~mask(prefix)) != 0) {
      throw new IllegalArgumentException(
          "must start at its network address, " + text(base & mask(prefix)) + "/" + prefix);
    }
    Subnet subnet = new Subnet(base, prefix);
    for (Subnet taken : NOT_FOR_HOSTS) {
      if (subnet.overlaps(taken)) {
        throw new IllegalArgumentException(
            "must be apart from " + taken + ", which no LAN can have");
      }
    }
    return subnet;
  }

  /** {@return the subnet of any prefix that an address is in} */
  public static Subnet around(String address, int prefix) {
    return new Subnet(address(address) & (prefix == 0 ? 0 : mask(prefix)), prefix);
  }

  /**
   * {@return the 32 bits of a dotted IPv4 address}
   *
   * @throws IllegalArgumentException if it is none
   */
  public static int address(String text) {
    String[] bytes = text.split("\\.", -1);
    int bits = 0;
    for (String part : bytes) {
      if (bytes.length != 4 || !part.matches("0|[1-9][0-9]{0,2}") || Integer.parseInt(part) > 255) {
        throw new IllegalArgumentException("must be an IPv4 address, such as 10.240.0.5");
      }
      bits = bits << 8 | Integer.parseInt(part);
    }
    return bits;
  }

  /** {@return the dotted form of 32 bits} */
  public static String text(int bits) {
    return (bits >>> 24)
        + "."
        + (bits >>> 16 & 255)
        + "."
        + (bits >>> 8 & 255)
        + "."
        + (bits & 255);
  }

  /** {@return the {@code number}-th address counted from the network address} */
  public String host(int number) {
    return text(base + number);
  }

  /** {@return whether {@code address} can be a host here: neither network nor broadcast address} */
  public boolean hasHost(String address) {
    int bits = address(address);
    return contains(address) && bits != base && bits != (base | ~mask(prefix));
  }

  /** {@return whether {@code address} lies in this subnet} */
  public boolean contains(String address) {
    return (address(address) & mask(prefix)) == base;
  }

  /** {@return whether the two share an address} */
  public boolean overlaps(Subnet other) {
    int least = Math.min(prefix, other.prefix);
    int shorter = least == 0 ? 0 : mask(least); // Java shifts by 32 as by 0
    return (base & shorter) == (other.base & shorter);
  }

  /** {@return the number of addresses, network and broadcast included} */
  public int size() {
    return 1 << (32 - prefix);
  }

  /** {@return the dotted netmask} */
  public String netmask() {
    return text(mask(prefix));
  }

  private static int mask(int prefix) {
    return -1 << (32 - prefix);
  }

  @Override
  public String toString() {
    return text(base) + "/" + prefix;
  }
}

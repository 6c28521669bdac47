import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import lib.cluster.Subnet;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class SubnetTest {
  @ParameterizedTest
  @CsvSource({
    "10.240.0.0/24,   256,      255.255.255.0,   10.240.0.1,    10.240.0.254",
    "10.0.0.0/8,      16777216, 255.0.0.0,       10.0.0.1,      10.255.255.254",
    "192.168.7.8/29,  8,        255.255.255.248, 192.168.7.9,   192.168.7.14",
    "172.16.0.0/12,   1048576,  255.240.0.0,     172.16.0.1,    172.31.255.254",
    "223.255.0.0/16,  65536,    255.255.0.0,     223.255.0.1,   223.255.255.254"
  })
  void knowsItsAddresses(String text, int size, String netmask, String first, String last) {
    Subnet subnet = Subnet.parse(text);

    assertThat(subnet.toString()).isEqualTo(text);
    assertThat(subnet.size()).isEqualTo(size);
    assertThat(subnet.netmask()).isEqualTo(netmask);
    assertThat(subnet.host(1)).isEqualTo(first);
    assertThat(subnet.host(size - 2)).isEqualTo(last);
    assertThat(subnet.hasHost(first)).isTrue();
    assertThat(subnet.hasHost(last)).isTrue();
    assertThat(subnet.hasHost(subnet.host(0))).isFalse();
    assertThat(subnet.hasHost(subnet.host(size - 1))).isFalse();
    assertThat(subnet.contains(subnet.host(0))).isTrue();
    assertThat(subnet.contains(subnet.host(size - 1))).isTrue();
    assertThat(subnet.contains(subnet.host(-1))).isFalse();
    assertThat(subnet.contains(subnet.host(size))).isFalse();
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "10.240.0.0         | must be an address and a prefix, such as 10.240.0.0/24",
        "10.240.0.0/24/24   | must be an address and a prefix, such as 10.240.0.0/24",
        "10.240.0.0/        | must be an address and a prefix, such as 10.240.0.0/24",
        "10.240.0.0/-1      | must be an address and a prefix, such as 10.240.0.0/24",
        "10.240.0.0/024     | must be an address and a prefix, such as 10.240.0.0/24",
        "''                 | must be an address and a prefix, such as 10.240.0.0/24",
        "10.240.0.0/7       | must have a prefix of 8 to 29",
        "10.240.0.0/30      | must have a prefix of 8 to 29",
        "10.240.0.0/99      | must have a prefix of 8 to 29",
        "10.240.0.1/24      | must start at its network address, 10.240.0.0/24",
        "200.255.255.255/8  | must start at its network address, 200.0.0.0/8",
        "10.240.0/24        | must be an IPv4 address, such as 10.240.0.5",
        "10.240.0.0.0/24    | must be an IPv4 address, such as 10.240.0.5",
        "10.256.0.0/24      | must be an IPv4 address, such as 10.240.0.5",
        "10.1000.0.0/24     | must be an IPv4 address, such as 10.240.0.5",
        "10.024.0.0/24      | must be an IPv4 address, such as 10.240.0.5",
        "10..0.0/24         | must be an IPv4 address, such as 10.240.0.5",
        "/24                | must be an IPv4 address, such as 10.240.0.5",
        "fd00::/24          | must be an IPv4 address, such as 10.240.0.5",
        "ten.0.0.0/24       | must be an IPv4 address, such as 10.240.0.5",
        "0.1.0.0/16         | must be apart from 0.0.0.0/8, which no LAN can have",
        "127.0.0.0/8        | must be apart from 127.0.0.0/8, which no LAN can have",
        "169.254.7.0/24     | must be apart from 169.254.0.0/16, which no LAN can have",
        "169.0.0.0/8        | must be apart from 169.254.0.0/16, which no LAN can have",
        "239.1.2.0/24       | must be apart from 224.0.0.0/4, which no LAN can have",
        "255.255.255.0/24   | must be apart from 240.0.0.0/4, which no LAN can have",
      })
  void saysWhichRuleIsBroken(String text, String rule) {
    assertThatThrownBy(() -> Subnet.parse(text))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage(rule);
  }

  @ParameterizedTest
  @ValueSource(strings = {"0.0.0.0", "1.2.3.4", "127.0.0.1", "128.0.0.0", "255.255.255.255"})
  void addressesReadBack(String text) {
    assertThat(Subnet.text(Subnet.address(text))).isEqualTo(text);
  }

  @ParameterizedTest
  @CsvSource({
    "10.0.2.0/24, 10.0.2.0/24,   true",
    "10.0.0.0/8,  10.0.2.0/24,   true",
    "10.0.2.8/29, 10.0.2.0/24,   true",
    "10.0.3.0/24, 10.0.2.0/24,   false",
    "10.0.2.0/25, 10.0.2.128/25, false",
    "128.0.0.0/8, 10.0.0.0/8,    false"
  })
  void overlapIsMutual(String one, String other, boolean expected) {
    assertThat(Subnet.parse(one).overlaps(Subnet.parse(other))).isEqualTo(expected);
    assertThat(Subnet.parse(other).overlaps(Subnet.parse(one))).isEqualTo(expected);
  }

  @Test
  void equalTextsAreEqualSubnets() {
    assertThat(Subnet.parse("10.240.0.0/24")).isEqualTo(Subnet.parse("10.240.0.0/24"));
  }
}

package lib.cluster;

/**
 * One machine of the cluster. Everything that tells nodes apart (address, MACs, SSH port) is
 * derived from its number, here and nowhere else.
 *
 * @param index its number in the cluster, from 0
 * @param name its hostname, unique in the cluster
 * @param role what it is for
 * @param size its virtual hardware
 * @param subnet the cluster LAN
 * @param firstSshPort the port on 127.0.0.1 that forwards to SSH of node 0 in network {@code user}
 */
public record Node(int index, String name, Role role, Size size, Subnet subnet, int firstSshPort) {

  /** The first node's address, counted from the subnet's; those below are for VIP and gateways. */
  public static final int FIRST_HOST = 10;

  /** The form of every node's name. */
  public static final String NAME = "(gateway|control|worker)[0-9]*";

  /**
   * Virtual hardware.
   *
   * @param cpus virtual CPUs, 1 to 64
   * @param memoryMiB memory in MiB, at least 256
   * @param diskGiB disk in GiB, at least 4
   */
  public record Size(int cpus, int memoryMiB, int diskGiB) {}

  /** {@return the same with other hardware} */
  public Node withSize(Size other) {
    return new Node(index, name, role, other, subnet, firstSshPort);
  }

  /** {@return its static IPv4 address on the cluster LAN} */
  public String address() {
    return subnet.host(FIRST_HOST + index);
  }

  /** {@return the MAC of its NIC on the cluster LAN} */
  public String lanMac() {
    return mac(0x4c); // L
  }

  /** {@return the MAC of its NIC to the outside, in network {@code user}} */
  public String wanMac() {
    return mac(0x57); // W
  }

  /** {@return the port on 127.0.0.1 that QEMU forwards to its port 22, in network {@code user}} */
  public int sshPort() {
    return firstSshPort + index;
  }

  /** 52:54:00 is the range that QEMU and libvirt give to virtual NICs; two bytes number nodes. */
  private String mac(int nic) {
    return String.format("52:54:00:%02x:%02x:%02x", nic, index >> 8, index & 255);
  }
}

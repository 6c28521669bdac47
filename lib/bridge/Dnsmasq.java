package lib.bridge;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import lib.cluster.Cluster;
import lib.cluster.Network;
import lib.cluster.Node;
import lib.cluster.Subnet;

/**
 * DHCP and DNS for the nodes of network {@code bridge}: a dnsmasq of our own, on the bridge alone.
 *
 * @param folder the one of its files
 * @param address the host's own on the bridge
 */
record Dnsmasq(Cluster cluster, Path folder, String address) {
  /** The name of its settings' file. */
  static final String SETTINGS = "dnsmasq.conf";

  /**
   * {@return what has it run with its settings}
   *
   * @param running the number of one that runs
   * @param recorded what its settings' file holds; null if it is not there
   */
  List<HostStep> start(Optional<Long> running, String recorded) {
    List<HostStep> steps = new ArrayList<>();
    Path file = folder.resolve(SETTINGS);
    boolean same = settings().equals(recorded);
    if (!same) {
      running.ifPresent(pid -> steps.add(end(pid)));
      steps.add(HostStep.write(file, settings()));
    }
    if (!same || running.isEmpty()) {
      steps.add(new HostStep("dnsmasq", "--conf-file=" + file));
    }
    return steps;
  }

  /** {@return what ends it and waits until it has gone; a dead process has no command line} */
  static HostStep end(long pid) {
    return new HostStep(
        "sh",
        "-c",
        "kill %d; while grep -qs dnsmasq /proc/%1$d/cmdline; do sleep 0.1; done".formatted(pid));
  }

  private String settings() {
    StringBuilder settings = new StringBuilder();
    Subnet subnet = cluster.subnet();
    settings.append(
        """
        interface=%s
        except-interface=lo
        listen-address=%s
        bind-interfaces
        pid-file=%s/dnsmasq.pid
        dhcp-leasefile=%3$s/dnsmasq.leases
        no-hosts
        domain-needed
        bogus-priv
        dhcp-range=%s,static,%s
        host-record=kubernetes,%s
        """
            .formatted(
                Network.Bridge.NAME,
                address,
                folder,
                subnet.host(0),
                subnet.netmask(),
                cluster.vip()));
    for (Node node : cluster.nodes()) {
      settings.append("host-record=%s,%s\n".formatted(node.name(), node.address()));
      settings.append("dhcp-host=%s,%s,%s\n".formatted(node.lanMac(), node.address(), node.name()));
    }
    return settings.toString();
  }
}

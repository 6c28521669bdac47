package lib.seed;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import lib.cluster.Cluster;
import lib.cluster.Role;

/**
 * What makes the virtual IP the gateway's own, as files and commands of a role's cloud-init. The
 * gateway balances it over the control nodes (IPVS, direct routing: ipvsadm(8)): they hold the
 * address as well, so as to take its packets and answer the client straight, but keep silent about
 * it.
 *
 * <p>On control nodes it is not in network-config: there it would precede the silence.
 */
public final class VirtualIp {
  private static final String UNIT = "kubenet-virtual-ip.service";
  private static final String PROGRAM = "/usr/local/sbin/kubenet-virtual-ip";
  private static final String CHECK = "/usr/local/sbin/kubenet-check";

  private VirtualIp() {}

  /** {@return the entries of cloud-init's {@code write_files} for the nodes of a role} */
  public static List<Object> files(Cluster cluster, Role role) {
    return switch (role) {
      case GATEWAY -> {
        List<Object> files = new ArrayList<>();
        files.add(file("/etc/ha.d/ldirectord.cf", "0644", services(cluster)));
        if (checksPath(cluster)) {
          files.add(file(CHECK, "0755", check(cluster.loadBalancer().check())));
        }
        files.add(file("/etc/systemd/system/ldirectord.service", "0644", LDIRECTORD));
        files.add(file(PROGRAM, "0755", announce(cluster)));
        files.add(file("/etc/systemd/system/" + UNIT, "0644", ANNOUNCE));
        yield files;
      }
      case CONTROL ->
          List.of(
              file("/etc/sysctl.d/50-kubenet-virtual-ip.conf", "0644", SILENCE),
              file("/etc/systemd/system/" + UNIT, "0644", hold(cluster)));
      case WORKER -> List.of();
    };
  }

  /** {@return the entries of cloud-init's {@code runcmd} for the nodes of a role} */
  public static List<Object> commands(Role role) {
    // reading all units anew would cost 4 s under emulation; the manager finds a new one anyway
    return role == Role.WORKER
        ? List.of()
        : List.of(List.of("systemctl", "--no-reload", "--now", "enable", UNIT));
  }

  /** {@return what ldirectord is told: ldirectord(8)} */
  public static String services(Cluster cluster) {
    return """
    # Made by kubenet from cluster.yaml; what is changed here is taken at once.
    checkinterval=1
    checktimeout=%d
    # a dead server goes altogether, and its connections with it
    quiescent=no
    autoreload=yes
    supervised=yes
    """
            .formatted(checksPath(cluster) ? 5 : 2)
        + cluster.loadBalancer().ports().stream()
            .map(port -> service(cluster, port))
            .collect(Collectors.joining());
  }

  private static boolean checksPath(Cluster cluster) {
    return cluster.loadBalancer().check().startsWith("/");
  }

  private static String service(Cluster cluster, int port) {
    Cluster.LoadBalancer balancer = cluster.loadBalancer();
    String servers =
        cluster.nodes(Role.CONTROL).stream()
            .map(node -> "    real=%s:%d gate\n".formatted(node.address(), port))
            .collect(Collectors.joining());
    String check =
        checksPath(cluster) && port == balancer.ports().get(0)
            ? "    checktype=external\n    checkcommand=\"%s\"\n".formatted(CHECK)
            : "    checktype=connect\n";
    return "\nvirtual=%s:%d\n%s    scheduler=%s\n    protocol=tcp\n%s"
        .formatted(cluster.vip(), port, servers, balancer.scheduler(), check);
  }

  /**
   * ldirectord's own check of https wants certificates that this machine trusts, and takes as much
   * time again to load all those that it does.
   */
  private static String check(String path) {
    return """
    #!/bin/sh
    # Whether a server is well: ldirectord gives VIRTUAL-IP PORT SERVER PORT.
    exec curl --silent --insecure --fail --max-time 5 --output /dev/null "https://$3:$4%s"
    """
        .formatted(path);
  }

  private static final String LDIRECTORD =
      """
      # In place of the package's own, which leaves the foreground and logs to a file.
      [Unit]
      Description=Takes the servers behind the virtual IP in and out
      Documentation=man:ldirectord(8)
      # early: after a restart of this machine nobody is served before
      DefaultDependencies=no
      After=local-fs.target systemd-networkd.service
      Conflicts=shutdown.target
      Before=shutdown.target

      [Service]
      ExecStartPre=/sbin/modprobe ip_vs
      # who is connected to a server that went is told so
      ExecStartPre=/sbin/sysctl --quiet --write net.ipv4.vs.expire_nodest_conn=1 \
      net.ipv4.vs.expire_quiescent_template=1
      # -X: without the warnings that its own -w prints several times a second; with PERLIO set it
      # does not start itself anew
      Environment=PERLIO=perlio
      ExecStart=/usr/bin/perl -X /usr/sbin/ldirectord start
      SyslogIdentifier=ldirectord
      Restart=always
      RestartSec=1
      """;

  private static final String ANNOUNCE =
      """
      [Unit]
      Description=Tells the LAN where the virtual IP is
      Wants=ldirectord.service
      DefaultDependencies=no
      After=local-fs.target systemd-networkd.service
      Conflicts=shutdown.target
      Before=shutdown.target

      [Service]
      ExecStart=%s
      Restart=always
      RestartSec=2

      [Install]
      WantedBy=multi-user.target
      """
          .formatted(PROGRAM);

  /**
   * Again and again: so the caches of others are right soon after a boot, a restart or a resume,
   * which a guest does not notice.
   */
  private static String announce(Cluster cluster) {
    return """
    #!/bin/sh
    # Sends gratuitous ARP for the virtual IP from the NIC that has it, as soon as one has it.
    set -eu
    vip=%s
    while :; do
      set -- $(ip -o -4 address show to "$vip")
      if [ $# -lt 2 ]; then
        sleep 2
        continue
      fi
      nic=$2
      # This machine can be a client, too: it speaks as itself, not as the virtual IP, and believes
      # answers that come from there, although that is an address of its own.
      set -- $(getent hosts "$(uname -n)")
      sysctl --quiet --write "net.ipv4.conf.$nic.accept_local=1"
      ip route replace local "$vip" dev "$nic" table local proto kernel scope host src "$1"
      arping -q -U -c 12 -i 5 -I "$nic" "$vip"
    done
    """
        .formatted(cluster.vip());
  }

  /** Kernel documentation, ip-sysctl: of "all" and a NIC's own value the larger one counts. */
  private static final String SILENCE =
      """
      # The virtual IP is on lo: ARP neither answers for it nor names it, that is the gateway's.
      net.ipv4.conf.all.arp_ignore = 1
      net.ipv4.conf.all.arp_announce = 2
      """;

  /** The silence and the address in one unit: on no boot is there one without the other. */
  private static String hold(Cluster cluster) {
    return """
    [Unit]
    Description=Virtual IP on lo, once ARP is silent about it
    After=systemd-sysctl.service
    Before=network.target

    [Service]
    Type=oneshot
    RemainAfterExit=yes
    ExecStart=/sbin/sysctl --quiet --load=/etc/sysctl.d/50-kubenet-virtual-ip.conf
    ExecStart=/sbin/ip address replace %1$s/32 dev lo
    ExecStop=/sbin/ip address delete %1$s/32 dev lo

    [Install]
    WantedBy=multi-user.target
    """
        .formatted(cluster.vip());
  }

  private static Map<String, Object> file(String path, String mode, String content) {
    Map<String, Object> file = new LinkedHashMap<>();
    file.put("path", path);
    file.put("permissions", mode);
    file.put("content", content);
    return file;
  }
}

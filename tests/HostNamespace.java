import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.TreeMap;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import lib.Argv;
import lib.Commands;

/**
 * A Linux host with a network of its own and, behind its one uplink, an outside: two network
 * namespaces, the host with {@code /run}, {@code /etc/hosts}, {@code /dev/net} and {@code /sys} of
 * its own. Nothing in it touches the machine's own network.
 */
final class HostNamespace implements AutoCloseable {
  /** The address outside that guests reach only through NAT. */
  static final String OUTSIDE = "198.51.100.2";

  /** What the host namespace has of its own in place of the machine's. */
  private static final String MOUNTS =
      """
      set -e
      mount -t tmpfs tmpfs /run
      cp /etc/hosts /run/etc-hosts
      mount --bind /run/etc-hosts /etc/hosts
      mount -t sysfs sysfs /sys
      mkdir -p /dev/net
      mount -t tmpfs tmpfs /dev/net
      mknod -m 666 /dev/net/tun c 10 200
      echo ready
      exec cat # until its input ends, as it does with these tests
      """;

  private final Process host;
  private final Process outside;

  /** Makes both namespaces. */
  HostNamespace() throws IOException {
    host = holder("unshare", "--net", "--mount", "--propagation", "private");
    outside = holder("unshare", "--net", "--mount", "--propagation", "private");
    String peer = "" + outside.pid();
    run("ip", "link", "set", "lo", "up");
    run("ip", "link", "add", "up0", "type", "veth", "peer", "name", "out0", "netns", peer);
    run("ip", "address", "add", "198.51.100.1/24", "dev", "up0");
    run("ip", "link", "set", "up0", "up");
    run("ip", "route", "add", "default", "via", OUTSIDE);
    outside("ip", "address", "add", OUTSIDE + "/24", "dev", "out0");
    outside("ip", "link", "set", "out0", "up");
    outside("ip", "link", "set", "lo", "up");
  }

  /** Why this machine has no such namespaces, if it has not. */
  static Optional<String> missing() {
    Commands.Result made =
        Commands.run(
            Argv.of("unshare", "--net", "--mount", "sh", "-c")
                .add("mount -t tmpfs tmpfs /run && ip link add name b0 type bridge"));
    return made.succeeded()
        ? Optional.empty()
        : Optional.of("no network namespaces can be made here: " + made.err().strip());
  }

  private static Process holder(String... unshare) throws IOException {
    ProcessBuilder builder = new ProcessBuilder(unshare);
    builder.command().addAll(List.of("sh", "-c", MOUNTS));
    Process holder = builder.redirectErrorStream(true).start();
    assertThat(holder.inputReader().readLine()).isEqualTo("ready");
    return holder;
  }

  /** The words before a command that have it run on the host. */
  String[] words() {
    return words(host);
  }

  private static String[] words(Process holder) {
    return new String[] {"nsenter", "--target", "" + holder.pid(), "--net", "--mount"};
  }

  /** The same for a command of another user of the machine, who has no capabilities. */
  String[] words(String user) {
    String[] drop = {"setpriv", "--reuid", user, "--regid", "nogroup", "--clear-groups", "--"};
    return Stream.of(words(), drop).flatMap(Stream::of).toArray(String[]::new);
  }

  /** Docker's rules as they are in the table: it drops what it does not know. */
  void docker() {
    run("iptables", "-N", "DOCKER-USER");
    run("iptables", "-A", "DOCKER-USER", "-j", "RETURN");
    run("iptables", "-A", "FORWARD", "-j", "DOCKER-USER");
    run("iptables", "-P", "FORWARD", "DROP");
  }

  /** Runs a command on the host, which must succeed, and returns what it prints. */
  String run(String... command) {
    return tried(command).orProblem().out();
  }

  /** Runs a command on the host. */
  Commands.Result tried(String... command) {
    return Commands.run(Argv.of("env", words(host)).add(command));
  }

  /** Runs a command outside, which must succeed, and returns what it prints. */
  String outside(String... command) {
    return Commands.run(Argv.of("env", words(outside)).add(command)).orProblem().out();
  }

  /** The words before a command that have it run outside. */
  String[] wordsOutside() {
    return words(outside);
  }

  /** All that {@code prepare-host.java} may change, without counters and ages. */
  TreeMap<String, String> state() {
    TreeMap<String, String> state = new TreeMap<>();
    state.put("hosts", run("cat", "/etc/hosts"));
    state.put("hosts' inode and mode", run("stat", "-c", "%i %a %u %g", "/etc/hosts"));
    for (String what : List.of("link", "address", "route", "rule")) {
      state.put(
          what,
          run("ip", "-o", what, "show")
              .replaceAll("(?m)\\\\ *| tentative|valid_lft.*$", "")
              .replaceAll("(?m) +$", ""));
    }
    state.put("run", run("ls", "/run"));
    state.put("sysctl", run("sysctl", "-a", "--pattern", "forward"));
    state.put("nft", run("nft", "list", "ruleset").replaceAll("packets \\d+ bytes \\d+", "n"));
    state.put("iptables", run("iptables-save").replaceAll("#.*|\\[\\d+:\\d+\\]", ""));
    state.put("listeners", run("ss", "-Hltun"));
    return state;
  }

  /** Ends the bridge's DNS server, if there is one, and waits until it is gone. */
  void endDnsmasq() throws IOException {
    Path pid = Path.of("/proc/" + host.pid() + "/root/run/kubenet/dnsmasq.pid");
    if (Files.exists(pid)) {
      ProcessHandle.of(Long.parseLong(Files.readString(pid).strip()))
          .ifPresent(
              dnsmasq -> {
                dnsmasq.destroy();
                Gone.await(dnsmasq);
              });
    }
  }

  /** Ends what runs in the namespaces, and so the namespaces. */
  @Override
  public void close() throws IOException {
    endDnsmasq();
    Stream.of(host, outside)
        .forEach(
            holder -> {
              holder.destroyForcibly();
              holder.onExit().orTimeout(1, TimeUnit.MINUTES).join();
            });
  }
}

//DEPS com.fasterxml.jackson.dataformat:jackson-dataformat-yaml:2.21.8
package lib.status;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.SerializationFeature;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Collectors;
import lib.Problem;
import lib.cluster.Cluster;
import lib.cluster.Network;
import lib.cluster.Node;
import lib.lan.LanPort;
import lib.lan.LanSwitch;
import lib.ready.BootRecord;
import lib.ready.GuestClock;
import lib.ready.Leg;
import lib.ready.Readiness;
import lib.ready.Stage;
import lib.state.Layout;
import lib.vm.Stall;
import lib.vm.Vm;

/**
 * How a node is doing right now.
 *
 * @param node its name
 * @param stage how far it is on its way to being ready, or QEMU's word if the VM does not run
 * @param seconds since QEMU started; null if it does not run
 * @param address on the cluster LAN
 * @param ssh where its SSH is reached from this host
 * @param pid of QEMU; null if it does not run
 * @param trouble what keeps it from its work, and what to do; null if nothing is known of
 * @param timeline where the time of its last launch went
 */
public record NodeStatus(
    String node,
    String stage,
    Long seconds,
    String address,
    String ssh,
    Long pid,
    String trouble,
    List<Leg.Span> timeline) {

  /** In place of QEMU's word for its state. */
  private static final String UNKNOWN = "unknown";

  /** {@return the status of a node; a guest that is slow to answer takes seconds} */
  public static NodeStatus of(Node node, Cluster cluster, Layout layout) {
    Vm vm = Vm.of(node, layout);
    Optional<ProcessHandle> process = vm.process();
    Network.Endpoint ssh = cluster.network().ssh(node);
    Look look =
        process.isEmpty() ? new Look(Stage.STOPPED.word()) : look(vm, node, cluster, layout);
    return new NodeStatus(
        node.name(),
        look.stage,
        process
            .flatMap(qemu -> qemu.info().startInstant())
            .map(start -> Duration.between(start, Instant.now()).toSeconds())
            .orElse(null),
        node.address(),
        ssh.toString(),
        process.map(ProcessHandle::pid).orElse(null),
        trouble(vm, look, cluster, layout),
        BootRecord.of(layout.node(node)).spans());
  }

  /** A stage, and how far the clock is behind, as of {@link Readiness.Look}. */
  private record Look(String stage, Duration behind) {
    Look(String stage) {
      this(stage, Duration.ZERO);
    }
  }

  private static String trouble(Vm vm, Look look, Cluster cluster, Layout layout) {
    if (Stall.is(look.stage)) {
      return Stall.words(vm) + "; free some, then launch-all.java lets it go on";
    }
    if (look.stage.equals(UNKNOWN)) {
      return "QEMU does not answer on %s; stop-all.java powers the guest off over SSH"
          .formatted(vm.files().qmp());
    }
    boolean switched = cluster.network() instanceof Network.User;
    if (switched && new LanPort(vm, new LanSwitch(layout.lan())).lost()) {
      return "off the LAN: its switch has ended; launch-all.java starts it and connects the nodes";
    }
    return GuestClock.isWrong(look.behind)
        ? "its clock is %s; launch-all.java sets it".formatted(GuestClock.words(look.behind))
        : null;
  }

  private static Look look(Vm vm, Node node, Cluster cluster, Layout layout) {
    String status = vm.status().orElse(UNKNOWN);
    return switch (status) {
      case "running" -> running(node, cluster, layout);
      case "prelaunch" -> new Look(Stage.QUEUED.word());
      default -> new Look(status);
    };
  }

  private static Look running(Node node, Cluster cluster, Layout layout) {
    try {
      Readiness.Look look = Readiness.of(node, cluster, layout).now();
      return new Look(look.stage().word(), look.behind());
    } catch (Problem problem) {
      return new Look(
          "refused"); // another key or user than the cluster's; ssh-all --ready says which
    }
  }

  /** {@return the same with a trouble, unless it has one already} */
  public NodeStatus with(String other) {
    return trouble != null
        ? this
        : new NodeStatus(node, stage, seconds, address, ssh, pid, other, timeline);
  }

  /** {@return rows for a reader, under a heading} */
  public static String table(List<NodeStatus> rows) {
    String form = "%-12s %-11s %8s  %-15s %-18s %s";
    return form.formatted("NODE", "STAGE", "SECONDS", "ADDRESS", "SSH", "PID")
        + rows.stream()
            .map(
                row ->
                    "\n"
                        + form.formatted(
                            row.node,
                            row.stage,
                            row.seconds == null ? "-" : row.seconds,
                            row.address,
                            row.ssh,
                            row.pid == null ? "-" : row.pid))
            .collect(Collectors.joining())
        + troubles(rows);
  }

  /** A line for each trouble, with the nodes that have it. */
  private static String troubles(List<NodeStatus> rows) {
    Map<String, List<String>> nodes = new LinkedHashMap<>();
    for (NodeStatus row : rows) {
      if (row.trouble != null) {
        nodes.computeIfAbsent(row.trouble, trouble -> new ArrayList<>()).add(row.node);
      }
    }
    return nodes.entrySet().stream()
        .map(same -> "\n" + String.join(", ", same.getValue()) + ": " + same.getKey())
        .collect(Collectors.joining());
  }

  /** {@return rows for a program: an array with an object a node} */
  public static String json(List<NodeStatus> rows) {
    ObjectMapper json = new ObjectMapper().enable(SerializationFeature.INDENT_OUTPUT);
    ArrayNode nodes = json.createArrayNode();
    for (NodeStatus row : rows) {
      ObjectNode node = nodes.addObject();
      node.put("node", row.node).put("stage", row.stage).put("seconds", row.seconds);
      node.put("address", row.address).put("ssh", row.ssh).put("pid", row.pid);
      node.put("trouble", row.trouble);
      ArrayNode timeline = node.putArray("timeline");
      for (Leg.Span span : row.timeline) {
        timeline
            .addObject()
            .put("stage", span.leg().word())
            .put("start", span.start().toString())
            .put("end", span.end().toString())
            .put("seconds", span.seconds());
      }
    }
    try {
      return json.writeValueAsString(nodes);
    } catch (JsonProcessingException e) {
      throw new IllegalStateException(e); // texts and numbers can always be written
    }
  }
}

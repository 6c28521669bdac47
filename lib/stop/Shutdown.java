package lib.stop;

import java.io.IOException;
import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.Function;
import lib.Each;
import lib.Problem;
import lib.Terminal;
import lib.Wait;
import lib.cluster.Cluster;
import lib.cluster.Network;
import lib.cluster.Node;
import lib.ready.Ssh;
import lib.state.Layout;
import lib.state.SshKey;
import lib.vm.Stall;
import lib.vm.Suspension;
import lib.vm.Vm;

/**
 * Ends VMs. In order means that the guest powers itself off: QEMU presses its power button, or a
 * login tells it to where QEMU does not answer. A guest that does neither is left running, unless a
 * person wants its end all the same.
 */
public record Shutdown(Cluster cluster, Layout layout, Terminal terminal) {
  /** Another program may be talking to QEMU, which serves one at a time. */
  private static final Duration BUSY = Duration.ofSeconds(6);

  /** A guest that has only begun to boot does not see the button, so it is pressed again. */
  private static final Duration AGAIN = Duration.ofSeconds(15);

  private static final int PRESSES = 7;

  /** systemd gives a service 90 s to stop (systemd-system.conf(5), DefaultTimeoutStopSec). */
  private static final Duration POWER_OFF = AGAIN.multipliedBy(PRESSES);

  private static final Duration GREETING = Duration.ofSeconds(10);
  private static final Duration ANSWER = Duration.ofSeconds(20);
  private static final Duration QUIT = Duration.ofSeconds(10);

  /**
   * Shuts nodes down in order; returns when no QEMU of theirs lives. Emulated guests stop as many
   * at a time as there are cores: 28 at once on 2 cores did not within the limit.
   *
   * @throws Problem naming each node that could not be shut down so, and why; it still runs
   */
  public void stop(List<Node> nodes) {
    each(nodes, this::inOrder);
  }

  /**
   * Shuts nodes down in order, and ends those that do not take it: what such a guest has not
   * written to its disk is lost.
   *
   * @throws Problem naming each node whose QEMU outlives even a kill
   */
  public void kill(List<Node> nodes) {
    each(
        nodes,
        vm -> {
          try {
            return inOrder(vm);
          } catch (Problem problem) {
            terminal.line(problem.getMessage());
            return force(vm);
          }
        });
  }

  /**
   * Ends nodes whose disks nobody needs any more; returns when no QEMU of theirs lives.
   *
   * @throws Problem naming each node whose QEMU outlives even a kill
   */
  public void cut(List<Node> nodes) {
    each(nodes, Shutdown::force);
  }

  /**
   * Saves nodes with all that they are doing and ends their QEMU.
   *
   * @throws Problem naming each node that can't be saved, which goes on
   */
  public void suspend(List<Node> nodes) {
    each(nodes, Shutdown::suspend);
  }

  /** Ends each VM that lives, and says how that was done. */
  private void each(List<Node> nodes, Function<Vm, String> way) {
    List<Vm> running = nodes.stream().map(node -> Vm.of(node, layout)).filter(Vm::alive).toList();
    Each.run(
        running,
        vm -> {
          long start = System.nanoTime();
          String how = way.apply(vm);
          long seconds = (System.nanoTime() - start) / 1_000_000_000;
          terminal.line("%-12s %-11s %4d s", vm.node().name(), how, seconds);
        });
  }

  private static String suspend(Vm vm) {
    if (vm.isQueued()) { // it has not begun, or has a saved state that it has not loaded
      throw new Problem(
          vm.node().name() + " waits for its turn to boot", "suspend it when it is ready");
    }
    new Suspension(vm).begin();
    return "suspended";
  }

  private String inOrder(Vm vm) {
    Duration often = Duration.ofMillis(100);
    String status =
        Wait.until(BUSY, often, () -> vm.alive() ? vm.status() : Optional.of("ended")).orElse("");
    return switch (status) {
      case "ended" -> status; // by itself, meanwhile
      case "prelaunch", "inmigrate" -> quit(vm); // its guest has not begun, or not gone on yet
      case "running" -> byButton(vm);
      case "paused", "finish-migrate", "postmigrate" -> {
        vm.resume(); // paused, it would not see the button
        yield byButton(vm);
      }
      case "" -> bySsh(vm, "QEMU does not answer on " + vm.files().qmp());
      case "io-error" -> throw left(vm, Stall.words(vm));
      default -> throw left(vm, "QEMU calls its state " + status);
    };
  }

  private static String quit(Vm vm) {
    vm.quit();
    if (!Wait.until(QUIT, () -> !vm.alive())) {
      throw left(vm, "QEMU took `quit` and did not end");
    }
    return "quit";
  }

  private String byButton(Vm vm) {
    boolean off = vm.inTurn(() -> press(vm)); // who hangs keeps its turn for one press
    for (int i = 1; i < PRESSES && !off; i++) {
      off = press(vm);
    }
    return off
        ? "powered down"
        : bySsh(vm, "no power-off within %d s of the button".formatted(POWER_OFF.toSeconds()));
  }

  /** Whether the guest has ended soon after. */
  private static boolean press(Vm vm) {
    tell(vm::powerDown); // it may have ended meanwhile
    return Wait.until(AGAIN, () -> !vm.alive());
  }

  private String bySsh(Vm vm, String why) {
    Optional<String> refusal = vm.inTurn(() -> powerOff(vm));
    if (refusal.isPresent()) {
      throw left(vm, why + "; " + refusal.get());
    }
    if (!Wait.until(POWER_OFF, () -> !vm.alive())) {
      throw left(vm, why + "; nor after `systemctl poweroff` over SSH");
    }
    return "powered down over SSH";
  }

  /** Has the guest power itself off; nothing if it was told to, else why not. */
  private Optional<String> powerOff(Vm vm) {
    Network.Endpoint endpoint = cluster.network().ssh(vm.node());
    try {
      SshKey hostKey = SshKey.read(vm.files().hostKey());
      Ssh.Greeting greeting = Ssh.Greeting.await(endpoint, GREETING);
      return powerOff(Ssh.login(greeting, cluster.user(), hostKey, layout.identity(), ANSWER));
    } catch (IOException | Problem e) {
      return Optional.of("no login at %s: %s".formatted(endpoint, e.getMessage()));
    }
  }

  private static Optional<String> powerOff(Ssh ssh) {
    try (ssh) {
      Ssh.Result told = ssh.run("sudo -n systemctl poweroff", ANSWER);
      return told.exit() > 0
          ? Optional.of("`sudo systemctl poweroff` over SSH: " + told.err().strip())
          : Optional.empty();
    } catch (IOException e) {
      return Optional.empty(); // a guest that powers off ends the connection
    }
  }

  private static Problem left(Vm vm, String why) {
    return new Problem(
        "%s still runs: %s".formatted(vm.node().name(), why),
        "to end it all the same: stop-all.java --kill; what its guest has not written to its disk"
            + " is lost then");
  }

  private static String force(Vm vm) {
    Map<String, Runnable> ways = new LinkedHashMap<>();
    ways.put("quit", vm::quit);
    ways.put("terminated", vm::terminate);
    ways.put("killed", vm::kill);
    for (Map.Entry<String, Runnable> way : ways.entrySet()) {
      if (tell(way.getValue()) && Wait.until(QUIT, () -> !vm.alive())) {
        return way.getKey();
      }
    }
    throw new Problem(
        "%s: QEMU does not end, process %d"
            .formatted(vm.node().name(), vm.process().map(ProcessHandle::pid).orElse(0L)),
        "it may hang on a broken disk: see dmesg");
  }

  /** Whether QEMU took it. */
  private static boolean tell(Runnable command) {
    try {
      command.run();
      return true;
    } catch (Problem e) {
      return false;
    }
  }
}

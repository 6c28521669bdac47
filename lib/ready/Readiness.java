//DEPS com.fasterxml.jackson.dataformat:jackson-dataformat-yaml:2.21.8
package lib.ready;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.SecureRandom;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Collections;
import java.util.Deque;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.Consumer;
import java.util.function.Supplier;
import lib.Commands;
import lib.Each;
import lib.Problem;
import lib.Terminal;
import lib.Visible;
import lib.Wait;
import lib.cluster.Cluster;
import lib.cluster.Network;
import lib.cluster.Node;
import lib.state.Layout;
import lib.state.SshKey;
import lib.vm.Vm;

/**
 * The ladder from a started QEMU to a node that is ready: process alive, SSH greeting, login with
 * the known host key, cloud-init done. Each rung has its own limit and message, and a QEMU that
 * ended stops the wait at once.
 *
 * @param vm the node's QEMU
 * @param endpoint where its SSH is reached
 * @param user login
 * @param identity private key file to log in with
 * @param slowness how many times longer than with an accelerator each rung may take
 */
public record Readiness(
    Vm vm, Network.Endpoint endpoint, String user, Path identity, double slowness) {
  private static final Duration POLL = Duration.ofMillis(250);
  private static final Duration GREETING = Duration.ofSeconds(2); // at first
  private static final int PATIENCE = 8; // then that part of what was waited so far, up to LOGIN
  private static final Duration SILENCE = Duration.ofSeconds(5);

  /**
   * Nodes recorded ready since then are not asked again: all that this process sees ready, and what
   * a launch-all just before it has seen.
   */
  private static final Instant RECENTLY = Instant.now().minusSeconds(60);

  private static final Duration FOREVER = Duration.ofDays(1); // the rungs have limits of their own
  private static final Duration LOGIN = Duration.ofSeconds(20);
  private static final int MOST_ERRORS = 8;
  private static final int LONGEST = 1000; // characters

  /**
   * Waits in the guest's shell and prints what {@code cloud-init status} reads; to start that
   * program takes seconds under emulation. (cloud-init manual, "result.json".) Nor is {@code sleep}
   * started, which for a whole boot adds up: bash waits for input that never comes, other shells
   * can't. The programs that there are run before the wait, so that nothing stands between its end
   * and the answer.
   */
  private static final String AWAIT_CLOUD_INIT =
      GuestClock.files()
          + "; until [ -e /run/cloud-init/result.json ]; do"
          + " read -r -t 0.1 nothing 2> /dev/null; [ $? -gt 128 ] || sleep 0.2; done;"
          + " while IFS= read -r line || [ -n \"$line\" ]; do printf '%s\\n' \"$line\"; done"
          + " < /run/cloud-init/status.json; "
          + GuestClock.clock();

  /** Prints cloud-init's status and the clock; fails if cloud-init is not done. */
  private static final String LOOK =
      "[ -e /run/cloud-init/result.json ] && cat /run/cloud-init/status.json; code=$?; "
          + GuestClock.clock()
          + "; exit $code";

  /**
   * How far a node is right now.
   *
   * @param behind how far its clock is behind this host's; negative if it is ahead, zero if it is
   *     right or unknown
   */
  public record Look(Stage stage, Duration behind) {
    private Look(Stage stage) {
      this(stage, Duration.ZERO);
    }
  }

  /** {@return the ladder of a node} */
  public static Readiness of(Node node, Cluster cluster, Layout layout) {
    Vm vm = Vm.of(node, layout);
    double slowness = vm.emulated() ? 5 : 1;
    return new Readiness(
        vm, cluster.network().ssh(node), cluster.user(), layout.identity(), slowness);
  }

  /**
   * Waits until the node has reached a stage.
   *
   * @param goal {@link Stage#SSH} or {@link Stage#READY}
   * @param reached gets each stage as it is reached
   * @throws Problem naming node, stage, seconds, last console lines and log, if it does not
   */
  public void await(Stage goal, Consumer<Stage> reached) {
    await(goal, FOREVER, reached);
  }

  /**
   * The same, and gives a guest up that nobody can reach and that has nothing new to say.
   *
   * @param silence how long its console may show nothing new until SSH answers
   */
  public void await(Stage goal, Duration silence, Consumer<Stage> reached) {
    BootRecord record = BootRecord.of(vm.files());
    if (!vm.alive()) {
      throw vm.ended();
    }
    awaitTurn(reached);
    Instant began = Instant.now();
    if (record.readySince(RECENTLY) && !panicked()) { // each look costs a guest seconds
      reached.accept(Stage.SSH);
      if (goal == Stage.READY) {
        reached.accept(Stage.READY);
      }
      return;
    }
    Deque<Ssh.Greeting> greetings = new ArrayDeque<>();
    boolean early = silent() || !greeted(greetings, began);
    if (early) {
      reached.accept(Stage.BOOTING);
      Wait.until(longer(SILENCE), () -> !vm.alive() || !silent());
      await(
          Stage.SSH,
          Duration.ofMinutes(2),
          () -> {
            if (greeted(greetings, began)) {
              return Optional.of(true);
            }
            if (silentSince(began).compareTo(Instant.now().minus(silence)) < 0) {
              throw late(
                  Stage.SSH,
                  "nobody answers, and no word on its console for %d s"
                      .formatted(silence.toSeconds()));
            }
            return Optional.empty();
          });
      record.ended(Leg.SSHD, Instant.now());
    }
    reached.accept(Stage.SSH);
    if (goal == Stage.SSH) {
      greetings.remove().close();
      return;
    }
    try (Ssh ssh = await(Stage.CLOUD_INIT, Duration.ofMinutes(1), () -> login(greetings))) {
      reached.accept(Stage.CLOUD_INIT);
      String said = awaitCloudInit(ssh);
      Instant received = Instant.now();
      boolean stopped = GuestClock.isWrong(GuestClock.behind(said, received, received));
      if (stopped) {
        setClock(ssh); // it was suspended, or the host slept
      }
      reached.accept(Stage.READY);
      Instant reported = Instant.now();
      Map<Leg, Instant> ends = GuestClock.read(said, received);
      ends.forEach(record::ended);
      record.ended(Leg.CLOUD_INIT, received); // unless the guest's clock told it
      if (early || stopped || ends.getOrDefault(Leg.CLOUD_INIT, began).isAfter(began)) {
        // who comes when a node is ready already can't say when that was reported
        record.ended(Leg.READY, reported);
      }
    } catch (IOException e) {
      throw vm.alive() ? late(Stage.READY, e.getMessage()) : vm.ended();
    }
  }

  /**
   * {@return how far a node whose guest runs is right now}
   *
   * @throws Problem if it shows another host key or refuses the login
   */
  public Look now() {
    return silent() ? new Look(Stage.BOOTING) : vm.inTurn(this::asked);
  }

  private Look asked() {
    if (!Ssh.greets(endpoint, longer(GREETING))) { // one look, so a patient one
      return new Look(Stage.BOOTING);
    }
    try (Ssh ssh = Ssh.login(endpoint, user, hostKey(), identity, LOGIN)) {
      Instant asked = Instant.now();
      Ssh.Result look = ssh.run(LOOK, LOGIN);
      Duration behind = GuestClock.behind(look.out(), asked, Instant.now());
      if (look.exit() != 0) {
        return new Look(Stage.CLOUD_INIT, behind);
      }
      return new Look(errors(look.out()).isEmpty() ? Stage.READY : Stage.FAILED, behind);
    } catch (IOException e) {
      return new Look(Stage.SSH);
    }
  }

  /**
   * Sets the clocks of guests that run and have lost time, as when the host slept, and says which.
   * A guest that does not answer is left alone.
   */
  public static void setClocks(
      List<Node> nodes, Cluster cluster, Layout layout, Terminal terminal) {
    List<Node> running =
        nodes.stream()
            .filter(node -> Vm.of(node, layout).status().filter("running"::equals).isPresent())
            .toList();
    Each.run(
        running,
        node -> {
          Readiness readiness = of(node, cluster, layout);
          Duration behind = readiness.vm.inTurn(readiness::setWrongClock);
          if (GuestClock.isWrong(behind)) {
            terminal.line(
                "%s: its clock was %s, and is set", node.name(), GuestClock.words(behind));
          }
        });
  }

  /** How far the clock was behind; zero as of {@link Look}. */
  private Duration setWrongClock() {
    // who was never seen ready may have no SSH at all, and is not waited for
    boolean patient = BootRecord.of(vm.files()).readySince(Instant.EPOCH);
    try (Ssh.Greeting greeting =
            Ssh.Greeting.await(endpoint, patient ? longer(GREETING) : GREETING);
        Ssh ssh = Ssh.login(greeting, user, hostKey(), identity, LOGIN)) {
      Instant asked = Instant.now();
      String said = ssh.run(GuestClock.clock(), LOGIN).out();
      Duration behind = GuestClock.behind(said, asked, Instant.now());
      if (GuestClock.isWrong(behind)) {
        setClock(ssh);
      }
      return behind;
    } catch (IOException | Problem e) {
      return Duration.ZERO; // ssh-all says what is wrong with it
    }
  }

  private static void setClock(Ssh ssh) throws IOException {
    byte[] random = new byte[32];
    new SecureRandom().nextBytes(random);
    ssh.run(GuestClock.set(Instant.now(), random), LOGIN);
  }

  private void awaitTurn(Consumer<Stage> reached) {
    if (!vm.isQueued()) {
      return;
    }
    reached.accept(Stage.QUEUED);
    // as long as others boot; nobody to let it go shows as this limit passing
    Duration limit = Duration.ofMinutes(30);
    if (!Wait.until(limit, () -> !vm.alive() || !vm.isQueued())) {
      throw new Problem(
          vm.node().name()
              + " still waits for its turn to boot after "
              + limit.toMinutes()
              + " min",
          "run launch-all.java: it lets waiting nodes go");
    }
  }

  /**
   * Whether the guest has not said a word. QEMU's user network loses what comes before the guest
   * has an address, though it takes the connection; and each connection that a busy guest answers
   * late costs it a process more. Some guests say nothing ever: this is only waited for a while.
   */
  private boolean silent() {
    return vm.files().console().toFile().length() == 0;
  }

  /** When its console had something new, or it began, if that was later. */
  private Instant silentSince(Instant began) {
    try {
      Instant word = Files.getLastModifiedTime(vm.files().console()).toInstant();
      return word.isAfter(began) ? word : began;
    } catch (IOException e) {
      return began; // there is none
    }
  }

  /**
   * Asks the more patiently the longer it has been: a try that ends too early is work for nothing.
   */
  private boolean greeted(Deque<Ssh.Greeting> greetings, Instant began) {
    return vm.inTurn(
        () -> {
          if (!vm.alive()) {
            return false;
          }
          Duration part = Duration.between(began, Instant.now()).dividedBy(PATIENCE);
          Duration limit =
              Collections.max(List.of(GREETING, Collections.min(List.of(part, LOGIN))));
          try {
            return greetings.add(Ssh.Greeting.await(endpoint, limit));
          } catch (IOException e) {
            return false;
          }
        });
  }

  /** On the connection that there is, if one is left. */
  private Optional<Ssh> login(Deque<Ssh.Greeting> greetings) {
    Duration limit = longer(LOGIN);
    return vm.inTurn(
        () -> {
          try {
            Ssh.Greeting greeting =
                greetings.isEmpty() ? Ssh.Greeting.await(endpoint, limit) : greetings.remove();
            return Optional.of(Ssh.login(greeting, user, hostKey(), identity, limit));
          } catch (IOException e) {
            return Optional.empty();
          }
        });
  }

  private SshKey hostKey() {
    return SshKey.read(vm.files().hostKey());
  }

  /** Goes up one rung. */
  private <T> T await(Stage stage, Duration usual, Supplier<Optional<T>> attempt) {
    Duration limit = longer(usual);
    long start = System.nanoTime();
    return Wait.until(
            limit,
            POLL,
            () -> {
              if (!vm.alive()) {
                throw vm.ended();
              }
              if (panicked()) {
                long seconds = (System.nanoTime() - start) / 1_000_000_000;
                throw late(stage, "the guest's kernel panicked, after " + seconds + " s here");
              }
              return attempt.get();
            })
        .orElseThrow(() -> late(stage, "not reached within " + limit.toSeconds() + " s"));
  }

  /** Linux's last line, unless the guest was told to boot again after it. */
  private boolean panicked() {
    return Commands.tail(vm.files().console(), 2).contains("end Kernel panic - not syncing");
  }

  private Duration longer(Duration usual) {
    return Duration.ofMillis((long) (usual.toMillis() * slowness));
  }

  private String awaitCloudInit(Ssh ssh) throws IOException {
    Duration limit = longer(Duration.ofMinutes(5));
    Ssh.Result result = ssh.run(AWAIT_CLOUD_INIT, limit);
    if (result.exit() != 0) {
      throw late(Stage.READY, "cloud-init not done within " + limit.toSeconds() + " s");
    }
    List<String> errors = errors(result.out());
    if (!errors.isEmpty()) {
      throw new Problem(
          "%s: cloud-init ended with errors:\n%s"
              .formatted(vm.node().name(), String.join("\n", errors)),
          "in the node, see /var/log/cloud-init.log and /var/log/cloud-init-output.log");
    }
    return result.out();
  }

  /** The errors of all stages in cloud-init's status.json, which other lines may surround. */
  static List<String> errors(String status) throws IOException {
    List<String> errors = new ArrayList<>();
    if (!status.contains("{")) {
      throw new IOException("there is nothing in cloud-init's status.json");
    }
    String json = status.substring(status.indexOf('{'));
    for (JsonNode stage : new ObjectMapper().readTree(json).path("v1")) {
      stage.path("errors").forEach(error -> errors.add(shown(error.asText())));
    }
    return errors.subList(0, Math.min(MOST_ERRORS, errors.size()));
  }

  /** A guest chooses these words: they stay on a line, and are no more than a person reads. */
  private static String shown(String error) {
    return Visible.line(error.length() > LONGEST ? error.substring(0, LONGEST) + " ..." : error);
  }

  private Problem late(Stage stage, String fact) {
    String tail = Commands.tail(vm.files().console(), 8);
    return new Problem(
        "%s: stage %s: %s; its console ends with:\n%s"
            .formatted(vm.node().name(), stage.word(), fact, tail),
        "the whole console is in " + vm.files().console());
  }
}

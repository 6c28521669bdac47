//DEPS com.fasterxml.jackson.dataformat:jackson-dataformat-yaml:2.21.8
package lib.vm;

import com.fasterxml.jackson.annotation.JsonIgnoreProperties;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.SerializationFeature;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.Function;
import lib.Argv;
import lib.Commands;
import lib.Each;
import lib.Plan;
import lib.Problem;
import lib.Wait;
import lib.cluster.Host;
import lib.cluster.Node;
import lib.state.Layout;

/** A VM that is put aside with all that it is doing, to go on there at its next start. */
public record Suspension(Vm vm) {
  /** The way out where QEMU does not take a saved state; %s is the node. */
  public static final String KEPT =
      "the state is kept: run the same again, or give it up with stop-all.java --discard --only %s";

  private static final Duration END = Duration.ofSeconds(30);
  private static final Duration ANSWER = Duration.ofSeconds(5);

  /**
   * What a saved state is of, in a file beside it. States of the form before have none.
   *
   * @param disk the id that the disk was made with: {@link Vm#instance}
   * @param bytes the size of the state
   * @param machine QEMU's versioned word, such as {@code pc-q35-7.2}: a newer QEMU knows it, too
   * @param qemu the version of the QEMU that saved it
   * @param cpu the argument of its {@code -cpu}
   * @param accelerator the first word of its {@code -accel}
   */
  @JsonIgnoreProperties(ignoreUnknown = true)
  public record Facts(
      String disk,
      long bytes,
      int memoryMiB,
      int cpus,
      String machine,
      String qemu,
      String cpu,
      String accelerator) {

    /** {@return what a file says; nothing if there is none} */
    public static Optional<Facts> read(Path file) {
      if (!Files.exists(file)) {
        return Optional.empty();
      }
      try {
        Facts facts = new ObjectMapper().readValue(file.toFile(), Facts.class);
        if (facts != null && facts.machine != null && facts.machine.matches("[a-z0-9.-]+")) {
          return Optional.of(facts);
        }
      } catch (IOException e) {
        // as below
      }
      throw new Problem(
          file + " does not say what the saved state beside it is of",
          "put it back as it was, or give the state up: stop-all.java --discard");
    }

    /**
     * {@return what keeps a node from going on from it, a fact each; empty if nothing does}
     *
     * @param state the file
     * @param disk the id of the node's disk
     */
    public List<String> misfits(Node node, Path state, String disk) {
      List<String> misfits = new ArrayList<>();
      if (!disk.equals(this.disk)) {
        misfits.add("is of its disk %s, and it has disk %s now".formatted(this.disk, disk));
      }
      long found = state.toFile().length();
      if (found != bytes) {
        misfits.add("has %d bytes in place of %d: %s is damaged".formatted(found, bytes, state));
      }
      Changes.sizes(size(node), node.size(), "cluster.yaml")
          .forEach(difference -> misfits.add("is of " + difference));
      return misfits;
    }

    private Node.Size size(Node node) {
      return new Node.Size(cpus, memoryMiB, node.size().diskGiB());
    }

    /**
     * {@return the same for QEMU}
     *
     * @param command what would be run
     * @param version what the QEMU on this host calls itself
     */
    private List<String> misfits(Argv command, Host host, String version) {
      List<String> misfits = new ArrayList<>();
      String nowOn = "%s (%s)".formatted(argument(command, "-cpu"), accelerator(command));
      String wasOn = "%s (%s)".formatted(cpu, accelerator);
      if (!nowOn.equals(wasOn)) {
        misfits.add("is of CPU %s, and it would get %s".formatted(wasOn, nowOn));
      }
      if (!version.equals(qemu) && !knows(host)) {
        misfits.add(
            "is of machine %s of QEMU %s, which QEMU %s does not have"
                .formatted(machine, qemu, version));
      }
      return misfits;
    }

    private boolean knows(Host host) {
      Argv help = Argv.of(host.arch().qemu(), "-machine", "help");
      return Commands.run(help).out().lines().anyMatch(line -> line.startsWith(machine + " "));
    }

    private static String argument(Argv command, String option) {
      return command.parts().stream()
          .filter(part -> part.size() == 2 && part.get(0).equals(option))
          .map(part -> part.get(1))
          .findFirst()
          .orElse("");
    }

    private static String accelerator(Argv command) {
      return argument(command, "-accel").replaceFirst(",.*", "");
    }

    String json() {
      try {
        ObjectMapper json = new ObjectMapper().enable(SerializationFeature.INDENT_OUTPUT);
        return json.writeValueAsString(this) + "\n";
      } catch (JsonProcessingException e) {
        throw new IllegalStateException(e);
      }
    }
  }

  /** {@return the CPUs and the memory that a saved state is of; nothing if nobody noted them} */
  Optional<Node.Size> size() {
    return Facts.read(vm.files().suspension()).map(facts -> facts.size(vm.node()));
  }

  /** {@return the suspension of a node, which need not be suspended} */
  public static Suspension of(Node node, Layout layout) {
    return new Suspension(Vm.of(node, layout));
  }

  /**
   * Saves the VM and ends it.
   *
   * @throws Problem if it can't be saved; the guest goes on then
   */
  public void begin() {
    if (vm.status().filter("running"::equals).isPresent()) {
      vm.removeSaved(); // what it went on from; a launch that was killed has left it
    }
    vm.save(
        () -> {
          String facts = facts().json();
          new Plan.Write(vm.files().suspension(), facts, false).run();
          resumeNext();
        });
    if (!Wait.until(END, () -> !vm.alive())) {
      throw new Problem(
          "%s: its state is saved, and QEMU does not end".formatted(vm.node().name()),
          "run launch-all.java: it goes on");
    }
  }

  /** What QEMU, whose state was just saved, says of itself. */
  private Facts facts() {
    Layout.Files files = vm.files();
    try (Qmp qmp = Qmp.connect(files.qmp(), ANSWER)) {
      Map<String, String> machine = Map.of("path", "/machine", "property", "type");
      return new Facts(
          vm.instance().orElse(""),
          Files.size(files.suspended()),
          (int) (qmp.execute("query-memory-size-summary").path("base-memory").asLong() >> 20),
          qmp.execute("query-cpus-fast").size(),
          qmp.execute("qom-get", machine).asText().replaceFirst("-machine$", ""),
          qmp.version(),
          vm.launched("-cpu"),
          vm.launched("-accel").replaceFirst(",.*", ""));
    } catch (IOException e) {
      throw new Problem("QEMU does not say what it is: " + e.getMessage(), "try again", e);
    }
  }

  /** Has the VM's next start take up what was saved. */
  public void resumeNext() {
    Argv machine =
        Facts.read(vm.files().suspension())
            .map(facts -> Argv.empty().option("-machine", facts.machine))
            .orElse(Argv.empty());
    new Plan.Write(vm.files().incoming(), SavedState.incoming(vm.files(), machine), false).run();
  }

  /** {@return whether the VM is suspended: it has a state that its next start takes up} */
  public boolean isSaved() {
    Layout.Files files = vm.files();
    return Files.exists(files.incoming()) // else it is a fork that has not begun
        && (Files.exists(files.suspended()) || Files.exists(files.suspension()));
  }

  /**
   * Gets saved states ready to be taken up; the nodes' QEMU is about to start.
   *
   * @param command what would be run for a node
   * @param version what the QEMU on this host calls itself
   * @throws Problem with a line for each node that can't go on from its state, before anything was
   *     changed
   */
  public static void ready(
      List<Node> starting, Layout layout, Function<Node, Argv> command, Host host, String version) {
    List<Suspension> saved =
        new ArrayList<>(starting.stream().map(node -> of(node, layout)).toList());
    saved.forEach(Suspension::settle);
    saved.removeIf(one -> !one.isSaved());
    Each.run(saved, one -> one.check(command.apply(one.vm.node()), host, version));
    saved.forEach(Suspension::resumeNext); // those of the form before name an absolute path
  }

  private void check(Argv command, Host host, String version) {
    Layout.Files files = vm.files();
    List<String> misfits = new ArrayList<>();
    Optional<Facts> facts = Facts.read(files.suspension());
    if (!Files.exists(files.suspended())) {
      misfits.add("is gone: " + files.suspended());
    } else if (!Files.exists(files.disk())) {
      misfits.add("needs its disk, which is gone: " + files.disk());
    } else if (facts.isPresent()) {
      misfits.addAll(facts.get().misfits(vm.node(), files.suspended(), vm.instance().orElse("")));
      misfits.addAll(facts.get().misfits(command, host, version));
    }
    Problem.throwAll(
        misfits.stream()
            .map(
                fact ->
                    new Problem(
                        "%s: its saved state %s".formatted(vm.node().name(), fact),
                        "undo what was changed, in cluster.yaml or on this host; or give up what"
                            + " was saved: stop-all.java --discard, which takes --only"))
            .toList());
  }

  /** Removes what the guest went on from, where whoever let it go was killed before that. */
  public void settle() {
    Layout.Files files = vm.files();
    try {
      if (!Files.exists(files.taken())) {
        return;
      }
      if (SavedState.isUsed(files) || !Files.exists(files.incoming())) {
        vm.removeSaved();
      } else {
        Files.delete(files.taken());
      }
    } catch (IOException e) {
      throw Problem.cannot("read", files.taken(), e);
    }
  }

  /** {@return the nodes that are suspended, and do not run} */
  public static List<Suspension> savedOf(List<Node> nodes, Layout layout) {
    return nodes.stream()
        .map(node -> of(node, layout))
        .filter(suspension -> suspension.isSaved() && !suspension.vm.alive())
        .toList();
  }

  /** {@return what is lost if the state is given up, for a reader} */
  public String words() {
    try {
      return "%s: what it was doing when it was suspended, %.19s (%d MiB); it boots from its disk"
          .formatted(
              vm.node().name(),
              Files.getLastModifiedTime(vm.files().suspended()),
              Files.size(vm.files().suspended()) >> 20);
    } catch (IOException e) {
      return vm.node().name()
          + ": nothing, as its saved state can't be read; it boots from its disk";
    }
  }

  /** Gives the saved state up, on the person's word; the VM boots from its disk then. */
  public void discard() {
    vm.removeSaved();
  }
}

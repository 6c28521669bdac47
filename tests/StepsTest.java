import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import lib.Wait;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** Files connect the steps: launch-vm uses what earlier steps left, or names the missing step. */
class StepsTest {
  private TinyCluster tiny;

  @BeforeEach
  void makesACluster() {
    tiny = TinyCluster.make();
  }

  @AfterEach
  void endsTheCluster() {
    tiny.close();
  }

  private CommandResult step(String script, String... arguments) {
    return tiny.plain(script, arguments).with("KUBENET_CACHE", tiny.top().resolve("cache")).run();
  }

  private void assertNothingMade() {
    assertThat(tiny.layout().state()).doesNotExist();
    assertThat(tiny.pids()).isEmpty();
  }

  @Test
  @Fault(
      value = "a step is run before the step that it needs: no host facts, image or LAN switch",
      promise = "it names that step, exits with 1, and writes nothing")
  void eachMissingFileNamesTheStepThatMakesIt() throws IOException {
    step("launch-vm", "worker0")
        .exitedWith(1)
        .complainsInTwoLines("this machine was not checked", "./jbang check-host.java");
    assertNothingMade();
    step("check-host").succeeded().quiet().prints("accelerator  ", "cache/host.json");
    step("launch-vm", "worker0")
        .exitedWith(1)
        .complainsInTwoLines("there is no image yet", "./jbang prepare-image.java");
    assertNothingMade();
    step("prepare-image", "--no-bake").succeeded().quiet().prints("image        ");
    List<Path> before = files();
    step("launch-vm", "worker0")
        .exitedWith(1)
        .complainsInTwoLines("the LAN switch does not run", "./jbang lan.java");
    assertThat(files()).isEqualTo(before);
  }

  @Test
  void theStepsOneByOneBootANode() throws IOException {
    step("prepare-image", "--no-bake").succeeded().quiet();
    step("check-host").succeeded().quiet();
    step("lan").succeeded().quiet().prints("kubernetes   127.0.0.1:");
    assertThat(tiny.lan().alive()).isTrue();
    Path said = tiny.top().resolve("said");
    Process launch =
        tiny.plain("launch-vm", "worker0")
            .with("KUBENET_CACHE", tiny.top().resolve("cache"))
            .start(said);
    try {
      boolean runs =
          Wait.until(Duration.ofMinutes(1), () -> tiny.vm("worker0").status().isPresent());
      assertThat(runs).as("worker0 runs: %s", Files.readString(said)).isTrue();
      assertThat(said)
          .content()
          .contains(
              "worker0 boots from the start: no template fits",
              "./jbang prepare-template.java --only worker0");
      assertThat(step("launch-vm", "worker0").succeeded().quiet().out())
          .isEqualTo("worker0 runs already\n");
      assertThat(tiny.panes()).containsExactlyInAnyOrder("lan lan alive", "forward forward alive");
      step("lan").succeeded().quiet(); // what is running is left alone
      Path file = tiny.folder().resolve("cluster.yaml");
      String config = Files.readString(file);
      Files.writeString(file, config + "vip: 10.240.0.6\n");
      step("lan").exitedWith(1).complains("worker0 runs with virtual IP", "undo the change");
      Files.writeString(file, config);
      assertThat(tiny.lan().alive()).isTrue();
      step("stop-all", "--only", "worker0").succeeded();
      assertThat(launch.waitFor()).isZero();
    } catch (InterruptedException e) {
      throw new AssertionError("interrupted", e);
    } finally {
      launch.destroyForcibly();
    }
  }

  @Test
  @Fault(
      value = "QEMU is another one than when the machine was checked",
      promise = "the facts do not hold any more: launch-vm names the step that finds them anew")
  void factsOfAnotherQemuDoNotHold() throws IOException {
    step("check-host").succeeded().quiet();
    Path facts = tiny.top().resolve("cache/host.json");
    Files.writeString(facts, Files.readString(facts).replaceFirst("/qemu-system", "/other-qemu"));
    step("launch-vm", "worker0")
        .exitedWith(1)
        .complainsInTwoLines("this machine was not checked", "./jbang check-host.java");
  }

  @Test
  @Fault(
      value = "the firmware is another one than when the machine was checked",
      promise = "check-host finds it anew, as a launch does")
  void firmwareIsLookedForAgain() throws IOException {
    step("check-host").succeeded().quiet();
    Path facts = tiny.top().resolve("cache/host.json");
    String found = Files.readString(facts);
    Files.writeString(facts, found.replaceFirst("\"code\" : \"", "\"code\" : \"/gone"));
    assertThat(Files.readString(facts)).isNotEqualTo(found);
    step("check-host").succeeded().quiet();
    assertThat(Files.readString(facts)).isEqualTo(found);
  }

  private List<Path> files() throws IOException {
    try (var files = Files.walk(tiny.layout().state())) {
      return files.sorted().toList();
    }
  }
}

import static org.assertj.core.api.Assertions.assertThat;

import java.io.File;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import lib.Commands;
import lib.cluster.Host;
import lib.host.Probe;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/** What a trial of QEMU teaches, and what it does not; what is said where macOS's fails. */
class ProbeTest {
  private TinyCluster tiny;
  private Path memory;

  private static final String DENIED = "QEMU stopped with \"-accel hvf: Error: ret = HV_DENIED\"";

  @AfterEach
  void endsTheCluster() {
    if (tiny != null) {
      tiny.close();
    }
  }

  /** A launch with a QEMU that does something first wherever it is only tried or asked. */
  private CommandResult.Call launch(String... first) {
    tiny = TinyCluster.make();
    memory = tiny.top().resolve("cache/host.json");
    String qemu = Host.Arch.current().qemu();
    Path real = Commands.find(qemu).orElseThrow();
    Path bin = tiny.top().resolve("bin");
    CommandResult.fake(
        bin.resolve(qemu),
        "case \"$*\" in *kubenet-trial*)",
        String.join("\n", first),
        "esac",
        "exec %s \"$@\"".formatted(real));
    return tiny.call("launch-all")
        .with("PATH", bin + File.pathSeparator + System.getenv("PATH"))
        .with("KUBENET_CACHE", memory.getParent());
  }

  private void assertInASandbox() throws IOException {
    assertThat(tiny.pids()).hasSize(2);
    for (long pid : tiny.pids().values()) {
      assertThat(Path.of("/proc/" + pid + "/status")).content().contains("\nSeccomp:\t2\n");
    }
  }

  private static boolean opens(String device) {
    return Files.isReadable(Path.of(device)) && Files.isWritable(Path.of(device));
  }

  @Test
  @Fault(
      value = "QEMU takes 6 s to say what it can do",
      promise =
          "kubenet waits; the VMs still run in the sandbox, and the accelerator is not ruled out")
  void aQemuThatIsSlowToStartIsWaitedFor() throws IOException {
    CommandResult launch = launch("sleep 6;;").run().succeeded().quiet();
    assertInASandbox();
    assertThat(launch.out()).contains("accelerator  kvm: ").doesNotContain("did not answer");
    if (opens("/dev/kvm")) {
      assertThat(Files.readString(memory)).contains("\"settled\" : true", "\"sandbox\" : true");
    }
  }

  @Test
  @Fault(
      value = "QEMU says nothing while kubenet tries an accelerator",
      promise =
          "kubenet tries again and asks for QEMU's features separately; it does not remember the"
              + " silence")
  void aTrialThatSaysNothingSettlesNothing() throws IOException {
    CommandResult launch =
        launch("case \"$*\" in *tcg*) ;; *) kill -9 $$;; esac;;").run().succeeded().quiet();
    assertInASandbox();
    if (opens("/dev/kvm")) {
      assertThat(launch.out()).contains("QEMU stopped with \"no message\"; using tcg (slow)");
      assertThat(Files.readString(memory)).contains("\"settled\" : false");
    }
  }

  @Test
  @Fault(
      value = "QEMU never says whether it has a sandbox",
      promise = "no VM starts, and a message says so")
  void withoutAnAnswerNothingStarts() {
    launch("kill -9 $$;;")
        .run()
        .exitedWith(1)
        .complains(
            "does not say what it can do: QEMU stopped with \"no message\"",
            Host.Arch.current().qemu() + " -version");
    assertThat(tiny.pids()).isEmpty();
    assertThat(memory).doesNotExist();
  }

  @Test
  void aQemuWithoutTheEntitlementIsNamed() {
    assertThat(Probe.hint(DENIED, "Executable=/opt/homebrew/bin/qemu-system-aarch64\n[Dict]\n"))
        .isEqualTo(
            " (QEMU is not signed with the entitlement com.apple.security.hypervisor: reinstall"
                + " it)");
    assertThat(Probe.hint(DENIED, "[Dict]\n\t[Key] com.apple.security.hypervisor\n")).isEmpty();
    assertThat(Probe.hint(DENIED, "")).as("without codesign").isEmpty();
  }

  @Test
  void aQemuThatDoesNotKnowTheChipIsNamed() {
    String said = "QEMU stopped with \"Property 'host-arm-cpu.sme' not found\"";
    assertThat(Probe.hint(said, "[Key] com.apple.security.hypervisor"))
        .isEqualTo(" (before 10.0 QEMU does not know this chip's SME: upgrade it)");
  }
}

import static org.assertj.core.api.Assertions.assertThat;

import lib.Probe;
import org.junit.jupiter.api.Test;

/** What is said where macOS's hypervisor fails; the trial itself is QemuTest's and real runs'. */
class ProbeTest {
  private static final String DENIED = "QEMU stopped with \"-accel hvf: Error: ret = HV_DENIED\"";

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

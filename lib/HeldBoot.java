package lib;

import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * Makes a boot that was held and saved just before cloud-init: up to there it is the same for all
 * roles of one size, and templates go on from it. The image's own {@code hold-boot} ({@code
 * image/after.sh}) waits there, if the kernel's command line asks for it.
 *
 * @param vm boots it
 * @param qemuVersion what QEMU calls itself: another one's state may not fit
 */
public record HeldBoot(TemplateVm vm, String qemuVersion) implements ImageMaker {

  /**
   * {@return the held boot that a template can go on from; nothing if its image has no {@code
   * hold-boot}, or boots by a loader, which is told no command line}
   */
  public static Optional<HeldBoot> of(Template template) {
    TemplateVm vm = template.vm();
    if (!(vm.boot() instanceof Boot.ByKernel direct)
        || !direct.kernel().arguments().contains("root=LABEL=kubenet-root")) {
      return Optional.empty(); // the label is debian-built's, and stays when more is baked into it
    }
    TemplateVm held =
        new TemplateVm(
            "held boot of " + vm.parent().facts().name(),
            vm.parent(),
            vm.cluster(),
            vm.node(),
            vm.host(),
            direct.with("kubenet.hold"),
            Map.of("held", "Nothing is in this seed: the boot waits for another one.\n"));
    return Optional.of(new HeldBoot(held, template.qemuVersion()));
  }

  @Override
  public String name() {
    return vm.name();
  }

  @Override
  public String key() {
    return "held-" + Digest.of(vm.input(qemuVersion)).substring(0, 12);
  }

  @Override
  public String parentDigest() {
    return vm.parent().digest();
  }

  @Override
  public List<Tool> tools() {
    return vm.tools();
  }

  @Override
  public Image expected(Path folder) {
    return vm.expected(folder);
  }

  @Override
  public long bytes(Path work) {
    return vm.bytes();
  }

  @Override
  public void make(Path work, Terminal terminal, boolean yes) {
    vm.make(work, Optional.empty(), "held", Duration.ofMinutes(5));
  }

  @Override
  public List<String> describe(Path work) {
    return vm.describe(work);
  }
}

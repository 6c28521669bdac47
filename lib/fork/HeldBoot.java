package lib.fork;

import java.time.Duration;
import java.util.Map;
import java.util.Optional;
import lib.qemu.Boot;

/**
 * A boot that was held and saved just before cloud-init: up to there it is the same for all roles
 * of one size, and their templates go on from it. The image's own {@code hold-boot} ({@code
 * image/after.sh}) waits there, if the kernel's command line asks for it.
 */
public final class HeldBoot {
  private HeldBoot() {}

  /**
   * {@return what makes the held boot that a template can go on from; nothing if its image has no
   * {@code hold-boot}, or boots by a loader, which is told no command line}
   */
  public static Optional<Template> of(Template template) {
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
            Map.of("held", "Nothing is in this seed: the boot waits for another one.\n"),
            "held",
            Duration.ofMinutes(5));
    return Optional.of(new Template(held, "held", template.qemuVersion(), Optional.empty()));
  }
}

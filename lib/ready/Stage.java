package lib.ready;

import java.util.Locale;

/** How far a node is on its way to being ready, in order. */
public enum Stage {
  /** QEMU does not run. */
  STOPPED,
  /** The template that it will be forked from is being made. */
  TEMPLATE,
  /** QEMU waits before the guest's first instruction, for its turn. */
  QUEUED,
  /** The guest runs, its SSH server does not answer yet. */
  BOOTING,
  /** The SSH server greets. */
  SSH,
  /** A login with the known host key works; cloud-init is still at work. */
  CLOUD_INIT,
  /** cloud-init is done without errors. */
  READY,
  /** cloud-init is done, with errors. */
  FAILED;

  /** {@return its word in output: {@code cloud-init}} */
  public String word() {
    return name().toLowerCase(Locale.ROOT).replace('_', '-');
  }
}

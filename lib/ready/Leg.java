package lib.ready;

import java.time.Duration;
import java.time.Instant;
import java.util.Locale;

/**
 * A part of a node's way from QEMU's start to its being reported ready, in order. A leg ends by
 * what is said here, and starts where the one before it ended. A node need not have them all: one
 * that was resumed boots no kernel.
 */
public enum Leg {
  /** QEMU waits before the guest's first instruction, until it is resumed. */
  QUEUED,
  /** Firmware and boot loader, if any, until the kernel's clock starts. */
  QEMU,
  /** The kernel and its initial RAM disk, until systemd of the root file system starts. */
  KERNEL,
  /** systemd and the first services, until it starts the network's. */
  SYSTEM,
  /** Until the guest has an address that others reach. */
  NETWORK,
  /** Until the SSH server greets. */
  SSHD,
  /** Until cloud-init has done all its work: the node is ready. */
  CLOUD_INIT,
  /** Until kubenet said so; leaves out what the guest's answer took on its way to the host. */
  READY;

  /** {@return its word in output: {@code cloud-init}} */
  public String word() {
    return name().toLowerCase(Locale.ROOT).replace('_', '-');
  }

  /** A leg of one node, by this host's clock. */
  public record Span(Leg leg, Instant start, Instant end) {

    /** {@return how long it took, in seconds} */
    public double seconds() {
      return Duration.between(start, end).toMillis() / 1e3;
    }
  }
}

package lib.cluster;

import java.util.Locale;

/** What a node is for; a cluster numbers its nodes over the roles in this order. */
public enum Role {
  /** Load balancer in front of the control nodes; owns the virtual IP. */
  GATEWAY,
  /** Kubernetes control plane. */
  CONTROL,
  /** Kubernetes worker. */
  WORKER;

  /** {@return the word used for it in names, files and tmux windows: {@code gateway}, ...} */
  public String word() {
    return name().toLowerCase(Locale.ROOT);
  }
}

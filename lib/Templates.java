package lib;

import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.Consumer;

/**
 * The templates that a launch forks nodes from, one a role; and the reason, where there is none.
 *
 * @param makers what makes each, or has made it
 */
public record Templates(ImageStore store, Map<Role, Template> makers) {

  /**
   * {@return the templates of roles whose nodes can be forked}
   *
   * @param starting the nodes without a disk, which are to start
   * @param say gets a line for each role whose nodes boot in place of being forked
   */
  public static Templates of(
      BaseImage base,
      Cluster cluster,
      List<Node> starting,
      Map<Role, Yaml> roles,
      Probe probe,
      Boot boot,
      Consumer<String> say) {
    ImageStore store = ImageStore.ofTemplates();
    Map<Role, Template> makers = new EnumMap<>(Role.class);
    for (Node node : starting) {
      Yaml role = roles.get(node.role());
      if (makers.containsKey(node.role())) {
        continue;
      }
      String own = Identity.ownWork(role);
      if (!own.isEmpty()) {
        say.accept(
            "%s: each boots from the start, as `%s` in its cloud-init file is a node's own work"
                .formatted(node.name(), own));
        continue;
      }
      makers.put(
          node.role(),
          new Template(base, cluster, node, role, probe.host(), boot, probe.qemuVersion()));
    }
    return new Templates(store, makers);
  }

  /** {@return the template of a role, if it is there already and its memory is whole} */
  public Optional<BaseImage> found(Role role) {
    return Optional.ofNullable(makers.get(role))
        .flatMap(maker -> store.find(maker.key()))
        .filter(BaseImage::hasMemory);
  }

  /** {@return the roles whose templates have to be made first} */
  public List<Role> missing() {
    return makers.keySet().stream()
        .filter(role -> store.find(makers.get(role).key()).isEmpty())
        .toList();
  }

  /** {@return the lock under which they are made, so that of two launches one makes them} */
  public Lock lock(Terminal terminal) {
    return store.makingLock(terminal);
  }

  /**
   * {@return the template of a role, made now unless it is there; the caller holds the lock}
   *
   * @throws Problem if it can't be made
   */
  public BaseImage make(Role role, Terminal terminal) {
    Template maker = makers.get(role);
    return store
        .find(maker.key())
        .orElseGet(() -> store.make(maker, maker.host().arch(), terminal, true));
  }
}

package lib.fork;

import java.io.OutputStream;
import java.io.PrintStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.Consumer;
import lib.Argv;
import lib.Lock;
import lib.Plan;
import lib.Problem;
import lib.Terminal;
import lib.cluster.Host;
import lib.cluster.Node;
import lib.cluster.Role;
import lib.image.ImageStore;
import lib.qemu.BaseImage;
import lib.seed.ForkSeed;
import lib.seed.NodeFiles;
import lib.seed.Template;

/**
 * The templates that a launch forks nodes from, one per role; where there is none, the reason.
 *
 * @param makers what each role's template is made of
 */
public record Templates(ImageStore store, Map<Role, Template> makers) {

  /**
   * {@return the templates of roles whose nodes can be forked}
   *
   * @param starting the nodes that are to start and have no disk
   * @param say gets a line for each role whose nodes boot instead of being forked
   */
  public static Templates of(
      NodeFiles files, BaseImage base, List<Node> starting, Consumer<String> say) {
    ImageStore store = ImageStore.ofTemplates();
    Map<Role, Template> makers = new EnumMap<>(Role.class);
    for (Node node : starting) {
      if (makers.containsKey(node.role())) {
        continue;
      }
      Optional<Template> template = files.template(node, base);
      if (template.isPresent()) {
        makers.put(node.role(), template.get());
      } else {
        say.accept(
            "%s: each boots from the start, as `%s` in its cloud-init file is a node's own work"
                .formatted(node.name(), ForkSeed.ownWork(files.roles().get(node.role()))));
      }
    }
    Templates templates = new Templates(store, makers);
    makers.forEach(
        (role, maker) -> {
          Path failure = templates.failure(maker);
          if (Files.exists(failure)) {
            say.accept(
                role.word()
                    + ": each boots from the start, as its template could not be made earlier; to"
                    + " try again: rm "
                    + Argv.quote(failure.toString()));
          }
        });
    return templates;
  }

  /** {@return the templates that are already there, with their memory intact} */
  public Map<Role, BaseImage> found() {
    Map<Role, BaseImage> found = new EnumMap<>(Role.class);
    makers.forEach((role, template) -> template.found().ifPresent(image -> found.put(role, image)));
    return found;
  }

  /** {@return what making the missing ones would do, as shell commands and comments} */
  public List<String> describe() {
    return missing().stream()
        .map(role -> new TemplateMaker(makers.get(role), Optional.empty()))
        .flatMap(maker -> maker.describe(store.work(maker.key())).stream())
        .toList();
  }

  /** {@return a line for each role: where its template is, or why there is none} */
  public List<String> report() {
    Map<Role, BaseImage> found = found();
    return makers.keySet().stream()
        .map(
            role ->
                "%-12s %s"
                    .formatted(
                        role.word(),
                        found.containsKey(role)
                            ? found.get(role).folder()
                            : "its memory was touched since it was made; to make it anew, first:"
                                + " prepare-image.java --prune"))
        .toList();
  }

  /** Lets templates that could not be made earlier be tried again. */
  public void forgetFailures() {
    for (Template template : makers.values()) {
      new Plan.Remove(failure(template)).run();
      template.heldBoot().ifPresent(held -> new Plan.Remove(failure(held)).run());
    }
  }

  /** {@return the roles whose templates have to be made first, and have not failed before} */
  public List<Role> missing() {
    return makers.keySet().stream()
        .filter(role -> store.find(makers.get(role).key()).isEmpty())
        .filter(role -> !Files.exists(failure(makers.get(role))))
        .toList();
  }

  /** Says that a template could not be made: the next try would also take minutes to fail. */
  private Path failure(Template maker) {
    return store.work(maker.key()).resolveSibling("." + maker.key() + ".failed");
  }

  /** {@return the lock under which they are made, so that only one of two launches makes them} */
  public Lock lock(Terminal terminal) {
    return store.makingLock(terminal);
  }

  /**
   * {@return the template of a role, made now if it is not there; the caller holds the lock}
   *
   * @throws Problem if it can't be made
   */
  public BaseImage make(Role role, Terminal terminal) {
    Template maker = makers.get(role);
    Optional<BaseImage> there = store.find(maker.key());
    if (there.isPresent()) {
      return there.get(); // another launch has made it meanwhile
    }
    try {
      return make(maker, held(maker, terminal), terminal);
    } catch (Problem problem) {
      note(maker, problem);
      throw problem;
    }
  }

  /** Makes the template of a role; if that fails, a line says why, and its nodes boot. */
  public void attempt(Role role, Terminal terminal) {
    try {
      make(role, Terminal.plain(new PrintStream(OutputStream.nullOutputStream())));
    } catch (Problem problem) {
      terminal.line(role.word() + ": each boots from the start: " + problem.getMessage());
    }
  }

  /** When this process is being ended, what it runs ends too: that is not the template's fault. */
  private void note(Template maker, Problem problem) {
    Thread none = new Thread();
    try {
      Runtime.getRuntime().addShutdownHook(none);
      Runtime.getRuntime().removeShutdownHook(none);
    } catch (IllegalStateException e) { // the only way to find out
      return;
    }
    new Plan.Write(failure(maker), problem.getMessage() + "\n", false).run();
  }

  /** The boot that a template can go on from, made now if needed; without one, it boots. */
  private synchronized Optional<BaseImage> held(Template template, Terminal terminal) {
    Optional<Template> possible = template.heldBoot();
    if (possible.isEmpty() || Files.exists(failure(possible.get()))) {
      return Optional.empty();
    }
    Template maker = possible.get();
    try {
      Optional<BaseImage> there = maker.found();
      if (there.isPresent()) {
        there.get().verify();
        return there;
      }
      return Optional.of(make(maker, Optional.empty(), terminal));
    } catch (Problem problem) {
      note(maker, problem);
      return Optional.empty();
    }
  }

  private BaseImage make(Template template, Optional<BaseImage> held, Terminal terminal) {
    Host.Arch arch = template.host().arch();
    return store.make(new TemplateMaker(template, held), arch, terminal, true);
  }
}

package lib.image;

import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import lib.Argv;
import lib.Commands;
import lib.Lock;
import lib.Problem;
import lib.Terminal;
import lib.Visible;
import lib.qemu.BaseImage;
import lib.qemu.Basis;

/** What is in a store: a list of it, whether it is intact, and what nobody needs any more. */
public record Upkeep(ImageStore store) {
  private static final Duration LIMIT = Duration.ofMinutes(10);

  /** {@return rows for a reader, under a heading: every image, and what was left unfinished} */
  public String table() {
    String form = "%-44s %6s  %-10s  %s";
    Stream<String> images =
        store.all().stream()
            .map(
                image ->
                    form.formatted(
                        image.folder().getFileName(),
                        mib(image.folder()),
                        image.facts().made().substring(0, 10),
                        used(Basis.users(image))));
    Stream<String> rest =
        store.unfinished().stream()
            .map(path -> form.formatted(path.getFileName(), mib(path), "-", "unfinished"));
    Stream<String> damaged =
        store.damaged().stream()
            .map(
                path -> form.formatted(path.getFileName(), mib(path), "-", "no image, or damaged"));
    Stream<String> heading = Stream.of(form.formatted("IMAGE", "MIB", "MADE", "USED BY"));
    return Stream.of(heading, images, damaged, rest)
        .flatMap(rows -> rows)
        .collect(Collectors.joining("\n"));
  }

  private static String used(List<Path> users) {
    return users.isEmpty()
        ? "-"
        : users.stream()
            .map(state -> Visible.line(state + (Files.exists(state) ? "" : " (not there)")))
            .collect(Collectors.joining(", "));
  }

  /** {@return a problem for each image that has changed; every byte is read} */
  public List<Problem> verify(Terminal terminal) {
    List<Problem> problems = new ArrayList<>();
    for (BaseImage base : store.all()) {
      try {
        base.verifyFully();
        terminal.line("good         %s", base.folder());
      } catch (Problem problem) {
        problems.add(problem);
      }
    }
    return problems;
  }

  /**
   * {@return what nobody needs: images that no disk is based on, and what was left unfinished}
   *
   * @param kept images that stay anyway
   */
  public List<Path> unneeded(List<BaseImage> kept) {
    List<Path> unneeded = new ArrayList<>(store.unfinished());
    store.all().stream()
        .filter(image -> Basis.users(image).isEmpty())
        .filter(image -> !kept.contains(image))
        .forEach(image -> unneeded.add(image.folder()));
    return unneeded;
  }

  /**
   * Removes what nobody needs; asks first, unless {@code yes}.
   *
   * @param kept images that stay anyway
   * @param dryRun whether only to name it
   * @throws Problem if the person does not agree
   */
  public void prune(List<BaseImage> kept, boolean dryRun, boolean yes, Terminal terminal) {
    List<Path> unneeded = unneeded(kept);
    for (Path path : unneeded) {
      String line = "%s, %d MiB".formatted(path, mib(path));
      terminal.line((dryRun ? "# removes " : "will remove ") + line);
    }
    if (dryRun || unneeded.isEmpty()) {
      terminal.line((dryRun ? "# " : "") + "%d to remove".formatted(unneeded.size()));
      return;
    }
    if (!yes && !terminal.confirm("Remove these?")) {
      throw new Problem("nothing was removed", "answer yes, or give --yes");
    }
    try (Lock making = store.makingLock(terminal);
        Lock using = store.lock(terminal)) {
      unneeded.retainAll(unneeded(kept)); // somebody may need one by now
      unneeded.forEach(store::remove);
      terminal.line("removed %d", unneeded.size());
    }
  }

  /** The space that a folder or file of the store takes up, in MiB. */
  private static long mib(Path path) {
    // any part that is another user's, or goes away meanwhile, does not count
    String said = Commands.run(Argv.of("du", "-sm", path.toString()), LIMIT).out();
    return said.matches("(?s)[0-9]+\\s.*") ? Long.parseLong(said.split("\\s")[0]) : 0;
  }
}

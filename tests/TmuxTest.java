import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import lib.Argv;
import lib.Cluster;
import lib.Commands;
import lib.SshSession;
import lib.Tmux;
import lib.VmSession;
import lib.Wait;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** Whole commands; and what a real tmux server of the test's own makes of them. */
class TmuxTest {
  private final Cluster cluster = Cluster.standard();
  private Path folder;

  @BeforeEach
  void makeFolder() throws IOException {
    folder = Leftovers.folder("kubenet-tmux-");
  }

  @AfterEach
  void endServer() throws IOException {
    Commands.run(own(Argv.of("tmux", "kill-server")));
    Lab.remove(folder);
  }

  /** The same command for a tmux server that nobody else has. */
  private Argv own(Argv command) {
    return Argv.of("env", "-u", "TMUX", "TMUX_TMPDIR=" + folder).then(command);
  }

  private List<Tmux.Found> panes(String session) {
    return Tmux.panes(Commands.run(own(Tmux.listPanes(session))).orProblem().out());
  }

  @Test
  void sshSessionIsGolden() {
    SshSession session = SshSession.of(cluster, Lab.LAYOUT, cluster.nodes());

    Golden.check("tmux/ssh", text(session.commands()));
  }

  @Test
  void vmsSessionIsGolden() {
    List<Argv> commands =
        VmSession.of(cluster, Lab.LAYOUT).commands(Lab.nodes(cluster), Lab.LAYOUT, true, true);

    Golden.check("tmux/vms", text(commands));
  }

  private static String text(List<Argv> commands) {
    return commands.stream()
        .map(command -> command.toShell().replace(" ';' ", " \\\n  ';' ") + "\n")
        .map(Golden::withoutThisJava)
        .collect(Collectors.joining("\n"));
  }

  @Test
  void smallCommandsAreWhole() {
    Argv program = Argv.of("sh", "-c").add("a;");

    assertThat(
            List.of(
                    Tmux.respawn("%3", program),
                    Tmux.listPanes("lab"),
                    Tmux.killSession("lab"),
                    Tmux.killPane("%3"),
                    Tmux.attach("lab"),
                    Tmux.switchClient("lab"))
                .stream()
                .map(Argv::toShell))
        .containsExactly(
            "tmux respawn-pane -k -t %3 -- sh -c 'a\\;'",
            "tmux list-panes -s -t =lab: -F" + " '#{window_name} #{@node} #{pane_id} #{pane_dead}'",
            "tmux kill-session -t =lab",
            "tmux kill-pane -t %3",
            "tmux attach-session -t =lab",
            "tmux switch-client -t =lab");
  }

  @Test
  void panesReadBack() {
    assertThat(
            Tmux.panes(
                """
                vms worker0 %3 0
                lan lan %12 1
                sh  %13 0
                two words x %14 0
                """))
        .isEqualTo(
            List.of(
                new Tmux.Found("vms", "worker0", "%3", false),
                new Tmux.Found("lan", "lan", "%12", true)));
    assertThat(Tmux.panes("")).isEmpty();
  }

  @Test
  void aSingleWordIsRefused() {
    assertThatThrownBy(() -> new Tmux.Pane("x", Argv.of("rm -rf /")))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageStartingWith("tmux gives a single word to a shell: ");
  }

  @Test
  void aRealTmuxRunsTheVeryWords() throws IOException {
    Path out = folder.resolve("out");
    List<String> words =
        List.of(
            "a b", ";", "a;", "a\\;", "#{pane_id}", "$HOME", "'", "\"", "", "-x", "{", "%", "~");
    Argv program =
        Argv.of("sh", "-c", "printf '%s\\0' \"$@\" > \"$0\".part && mv \"$0\".part \"$0\"")
            .add(out.toString())
            .add(words.toArray(String[]::new));
    Tmux.Window window = new Tmux.Window("w", List.of(new Tmux.Pane("one", program)));

    Commands.run(own(Tmux.session("lab", List.of(window)).get(0))).orProblem();
    assertThat(Wait.until(Duration.ofSeconds(5), () -> Files.exists(out))).isTrue();
    assertThat(Files.readString(out)).isEqualTo(String.join("\0", words) + "\0");

    // the pane stays with its program's end, and can run another
    assertThat(Wait.until(Duration.ofSeconds(5), () -> panes("lab").get(0).dead())).isTrue();
    Files.delete(out);
    Commands.run(own(Tmux.respawn(panes("lab").get(0).id(), program))).orProblem();
    assertThat(Wait.until(Duration.ofSeconds(5), () -> Files.exists(out))).isTrue();
    assertThat(Files.readString(out)).isEqualTo(String.join("\0", words) + "\0");
  }

  @Test
  void aRealTmuxShowsEveryNode() {
    Argv program = Argv.of("sleep", "60");
    List<Tmux.Window> windows =
        List.of(
            new Tmux.Window("gateway", List.of(new Tmux.Pane("gateway", program))),
            new Tmux.Window(
                "nodes",
                IntStream.range(0, 40)
                    .mapToObj(i -> new Tmux.Pane("worker" + i, program))
                    .toList()));

    Tmux.session("lab", windows).forEach(command -> Commands.run(own(command)).orProblem());
    Commands.run(own(Tmux.syncKey("lab"))).orProblem();

    List<Tmux.Found> panes = panes("lab");
    assertThat(panes.stream().map(pane -> pane.window() + " " + pane.title() + " " + pane.dead()))
        .containsExactlyInAnyOrderElementsOf(
            windows.stream()
                .flatMap(
                    window ->
                        window.panes().stream()
                            .map(pane -> window.name() + " " + pane.title() + " false"))
                .toList());

    Commands.run(own(Tmux.newWindow("lab", new Tmux.Window("more", windows.get(0).panes()))))
        .orProblem();
    Commands.run(own(Tmux.newPane("lab", "more", new Tmux.Pane("extra", program)))).orProblem();
    Commands.run(own(Tmux.killPane(panes.get(0).id()))).orProblem();
    assertThat(panes("lab").stream().map(pane -> pane.window() + " " + pane.title()))
        .hasSize(42)
        .contains("more gateway", "more extra")
        .doesNotContain("gateway gateway");

    Commands.run(own(Tmux.killSession("lab"))).orProblem();
    assertThat(Commands.run(own(Tmux.listPanes("lab"))).succeeded()).isFalse();
  }

  /** A session of a longer name is another one. */
  @Test
  void sessionsAreNamedExactly() {
    Tmux.Window window =
        new Tmux.Window("w", List.of(new Tmux.Pane("one", Argv.of("sleep", "60"))));
    Commands.run(own(Tmux.session("lab-2", List.of(window)).get(0))).orProblem();

    assertThat(Commands.run(own(Tmux.listPanes("lab"))).succeeded()).isFalse();
    assertThat(Commands.run(own(Tmux.killSession("lab"))).succeeded()).isFalse();
    assertThat(panes("lab-2")).hasSize(1);
  }
}

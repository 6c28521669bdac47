import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import lib.Argv;
import lib.Commands;
import lib.Terminal;
import lib.Wait;
import lib.cluster.Cluster;
import lib.tmux.Sessions;
import lib.tmux.SshSession;
import lib.tmux.Tmux;
import lib.tmux.VmSession;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** Whole commands; and what a real tmux server of the test's own makes of them. */
class TmuxTest {
  private final Cluster cluster = Cluster.standard();
  private final ByteArrayOutputStream said = new ByteArrayOutputStream();
  private final Terminal terminal =
      Terminal.plain(new PrintStream(said, true, StandardCharsets.UTF_8));
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
    return Argv.of("env", "-u", "TMUX", "HOME=" + folder, "tmux")
        .option("-S", socket())
        .then(command.rest());
  }

  private Path socket() {
    return folder.resolve("socket");
  }

  private String tmux(String... arguments) {
    return Commands.run(own(Argv.of("tmux", arguments))).orProblem().out().strip();
  }

  /** Sessions on that server, which runs from now on, with a session of a person's. */
  private Sessions sessions() {
    tmux("new-session", "-d", "-s", "mine", "sleep", "600");
    return new Sessions("3f2a", folder, Optional.of(socket()));
  }

  private Tmux.Session lab(String name) {
    return new Tmux.Session(name, "3f2a", folder, Tmux.LEAVE);
  }

  private List<Tmux.Found> panes(String session) {
    return Tmux.panes(Commands.run(own(Tmux.listPanes(session))).orProblem().out());
  }

  @Test
  void sshSessionIsGolden() {
    SshSession session = SshSession.of(cluster, Lab.LAYOUT, cluster.nodes(), terminal);

    Golden.check("tmux/ssh", text(session.commands()));
  }

  @Test
  void vmsSessionIsGolden() {
    List<Argv> commands =
        VmSession.of(cluster, Lab.LAYOUT, terminal)
            .commands(Lab.nodes(cluster), Lab.LAYOUT, true, true);

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
                    Tmux.attach("lab"),
                    Tmux.switchClient("lab"))
                .stream()
                .map(Argv::toShell))
        .containsExactly(
            "tmux respawn-pane -k -t %3 -- sh -c 'a\\;'",
            "tmux list-panes -s -t =lab: -F"
                + " '#{pane_id} #{pane_dead} #{window_id} #{@kubenet-window} #{@node}'",
            "tmux kill-session -t =lab",
            "tmux attach-session -t =lab",
            "tmux switch-client -t =lab");
  }

  @Test
  void panesReadBack() {
    assertThat(
            Tmux.panes(
                """
                %3 0 @1 vms worker0
                %12 1 @0 lan lan
                %13 0 @2 vms\s
                %14 0 @3 \s
                %15 0 @4  worker1
                """))
        .isEqualTo(
            List.of(
                new Tmux.Found("vms", "@1", "worker0", "%3", false),
                new Tmux.Found("lan", "@0", "lan", "%12", true),
                new Tmux.Found("", "@4", "worker1", "%15", false)));
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

    Commands.run(own(Tmux.newSession(lab("lab"), window))).orProblem();
    assertThat(Wait.until(Duration.ofMinutes(1), () -> Files.exists(out))).isTrue();
    assertThat(Files.readString(out)).isEqualTo(String.join("\0", words) + "\0");

    // the pane stays with its program's end, and can run another
    assertThat(Wait.until(Duration.ofMinutes(1), () -> panes("lab").get(0).dead())).isTrue();
    Files.delete(out);
    Commands.run(own(Tmux.respawn(panes("lab").get(0).id(), program))).orProblem();
    assertThat(Wait.until(Duration.ofMinutes(1), () -> Files.exists(out))).isTrue();
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

    Tmux.session(lab("lab"), windows, "nodes")
        .forEach(command -> Commands.run(own(command)).orProblem());

    List<Tmux.Found> panes = panes("lab");
    assertThat(panes.stream().map(pane -> pane.window() + " " + pane.title() + " " + pane.dead()))
        .containsExactlyInAnyOrderElementsOf(
            windows.stream()
                .flatMap(
                    window ->
                        window.panes().stream()
                            .map(pane -> window.name() + " " + pane.title() + " false"))
                .toList());

    assertThat(tmux("display-message", "-p", "-t", "=lab:", "#{window_name}")).isEqualTo("nodes");
    Tmux.Window more = new Tmux.Window("more", windows.get(0).panes());
    Commands.run(own(Tmux.newWindow("lab", more, false))).orProblem();
    assertThat(tmux("display-message", "-p", "-t", "=lab:", "#{window_name}")).isEqualTo("nodes");
    String id = panes("lab").get(41).windowId();
    Commands.run(own(Tmux.newPane(id, new Tmux.Pane("extra", program)))).orProblem();
    tmux("kill-pane", "-t", panes.get(0).id());
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
    Commands.run(own(Tmux.newSession(lab("lab-2"), window))).orProblem();

    assertThat(Commands.run(own(Tmux.listPanes("lab"))).succeeded()).isFalse();
    assertThat(Commands.run(own(Tmux.killSession("lab"))).succeeded()).isFalse();
    assertThat(panes("lab-2")).hasSize(1);
  }

  private SshSession ssh(Sessions sessions) {
    Argv program = Argv.of("sleep", "600");
    return new SshSession(
        "lab-ssh",
        List.of(
            new Tmux.Window("gateway", List.of(new Tmux.Pane("gateway", program))),
            new Tmux.Window(
                "nodes",
                List.of(new Tmux.Pane("control0", program), new Tmux.Pane("worker0", program)))),
        sessions,
        terminal);
  }

  private static List<String> marks(Sessions sessions) {
    return sessions.panes("lab-ssh").stream()
        .map(pane -> pane.window() + " " + pane.title() + (pane.dead() ? " dead" : ""))
        .toList();
  }

  @Test
  @Fault(
      value = "windows of the SSH session have other names: with blanks, or all the same",
      promise =
          "ssh-all replaces missing and dead panes where they were; stop-all ends the session")
  void renamedWindowsOfTheSshSession() {
    Sessions sessions = sessions();
    SshSession ssh = ssh(sessions);
    ssh.open();
    List<String> whole = List.of("gateway gateway", "nodes control0", "nodes worker0");
    assertThat(marks(sessions)).isEqualTo(whole);
    List<Tmux.Found> before = sessions.panes("lab-ssh");
    for (Tmux.Found pane : before) {
      tmux("rename-window", "-t", pane.windowId(), "my nodes %9 1 @7");
    }
    tmux("kill-pane", "-t", before.get(1).id());
    tmux("respawn-pane", "-k", "-t", before.get(2).id(), "--", "sh", "-c", "exit 1");
    assertThat(
            Wait.until(Duration.ofSeconds(5), () -> marks(sessions).contains("nodes worker0 dead")))
        .isTrue();

    ssh.open();

    assertThat(marks(sessions)).containsExactlyInAnyOrderElementsOf(whole);
    assertThat(tmux("list-windows", "-t", "=lab-ssh:").lines()).hasSize(2);
    assertThat(sessions.panes("lab-ssh")).contains(before.get(0), before.get(2));
    sessions.end("lab-ssh");
    assertThat(tmux("list-sessions", "-F", "#{session_name}")).isEqualTo("mine");
    assertThat(said.toString(StandardCharsets.UTF_8)).isEmpty();
  }

  @Test
  @Fault(
      value = "all panes of a session were closed except one that a person opened there",
      promise = "the nodes' panes come back; stop-all ends the session")
  void aSessionWithoutOurPanes() {
    Sessions sessions = sessions();
    SshSession ssh = ssh(sessions);
    ssh.open();
    tmux("new-window", "-d", "-t", "=lab-ssh:", "sleep", "600");
    sessions.panes("lab-ssh").forEach(pane -> tmux("kill-pane", "-t", pane.id()));
    assertThat(marks(sessions)).isEmpty();

    ssh.open();
    assertThat(marks(sessions))
        .containsExactly("gateway gateway", "nodes control0", "nodes worker0");
    sessions.panes("lab-ssh").forEach(pane -> tmux("kill-pane", "-t", pane.id()));
    sessions.end("lab-ssh");
    assertThat(tmux("list-sessions", "-F", "#{session_name}")).isEqualTo("mine");
  }

  @Test
  @Fault(
      value =
          "hooks in ~/.tmux.conf add a window to each new session and a pane to each new window",
      promise = "they are left alone; the nodes have panes of their own")
  void hooksThatMakeMore() throws IOException {
    Files.writeString(
        folder.resolve(".tmux.conf"),
        """
        set-hook -g after-new-session 'new-window sleep 60'
        set-hook -g after-new-window 'split-window -d sleep 60'
        """);
    Sessions sessions = sessions();
    ssh(sessions).open();
    ssh(sessions).open();

    List<Tmux.Found> panes = sessions.panes("lab-ssh");
    assertThat(marks(sessions))
        .containsExactlyInAnyOrder("gateway gateway", "nodes control0", "nodes worker0");
    assertThat(tmux("list-panes", "-s", "-t", "=lab-ssh:").lines()).hasSizeGreaterThan(3);
    for (Tmux.Found pane : panes) {
      assertThat(tmux("display-message", "-p", "-t", pane.id(), "#{pane_start_command}"))
          .isEqualTo("sleep 600");
    }
  }

  @Test
  @Fault(
      value = "a person already has a tmux session with the name that kubenet would use",
      promise = "it is not touched; launch-all says so, and stop-all leaves it")
  void aPersonsSessionOfThatName() {
    Sessions sessions = sessions();
    tmux("rename-session", "-t", "=mine", "lab-ssh");

    assertThat(Lab.problem(ssh(sessions)::open))
        .isEqualTo(
            """
            there is a tmux session lab-ssh that kubenet did not make
            (give it another name: tmux -S %s rename-session -t =lab-ssh other)\
            """
                .formatted(socket()));
    sessions.end("lab-ssh");
    assertThat(tmux("list-panes", "-s", "-t", "=lab-ssh:").lines()).hasSize(1);
  }

  @Test
  void aClaimIsAnIdOrOfAnOlderKubenetThePath() {
    Sessions sessions = sessions();
    ssh(sessions).open();
    Path moved = folder.resolve("moved");
    assertThat(new Sessions("3f2a", moved, Optional.of(socket())).panes("lab-ssh")).hasSize(3);
    Sessions copy = new Sessions("9999", moved, Optional.of(socket()));
    assertThat(Lab.problem(() -> copy.panes("lab-ssh")))
        .startsWith("tmux session lab-ssh belongs to the cluster in " + folder + "\n");
    assertThat(Lab.problem(() -> copy.end("lab-ssh"))).startsWith("tmux session lab-ssh belongs");

    // as an older kubenet left it
    tmux("set-option", "-t", "=lab-ssh:", "@kubenet", folder.toString());
    tmux("set-option", "-u", "-t", "=lab-ssh:", "@kubenet-state");
    assertThat(sessions.panes("lab-ssh")).hasSize(3);
    assertThat(Lab.problem(() -> copy.panes("lab-ssh")))
        .startsWith("tmux session lab-ssh belongs to the cluster in " + folder + "\n");
  }

  @Test
  void sessionsAreOnTheServerWhoseSocketIsGiven() {
    Sessions sessions = sessions();
    ssh(sessions).open();

    assertThat(sessions.socketOf("lab-ssh")).contains(socket());
    assertThat(sessions.socketOf("lab-vms")).isEmpty();
    Sessions none = new Sessions("3f2a", folder, Optional.empty());
    assertThat(none.panes("lab-ssh")).isEmpty();
    // tmux by itself asks another server, so it is told
    assertThat(sessions.attach("lab-ssh")).isEqualTo("tmux -S " + socket() + " attach -t lab-ssh");
    assertThat(sessions.show("lab-ssh", true).toShell())
        .isEqualTo("tmux -S " + socket() + " attach-session -t =lab-ssh");
    assertThat(none.attach("lab-ssh")).isEqualTo("tmux attach -t lab-ssh");
    assertThat(none.show("lab-ssh", false).toShell()).isEqualTo("tmux attach-session -t =lab-ssh");
    assertThat(none.show("lab-ssh", true).toShell()).isEqualTo("tmux switch-client -t =lab-ssh");

    tmux("kill-server");
    // what the record says of a server that has ended means nothing
    assertThat(
            Wait.until(
                Duration.ofSeconds(5), () -> sessions.attach("x").equals("tmux attach -t x")))
        .isTrue();
  }

  @Test
  @Fault(
      value = "a person has a binding of their own for the prefix and S",
      promise = "other sessions keep that binding; in the SSH session the key is kubenet's")
  void aPersonsBindingIsKept() throws IOException {
    Files.writeString(
        folder.resolve(".tmux.conf"),
        "bind-key -r S set-option -g @mine \"a;b '#{pane_id}'\" \\; set-option -g @more 'x;y z'\n");
    Sessions sessions = sessions();
    SshSession ssh = ssh(sessions);
    ssh.open();
    String keys = tmux("list-keys", "-T", "prefix", "S");
    assertThat(keys).contains("-r", "synchronize-panes");
    ssh.open();
    assertThat(tmux("list-keys", "-T", "prefix", "S")).isEqualTo(keys);

    press("lab-ssh", () -> tmux("list-windows", "-a", "-F", "#{pane_synchronized}").contains("1"));
    assertThat(tmux("show-options", "-gqv", "@mine")).isEmpty();
    press("mine", () -> !tmux("show-options", "-gqv", "@more").isEmpty());
    assertThat(tmux("show-options", "-gqv", "@mine")).isEqualTo("a;b '#{pane_id}'");
    assertThat(tmux("show-options", "-gqv", "@more")).isEqualTo("x;y z");
    assertThat(tmux("list-windows", "-t", "=mine:", "-F", "#{pane_synchronized}")).isEqualTo("0");
  }

  /** Presses the prefix and S on a terminal that shows a session, until it has an effect. */
  private void press(String session, Wait.Condition effect) {
    // a server of its own: the one before may be about to end
    Path server = folder.resolve("shows-" + session);
    Argv outer = Argv.of("env", "-u", "TMUX", "tmux").option("-S", server);
    try {
      Commands.run(
              outer
                  .add("-f", "/dev/null", "new-session", "-d", "-s", "outer", "--")
                  .then(own(Tmux.attach(session))))
          .orProblem();
      Wait.Condition shown = () -> tmux("list-clients", "-F", "#{session_name}").equals(session);
      assertThat(Wait.until(Duration.ofSeconds(10), shown)).as("shown: %s", session).isTrue();
      Commands.run(outer.add("send-keys", "C-b", "S")).orProblem();
      assertThat(Wait.until(Duration.ofSeconds(10), effect))
          .as("an effect in %s", session)
          .isTrue();
    } finally {
      Commands.run(outer.add("kill-server"));
    }
  }
}

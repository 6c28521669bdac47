import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.time.Duration;
import java.util.List;
import lib.Argv;
import lib.Commands;
import lib.Wait;
import org.junit.jupiter.api.Test;

/** The real scripts with tmux as people have it: other names, other settings, other guests. */
class PersonalTmuxTest {

  private static TinyCluster tiny(BootSector guest, String... settings) throws IOException {
    TinyCluster tiny = TinyCluster.make(guest, "a b");
    Files.writeString(tiny.top().resolve(".tmux.conf"), String.join("\n", settings) + "\n");
    return tiny;
  }

  private static List<String> windows(TinyCluster tiny, String format) {
    return tiny.tmux("list-windows", "-t", "=tiny-vms:", "-F", format).lines().toList();
  }

  private static void stop(TinyCluster tiny) {
    tiny.run("stop-all").succeeded().quiet();
    tiny.assertStopped();
    assertThat(tiny.lan().alive()).isFalse();
    assertThat(tiny.tmux("list-sessions")).doesNotContain("tiny-");
  }

  @Test
  @Fault(
      value = "the VMs' tmux windows are renamed: first one of them to `my vms`, then all",
      promise =
          "launch-all finds their panes by marks; stop-all ends the session, the switch and the"
              + " forward")
  void renamedWindows() throws IOException {
    try (TinyCluster tiny = tiny(BootSector.WAITS)) {
      tiny.launch();
      List<String> ids = windows(tiny, "#{window_id}");
      assertThat(ids).hasSize(3);
      tiny.tmux("rename-window", "-t", "=tiny-vms:vms", "my vms");
      Gone.kill(tiny.vm("worker0").process().orElseThrow());
      tiny.launch();
      assertThat(windows(tiny, "#{window_id}")).isEqualTo(ids);

      ids.forEach(id -> tiny.tmux("rename-window", "-t", id, "my vms"));
      String gone =
          tiny.tmux(
              "list-panes",
              "-s",
              "-t",
              "=tiny-vms:",
              "-f",
              "#{==:#{@node},worker0}",
              "-F",
              "#{pane_id}");
      tiny.tmux("kill-pane", "-t", gone);
      assertThat(Wait.until(Duration.ofSeconds(10), () -> tiny.pids().size() == 1)).isTrue();
      tiny.launch();
      assertThat(windows(tiny, "#{window_id}")).isEqualTo(ids);
      stop(tiny);
    }
  }

  @Test
  @Fault(
      value = "a guest sets its window's name and title, and ~/.tmux.conf has `allow-rename on`",
      promise =
          "the name stays; launch-all finds the guest's pane again, and stop-all ends everything")
  void aGuestThatRenamesItsWindow() throws IOException {
    try (TinyCluster tiny = tiny(BootSector.RENAMES, "set -g allow-rename on")) {
      tiny.launch();
      for (String pane :
          tiny.tmux("list-panes", "-t", "=tiny-vms:", "-F", "#{pane_id}").lines().toList()) {
        boolean asked =
            Wait.until(
                Duration.ofSeconds(30),
                () -> tiny.tmux("capture-pane", "-p", "-t", pane).contains("asked"));
        assertThat(asked).as(tiny.tmux("capture-pane", "-p", "-t", pane)).isTrue();
      }
      assertThat(windows(tiny, "#{window_name}")).containsExactly("lan", "vms", "forward");

      Gone.kill(tiny.vm("worker0").process().orElseThrow());
      tiny.launch();
      assertThat(windows(tiny, "#{window_name}")).hasSize(3);
      stop(tiny);
    }
  }

  @Test
  @Fault(
      value = "~/.tmux.conf sets a shell that runs nothing, other indexes, other keys and more",
      promise =
          "all panes are there, and the session opens on the VMs; stop-all leaves nothing behind")
  void manySettings() throws IOException {
    try (TinyCluster tiny =
        tiny(
            BootSector.WAITS,
            "set -g default-shell /bin/false",
            "set -g default-command 'exit 1'",
            "set -g base-index 1",
            "setw -g pane-base-index 1",
            "set -g renumber-windows on",
            "set -g prefix C-a",
            "set -g mouse on",
            "set -g set-titles on",
            "setw -g automatic-rename on",
            "setw -g allow-rename on",
            "setw -g pane-border-status off",
            "setw -g remain-on-exit off",
            "setw -g aggressive-resize on",
            "set -g detach-on-destroy off",
            "set -g destroy-unattached on",
            "set -s exit-unattached on",
            "set -g no-such-option on")) {
      tiny.launch();
      assertThat(tiny.tmux("display-message", "-p", "-t", "=tiny-vms:", "#{window_name}"))
          .isEqualTo("vms");
      assertThat(tiny.tmux("display-message", "-p", "-t", "=tiny-vms:", "#{T:status-right}"))
          .isEqualTo("(C-a d leaves)");
      Gone.kill(tiny.vm("worker0").process().orElseThrow());
      tiny.launch();
      stop(tiny);
    }
  }

  @Test
  @Fault(
      value = "~/.tmux.conf has `destroy-unattached on`",
      promise = "the VMs' session stays, even after a person attaches and detaches")
  void sessionsThatEndUnattached() throws IOException {
    try (TinyCluster tiny = tiny(BootSector.WAITS, "set -g destroy-unattached on")) {
      assertThat(tiny.launch().out()).doesNotContain("exit-unattached");
      attachAndLeave(tiny);
      tiny.assertRuns();
      stop(tiny);
    }
  }

  @Test
  @Fault(
      value = "~/.tmux.conf has `exit-unattached on`",
      promise = "launch-all switches it off on that server and says so; the VMs' session stays")
  void aServerThatEndsUnattached() throws IOException {
    try (TinyCluster tiny = tiny(BootSector.WAITS, "set -s exit-unattached on")) {
      assertThat(tiny.launch().out())
          .containsOnlyOnce("tmux's option exit-unattached is off now: it would end");
      attachAndLeave(tiny);
      tiny.assertRuns();
      stop(tiny);
    }
  }

  /** Shows the session on a terminal, and leaves it. */
  private static void attachAndLeave(TinyCluster tiny) {
    Argv outer = Argv.of("env", "-u", "TMUX", "tmux").option("-S", tiny.top().resolve("outer"));
    try {
      Commands.run(
              outer
                  .add("-f", "/dev/null", "new-session", "-d", "--", "env", "-u", "TMUX")
                  .add("TMUX_TMPDIR=" + tiny.top().resolve("tmux"))
                  .add("tmux", "attach", "-t", "tiny-vms"))
          .orProblem();
      String format = "#{session_name}";
      assertThat(
              Wait.until(
                  Duration.ofSeconds(10),
                  () -> tiny.tmux("list-clients", "-F", format).equals("tiny-vms")))
          .isTrue();
      tiny.tmux("detach-client", "-s", "=tiny-vms");
      assertThat(
              Wait.until(
                  Duration.ofSeconds(10), () -> tiny.tmux("list-clients", "-F", format).isEmpty()))
          .isTrue();
    } finally {
      Commands.run(outer.add("kill-server"));
    }
  }
}

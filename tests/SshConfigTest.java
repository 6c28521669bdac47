import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import lib.Argv;
import lib.Commands;
import lib.cluster.Cluster;
import lib.cluster.Host;
import lib.cluster.Network;
import lib.cluster.Node;
import lib.state.Layout;
import lib.state.SshConfig;
import lib.state.SshKey;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class SshConfigTest {
  private static final List<String> ASKED =
      List.of(
          "hostname",
          "port",
          "user",
          "hostkeyalias",
          "identityfile",
          "identitiesonly",
          "identityagent",
          "userknownhostsfile",
          "globalknownhostsfile",
          "stricthostkeychecking",
          "updatehostkeys",
          "hostkeyalgorithms",
          "preferredauthentications",
          "forwardagent",
          "forwardx11",
          "loglevel");

  @Test
  void configIsGolden() {
    for (Network network : Lab.networks(Host.Os.LINUX)) {
      Golden.check(
          "ssh/config-" + network.word(),
          SshConfig.config(Lab.cluster(network), Lab.cluster(network).nodes(), Lab.LAYOUT));
    }
  }

  @Test
  void knownHostsIsGolden() {
    List<Node> nodes = Cluster.standard().nodes();
    Map<Node, SshKey> keys = new LinkedHashMap<>();
    nodes.forEach(node -> keys.put(node, new SshKey("", "ssh-ed25519 KEY" + node.index() + " x")));

    Golden.check("ssh/known_hosts", SshConfig.knownHosts(nodes, keys));
  }

  @Test
  void commandNamesTheFile() {
    assertThat(SshConfig.command(Lab.LAYOUT, Cluster.standard().node("worker0")))
        .isEqualTo(Argv.of("ssh").option("-F", "/lab/ssh_config").add("worker0"));
  }

  /** What OpenSSH itself understood; {@link SshTest} logs in with files in such a folder. */
  @Test
  void openSshUnderstandsAnyFolder(@TempDir Path folder) throws IOException {
    for (String name : List.of("plain", Lab.nastyName(), "-oProxyCommand=x", "a  b", "%h")) {
      Path state = Files.createDirectory(folder.resolve(name));
      Layout layout = new Layout(state, state);
      Files.writeString(
          layout.sshConfig(),
          SshConfig.config(Cluster.standard(), Cluster.standard().nodes(), layout));

      Argv ask = Argv.of("ssh", "-G").option("-F", layout.sshConfig()).add("worker1");
      Map<String, String> understood =
          Commands.run(ask)
              .orProblem()
              .out()
              .lines()
              .map(line -> line.split(" ", 2))
              .filter(words -> ASKED.contains(words[0]))
              // some versions print a percent sign as in the file, doubled
              .collect(Collectors.toMap(words -> words[0], words -> words[1].replace("%%", "%")));

      Map<String, String> expected = new LinkedHashMap<>();
      expected.put("hostname", "127.0.0.1");
      expected.put("port", "2205");
      expected.put("user", "ubuntu");
      expected.put("hostkeyalias", "worker1");
      expected.put("identityfile", layout.identity().toString());
      expected.put("identitiesonly", "yes");
      expected.put("identityagent", "none");
      expected.put("userknownhostsfile", layout.knownHosts().toString());
      expected.put("globalknownhostsfile", "/dev/null");
      expected.put("stricthostkeychecking", "true");
      expected.put("updatehostkeys", "false");
      expected.put("hostkeyalgorithms", "ssh-ed25519");
      expected.put("preferredauthentications", "publickey");
      expected.put("forwardagent", "no");
      expected.put("forwardx11", "no");
      expected.put("loglevel", "ERROR");
      assertThat(understood).as(name).isEqualTo(expected);
    }
  }

  @Test
  void aFolderThatSshCannotSayIsAProblem() {
    for (String name : List.of("/a${HOME}b", "/line\nbreak")) {
      Layout layout = new Layout(Path.of(name), Path.of("/run"));

      assertThat(
              Lab.problem(
                  () -> SshConfig.config(Cluster.standard(), Cluster.standard().nodes(), layout)))
          .isEqualTo(
              "ssh cannot use the state folder "
                  + name
                  + "/id_ed25519: its name has a `${` or a line break\n"
                  + "(choose another one with --state)");
    }
  }
}

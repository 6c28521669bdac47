import static org.assertj.core.api.Assertions.assertThat;

import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeSet;
import lib.cluster.Cluster;
import lib.state.Layout;
import org.junit.jupiter.api.Test;

class LayoutTest {
  @Test
  void everyPathIsKnown() {
    Layout layout = Lab.LAYOUT;
    Layout.Files files = layout.node(Cluster.standard().node("worker0"));
    Map<String, Path> paths = new LinkedHashMap<>();
    paths.put("identity", layout.identity());
    paths.put("identityPublic", layout.identityPublic());
    paths.put("knownHosts", layout.knownHosts());
    paths.put("sshConfig", layout.sshConfig());
    paths.put("lock", layout.lock());
    paths.put("lan", layout.lan());
    paths.put("nodes", layout.nodes());
    paths.put("folder", files.folder());
    paths.put("qmp", files.qmp());
    paths.put("disk", files.disk());
    paths.put("seed", files.seed());
    paths.put("seedFolder", files.seedFolder());
    paths.put("hostKey", files.hostKey());
    paths.put("hostKeyPublic", files.hostKeyPublic());
    paths.put("efiVariables", files.efiVariables());
    paths.put("launch", files.launch());
    paths.put("console", files.console());
    paths.put("pid", files.pid());
    StringBuilder text = new StringBuilder();
    paths.forEach((name, path) -> text.append("%-14s %s\n".formatted(name, path)));

    Golden.check("layout", text.toString());
    assertThat(new TreeSet<>(paths.values())).hasSize(paths.size());
  }

  @Test
  void socketsOfAnyStateFolderAreShort() {
    String longest = "control99.qmp";
    for (String state : List.of("/a", "/" + "long/".repeat(100), Lab.nastyName())) {
      Layout layout = Layout.of(Path.of(state));

      assertThat(layout.state()).isEqualTo(Path.of(state).toAbsolutePath());
      assertThat(layout.runtime().toString())
          .matches("/tmp/kubenet-[A-Za-z0-9_-]{1,20}-[0-9a-f]{8}");
      // what macOS leaves room for
      assertThat(layout.runtime().resolve(longest).toString().getBytes(StandardCharsets.UTF_8))
          .hasSizeLessThan(104);
    }
  }

  @Test
  void oneStateFolderHasOneRuntimeFolder() {
    assertThat(Layout.of(Path.of("/a/./b/../c"))).isEqualTo(Layout.of(Path.of("/a/c")));
    assertThat(Layout.of(Path.of("x"))).isEqualTo(Layout.of(Path.of("x").toAbsolutePath()));
    assertThat(Layout.of(Path.of("/a")).runtime()).isNotEqualTo(Layout.of(Path.of("/b")).runtime());
  }
}

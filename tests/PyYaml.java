import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import lib.Argv;
import lib.Commands;

/** What cloud-init's own parser reads: PyYAML, for YAML 1.1. */
final class PyYaml {
  private static final ObjectMapper JSON = new ObjectMapper();

  private PyYaml() {}

  /** The trees of some texts, in one call; dates and the like as their text. */
  static List<JsonNode> read(Path folder, List<String> texts) throws IOException {
    Path input = folder.resolve("texts.json");
    Files.writeString(input, JSON.writeValueAsString(texts));
    String program =
        "import json, sys, yaml\n"
            + "texts = json.load(open(sys.argv[1], encoding='utf-8'))\n"
            + "json.dump([yaml.safe_load(t) for t in texts], sys.stdout, default=str)\n";
    // the distribution's own Python: the one that runs cloud-init and has its libraries
    Argv python = Argv.of("/usr/bin/python3", "-c", program, input.toString());
    JsonNode trees = JSON.readTree(Commands.run(python).orProblem().out());
    return List.of(JSON.convertValue(trees, JsonNode[].class));
  }

  /** A tree of maps, lists and scalars in the same form. */
  static JsonNode json(Object tree) throws IOException {
    return JSON.readTree(JSON.writeValueAsString(tree));
  }
}

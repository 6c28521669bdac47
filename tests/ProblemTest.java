import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import lib.Problem;
import org.junit.jupiter.api.Test;

class ProblemTest {
  @Test
  void manyBecomeOne() {
    Problem one = new Problem("a is wrong", "mend it");
    Problem two = new Problem("b is wrong", "mend it");
    Problem three = new Problem("c is wrong", "buy another");

    assertThat(Problem.all(List.of(one))).isSameAs(one);
    assertThat(
            Lab.problem(
                () -> {
                  throw Problem.all(List.of(one, two, three));
                }))
        .isEqualTo("a is wrong\nb is wrong\nc is wrong\n(mend it\nbuy another)");
    assertThat(Problem.all(List.of(one, two))).hasCause(one);
  }
}

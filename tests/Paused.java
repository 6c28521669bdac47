import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import lib.Argv;
import lib.Commands;
import lib.Wait;
import lib.vm.Qmp;

/** A real QEMU of a few MiB without a machine, paused before its first step. */
record Paused(Process process, Path qmp, Path errors) implements AutoCloseable {

  /** Starts one and waits until it answers. */
  static Paused start(Path folder, Path qmp, Path pid) {
    Paused paused = started(folder, qmp, pid);
    if (!Wait.until(Duration.ofMinutes(1), paused::answers)) {
      paused.close();
      throw new IllegalStateException("QEMU does not answer: " + Commands.tail(paused.errors, 5));
    }
    return paused;
  }

  /** Starts one and does not look after it. */
  static Paused started(Path folder, Path qmp, Path pid) {
    Argv command =
        Argv.of("qemu-system-x86_64", "-nodefaults", "-no-user-config", "-nographic", "-S")
            .option("-machine", "none")
            .option("-qmp", "unix:" + qmp + ",server=on,wait=off")
            .option("-pidfile", pid);
    Path errors = folder.resolve("qemu-errors");
    return new Paused(Commands.start(command, errors), qmp, errors);
  }

  private boolean answers() {
    try (Qmp conversation = Qmp.connect(qmp, Duration.ofSeconds(5))) {
      return true;
    } catch (IOException e) {
      return false;
    }
  }

  /** Ends it like a crash: its pid file stays. */
  @Override
  public void close() {
    process.destroyForcibly().onExit().join();
  }
}

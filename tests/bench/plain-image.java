///usr/bin/env jbang "$0" "$@" ; exit $?
//DESCRIPTION Builds an image as debian-built, but as plain as a cloud image: what the bench compares with.
//DESCRIPTION Example: ./jbang tests/bench/plain-image.java
//JAVA 17+
//MAIN PlainImage
//SOURCES ../../lib/package-info.java         // what any script could use
//SOURCES ../../lib/cluster/package-info.java // nodes, networks, cluster.yaml
//SOURCES ../../lib/state/package-info.java   // the folders, and what they hold
//SOURCES ../../lib/vm/package-info.java      // the life of one QEMU
//SOURCES ../../lib/qemu/package-info.java    // QEMU commands as values
//SOURCES ../../lib/seed/package-info.java    // a node's files
//SOURCES ../../lib/tools/package-info.java   // programs and their packages
//SOURCES ../../lib/host/package-info.java    // checks of this machine
//SOURCES ../../lib/image/package-info.java   // the base image
//SOURCES PlainScripts.java                   // last: its files replace the room's
//RUNTIME_OPTIONS -Xmx512m

import java.util.Locale;
import java.util.Set;
import lib.Terminal;
import lib.cluster.Host;
import lib.image.ImageBuild;
import lib.image.ImageStore;

/** Prints the path of the image's disk. */
class PlainImage {
  public static void main(String... arguments) {
    Locale.setDefault(Locale.ROOT);
    Host.Arch arch = Host.Arch.current();
    ImageBuild build = ImageBuild.of(arch, PlainScripts.source(), Set.of());
    Terminal terminal = Terminal.plain(System.err);
    ImageStore store = ImageStore.ofUser();
    System.out.println(
        store.find(build.key()).orElseGet(() -> store.get(build, arch, terminal, true)).disk());
  }
}

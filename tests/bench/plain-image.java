///usr/bin/env jbang "$0" "$@" ; exit $?
//DESCRIPTION Builds an image as debian-built, but as plain as a cloud image: what the bench compares with.
//DESCRIPTION Example: ./jbang tests/bench/plain-image.java
//JAVA 17+
//MAIN PlainImage
//SOURCES ../../lib/Abandoned.java
//SOURCES ../../lib/Argv.java
//SOURCES ../../lib/BaseImage.java
//SOURCES ../../lib/Boot.java
//SOURCES ../../lib/BootRecord.java
//SOURCES ../../lib/CacheFolder.java
//SOURCES ../../lib/Cluster.java
//SOURCES ../../lib/ClusterRecord.java
//SOURCES ../../lib/Commands.java
//SOURCES ../../lib/DebianBuilt.java
//SOURCES ../../lib/Digest.java
//SOURCES ../../lib/EthernetSwitch.java
//SOURCES ../../lib/Firmware.java
//SOURCES ../../lib/Forward.java
//SOURCES ../../lib/Host.java
//SOURCES ../../lib/Image.java
//SOURCES ../../lib/ImageBuild.java
//SOURCES ../../lib/ImageMaker.java
//SOURCES ../../lib/ImageSource.java
//SOURCES ../../lib/ImageStore.java
//SOURCES ../../lib/LanSwitch.java
//SOURCES ../../lib/Layout.java
//SOURCES ../../lib/Leg.java
//SOURCES ../../lib/Lock.java
//SOURCES ../../lib/Marker.java
//SOURCES ../../lib/Meter.java
//SOURCES ../../lib/Network.java
//SOURCES ../../lib/Node.java
//SOURCES ../../lib/Plan.java
//SOURCES ../../lib/Preflight.java
//SOURCES ../../lib/Probe.java
//SOURCES ../../lib/Problem.java
//SOURCES ../../lib/Qemu.java
//SOURCES ../../lib/QemuImg.java
//SOURCES ../../lib/Qmp.java
//SOURCES ../../lib/RecipeFiles.java
//SOURCES ../../lib/Role.java
//SOURCES ../../lib/SavedState.java
//SOURCES ../../lib/Sessions.java
//SOURCES ../../lib/SshKey.java
//SOURCES ../../lib/StateFolder.java
//SOURCES ../../lib/Subnet.java
//SOURCES ../../lib/Terminal.java
//SOURCES ../../lib/Tmux.java
//SOURCES ../../lib/Tool.java
//SOURCES ../../lib/Trial.java
//SOURCES ../../lib/Visible.java
//SOURCES ../../lib/Vm.java
//SOURCES ../../lib/VmSession.java
//SOURCES ../../lib/VmnetWay.java
//SOURCES ../../lib/Wait.java
//FILES image/before.sh=plain/before.sh
//FILES image/after.sh=plain/after.sh
//FILES image/boot.sh=../../image/boot.sh
//FILES image/grub.cfg=../../image/grub.cfg
//RUNTIME_OPTIONS -Xmx512m

import java.util.Locale;
import java.util.Optional;
import java.util.List;
import java.util.Set;
import lib.Host;
import lib.ImageBuild;
import lib.ImageSource;
import lib.ImageStore;
import lib.Terminal;

/** Prints the path of the image's disk. */
class PlainImage {
  public static void main(String... arguments) {
    Locale.setDefault(Locale.ROOT);
    Host.Arch arch = Host.Arch.current();
    ImageSource.Built source = new ImageSource.Built(Optional.empty(), List.of());
    ImageBuild build = ImageBuild.of(arch, source, Set.of());
    Terminal terminal = Terminal.plain(System.err);
    ImageStore store = ImageStore.ofUser();
    System.out.println(
        store.find(build.key()).orElseGet(() -> store.get(build, arch, terminal, true)).disk());
  }
}

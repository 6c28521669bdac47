//SOURCES FirmwareSearch.java
//SOURCES Probe.java
//SOURCES Trial.java

/** What this machine can do: its accelerator, found by trial, its firmware and its programs. */
package lib.host;

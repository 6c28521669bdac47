//SOURCES FirmwareSearch.java
//SOURCES Preflight.java
//SOURCES Probe.java
//SOURCES Tool.java
//SOURCES Trial.java

/** What this machine can do: its accelerator, found by trial, its firmware and its programs. */
package lib.host;

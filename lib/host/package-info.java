//SOURCES FirmwareSearch.java
//SOURCES Preflight.java
//SOURCES Probe.java
//SOURCES Tool.java
//SOURCES Trial.java

/** What this machine can do: its accelerator by trial, its firmware, its programs, its room. */
package lib.host;

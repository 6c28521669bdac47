//SOURCES FirmwareSearch.java
//SOURCES Probe.java
//SOURCES Trial.java

/** What this machine can do: its accelerator, found by trial, and its firmware. */
package lib.host;

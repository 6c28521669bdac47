//SOURCES Remains.java
//SOURCES Shutdown.java
//SOURCES SnapshotSet.java

/** Shuts VMs down, suspends them, keeps snapshots, and removes what kubenet made. */
package lib.stop;

//SOURCES Remains.java
//SOURCES Shutdown.java
//SOURCES SnapshotSet.java

/** Ends VMs: in order, suspended or kept as a snapshot; and removes what kubenet made. */
package lib.stop;

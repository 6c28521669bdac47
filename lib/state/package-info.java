//SOURCES CacheFolder.java
//SOURCES ClusterRecord.java
//SOURCES HostFacts.java
//SOURCES Layout.java
//SOURCES Marker.java
//SOURCES Options.java
//SOURCES SshKey.java
//SOURCES StateFolder.java

/**
 * Where a cluster is kept: its folders and their markers, its keys, the record of what was
 * launched, and the options that name them.
 */
package lib.state;

//SOURCES CacheFolder.java
//SOURCES ClusterRecord.java
//SOURCES HostFacts.java
//SOURCES Layout.java
//SOURCES Marker.java
//SOURCES Options.java
//SOURCES SshConfig.java
//SOURCES SshKey.java
//SOURCES StateFolder.java

/**
 * Where a cluster is kept: its folders, its keys and SSH configuration, the record of what was
 * launched, the facts about this machine, and the options that name them.
 */
package lib.state;

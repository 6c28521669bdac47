//SOURCES Cluster.java
//SOURCES ClusterFile.java
//SOURCES Firmware.java
//SOURCES Host.java
//SOURCES ImageSource.java
//SOURCES Network.java
//SOURCES Node.java
//SOURCES Role.java
//SOURCES Subnet.java
//SOURCES VmnetWay.java
//SOURCES YamlFields.java

/**
 * What a cluster is: its nodes, its networks, its images and the host, as plain values, and the
 * file that says so.
 */
package lib.cluster;

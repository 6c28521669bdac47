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
 * What a cluster is, as plain values: nodes, networks, images and the host; and the reader of
 * {@code cluster.yaml}.
 */
package lib.cluster;

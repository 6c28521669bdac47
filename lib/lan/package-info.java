//SOURCES EthernetSwitch.java
//SOURCES Forward.java
//SOURCES LanPort.java
//SOURCES LanSwitch.java

/**
 * The LAN of {@code network: user}: the switch, each VM's port on it, and the forward to the
 * virtual IP.
 */
package lib.lan;

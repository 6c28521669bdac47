//SOURCES EthernetSwitch.java
//SOURCES Forward.java
//SOURCES LanPort.java
//SOURCES LanSwitch.java

/** The LAN of {@code network: user}: the switch, and each VM's port on it. */
package lib.lan;

//SOURCES Dnsmasq.java
//SOURCES HostFirewall.java
//SOURCES HostNetwork.java
//SOURCES HostStep.java
//SOURCES HostSurvey.java
//SOURCES HostsFile.java

/** The host's side of {@code network: bridge}: bridge, taps, NAT, DHCP, DNS and names. */
package lib.bridge;

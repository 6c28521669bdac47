//SOURCES Admission.java
//SOURCES BootRecord.java
//SOURCES GuestClock.java
//SOURCES Leg.java
//SOURCES Progress.java
//SOURCES Readiness.java
//SOURCES ReadyAll.java
//SOURCES Ssh.java
//SOURCES Stage.java

/** Follows a node until it is ready: SSH, the login, cloud-init; and lets the next one boot. */
package lib.ready;

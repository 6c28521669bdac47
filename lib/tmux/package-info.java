//SOURCES Sessions.java
//SOURCES SshSession.java
//SOURCES Tmux.java
//SOURCES VmSession.java

/** The tmux sessions: one for the VMs, one for SSH. */
package lib.tmux;

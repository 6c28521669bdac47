//SOURCES CloudInit.java
//SOURCES ForkSeed.java
//SOURCES NodeFiles.java
//SOURCES RoleFiles.java
//SOURCES Template.java
//SOURCES VirtualIp.java
//FILES cloud-init/gateway.yaml=../../cloud-init/gateway.yaml
//FILES cloud-init/control.yaml=../../cloud-init/control.yaml
//FILES cloud-init/worker.yaml=../../cloud-init/worker.yaml
//FILES image/fork.py=fork.py

/**
 * What a node boots from: its seed for cloud-init, its disk, its launch script, and the files by
 * which this host reaches it.
 */
package lib.seed;

//SOURCES TemplateMaker.java
//SOURCES Templates.java

/** Templates: VMs that were booted once and saved, from which a role's nodes are forked. */
package lib.fork;

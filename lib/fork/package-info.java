//SOURCES TemplateMaker.java
//SOURCES Templates.java

/** Templates: a VM that was booted once, which the nodes of a role go on from. */
package lib.fork;

//SOURCES Preflight.java
//SOURCES Tool.java

/** The programs that steps need, and the packages that bring them. */
package lib.tools;

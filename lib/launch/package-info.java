//SOURCES Launch.java

/** What the scripts that launch share. */
package lib.launch;

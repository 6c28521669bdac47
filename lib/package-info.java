//SOURCES Argv.java
//SOURCES Commands.java
//SOURCES Each.java
//SOURCES Lock.java
//SOURCES Plan.java
//SOURCES Problem.java
//SOURCES Terminal.java
//SOURCES Visible.java
//SOURCES Wait.java
//SOURCES Yaml.java

/**
 * What a script of any project could use: run a command, write a file whole, take a lock, talk to
 * the terminal.
 */
package lib;

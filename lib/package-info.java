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

/** What a script of any project could use: commands, files written whole, locks, the terminal. */
package lib;

//SOURCES NodeStatus.java
//SOURCES Timeline.java

/** What {@code status} shows: a row a node, and where the time of a launch went. */
package lib.status;

//SOURCES NodeStatus.java
//SOURCES Timeline.java

/** What {@code status} shows: a row for each node, and where the time of a launch went. */
package lib.status;

//SOURCES Abandoned.java
//SOURCES Changes.java
//SOURCES Checks.java
//SOURCES Qmp.java
//SOURCES Resumption.java
//SOURCES SavedState.java
//SOURCES Stall.java
//SOURCES Suspension.java
//SOURCES Vm.java

/** The life of a VM: whether its QEMU runs, what it is told, how it is saved and resumed. */
package lib.vm;

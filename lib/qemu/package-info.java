//SOURCES BaseImage.java
//SOURCES Basis.java
//SOURCES Boot.java
//SOURCES Digest.java
//SOURCES Disk.java
//SOURCES Image.java
//SOURCES Qemu.java
//SOURCES QemuImg.java

/** QEMU commands as values: image, boot path and devices become arguments. */
package lib.qemu;

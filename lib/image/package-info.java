//SOURCES Bake.java
//SOURCES Curl.java
//SOURCES DebianBuilt.java
//SOURCES ImageBuild.java
//SOURCES ImageDownload.java
//SOURCES ImageImport.java
//SOURCES ImageMaker.java
//SOURCES ImageOptions.java
//SOURCES ImageStore.java
//SOURCES Images.java
//FILES image/after.sh=../../image/after.sh
//FILES image/bake.sh=../../image/bake.sh
//FILES image/before.sh=../../image/before.sh
//FILES image/boot.sh=../../image/boot.sh
//FILES image/grub.cfg=../../image/grub.cfg

/** The base image: choosing it, getting or making it, and keeping it. */
package lib.image;

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
//SOURCES Throwaway.java
//SOURCES Upkeep.java
//FILES image/after.sh=after.sh
//FILES image/bake.sh=bake.sh
//FILES image/before.sh=before.sh
//FILES image/boot.sh=boot.sh
//FILES image/grub.cfg=grub.cfg

/** The base image: choosing it, getting or making it, and keeping it. */
package lib.image;

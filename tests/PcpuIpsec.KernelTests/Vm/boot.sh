#!/bin/sh
# The first program of the VM, put into its root file system as /pcpu-boot: mounts what the host shares and goes on with the
# init.sh found there, so that a change of that one needs no new root.
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root TERM=linux LANG=C.UTF-8
modprobe -a 9pnet_virtio 9p
mkdir -p /build /dotnet /out
# The host changes nothing in the first two while the VM runs: the guest may keep what it read.
mount -t 9p -o trans=virtio,version=9p2000.L,msize=512000,cache=loose,ro build /build &&
  mount -t 9p -o trans=virtio,version=9p2000.L,msize=512000,cache=loose,ro dotnet /dotnet &&
  mount -t 9p -o trans=virtio,version=9p2000.L,msize=512000 out /out &&
  exec sh /build/Guest/init.sh
echo "The VM could not mount what the host shares."
mount -t proc proc /proc
sync
echo o >/proc/sysrq-trigger
sleep 60

#!/bin/sh
# The first program of the VM, /init of its initial RAM disk: loads what the disk and the host's folders need, mounts them and goes
# on with the init.sh found there, so that a change of that one needs no new root. Debian's own RAM disk, with udev and systemd in
# it, takes three times as long under emulation.
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root TERM=linux LANG=C.UTF-8
# Their names begin with the order that their dependencies want.
for module in /modules/*; do insmod "$module"; done
mount -t devtmpfs dev /dev
mount -t ext4 /dev/vda /root
cd /root || exit 1
# The host changes nothing in the first two while the VM runs: the guest may keep what it read.
mount -t 9p -o trans=virtio,version=9p2000.L,msize=512000,cache=loose,ro build build &&
  mount -t 9p -o trans=virtio,version=9p2000.L,msize=512000,cache=loose,ro dotnet dotnet &&
  mount -t 9p -o trans=virtio,version=9p2000.L,msize=512000 out out &&
  mount --move /dev dev && mount --move . / &&
  exec chroot . sh /build/Guest/init.sh
# An init that ends is a kernel panic, and that the VM's end.
echo "The VM could not mount its disk and what the host shares."

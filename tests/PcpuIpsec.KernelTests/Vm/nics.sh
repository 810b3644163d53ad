#!/bin/sh
# nics.sh QEMU OPTION...: becomes QEMU, with NICs added to its options; to be run in a network namespace of its own, which ends with it.
# The first two, virtio-net with four queues each that QEMU itself spreads packets over, are on one bridge. The
# others are there to be set: what drives igb wants a newer QEMU than bookworm's.
set -e
# Without a delay: a port forwards nothing for 15 s else.
ip link add bridge type bridge forward_delay 0
ip link set bridge up
for nic in nic0 nic1; do
  ip tuntap add dev "$nic" mode tap multi_queue
  ip link set "$nic" master bridge up
  set -- "$@" -netdev "tap,id=$nic,ifname=$nic,script=no,downscript=no,queues=4,vhost=off" \
    -device "virtio-net-pci,netdev=$nic,mac=52:54:00:00:01:0${nic#nic},mq=on,vectors=10,rss=on,romfile="
done
number=2
for model in vmxnet3 e1000e igb; do
  "$1" -device "$model,help" 2>/dev/null | grep -q "^$model options" || continue
  set -- "$@" -netdev "tap,id=nic$number,ifname=nic$number,script=no,downscript=no" \
    -device "$model,netdev=nic$number,mac=52:54:00:00:01:0$number,romfile="
  number=$((number + 1))
done
exec "$@"

#!/bin/sh
# Runs in the VM as its first process, started by boot.sh, on the first CPU alone: brings the system up as far as the tests need it, runs the job that
# the host left in /out, tells how it ended and switches off.
mount -t proc proc /proc
mount -t sysfs sys /sys
mkdir -p /dev/pts /dev/shm
mount -t devpts devpts /dev/pts
for folder in /dev/shm /run /tmp; do mount -t tmpfs tmp "$folder"; done
mount -t bpf bpf /sys/fs/bpf
hostname pcpu-vm
ip link set lo up
# Nobody makes tun's device for those who would open it.
modprobe -a tun veth xfrm_user xfrm_interface esp4 esp6

# The kernel patches its own code for each module, and where the first or the last user of a thing comes or goes (static keys).
# Emulated CPUs that run in parallel may see that at the wrong moment (an Oops by int3). So the modules are loaded before the other
# CPUs are turned on, and in a namespace of their own the things that tests use have a user all the time: packets' timestamps,
# Netfilter's hooks, the ingress hook, ESP in UDP (a VXLAN device takes the same way).
ip netns add held
ip -n held link set lo up
ip netns exec held ping -q -i 3600 127.0.0.1 >/dev/null 2>&1 &
ip netns exec held nft -f - <<'END'
table inet held {
  chain prerouting { type filter hook prerouting priority 0; }
  chain input { type filter hook input priority 0; }
  chain forward { type filter hook forward priority 0; }
  chain output { type filter hook output priority 0; }
  chain postrouting { type filter hook postrouting priority 0; }
}
END
tc -n held qdisc add dev lo clsact
ip -n held link add held4 up type vxlan id 1 local 127.0.0.1 dstport 4789
ip -n held link add held6 up type vxlan id 2 local ::1 dstport 4790
# A NIC's driver makes a queue for each CPU that is there, so it is given its NICs again when all are.
drivers="virtio_net vmxnet3 e1000e igb"
grep -qs ^0x0200 /sys/bus/pci/devices/*/class && modprobe -a $drivers
for cpu in 1 2 3; do echo 1 >/sys/devices/system/cpu/cpu$cpu/online; done
if [ "$(nproc)" -ne 4 ]; then
  # The job was not begun, so it is booted anew.
  echo "$(nproc) of 4 CPUs could be turned on."
  echo o >/proc/sysrq-trigger
  sleep 60
fi

for driver in $drivers; do
  for device in /sys/bus/*/drivers/"$driver"/*; do
    [ -e "$device/net" ] || continue
    echo "${device##*/}" >"${device%/*}/unbind"
    echo "${device##*/}" >"${device%/*}/bind"
  done
done

# Receivers stand still for a while now and then.
echo 4194304 >/proc/sys/net/core/rmem_max
export DOTNET_ROOT=/dotnet PATH="$PATH:/dotnet" DOTNET_SYSTEM_GLOBALIZATION_INVARIANT=1 DOTNET_NOLOGO=1 DOTNET_CLI_TELEMETRY_OPTOUT=1
# Whatever has emulated CPUs flush each other's caches costs more than all else here: pages that change between writable and
# executable, collections, code that is compiled twice for its profile.
export DOTNET_EnableWriteXorExecute=0 DOTNET_TieredPGO=0 DOTNET_gcConcurrent=0 DOTNET_GCgen0size=0x4000000
echo "booted Linux $(uname -r) with $(nproc) of $(($(cut -d- -f2 /sys/devices/system/cpu/possible) + 1)) CPUs in $(cut -d. -f1 /proc/uptime) s"
cd /build || exit 1
: >/out/begun
bash /out/job.sh
echo $? >/out/exit-code.new
mv /out/exit-code.new /out/exit-code
echo "done after $(cut -d. -f1 /proc/uptime) s"
sync
echo o >/proc/sysrq-trigger
# Nothing that would be read from the disk: it may be gone by now.
while :; do :; done

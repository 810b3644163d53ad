#!/bin/sh
# Runs in the VM as its first process, started by boot.sh, on the first CPU alone: brings the system up as far as the tests need it, runs the job that
# the host left in /out, tells how it ended and switches off.
mount -t proc proc /proc
mount -t sysfs sys /sys
mkdir -p /dev/pts /dev/shm
mount -t devpts devpts /dev/pts
for folder in /dev/shm /run /tmp; do mount -t tmpfs tmp "$folder"; done
mount -t bpf bpf /sys/fs/bpf
mount -t tracefs tracefs /sys/kernel/tracing
hostname pcpu-vm
ip link set lo up
# Nobody makes tun's device for those who would open it. The other modules come now since the kernel patches its own code for
# them, which emulated CPUs that run in parallel may see at the wrong moment; so the other CPUs are turned on thereafter.
modprobe -a tun veth xfrm_user xfrm_interface esp4 esp6
for cpu in 1 2 3; do echo 1 >/sys/devices/system/cpu/cpu$cpu/online; done
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

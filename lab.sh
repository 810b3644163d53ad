#!/usr/bin/env bash
# Sets up what is needed, builds, and runs the lab: two IPsec gateways, one Child SA per CPU, real traffic, measured.
#   ./lab.sh [--cpus N] [--data-plane auto|kernel|embedded] [--mode tunnel|transport] [--encap] [--proto tcp|udp] [--seconds S] [--out DIR]
#   ./lab.sh --vm …  the same in a VM, whose kernel has ESP and per-CPU SAs
set -euo pipefail
root="$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")"
# shellcheck source=.ci/setup.sh
. "$root/.ci/setup.sh"

vm=false options=()
for option in "$@"; do
  if [ "$option" = --vm ]; then vm=true; else options+=("$option"); fi
done

need_root "$@"
need_home
need_packages ip:iproute2 iperf3:iperf3 ping:iputils-ping taskset:util-linux nsenter:util-linux setpriv:util-linux flock:util-linux ps:procps
! "$vm" || need_packages "${vm_packages[@]}"
need_dotnet

if "$vm"; then
  program="$root/artifacts/bin/PcpuIpsec.KernelTests/release/PcpuIpsec.KernelTests"
  stamp="$root/artifacts/lab-vm.stamp"
  sources=("$root/src" "$root/tests/PcpuIpsec.KernelTests")
  build=(build tests/PcpuIpsec.KernelTests -c Release -v quiet)
else
  program="$root/artifacts/lab/pcpu-ipsec"
  stamp="$root/artifacts/lab.stamp"
  sources=("$root/src")
  build=(publish src/PcpuIpsec.Host -c Release -o artifacts/lab -v quiet)
fi

is_current() {
  [ -x "$program" ] && [ -e "$stamp" ] \
    && [ -z "$(find "${sources[@]}" "$root/Directory.Build.props" "$root/Directory.Packages.props" "$root/global.json" -newer "$stamp" -print -quit)" ]
}

lock_build
if ! is_current; then
  say "Building (Release)"
  mkdir -p "$root/artifacts"
  touch "$stamp.new"
  log="$root/artifacts/lab-build.log"
  if ! (cd "$root" && dotnet "${build[@]}") >"$log" 2>&1 9>&-; then
    grep -E 'error|warn' "$log" | sort -u | head -n 20 >&2 || tail -n 20 "$log" >&2
    die "the build failed; all of it is in $log"
  fi
  mv "$stamp.new" "$stamp"
  give_back
fi
unlock_build

exec "$program" lab "${options[@]}"

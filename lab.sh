#!/usr/bin/env bash
# Sets up what is needed, builds, and runs the lab: two IPsec gateways, one Child SA per CPU, real traffic, measured.
#
#   ./lab.sh [OPTION]…
#
#   --cpus N                            CPUs with a Child SA and a flow each; all unless given
#   --data-plane auto|kernel|embedded   what carries the packets; auto
#   --mode tunnel|transport             between the hosts behind the gateways, or between the gateways themselves; tunnel
#   --encap                             ESP in UDP (RFC 3948)
#   --proto tcp|udp                     what the flows are; tcp
#   --seconds S                         length of each run, 1 to 3600; 5
#   --repeat R                          repetitions of each run, for confidence intervals, 1 to 100; 1
#   --out DIR                           where results.json and chart.svg go; ./lab-results
#   --vm                                all of this in a VM, whose kernel has ESP and per-CPU SAs; its system is made once (5 GB)
#
# Exit code 0: every check of the result passed.
set -euo pipefail
root="$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")"
# shellcheck source=.ci/setup.sh
. "$root/.ci/setup.sh"

vm=false options=()
for option in "$@"; do
  case "$option" in
    --vm) vm=true ;;
    -h | --help | '-?') usage; exit 0 ;;
    *) options+=("$option") ;;
  esac
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

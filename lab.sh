#!/usr/bin/env bash
# Sets up what is needed, builds, and runs the lab: two IPsec gateways, one Child SA per CPU, real traffic, measured.
#   ./lab.sh [--cpus N] [--data-plane auto|kernel|embedded] [--mode tunnel|transport] [--encap] [--proto tcp|udp] [--seconds S] [--out DIR]
set -euo pipefail
root="$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")"
# shellcheck source=.ci/setup.sh
. "$root/.ci/setup.sh"

need_root "$@"
need_home
need_packages ip:iproute2 iperf3:iperf3 ping:iputils-ping taskset:util-linux nsenter:util-linux setpriv:util-linux flock:util-linux ps:procps
need_dotnet

program="$root/artifacts/lab/pcpu-ipsec"
stamp="$root/artifacts/lab.stamp"

is_current() {
  [ -x "$program" ] && [ -e "$stamp" ] \
    && [ -z "$(find "$root/src" "$root/Directory.Build.props" "$root/Directory.Packages.props" "$root/global.json" -newer "$stamp" -print -quit)" ]
}

lock_build
if ! is_current; then
  say "Building (Release)"
  mkdir -p "$root/artifacts"
  touch "$stamp.new"
  log="$root/artifacts/lab-build.log"
  if ! (cd "$root" && dotnet publish src/PcpuIpsec.Host -c Release -o artifacts/lab -v quiet) >"$log" 2>&1 9>&-; then
    grep -E 'error|warn' "$log" | sort -u | head -n 20 >&2 || tail -n 20 "$log" >&2
    die "the build failed; all of it is in $log"
  fi
  mv "$stamp.new" "$stamp"
  give_back
fi
unlock_build

exec "$program" lab "$@"

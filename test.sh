#!/usr/bin/env bash
# Sets up what is needed, builds, checks the format and runs all tests.
#
#   ./test.sh               everything but the mutations; making the VM's system takes minutes at first
#   ./test.sh --no-vm       without the tests in the VM and with real peers
#   ./test.sh --mutations   and the mutations of the protocol, each of which must make a test fail (several minutes)
#
# The last line is "N passed, N failed, N skipped"; a step that fails counts as one failed.
set -euo pipefail
root="$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")"
# shellcheck source=.ci/setup.sh
. "$root/.ci/setup.sh"

mutations=false vm=true
for option in "$@"; do
  case "$option" in
    --mutations) mutations=true ;;
    --no-vm) vm=false ;;
    -h | --help | '-?') usage; exit 0 ;;
    *) die "'$option' is no option; --mutations, --no-vm and --help are." ;;
  esac
done

need_root "$@"
need_home
need_packages ip:iproute2 iperf3:iperf3 ping:iputils-ping taskset:util-linux nsenter:util-linux setpriv:util-linux flock:util-linux ps:procps tshark:tshark tcpdump:tcpdump cc:gcc cc:libc6-dev
need_dotnet
cd "$root"

passed=0 failed=0 skipped=0
results="$root/artifacts/test-results"
vm_results="$root/artifacts/kernel-tests"
# Seconds: all of it but the mutations, and the part of it that is the VM's.
limit=4200 vm_limit=1800
least_coverage=0.90

finished=false

finish() {
  finished=true
  give_back
  echo "$passed passed, $failed failed, $skipped skipped"
  [ "$failed" -eq 0 ] || exit 1
  exit 0
}

# Whatever ends the script, its last line tells.
on_exit() {
  "$finished" || { failed=$((failed + 1)); finish; }
}
trap on_exit EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# step "what it is" command …  Runs it; what it said is shown where it fails.
step() {
  local title="$1" log="$root/artifacts/step.log"
  shift
  say "$title"
  if "$@" >"$log" 2>&1 9>&-; then
    return 0
  fi
  tail -n 60 "$log"
  say "FAILED: $title"
  failed=$((failed + 1))
  return 1
}

# A grep that finds nothing is no failure here.
count() { { grep -oE "<UnitTestResult [^>]*outcome=\"($1)\"" "$2" || true; } | wc -l; }

# count_tests folder  Adds what its TRX files hold.
count_tests() {
  local trx
  while IFS= read -r -d '' trx; do
    passed=$((passed + $(count Passed "$trx")))
    failed=$((failed + $(count 'Failed|Error|Timeout|Aborted' "$trx")))
    skipped=$((skipped + $(count NotExecuted "$trx")))
  done < <(find "$1" -name '*.trx' -print0)
}

# The VM's own limits are below that of timeout, which is for what they do not see.
test_in_vm() {
  local before="$failed" code=0
  mkdir -p "$vm_results"
  rm -rf "${vm_results:?}"/*
  timeout --foreground --kill-after=10 "$vm_limit" "$vm_program" run \
    --out "$vm_results" --minutes "$((vm_limit / 60 - 1))" 9>&- || code=$?
  count_tests "$vm_results"
  if [ "$code" -ne 0 ] && [ "$failed" -eq "$before" ]; then
    say "FAILED: the tests in the VM broke off with exit code $code"
    failed=$((failed + 1))
  fi
}

# The suite says "Tests Passed: 158, Failed: 0, Skipped: 0, …" at its end, with each version of Pester.
test_cmdlets() {
  local log="$root/artifacts/pester.log" code=0 found=0 summary p f s
  say "Testing the cmdlets in pwsh"
  timeout --foreground --kill-after=10 1500 env NO_COLOR=1 pwsh -NoProfile -Command "./build.ps1 Package, Test" >"$log" 2>&1 9>&- || code=$?
  grep -E '^Only Pester ' "$log" || true
  while IFS= read -r summary; do
    read -r _ _ p _ f _ s _ <<<"${summary//,/}"
    passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s)) found=$((found + f))
  done < <(grep -E '^Tests Passed: ' "$log" || true)
  if [ "$code" -ne 0 ]; then
    grep -E -A 4 '^ *\[-\]' "$log" || tail -n 40 "$log"
    say "FAILED: the Pester suite ended with exit code $code"
    [ "$found" -gt 0 ] || failed=$((failed + 1))
  fi
}

check_coverage() {
  local report rate
  report="$(find "$results" -name coverage.cobertura.xml -print -quit)"
  [ -n "$report" ] || { echo "No coverage report was written."; return 1; }
  rate="$(sed -n 's/.*<coverage line-rate="\([0-9.]*\)".*/\1/p' "$report" | head -n 1)"
  say "Line coverage of PcpuIpsec.Ike: $(awk -v r="$rate" 'BEGIN { printf "%.1f %%", r * 100 }')"
  if ! awk -v r="$rate" -v least="$least_coverage" 'BEGIN { exit !(r + 0 >= least + 0) }'; then
    say "FAILED: at least $(awk -v r="$least_coverage" 'BEGIN { printf "%.0f %%", r * 100 }') are needed"
    failed=$((failed + 1))
  fi
}

# In a process of its own, which a failure ends.
if "$vm" && ! (need_packages "${vm_packages[@]}"); then
  say "Without ${vm_packages[*]##*:} there is no VM: its tests and those with real peers did not run (--no-vm leaves them out)."
  vm=false skipped=1
fi
lock_build
rm -rf "$results"
step "Restoring" dotnet restore PcpuIpsec.slnx -v quiet || finish
step "Building (Release, warnings are errors)" dotnet build PcpuIpsec.slnx -c Release --no-restore -warnaserror -v quiet || finish
step "Checking the format" dotnet format PcpuIpsec.slnx --verify-no-changes --no-restore -v quiet || true

vm_program=artifacts/bin/PcpuIpsec.KernelTests/release/PcpuIpsec.KernelTests
if "$vm" && ! step "Making the VM's system, where it is not there yet" "$vm_program" root; then
  say "Without a system for the VM its tests and those with real peers did not run."
  vm=false failed=$((failed - 1)) skipped=$((skipped + 1))
fi

say "Testing"
test_exit=0
test_limit=$((limit - SECONDS))
tests=tests/PcpuIpsec.Tests
if "$vm"; then
  test_limit=$((test_limit - vm_limit))
  tests=PcpuIpsec.slnx
fi
timeout --foreground --kill-after=10 "$test_limit" dotnet test "$tests" -c Release --no-build -m:1 -v quiet --logger trx --results-directory "$results" \
  --collect "XPlat Code Coverage" --settings tests/coverage.runsettings --blame-hang --blame-hang-timeout 5m --blame-hang-dump-type none 9>&- || test_exit=$?
count_tests "$results"
if [ "$passed" -eq 0 ] || { [ "$test_exit" -ne 0 ] && [ "$failed" -eq 0 ]; }; then
  say "FAILED: the test run broke off with exit code $test_exit"
  failed=$((failed + 1))
fi
check_coverage || failed=$((failed + 1))
if "$vm"; then
  test_in_vm
else
  say "Left out: the tests in the VM and with real peers"
fi

if "$mutations"; then
  say "Mutating PcpuIpsec.Ike: each change must make a test fail"
  tests/mutations/run.sh 9>&- || { say "FAILED: a mutation survived"; failed=$((failed + 1)); }
else
  step "Checking that each mutation still finds its code (./test.sh --mutations runs them)" tests/mutations/run.sh --check || true
fi
if ! command -v pwsh >/dev/null; then
  say "pwsh is not installed: the Pester suite did not run."
elif ! pwsh -NoProfile -Command 'exit [int]-not (Get-Module Pester -ListAvailable)'; then
  say "Pester is not installed (Install-PSResource Pester): its suite did not run."
else
  test_cmdlets
fi
finish

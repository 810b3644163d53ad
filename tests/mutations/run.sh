#!/usr/bin/env bash
# Checks the tests of src/PcpuIpsec/Ike: each mutation of mutations.txt must make one of them fail.
#
#   tests/mutations/run.sh              all of them
#   tests/mutations/run.sh 3 7 20       those numbers
#   tests/mutations/run.sh --check      only whether each still finds its text in the code
#
# Works in a copy outside the repository, which is removed afterwards: there one mutation at a time is applied, built,
# tested until the first failure and taken back. FILTER chooses the tests (default: those of Ike).
# Exit code 0 where every mutation was killed; the last line counts them.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
filter=${FILTER:-FullyQualifiedName~PcpuIpsec.Tests.Ike}
# A mutation that makes the tests hang is found out, too; a run of all of them takes a small part of this.
limit=${LIMIT:-300}

copy=$(mktemp -d)
trap 'rm -rf "$copy"' EXIT
trap 'exit 130' INT TERM

say() { printf '%s\n' "$*"; }
fail() { say "$*" >&2; exit 2; }

# What git would commit, as it is now; without git, everything but what a build leaves.
if git -C "$root" rev-parse --is-inside-work-tree >/dev/null 2>&1; then
  (cd "$root" && git ls-files -co --exclude-standard -z | while IFS= read -r -d '' f; do if [ -e "$f" ]; then printf '%s\0' "$f"; fi; done \
    | tar -c --null -T - -f -) | tar -x -C "$copy"
else
  tar -c -C "$root" --exclude=./artifacts --exclude=./.git . | tar -x -C "$copy"
fi
cd "$copy"

# Numbers, files, reasons, and the texts before and after, from blocks of the form
#   # reason
#   path
#   <<<<
#   before
#   ====
#   after
#   >>>>
files=() reasons=() befores=() afters=()
part=head file= reason= before= after=
while IFS= read -r line || [ -n "$line" ]; do
  case "$part:$line" in
    head:'<<<<') part=before before= ;;
    before:'====') part=after after= ;;
    after:'>>>>')
      files+=("$file") reasons+=("$reason") befores+=("${before%$'\n'}") afters+=("${after%$'\n'}")
      part=head file= reason= ;;
    before:*) before+=$line$'\n' ;;
    after:*) after+=$line$'\n' ;;
    head:'# '*) reason=${line#\# } ;;
    head:?*) file=$line ;;
  esac
done < "$here/mutations.txt"
[ "$part" = head ] || fail "mutations.txt: the last block is not closed."

# Style is no matter here, and a warning that a mutation causes must not keep it from being tested.
build() {
  dotnet build tests/PcpuIpsec.Tests -v q -nologo --no-restore \
    -p:RunAnalyzers=false -p:EnforceCodeStyleInBuild=false -p:TreatWarningsAsErrors=false > build.log 2>&1
}
run() {
  timeout -k 5 "$limit" dotnet test tests/PcpuIpsec.Tests --no-build --nologo --filter "$filter" \
    --logger 'console;verbosity=normal' -- xUnit.StopOnFail=true > test.log 2>&1
}

# Puts the mutated text into $mutated and the file's own into $original; the text before must be there once.
mutate() {
  local file=${files[$1]} before=${befores[$1]} rest
  [ -f "$file" ] || fail "Mutation $(($1 + 1)): there is no $file."
  # The x keeps the newlines at the end, which $( ) would drop.
  original=$(cat "$file"; printf x)
  original=${original%x}
  rest=${original#*"$before"}
  [ "$rest" != "$original" ] || fail "Mutation $(($1 + 1)): $file does not contain its text any more: $before"
  [ "${rest#*"$before"}" = "$rest" ] || fail "Mutation $(($1 + 1)): $file contains its text more than once: $before"
  mutated=${original%%"$before"*}${afters[$1]}$rest
}

if [ "${1:-}" = --check ]; then
  for i in "${!files[@]}"; do mutate "$i"; done
  say "${#files[@]} mutations find their text"
  exit 0
fi

say "Building, and running the tests as they are ($filter)."
dotnet restore tests/PcpuIpsec.Tests -v q > build.log 2>&1 || { cat build.log; fail "restore failed"; }
build || { cat build.log; fail "The tree does not build."; }
run || { grep -E '^ +Failed ' test.log || cat test.log; fail "The tests fail without any mutation."; }
grep -qE '^ +Passed: +[1-9]' test.log || fail "The filter matches no test."

chosen=("$@")
[ $# -gt 0 ] || mapfile -t chosen < <(seq 1 ${#files[@]})
killed=0 survived=()
for number in "${chosen[@]}"; do
  [[ $number =~ ^[1-9][0-9]*$ ]] && [ "$number" -le ${#files[@]} ] || fail "There is no mutation $number; there are ${#files[@]}."
  i=$((number - 1))
  file=${files[i]}
  mutate "$i"
  printf '%s' "$mutated" > "$file"

  if ! build; then
    grep -m1 'error' build.log || true
    fail "Mutation $number ($file) does not compile."
  fi
  code=0
  run || code=$?
  by=$(sed -nE -e 's/^ +Failed ([^ (]+).*/\1/p' -e 's/^\[xUnit[^]]*\] +([^ (]+).* \[FAIL\]$/\1/p' test.log | head -n 1)
  by=${by#PcpuIpsec.Tests.}
  if [ "$code" -eq 124 ] || [ "$code" -eq 137 ]; then
    by="the time limit of $limit s"
  fi
  if [ "$code" -ne 0 ] && [ -z "$by" ]; then
    # The host of the tests ended with them; anything else is no verdict.
    grep -qiE 'aborted|Test Run Failed' test.log || { cat test.log; fail "Mutation $number: the tests did not run."; }
    by='the end of the test host'
  fi
  if [ "$code" -eq 0 ]; then
    survived+=("$number")
    say "$(printf '%3d' "$number") SURVIVED  ${reasons[i]} ($file)"
  else
    killed=$((killed + 1))
    say "$(printf '%3d' "$number") killed    ${reasons[i]}: $by"
  fi
  printf '%s' "$original" > "$file"
done

say "$killed killed, ${#survived[@]} survived"
[ ${#survived[@]} -eq 0 ]

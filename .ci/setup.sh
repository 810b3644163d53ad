# Sourced by lab.sh and test.sh: root, Debian packages, the .NET SDK and quiet settings. Expects $root, the repository's folder.

export DOTNET_CLI_TELEMETRY_OPTOUT=1 DOTNET_NOLOGO=1 DOTNET_SKIP_FIRST_TIME_EXPERIENCE=1 DOTNET_SYSTEM_GLOBALIZATION_INVARIANT=1
# No build server outlives the build.
export MSBUILDDISABLENODEREUSE=1 UseSharedCompilation=false DOTNET_CLI_USE_MSBUILD_SERVER=0
export PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin"

say() { printf '%s\n' "== $*"; }

die() {
  printf '%s\n' "$(basename "$0"): $*" >&2
  exit 1
}

# The comment that a script begins with.
usage() { sed -n '2,/^[^#]/s/^# \{0,1\}//p' "$0"; }

# Starts the script anew as root where it is not; the caller's PATH comes along, for a dotnet in a home folder.
need_root() {
  [ "$(id -u)" -ne 0 ] || return 0
  command -v sudo >/dev/null || die "network namespaces need root and there is no sudo here: run it as root."
  say "Network namespaces need root: starting again through sudo."
  exec sudo -- env "PATH=$PATH" ${DOTNET_ROOT:+"DOTNET_ROOT=$DOTNET_ROOT"} "$BASH" "$0" "$@"
}

need_home() {
  if [ -z "${HOME:-}" ]; then
    HOME="$(getent passwd "$(id -u)" | cut -d: -f6)"
    export HOME="${HOME:-/root}"
  fi
}

# need_packages command:package …  Installs the packages whose command is missing.
need_packages() {
  local missing=() commands=() pair
  for pair in "$@"; do
    command -v "${pair%%:*}" >/dev/null || { missing+=("${pair##*:}") commands+=("${pair%%:*}"); }
  done
  # Not grep -q: it would end ldconfig by SIGPIPE, which pipefail takes for a failure.
  if ! ldconfig -p 2>/dev/null | grep 'libcrypto\.so\.3' >/dev/null; then
    commands+=(libcrypto.so.3)
    missing+=(openssl)
  fi
  [ ${#missing[@]} -gt 0 ] || return 0

  command -v apt-get >/dev/null || die "missing here, and this is no Debian where they could be installed: ${commands[*]}"
  mapfile -t missing < <(printf '%s\n' "${missing[@]}" | sort -u)
  say "Installing Debian packages: ${missing[*]}"
  local log
  log="$(mktemp)"
  if command -v debconf-set-selections >/dev/null; then
    # Only root captures, and no iperf3 server runs at boot.
    printf '%s\n' 'wireshark-common wireshark-common/install-setuid boolean false' 'iperf3 iperf3/start_daemon boolean false' | debconf-set-selections
  fi
  # An update that fails for one of several mirrors may still be enough.
  DEBIAN_FRONTEND=noninteractive apt-get update >"$log" 2>&1 || true
  if ! DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "${missing[@]}" >>"$log" 2>&1 </dev/null; then
    tail -n 20 "$log" >&2
    rm -f "$log"
    die "apt-get could not install ${missing[*]}; its last words are above."
  fi
  rm -f "$log"
}

# What makes and boots the VM.
# shellcheck disable=SC2034
vm_packages=(qemu-system-x86_64:qemu-system-x86 mmdebstrap:mmdebstrap mke2fs:e2fsprogs cpio:cpio xz:xz-utils)

need_dotnet() {
  local folder sudo_home=
  [ -z "${SUDO_USER:-}" ] || sudo_home="$(getent passwd "$SUDO_USER" | cut -d: -f6)"
  for folder in "${DOTNET_ROOT:-}" "$(dirname "$(readlink -f "$(command -v dotnet || true)" || true)")" \
    /usr/share/dotnet /usr/lib/dotnet /usr/local/share/dotnet /opt/dotnet "$HOME/.dotnet" "${sudo_home:+$sudo_home/.dotnet}"; do
    if [ -n "$folder" ] && [ -x "$folder/dotnet" ] && (cd / && "$folder/dotnet" --list-sdks 2>/dev/null | grep '^10\.' >/dev/null); then
      export DOTNET_ROOT="$folder" PATH="$folder:$PATH"
      return 0
    fi
  done
  die "the .NET SDK 10 is needed and was not found: https://dotnet.microsoft.com/download/dotnet/10.0"
}

# One build at a time in one clone. The lock is let go by unlock_build or at exit.
lock_build() {
  mkdir -p "$root/artifacts"
  exec 9>"$root/artifacts/.lock"
  flock -n 9 || { say "Another lab.sh or test.sh builds here: waiting for it."; flock 9; }
}

unlock_build() { exec 9>&-; }

# What root built stays the caller's own.
give_back() {
  if [ -n "${SUDO_UID:-}" ]; then
    chown -R "$SUDO_UID:${SUDO_GID:-$SUDO_UID}" "$root/artifacts"
  fi
}

#!/usr/bin/env bash
# make-root.sh FOLDER: a Debian forky system for VMs and chroots. In the folder then are
#   tree/      the system, unpacked
#   vmlinuz    its kernel, with real ESP, and
#   initrd     its initial RAM disk, with boot.sh as /init
#   root.img   the system as ext4
# The folder belongs to this script: a failure leaves what there is, for the caller to remove. Needs root.
set -euo pipefail
here="$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")"
folder="$1"
suite=forky
tree="$folder/tree"
export PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin" LC_ALL=C

packages=(
  linux-image-amd64 kmod procps util-linux iproute2 nftables iptables ethtool iputils-ping iperf3 tcpdump openssl
  strongswan-swanctl charon-systemd libcharon-extra-plugins libstrongswan-standard-plugins libstrongswan-extra-plugins
)

# The mirror that this host itself uses, where it is a Debian one; mmdebstrap's own choice else.
mirror="$(apt-get indextargets --format '$(ORIGIN) $(LABEL) $(REPO_URI)' 'Created-By: Packages' 2>/dev/null \
  | awk '$1 == "Debian" && $2 == "Debian" && !found { print $3; found = 1 }' || true)"

echo "unpacking Debian $suite, about 200 MB to download"
# A frozen mirror's Release file may be past its date; its signature counts as ever.
# It dies with this script, as this one does with its caller, and its mounts, in a namespace of their own, go with it.
setpriv --pdeathsig KILL -- unshare --mount --propagation private --pid --fork --kill-child -- \
  mmdebstrap --quiet --mode=root --variant=minbase --aptopt='Acquire::Check-Valid-Until "false"' --aptopt='Acquire::Retries "3"' \
  --include="$(IFS=,; echo "${packages[*]}")" --customize-hook="$here/add-libreswan.sh" "$suite" "$tree" ${mirror:+"$mirror"} </dev/null

cp "$tree"/boot/vmlinuz-* "$folder/vmlinuz"
# What the host shares comes here.
mkdir "$tree"/{build,dotnet,out}

echo "making the initial RAM disk"
disk="$folder/initrd.d"
mkdir -p "$disk"/{dev,root,modules,usr/bin}
ln -s usr/bin "$disk/bin"
programs=(dash mount insmod chroot)
chroot "$tree" sh -euc 'for program; do file="$(command -v "$program")"; echo "$file"; ldd "$file" | grep -o "/[^ ]*"; done' -- "${programs[@]}" | sort -u |
  while IFS= read -r file; do install -D "$tree$(chroot "$tree" readlink -f "$file")" "$disk$file"; done
ln -s dash "$disk/usr/bin/sh"
install -m 755 "$here/boot.sh" "$disk/init"
# Those that a module needs are told before it.
release="$(basename "$tree"/boot/vmlinuz-*)"
chroot "$tree" modprobe --set-version "${release#vmlinuz-}" --show-depends --all virtio_blk ext4 9pnet_virtio 9p |
  awk '$1 == "insmod" && !told[$2]++ { print $2 }' | nl --number-format rz --number-width 2 |
  while read -r number file; do xz --decompress --stdout "$tree$file" >"$disk/modules/$number-$(basename "$file" .xz)"; done
(cd "$disk" && find . | cpio --quiet --create --format newc) >"$folder/initrd"
rm -r "$disk"

echo "making the ext4 image"
# Room for what the VM writes, which is thrown away at its end.
size=$(($(du -sm "$tree" | cut -f1) * 5 / 4 + 512))
mke2fs -q -t ext4 -m 0 -E root_owner=0:0 -d "$tree" "$folder/root.img" "${size}M"

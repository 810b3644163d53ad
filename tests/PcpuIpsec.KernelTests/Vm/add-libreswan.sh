#!/bin/sh
# add-libreswan.sh TREE: called by mmdebstrap in the host. libreswan and strongSwan exclude each other as packages, for the sake
# of their services at boot; their files do not meet. So libreswan is unpacked, and only the libraries that it needs installed.
set -eu
tree="$1"
libraries="$(chroot "$tree" apt-cache depends libreswan | sed -n 's/^ *Depends: \(lib[^ ]*\)$/\1/p')"
# shellcheck disable=SC2086
chroot "$tree" apt-get install --yes --quiet --no-install-recommends $libraries
chroot "$tree" sh -euc 'cd /tmp && apt-get download --quiet libreswan && dpkg-deb --extract libreswan_*.deb / && rm libreswan_*.deb'

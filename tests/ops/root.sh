#!/bin/sh
# root.sh ROOT PACKAGE.deb: makes the tree of a Debian 12 that has systemd and nothing else, for machine.sh. What PACKAGE and the
# guide's other commands install is in apt's cache and not installed, so that a machine needs no network. An existing tree is kept as
# long as it is what would be made. Only root may do this.
set -eu

root=$1 package=$2
others="caddy curl nginx openssl prometheus sqlite3"
wanted="$(dpkg-deb --field "$package" Depends); $others; $(cat "$0")"

if [ "$(cat "$root.made" 2>/dev/null || true)" = "$wanted" ]; then
    exit 0
fi
rm -rf "$root" "$root.made"
mkdir -p "$root"
# man-db and ca-certificates are what a server has; the first also reads the manuals.
debootstrap --variant=minbase --include=systemd,systemd-sysv,ca-certificates,man-db bookworm "$root"
echo 'APT::Install-Recommends "false";' >"$root/etc/apt/apt.conf.d/recommends"
cp "$package" "$root/srv/syncline.deb"
# shellcheck disable=SC2086 # a list of names
chroot "$root" env DEBIAN_FRONTEND=noninteractive apt-get install -y --download-only /srv/syncline.deb $others
rm "$root/srv/syncline.deb"
printf '%s' "$wanted" >"$root.made"

#!/bin/sh
# image.sh FOLDER: builds the Dockerfile's image with buildah, in FOLDER and nowhere else, and prints the name that tests call it by.
# No registry is asked: debian:bookworm-slim is made by debootstrap from Debian's own packages, with ca-certificates, which the real one lacks,
# since this machine's stand in their place. Only root may do this.
set -eu

folder=$1
cd "$(dirname "$0")/../.."
store() {
    buildah --root "$folder/storage" --runroot "$folder/run" "$@"
}

mkdir -p "$folder"
if ! store inspect --type image docker.io/library/debian:bookworm-slim >/dev/null 2>&1; then
    rm -rf "$folder/debian"
    debootstrap --variant=minbase --include=ca-certificates bookworm "$folder/debian" >&2
    rm -rf "$folder"/debian/var/cache/apt/archives/*.deb
    base=$(store from scratch)
    store add "$base" "$folder/debian" / >&2
    store config --cmd bash "$base" >&2
    store commit --rm "$base" docker.io/library/debian:bookworm-slim >&2
    rm -rf "$folder/debian"
fi
# The build trusts whom this machine trusts: its way to npm's registry may have a certificate of its own.
trust="--volume /etc/ssl/certs:/etc/ssl/certs:ro"
if [ -n "${NODE_EXTRA_CA_CERTS:-}" ]; then
    trust="$trust --volume $NODE_EXTRA_CA_CERTS:$NODE_EXTRA_CA_CERTS:ro --env NODE_EXTRA_CA_CERTS=$NODE_EXTRA_CA_CERTS"
fi
# Not OCI's format, which has no health checks.
# shellcheck disable=SC2086 # a list of options
store build $trust --isolation chroot --pull-never --layers --format docker --tag syncline-test . >&2
echo localhost/syncline-test

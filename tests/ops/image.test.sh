#!/bin/sh
# image.test.sh FOLDER: builds the image (image.sh) and runs what it says it runs, as the user it says, in a network of its own; asks for its
# health as it says; stops it by the signal it names. Prints what it has seen; fails at the first that is not so. What a daemon does (volumes, ports,
# a read-only root, asking for health by the clock) is not part of it. Only root may do this.
set -eu

folder=$1
store() {
    buildah --root "$folder/storage" --runroot "$folder/run" "$@"
}

if [ "${2:-}" != inside ]; then
    image=$("$(dirname "$0")/image.sh" "$folder")
    exec unshare --net "$0" "$folder" inside "$image"
fi

ip link set lo up
container=$(store from --pull-never "$3")
trap 'store rm "$container" >/dev/null' EXIT
about() {
    store inspect --type container --format "$1" "$container"
}
test "$(about '{{.Docker.Config.User}}')" = 7962:7962
test "$(about '{{.Docker.Config.StopSignal}}')" = SIGTERM
test "$(about '{{index .Docker.Config.Volumes "/var/lib/syncline"}}')" = '{}'
entry=$(about '{{range .Docker.Config.Entrypoint}}{{.}} {{end}}{{range .Docker.Config.Cmd}}{{.}} {{end}}')
health=$(about '{{range .Docker.Config.Healthcheck.Test}}{{.}} {{end}}')
echo "user 7962; runs: $entry; health: $health"

# shellcheck disable=SC2086 # words
store run --isolation chroot "$container" -- $entry >"$folder/log" 2>&1 &
hub=$!
tries=0
# shellcheck disable=SC2086 # words
until store run --isolation chroot "$container" -- ${health#CMD }; do
    tries=$((tries + 1))
    test $tries -lt 50 || { cat "$folder/log"; exit 1; }
    sleep 0.2
done
store run --isolation chroot "$container" -- syncline increment post/1 likes
test "$(store run --isolation chroot "$container" -- syncline get post/1 likes)" = 1
# Its own user's, of all that may run on this machine.
# shellcheck disable=SC2016 # for the container's shell
store run --isolation chroot "$container" -- sh -c 'test "$(id -u):$(id -g)" = 7962:7962 && ! touch /etc/x 2>/dev/null || exit 1
    for p in /proc/[0-9]*; do
        if test "$(cat "$p/comm" 2>/dev/null)" = synclined && test "$(stat -c %u "$p")" = 7962; then kill -TERM "${p#/proc/}"; fi
    done'
wait "$hub"
grep stopped "$folder/log"
# shellcheck disable=SC2086 # words
if store run --isolation chroot "$container" -- ${health#CMD }; then exit 1; fi
echo "the image is good"

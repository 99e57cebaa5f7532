#!/bin/sh
# Goal:   a room uses only the rooms named beside it, so that the layers stay layers.
# Method: reads every #include of every C file and compares it with the table below.
#
# usage: includes.sh SOURCE_DIRECTORY
set -eu
cd "$1"

# The C library without I/O, time, threads and signals; <stdio.h> only for snprintf, which the
# symbols' test sees to.
PURE='assert|ctype|float|inttypes|limits|math|stdalign|stdarg|stdbool|stddef|stdint|stdlib|string'
# Libraries that belong to one room each: elsewhere <...> may be anything of the system.
LIBRARIES='xxhash|msgpack|sqlite3|libwebsockets|uv|libfyaml|jansson|jwt|nats|pthread|curl/.*|openssl/.*'

# check ROOM PROJECT SYSTEM NOT FILE...: what is in quotes must match PROJECT, what is in angle
# brackets SYSTEM and not NOT.
check() {
    room=$1 project=$2 system=$3 not=$4
    shift 4
    for file in "$@"; do
        [ -e "$file" ] || continue
        checked=$((checked + 1))
        awk -v room="$room" -v project="^($project)\$" -v system_="^($system)\$" -v not="^($not)\$" '
            /^[ \t]*#[ \t]*include/ {
                name = $0
                sub(/^[ \t]*#[ \t]*include[ \t]*/, "", name)
                kind = substr(name, 1, 1)
                name = substr(name, 2)
                sub(/[">].*/, "", name)
                allowed = kind == "\"" ? name ~ project : name ~ system_ && name !~ not
                if (!allowed) {
                    printf "%s:%d: %s may not include %s\n", FILENAME, FNR, room, name
                    bad = 1
                }
            }
            END { exit bad }' "$file" || failed=1
    done
}

except() {
    printf '%s' "$LIBRARIES" | tr '|' '\n' | grep -vxE "$1" | tr '\n' '|' | sed 's/|$//'
}

checked=0
failed=0
check crdt 'crdt/.*' "($PURE|xxhash)\.h" - crdt/*.[ch]
# Who reads no YAML does not need what does: protocol/yaml is a library of its own.
check protocol 'crdt/.*|protocol/[^/]*' "($PURE|stdio|msgpack/(pack_define|pack_template|timestamp))\.h" - protocol/*.[ch]
check protocol/yaml '(crdt|protocol)/.*' "($PURE|errno|stdio|libfyaml)\.h" - protocol/yaml/*.[ch]
check protocol/json '(crdt|protocol)/.*' "($PURE|jansson)\.h" - protocol/json/*.[ch]
check server/hub 'crdt/.*|protocol/[^/]*|server/hub/.*' "($PURE|stdio)\.h" - server/hub/*.[ch]
# Who speaks HTTP inside the process uses the network's words and none of its libraries.
check server/api '(crdt|protocol)/.*|server/api/.*|server/hub/(hub|table)\.h|server/net/net\.h|server/storage/storage\.h' '.*' \
    "($(except 'jansson|openssl/\.\*|uv'))\.h" server/api/*.[ch]
check server/storage 'crdt/.*|protocol/[^/]*|server/storage/.*' '.*' \
    "($(except 'sqlite3|pthread'))\.h" server/storage/*.[ch]
# Bytes, buffers and the marker for results are what the hub's own interface is made of.
check server/net 'server/net/.*|server/hub/hub\.h|crdt/(bytes|status)\.h|protocol/buffer\.h' '.*' \
    "($(except 'libwebsockets|openssl/\.\*|uv'))\.h" server/net/*.[ch]
check server/webhooks 'crdt/.*|protocol/[^/]*|server/hub/(hub|codes)\.h|server/webhooks/.*' '.*' \
    "($(except 'uv|curl/\.\*|openssl/\.\*'))\.h" server/webhooks/*.[ch]
check server '(crdt|protocol|server)/.*' '.*' "($(except 'uv|jwt|jansson|openssl/\.\*|pthread'))\.h" server/*.[ch]
check clients/c '(crdt|protocol|clients/c)/.*' '.*' \
    "($(except 'sqlite3|libwebsockets|openssl/\.\*|uv|jansson|jwt|pthread'))\.h" clients/c/*.[ch]

if [ "$checked" -lt 50 ]; then
    echo "only $checked files found: is $1 the source directory?"
    exit 1
fi
echo "$checked files read"
exit $failed

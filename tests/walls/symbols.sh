#!/bin/sh
# Goal:   the pure rooms stay pure: no I/O, no clock, no threads, no randomness, no writable globals.
# Method: asks the linker's view. What an archive lacks must be defined in the archives below it or
#         be on the list; what it defines must not be writable.
#
# usage: symbols.sh NM LIBCRDT LIBPROTOCOL LIBSCHEMA_FILE LIBHUB
set -eu
NM=$1 CRDT=$2 PROTOCOL=$3 SCHEMA_FILE=$4 HUB=$5

ALLOWED='malloc|calloc|realloc|free|abort|__assert_fail|qsort|bsearch'
ALLOWED="$ALLOWED|mem(chr|cmp|cpy|mem|move|set)|str(len|cmp|ncmp|chr|rchr|spn|cspn)|v?snprintf"
ALLOWED="$ALLOWED|strto(d|ul|ull|l|ll)|isnan|isinf|isfinite|floor|trunc|fmod|ldexp|frexp"
# What a compiler puts in for position-independent and for hardened code.
ALLOWED="$ALLOWED|_GLOBAL_OFFSET_TABLE_|__stack_chk_fail|__[a-z]*_chk"

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
failed=0

# check_needs NAME ALSO ARCHIVE LOWER...
check_needs() {
    name=$1 also=$2
    shift 2
    "$NM" -g --defined-only "$@" | awk 'NF == 3 { print $3 }' | sort -u >"$scratch/defined"
    "$NM" -u "$1" | awk 'NF == 2 { print $2 }' | sort -u | comm -23 - "$scratch/defined" |
        grep -vxE "$ALLOWED|$also" >"$scratch/bad" || true
    while read -r symbol; do
        echo "lib$name.a uses $symbol"
        failed=1
    done <"$scratch/bad"
}

# Tables of constants with pointers in them lie in .data.rel.ro, which is read-only once linked.
check_data() {
    "$NM" -f sysv "$2" | awk -F '|' -v name="$1" '
        NF >= 7 {
            gsub(/ /, "", $1); gsub(/ /, "", $3); gsub(/ /, "", $7)
            if ($3 ~ /^[BbDdCcGgSs]$/ && $7 !~ /^\.data\.rel\.ro/) {
                printf "lib%s.a has writable data: %s in %s\n", name, $1, $7
                bad = 1
            }
        }
        END { exit bad }' || failed=1
}

[ "$("$NM" -g --defined-only "$HUB" | grep -c ' hub_step$')" -eq 1 ] || {
    echo "$HUB has no hub_step: is it the hub?"
    exit 1
}
check_needs crdt 'XXH.*' "$CRDT"
check_needs protocol 'msgpack_.*' "$PROTOCOL" "$CRDT"
check_needs schema_file 'fy_.*' "$SCHEMA_FILE" "$PROTOCOL" "$CRDT"
check_needs hub 'hub_step' "$HUB" "$PROTOCOL" "$CRDT"
check_data crdt "$CRDT"
check_data protocol "$PROTOCOL"
check_data schema_file "$SCHEMA_FILE"
check_data hub "$HUB"
exit $failed

/*
 * Goal:   replicas that have seen the same edits show the same value, whatever the network did, and
 * it is the one that the type's definition says.
 * Method: four replicas take 60 random steps: an edit, a delta (late, repeated, out of order), or a
 * peer's full state. Then every delta reaches every replica. The oracle (oracle.c) keeps all edits
 * with what each had seen. A failure names its seed.
 */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "crdt/orset.h"
#include "tests/crdt/oracle.h"
#include "tests/support/declared.h"

enum { REPLICAS = 4, STEPS = 60, TEXT_BYTES = 8192, TIMES = 8 };

/* ThreadSanitizer makes it ten times as long, and finds no thread here. */
#ifdef __SANITIZE_THREAD__
enum { SEEDS = 60 };
#else
enum { SEEDS = 600 };
#endif

static uint64_t state;

static size_t below(size_t bound)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (size_t)(state % bound);
}

static void make_edit(struct oracle *oracle, struct replicas *replicas, size_t at)
{
    static const char *const keys[] = {"k", "l"};
    static const char *const elements[] = {"a", "b", "c", "d"};
    static const char *const amounts[] = {"1", "2", "7"};
    struct oracle_edit edit = {.now_ms = below(TIMES)};
    for (size_t i = 0; i < oracle->depth; i++) {
        edit.keys[edit.key_count++] = keys[below(2)];
        if (below(4) == 0) {
            edit.verb = "remove";
            break;
        }
    }
    if (edit.verb == NULL) {
        edit.verb = oracle_verb(oracle, below(8));
        edit.value = oracle_counts(oracle) ? amounts[below(3)] : elements[below(4)];
    } else {
        edit.removes_key = true;
    }
    oracle_make(oracle, replicas, at, &edit);
}

static void compare(const struct oracle *oracle, const struct replicas *replicas, uint64_t seed)
{
    static char expected[TEXT_BYTES];
    oracle_value(oracle, replicas, expected, sizeof expected);
    for (size_t i = 0; i < REPLICAS; i++) {
        char *value = replicas_value(replicas, i);
        cr_assert(strcmp(value, expected) == 0, "%s %s, seed %llu, replica %zu: %s, expected %s",
                  oracle->type, oracle->options, (unsigned long long)seed, i, value, expected);
        free(value);
    }
}

static void run(const char *type, const char *options, uint64_t seed)
{
    static struct replicas replicas;
    static struct oracle oracle;
    struct declaration declaration = declared(type, options);
    state = seed * 0x9e3779b97f4a7c15ULL + 1;
    oracle_init(&oracle, type, options, &declaration);
    replicas_init(&replicas, &declaration, REPLICAS);
    for (size_t step = 0; step < STEPS; step++) {
        size_t at = below(REPLICAS);
        size_t kind = below(3);
        if (kind == 0) {
            make_edit(&oracle, &replicas, at);
        } else if (kind == 1 && replicas.delta_count > 0) {
            replicas_deliver(&replicas, below(replicas.delta_count), at);
        } else if (kind == 2) {
            replicas_merge(&replicas, below(REPLICAS), at);
        }
    }
    for (size_t i = 0; i < REPLICAS * replicas.delta_count; i++) {
        replicas_deliver(&replicas, i / REPLICAS, i % REPLICAS);
    }
    compare(&oracle, &replicas, seed);
    replicas_finish(&replicas);
}

static void run_all(const char *type, const char *options)
{
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        run(type, options, seed);
    }
}

#define CONVERGES(name, type, options)                                                             \
    Test(convergence, name) { run_all(type, options); }

CONVERGES(g_counters, "g-counter", "{}")
CONVERGES(pn_counters, "pn-counter", "{}")
CONVERGES(or_sets, "or-set", "{\"of\":\"string\"}")
CONVERGES(g_sets, "g-set", "{\"of\":\"string\"}")
CONVERGES(two_phase_sets, "2p-set", "{\"of\":\"string\"}")
CONVERGES(flags_that_enabling_wins, "flag", "{\"wins\":\"enable\"}")
CONVERGES(flags_that_disabling_wins, "flag", "{\"wins\":\"disable\"}")
CONVERGES(mv_registers, "mv-register", "{\"of\":\"string\"}")
CONVERGES(lww_registers, "lww-register", "{\"of\":\"string\"}")
CONVERGES(maps_of_g_counters, "map", "{\"of\":[\"g-counter\",{}]}")
CONVERGES(maps_of_pn_counters, "map", "{\"of\":[\"pn-counter\",{}]}")
CONVERGES(maps_of_or_sets, "map", "{\"of\":[\"or-set\",{\"of\":\"string\"}]}")
CONVERGES(maps_of_g_sets, "map", "{\"of\":[\"g-set\",{\"of\":\"string\"}]}")
CONVERGES(maps_of_two_phase_sets, "map", "{\"of\":[\"2p-set\",{\"of\":\"string\"}]}")
CONVERGES(maps_of_flags, "map", "{\"of\":[\"flag\",{\"wins\":\"enable\"}]}")
CONVERGES(maps_of_disable_wins_flags, "map", "{\"of\":[\"flag\",{\"wins\":\"disable\"}]}")
CONVERGES(maps_of_mv_registers, "map", "{\"of\":[\"mv-register\",{\"of\":\"string\"}]}")
CONVERGES(maps_of_lww_registers, "map", "{\"of\":[\"lww-register\",{\"of\":\"string\"}]}")
CONVERGES(maps_of_maps, "map", "{\"of\":[\"map\",{\"of\":[\"pn-counter\",{}]}]}")
CONVERGES(maps_three_deep, "map",
          "{\"of\":[\"map\",{\"of\":[\"map\",{\"of\":[\"or-set\",{\"of\":\"string\"}]}]}]}")

Test(convergence, an_element_has_as_many_dots_as_concurrent_adds_not_as_it_ever_had)
{
    static struct replicas replicas;
    const char *element = "a";
    struct edit add = {.verb = "add", .values = &element, .length = 1};
    size_t before = 0;
    struct declaration declaration = declared("or-set", "{\"of\":\"string\"}");
    replicas_init(&replicas, &declaration, 2);
    for (size_t i = 0; i < 100; i++) {
        (void)replicas_edit(&replicas, i % 2, &add, 0);
        replicas_merge(&replicas, i % 2, (i + 1) % 2);
        if (i == 1) {
            before = crdt_orset.memory(replicas.replica[0].field);
        }
    }
    cr_assert(eq(sz, crdt_orset.memory(replicas.replica[0].field), before));
    replicas_finish(&replicas);
}

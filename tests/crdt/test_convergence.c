/*
 * Goal:   replicas that have seen the same edits show the same value, whatever the network did, and
 * it is the one that the type's definition says: a sum, or the adds that no remove had seen.
 * Method: four replicas take 60 random steps: an edit, a delta (late, repeated, out of order), or a
 * peer's full state. Then every delta reaches every replica. The oracle keeps all edits with what
 * each had seen. A failure names its seed.
 */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "crdt/orset.h"
#include "tests/crdt/replicas.h"

enum { REPLICAS = 4, STEPS = 60, SEEDS = 2000, ELEMENTS = 4, EXPECTED_BYTES = 256 };

struct oracle_edit {
    char verb; /* + - a r c */
    long amount;
    char element;
};

static struct oracle_edit oracle[DELTAS_MAX];
static uint64_t state;

static size_t below(size_t bound)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (size_t)(state % bound);
}

static void edit(struct replicas *replicas, size_t at, const char *verb, const char *value)
{
    struct edit made = {.verb = verb, .values = &value, .length = value == NULL ? 0 : 1};
    struct oracle_edit kept = {.verb = verb[0] == 'i' ? '+' : (verb[0] == 'd' ? '-' : verb[0])};
    kept.amount = value == NULL ? 0 : strtol(value, NULL, 10);
    kept.element = value == NULL ? '\0' : value[0];
    oracle[replicas_edit(replicas, at, &made)] = kept;
}

static void edit_counter(struct replicas *replicas, size_t at)
{
    static const char *const amounts[] = {"1", "2", "7"};
    bool down = replicas->declared.declared.codec == &codec_pncounter && below(2) == 0;
    edit(replicas, at, down ? "decrement" : "increment", amounts[below(3)]);
}

static void edit_set(struct replicas *replicas, size_t at)
{
    static const char *const elements[ELEMENTS] = {"a", "b", "c", "d"};
    switch (below(8)) {
    case 0:
        edit(replicas, at, "clear", NULL);
        return;
    case 1:
    case 2:
    case 3:
        edit(replicas, at, "remove", elements[below(ELEMENTS)]);
        return;
    default:
        edit(replicas, at, "add", elements[below(ELEMENTS)]);
    }
}

static bool saw(const struct replica_delta *later, const struct replica_delta *earlier)
{
    if (later->replica == earlier->replica) {
        return earlier->last < later->first;
    }
    return earlier->last <= later->seen[earlier->replica].seq;
}

/* The definition: an add stays unless a remove, or a clear, had seen it. */
static bool is_in(const struct replicas *replicas, char element)
{
    for (size_t a = 0; a < replicas->delta_count; a++) {
        bool live = oracle[a].verb == 'a' && oracle[a].element == element;
        for (size_t r = 0; live && r < replicas->delta_count; r++) {
            bool removes =
                oracle[r].verb == 'c' || (oracle[r].verb == 'r' && oracle[r].element == element);
            live = !(removes && saw(&replicas->deltas[r], &replicas->deltas[a]));
        }
        if (live) {
            return true;
        }
    }
    return false;
}

static void expected_set(const struct replicas *replicas, char *text)
{
    size_t at = 0;
    text[at++] = '[';
    for (int element = 'a'; element < 'a' + ELEMENTS; element++) {
        if (is_in(replicas, (char)element)) {
            at += (size_t)snprintf(text + at, EXPECTED_BYTES - at, "%s\"%c\"", at == 1 ? "" : ",",
                                   element);
        }
    }
    (void)snprintf(text + at, EXPECTED_BYTES - at, "]");
}

static void expected_counter(const struct replicas *replicas, char *text)
{
    long total = 0;
    for (size_t i = 0; i < replicas->delta_count; i++) {
        total += oracle[i].verb == '-' ? -oracle[i].amount : oracle[i].amount;
    }
    (void)snprintf(text, EXPECTED_BYTES, "%ld", total);
}

static void run(const struct protocol_codec *codec, uint64_t seed)
{
    static struct replicas replicas;
    char expected[EXPECTED_BYTES];
    state = seed * 0x9e3779b97f4a7c15ULL + 1;
    struct declaration declared;
    declaration_init(&declared, codec, false);
    replicas_init(&replicas, &declared, REPLICAS);
    for (size_t step = 0; step < STEPS; step++) {
        size_t at = below(REPLICAS);
        size_t kind = below(3);
        if (kind == 0 && codec->shape == SHAPE_LIST) {
            edit_set(&replicas, at);
        } else if (kind == 0) {
            edit_counter(&replicas, at);
        } else if (kind == 1 && replicas.delta_count > 0) {
            replicas_deliver(&replicas, below(replicas.delta_count), at);
        } else if (kind == 2) {
            replicas_merge(&replicas, below(REPLICAS), at);
        }
    }
    for (size_t i = 0; i < REPLICAS * replicas.delta_count; i++) {
        replicas_deliver(&replicas, i / REPLICAS, i % REPLICAS);
    }
    (codec->shape == SHAPE_LIST ? expected_set : expected_counter)(&replicas, expected);
    for (size_t i = 0; i < REPLICAS; i++) {
        char *value = replicas_value(&replicas, i);
        cr_assert(strcmp(value, expected) == 0, "%s, seed %llu, replica %zu: %s, expected %s",
                  codec->type->name, (unsigned long long)seed, i, value, expected);
        free(value);
    }
    replicas_finish(&replicas);
}

Test(convergence, replicas_converge_under_delay_repetition_and_reordering)
{
    const struct protocol_codec *codec;
    for (size_t n = 0; (codec = protocol_codec_at(n)) != NULL; n++) {
        for (uint64_t seed = 1; seed <= SEEDS; seed++) {
            run(codec, seed);
        }
    }
}

Test(convergence, an_element_has_as_many_dots_as_concurrent_adds_not_as_it_ever_had)
{
    static struct replicas replicas;
    const char *element = "a";
    struct edit add = {.verb = "add", .values = &element, .length = 1};
    size_t before = 0;
    struct declaration declared;
    declaration_init(&declared, &codec_orset, false);
    replicas_init(&replicas, &declared, 2);
    for (size_t i = 0; i < 100; i++) {
        (void)replicas_edit(&replicas, i % 2, &add);
        replicas_merge(&replicas, i % 2, (i + 1) % 2);
        if (i == 1) {
            before = crdt_orset.memory(replicas.replica[0].field);
        }
    }
    cr_assert(eq(sz, crdt_orset.memory(replicas.replica[0].field), before));
    replicas_finish(&replicas);
}

/*
 * Goal:   the OR-set's table and its index hold what was put into them, whatever was taken out in
 *         between: short bytes and long ones, no dot, one and many, few elements and thousands.
 * Method: random puts, removals, forgettings and trims, compared with plain arrays; a failure names
 *         its seed. The index alone: keys that share a hash. A change: elements that an outsider
 *         chose to collide.
 */
#include <criterion/criterion.h>
#include <inttypes.h>
#include <string.h>

#include "crdt/orset.h"

enum {
    KEYS = 3000,
    KEY_BYTES_MAX = 40,
    DOTS_MAX = 9,
    STEPS = 20000,
    SEEDS = 6,
    COLLIDING = 500,
    CHOSEN = 2000
};

struct held {
    enum { ABSENT, REMOVED, LIVE } state;
    uint64_t position;
    struct crdt_dot dots[DOTS_MAX];
    size_t count;
};

static uint64_t next_random(uint64_t *state)
{
    *state += 0x9e3779b97f4a7c15U;
    uint64_t number = (*state ^ (*state >> 30)) * 0xbf58476d1ce4e5b9U;
    return number ^ (number >> 31);
}

/* The key's number, in two bytes, and as many more as make it one of 41 lengths. */
static struct bytes key_of(size_t number, uint8_t buffer[KEY_BYTES_MAX + 2])
{
    memset(buffer, (int)(number % 7), KEY_BYTES_MAX + 2);
    buffer[0] = (uint8_t)(number >> 8);
    buffer[1] = (uint8_t)number;
    return (struct bytes){buffer, 2 + number % (KEY_BYTES_MAX + 1)};
}

static void check_element(const struct crdt_orset *set, const struct held *held, size_t number,
                          uint64_t seed)
{
    uint8_t buffer[KEY_BYTES_MAX + 2];
    struct bytes key = key_of(number, buffer);
    const struct crdt_orset_element *element = crdt_orset_find(set, key);
    cr_assert((element != NULL) == (held->state != ABSENT), "seed %" PRIu64, seed);
    cr_assert(crdt_orset_contains(set, key) == (held->state == LIVE), "seed %" PRIu64, seed);
    if (element == NULL) {
        return;
    }
    cr_assert(bytes_equal(crdt_orset_bytes(element), key), "seed %" PRIu64, seed);
    cr_assert(element->position == held->position, "seed %" PRIu64, seed);
    cr_assert(crdt_orset_dot_count(element) == held->count, "seed %" PRIu64, seed);
    for (size_t i = 0; i < held->count; i++) {
        struct crdt_dot dot = crdt_orset_dot(element, (uint32_t)i);
        cr_assert(dot.seq == held->dots[i].seq && dot.replica == held->dots[i].replica &&
                      dot.position == held->dots[i].position,
                  "seed %" PRIu64, seed);
    }
}

static size_t check_list(const struct crdt_orset *set, const struct crdt_orset_list *list)
{
    size_t length = 0;
    uint64_t position = 0;
    const struct crdt_orset_element *element = crdt_orset_since(set, list, 0);
    for (; element != NULL; element = crdt_orset_next(set, element)) {
        cr_assert(element->position >= position);
        position = element->position;
        length++;
    }
    cr_assert(length == list->length);
    return length;
}

static void check_all(const struct crdt_orset *set, const struct held *held, uint64_t seed)
{
    size_t counts[3] = {0};
    for (size_t i = 0; i < KEYS; i++) {
        check_element(set, &held[i], i, seed);
        counts[held[i].state]++;
    }
    cr_assert(check_list(set, &set->live) == counts[LIVE], "seed %" PRIu64, seed);
    cr_assert(check_list(set, &set->removed) == counts[REMOVED], "seed %" PRIu64, seed);
}

static void put(struct crdt_orset *set, struct held *held, size_t number, uint64_t position,
                uint64_t *random)
{
    uint8_t buffer[KEY_BYTES_MAX + 2];
    held->count = next_random(random) % 3 == 0 ? next_random(random) % (DOTS_MAX + 1) : 1;
    for (size_t i = 0; i < held->count; i++) {
        held->dots[i] = (struct crdt_dot){
            .seq = i + 1, .position = position - i % 2, .replica = (crdt_replica_id)i};
    }
    held->state = held->count > 0 ? LIVE : REMOVED;
    held->position = position;
    cr_assert(crdt_orset_put(set, key_of(number, buffer), held->dots, held->count, position) ==
              CRDT_OK);
}

/* What the update covers goes: the dots of positions before it. */
static void drop(struct crdt_orset *set, struct held *held, size_t number, uint64_t position)
{
    uint8_t buffer[KEY_BYTES_MAX + 2];
    struct crdt_update update = {
        .position = position, .replica = 1000, .context = {.position = held->position - 1}};
    size_t kept = 0;
    for (size_t i = 0; i < held->count; i++) {
        if (held->dots[i].position > update.context.position) {
            held->dots[kept++] = held->dots[i];
        }
    }
    bool dropped = kept != held->count;
    cr_assert(crdt_orset_drop_seen(set, key_of(number, buffer), &update) == dropped);
    if (dropped) {
        held->count = kept;
        held->state = kept > 0 ? LIVE : REMOVED;
        held->position = position;
    }
}

static void forget(struct crdt_orset *set, struct held *held, size_t number)
{
    uint8_t buffer[KEY_BYTES_MAX + 2];
    crdt_orset_forget(set, key_of(number, buffer));
    *held = (struct held){.state = ABSENT};
}

static void forget_removed(struct crdt_orset *set, struct held *held)
{
    crdt_orset_forget_removed(set);
    for (size_t i = 0; i < KEYS; i++) {
        if (held[i].state == REMOVED) {
            held[i] = (struct held){.state = ABSENT};
        }
    }
}

static void check_copy(const struct crdt_orset *set, const struct held *held, uint64_t seed)
{
    struct crdt_field *copy = crdt_orset_copy(&set->field);
    cr_assert(copy != NULL);
    check_all((struct crdt_orset *)copy, held, seed);
    crdt_orset_destroy(copy);
}

static void check_against_arrays(uint64_t seed)
{
    static struct held held[KEYS];
    static const struct crdt_declaration declared = {.type = &crdt_orset};
    struct crdt_orset *set = (struct crdt_orset *)crdt_orset_create(&declared, seed);
    uint64_t random = seed;
    size_t keys = seed % 2 == 0 ? 10 : KEYS; /* around where a set begins to need its index */
    cr_assert(set != NULL);
    memset(held, 0, sizeof held);
    for (uint64_t position = 2; position < STEPS; position++) {
        size_t number = next_random(&random) % keys;
        switch (next_random(&random) % 8) {
        case 0:
            forget(set, &held[number], number);
            break;
        case 1:
        case 2:
            if (held[number].state != ABSENT) {
                drop(set, &held[number], number, position);
            }
            break;
        default:
            put(set, &held[number], number, position, &random);
        }
        if (position % 5000 == 0) {
            forget_removed(set, held);
            check_all(set, held, seed);
        }
    }
    check_all(set, held, seed);
    check_copy(set, held, seed);
    for (size_t i = 0; i < KEYS; i++) {
        forget(set, &held[i], i);
    }
    cr_assert(set->bytes == 0, "seed %" PRIu64, seed);
    check_all(set, held, seed);
    crdt_orset_destroy(&set->field);
}

Test(orset, holds_what_plain_arrays_hold)
{
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        check_against_arrays(seed);
    }
}

static size_t longest_way(const struct hash_index *index)
{
    size_t longest = 0;
    for (size_t i = 0; i < index->capacity; i++) {
        size_t home = (size_t)((uint64_t)index->places[i].hash * index->capacity >> 32);
        size_t way = i >= home ? i - home : i + index->capacity - home;
        if (index->places[i].slot != HASH_INDEX_NONE && way > longest) {
            longest = way;
        }
    }
    return longest;
}

/* Adds keys that would all have their homes in one place if the set had no seed. */
static void add_chosen(struct crdt_orset_change *change)
{
    size_t added = 0;
    for (uint32_t i = 0; added < CHOSEN; i++) {
        struct bytes key = {(const uint8_t *)&i, sizeof i};
        if ((uint32_t)bytes_hash(key, 0) >> 24 == 0) {
            cr_assert(crdt_orset_add(change, key) == CRDT_OK);
            added++;
        }
    }
}

Test(orset, spreads_what_an_outsider_chose_to_collide)
{
    struct crdt_change *base = crdt_orset_change_create(&crdt_orset);
    struct crdt_orset_change *change = (struct crdt_orset_change *)base;
    cr_assert(change != NULL);
    add_chosen(change);
    cr_expect(longest_way(&change->added.index) < CHOSEN / 4);
    crdt_orset_clear(change);
    add_chosen(change);
    cr_expect(longest_way(&change->added.index) < CHOSEN / 4);
    crdt_orset_change_destroy(base);
}

static bool is_key(const void *context, uint32_t slot, const void *key)
{
    (void)context;
    return slot == *(const uint32_t *)key;
}

/* They are of the greatest hash, so that their run goes round the end of the array. */
Test(hash_index, tells_apart_keys_that_share_a_hash)
{
    struct hash_index index = {0};
    for (uint32_t i = 0; i < COLLIDING; i++) {
        uint64_t hash = UINT32_MAX - i % 3;
        cr_assert(hash_index_reserve(&index, 1) == CRDT_OK);
        hash_index_insert(&index, hash, i);
    }
    for (uint32_t i = 0; i < COLLIDING; i += 2) {
        hash_index_remove(&index, UINT32_MAX - i % 3, i);
    }
    for (uint32_t i = 0; i < COLLIDING; i++) {
        uint32_t found = hash_index_find(&index, UINT32_MAX - i % 3, &i, is_key, NULL);
        cr_assert(found == (i % 2 == 0 ? HASH_INDEX_NONE : i));
    }
    hash_index_finish(&index);
}

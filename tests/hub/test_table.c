/*
 * Goal:   a table finds what is in it and nothing else, whether it looks through its items or has
 * an index, and while it changes from one to the other. Method: random additions and removals
 * around the size at which it changes; half of the keys share one hash. The oracle is an array of
 * flags.
 */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdlib.h>

#include "server/hub/table.h"

enum { KEYS = 40, STEPS = 20000 };

struct item {
    int key;
    bool in;
};

static struct item items[KEYS];

static bool matches(const void *item, const void *key)
{
    return ((const struct item *)item)->key == *(const int *)key;
}

static uint64_t hash_of(int key)
{
    return key % 2 == 0 ? 7 : (uint64_t)key * 11400714819323198485U;
}

static uint32_t check(const struct table *table)
{
    uint32_t length = 0;
    for (int key = 0; key < KEYS; key++) {
        const struct item *expected = items[key].in ? &items[key] : NULL;
        cr_assert(table_find(table, hash_of(key), &key) == expected, "key %d", key);
        length += items[key].in;
    }
    return length;
}

Test(table, it_finds_what_is_in_it_and_nothing_else)
{
    struct table table = {.match = matches};
    unsigned seed = 1;
    for (int step = 0; step < STEPS; step++) {
        int most = step / 1000 % 2 == 0 ? 9 : KEYS; /* few items, then many, and few again */
        int key = rand_r(&seed) % KEYS;
        struct item *item = &items[key];
        item->key = key;
        if (item->in) {
            table_remove(&table, hash_of(key), item);
            item->in = false;
        } else if (key < most) {
            cr_assert(table_add(&table, hash_of(key), item));
            item->in = true;
        }
        cr_assert(eq(u32, check(&table), table.length));
    }
    table_finish(&table);
}

Test(table, one_item_needs_no_index)
{
    struct table table = {.match = matches};
    cr_assert(table_add(&table, hash_of(1), &items[1]));
    cr_expect(eq(sz, table.index.capacity, 0));
    cr_expect(eq(u32, table.capacity, 1));
    table_finish(&table);
}

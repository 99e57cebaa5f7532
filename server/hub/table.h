/* Table: items found by key, in one dense array; the items belong to their owner. `{.match = f}` is
 * the empty table. Most tables of a hub hold one item: a few are looked through, without an index.
 */
#ifndef HUB_TABLE_H
#define HUB_TABLE_H

#include "crdt/hash_index.h"

typedef bool table_match(const void *item, const void *key);

struct table_place {
    void *item;
    uint64_t hash;
};

struct table {
    struct hash_index index;
    struct table_place *places; /* in no order: a removal moves the last one into the gap */
    uint32_t length;
    uint32_t capacity;
    table_match *match;
};

void table_finish(struct table *table);

/* NULL: there is none. */
void *table_find(const struct table *table, uint64_t hash, const void *key);

/* Adds an item whose key is not there. False: no memory; unchanged. */
CRDT_CHECKED bool table_add(struct table *table, uint64_t hash, void *item);

/* Takes out an item that is there. */
void table_remove(struct table *table, uint64_t hash, const void *item);

#endif

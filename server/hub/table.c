#include "server/hub/table.h"

#include <assert.h>
#include <stdlib.h>

enum { PLACES_MIN = 8 };

struct lookup {
    const struct table *table;
    table_match *match;
};

static bool matches(const void *context, uint32_t slot, const void *key)
{
    const struct lookup *lookup = context;
    return lookup->match(lookup->table->places[slot].item, key);
}

static bool same_item(const void *item, const void *key) { return item == key; }

void table_finish(struct table *table)
{
    hash_index_finish(&table->index);
    free(table->places);
    *table = (struct table){.match = table->match};
}

void *table_find(const struct table *table, uint64_t hash, const void *key)
{
    struct lookup lookup = {table, table->match};
    uint32_t slot = hash_index_find(&table->index, hash, key, matches, &lookup);
    return slot == HASH_INDEX_NONE ? NULL : table->places[slot].item;
}

bool table_add(struct table *table, uint64_t hash, void *item)
{
    if (table->length == table->capacity) {
        uint32_t capacity = table->capacity == 0 ? PLACES_MIN : table->capacity * 2;
        struct table_place *grown = realloc(table->places, capacity * sizeof *grown);
        if (grown == NULL) {
            return false;
        }
        table->places = grown;
        table->capacity = capacity;
    }
    if (hash_index_reserve(&table->index, 1) != CRDT_OK) {
        return false;
    }
    table->places[table->length] = (struct table_place){item, hash};
    hash_index_insert(&table->index, hash, table->length++);
    return true;
}

void table_remove(struct table *table, uint64_t hash, const void *item)
{
    struct lookup lookup = {table, same_item};
    uint32_t slot = hash_index_find(&table->index, hash, item, matches, &lookup);
    assert(slot != HASH_INDEX_NONE);
    hash_index_remove(&table->index, hash, slot);
    uint32_t last = --table->length;
    if (slot != last) {
        struct table_place moved = table->places[last];
        hash_index_remove(&table->index, moved.hash, last);
        table->places[slot] = moved;
        hash_index_insert(&table->index, moved.hash, slot);
    }
}

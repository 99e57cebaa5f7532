#include "server/hub/table.h"

#include <assert.h>
#include <stdlib.h>

/* So few are looked through; an index would be larger than they are. */
enum { LOOKED_THROUGH_MAX = 8 };

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

static bool has_index(const struct table *table) { return table->index.capacity > 0; }

static uint32_t find_slot(const struct table *table, uint64_t hash, const void *key,
                          table_match *match)
{
    struct lookup lookup = {table, match};
    if (has_index(table)) {
        return hash_index_find(&table->index, hash, key, matches, &lookup);
    }
    for (uint32_t slot = 0; slot < table->length; slot++) {
        if (table->places[slot].hash == hash && match(table->places[slot].item, key)) {
            return slot;
        }
    }
    return HASH_INDEX_NONE;
}

void *table_find(const struct table *table, uint64_t hash, const void *key)
{
    uint32_t slot = find_slot(table, hash, key, table->match);
    return slot == HASH_INDEX_NONE ? NULL : table->places[slot].item;
}

/* Room for one more in the index, or none where none is needed yet. */
static bool reserve_index(struct table *table)
{
    if (has_index(table)) {
        return hash_index_reserve(&table->index, 1) == CRDT_OK;
    }
    if (table->length < LOOKED_THROUGH_MAX) {
        return true;
    }
    if (hash_index_reserve(&table->index, table->length + 1) != CRDT_OK) {
        return false;
    }
    for (uint32_t slot = 0; slot < table->length; slot++) {
        hash_index_insert(&table->index, table->places[slot].hash, slot);
    }
    return true;
}

bool table_add(struct table *table, uint64_t hash, void *item)
{
    if (table->length == table->capacity) {
        uint32_t capacity = table->capacity == 0 ? 1 : table->capacity * 2;
        struct table_place *grown = realloc(table->places, capacity * sizeof *grown);
        if (grown == NULL) {
            return false;
        }
        table->places = grown;
        table->capacity = capacity;
    }
    if (!reserve_index(table)) {
        return false;
    }
    table->places[table->length] = (struct table_place){item, hash};
    if (has_index(table)) {
        hash_index_insert(&table->index, hash, table->length);
    }
    table->length++;
    return true;
}

void table_remove(struct table *table, uint64_t hash, const void *item)
{
    uint32_t slot = find_slot(table, hash, item, same_item);
    assert(slot != HASH_INDEX_NONE);
    uint32_t last = --table->length;
    if (has_index(table)) {
        hash_index_remove(&table->index, hash, slot);
    }
    if (slot == last) {
        return;
    }
    struct table_place moved = table->places[last];
    table->places[slot] = moved;
    if (has_index(table)) {
        hash_index_remove(&table->index, moved.hash, last);
        hash_index_insert(&table->index, moved.hash, slot);
    }
}

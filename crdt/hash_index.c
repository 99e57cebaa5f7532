#include "crdt/hash_index.h"

#include <assert.h>
#include <stdlib.h>

enum { CAPACITY_MIN = 8 };

static size_t home_of(const struct hash_index *index, uint32_t hash)
{
    return hash & (index->capacity - 1);
}

static bool has_room(size_t capacity, size_t length) { return length <= capacity - capacity / 4; }

static void place(struct hash_index *index, struct hash_index_place entry)
{
    size_t at = home_of(index, entry.hash);
    while (index->places[at].slot != HASH_INDEX_NONE) {
        at = (at + 1) & (index->capacity - 1);
    }
    index->places[at] = entry;
}

void hash_index_finish(struct hash_index *index)
{
    free(index->places);
    *index = (struct hash_index){0};
}

enum crdt_status hash_index_reserve(struct hash_index *index, size_t more)
{
    size_t capacity = index->capacity == 0 ? CAPACITY_MIN : index->capacity;
    while (!has_room(capacity, index->length + more)) {
        if (capacity > SIZE_MAX / 2 / sizeof *index->places) {
            return CRDT_NO_MEMORY;
        }
        capacity *= 2;
    }
    if (capacity == index->capacity) {
        return CRDT_OK;
    }
    struct hash_index grown = {.places = malloc(capacity * sizeof *grown.places),
                               .capacity = capacity,
                               .length = index->length};
    if (grown.places == NULL) {
        return CRDT_NO_MEMORY;
    }
    for (size_t i = 0; i < capacity; i++) {
        grown.places[i].slot = HASH_INDEX_NONE;
    }
    for (size_t i = 0; i < index->capacity; i++) {
        if (index->places[i].slot != HASH_INDEX_NONE) {
            place(&grown, index->places[i]);
        }
    }
    free(index->places);
    *index = grown;
    return CRDT_OK;
}

uint32_t hash_index_find(const struct hash_index *index, uint64_t hash, const void *key,
                         hash_index_match *match, const void *context)
{
    if (index->capacity == 0) {
        return HASH_INDEX_NONE;
    }
    size_t at = home_of(index, (uint32_t)hash);
    while (index->places[at].slot != HASH_INDEX_NONE) {
        const struct hash_index_place *entry = &index->places[at];
        if (entry->hash == (uint32_t)hash && match(context, entry->slot, key)) {
            return entry->slot;
        }
        at = (at + 1) & (index->capacity - 1);
    }
    return HASH_INDEX_NONE;
}

void hash_index_insert(struct hash_index *index, uint64_t hash, uint32_t slot)
{
    assert(slot != HASH_INDEX_NONE);
    assert(index->capacity != 0 && has_room(index->capacity, index->length + 1));
    place(index, (struct hash_index_place){.hash = (uint32_t)hash, .slot = slot});
    index->length++;
}

void hash_index_remove(struct hash_index *index, uint64_t hash, uint32_t slot)
{
    assert(index->length > 0);
    size_t mask = index->capacity - 1;
    size_t hole = home_of(index, (uint32_t)hash);
    while (index->places[hole].slot != slot) {
        assert(index->places[hole].slot != HASH_INDEX_NONE);
        hole = (hole + 1) & mask;
    }
    /* Move back every later entry of the run whose home does not lie behind the hole. */
    for (size_t at = (hole + 1) & mask; index->places[at].slot != HASH_INDEX_NONE;
         at = (at + 1) & mask) {
        size_t home = home_of(index, index->places[at].hash);
        if (((at - home) & mask) >= ((at - hole) & mask)) {
            index->places[hole] = index->places[at];
            hole = at;
        }
    }
    index->places[hole].slot = HASH_INDEX_NONE;
    index->length--;
}

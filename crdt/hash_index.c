#include "crdt/hash_index.h"

#include <assert.h>
#include <stdlib.h>

enum { CAPACITY_MIN = 8, DOUBLED_MAX = 4096 };

static size_t home_of(const struct hash_index *index, uint32_t hash)
{
    return (size_t)((uint64_t)hash * index->capacity >> 32);
}

static size_t next(const struct hash_index *index, size_t at)
{
    return at + 1 == index->capacity ? 0 : at + 1;
}

/* How far what stands at `at` is from its home; the array is a ring. */
static size_t distance_at(const struct hash_index *index, size_t at)
{
    size_t home = home_of(index, index->places[at].hash);
    return at >= home ? at - home : at + index->capacity - home;
}

static bool is_free(const struct hash_index *index, size_t at)
{
    return index->places[at].slot == HASH_INDEX_NONE;
}

/* At least one place stays free, where every search ends. */
static bool has_room(size_t capacity, size_t length) { return length <= capacity - capacity / 8; }

/* Whoever is further from home goes before whoever is nearer. */
static void place(struct hash_index *index, struct hash_index_place entry)
{
    size_t at = home_of(index, entry.hash);
    for (size_t distance = 0; !is_free(index, at); distance++) {
        size_t there = distance_at(index, at);
        if (there < distance) {
            struct hash_index_place moved = index->places[at];
            index->places[at] = entry;
            entry = moved;
            distance = there;
        }
        at = next(index, at);
    }
    index->places[at] = entry;
}

void hash_index_finish(struct hash_index *index)
{
    free(index->places);
    *index = (struct hash_index){0};
}

/* A large array grows by a quarter: it would be half empty most of the time. */
static size_t grown_capacity(const struct hash_index *index, size_t length)
{
    size_t capacity = index->capacity == 0 ? CAPACITY_MIN : index->capacity;
    while (capacity <= UINT32_MAX && !has_room(capacity, length)) {
        capacity += capacity < DOUBLED_MAX ? capacity : capacity / 4;
    }
    return capacity;
}

enum crdt_status hash_index_reserve(struct hash_index *index, size_t more)
{
    if (index->capacity != 0 && has_room(index->capacity, index->length + more)) {
        return CRDT_OK;
    }
    struct hash_index grown = {.capacity = grown_capacity(index, index->length + more),
                               .length = index->length};
    if (grown.capacity > UINT32_MAX) {
        return CRDT_NO_MEMORY;
    }
    grown.places = malloc(grown.capacity * sizeof *grown.places);
    if (grown.places == NULL) {
        return CRDT_NO_MEMORY;
    }
    for (size_t i = 0; i < grown.capacity; i++) {
        grown.places[i].slot = HASH_INDEX_NONE;
    }
    for (size_t i = 0; i < index->capacity; i++) {
        if (!is_free(index, i)) {
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
    for (size_t distance = 0; !is_free(index, at) && distance_at(index, at) >= distance;
         distance++) {
        const struct hash_index_place *entry = &index->places[at];
        if (entry->hash == (uint32_t)hash && match(context, entry->slot, key)) {
            return entry->slot;
        }
        at = next(index, at);
    }
    return HASH_INDEX_NONE;
}

void hash_index_fetch(const struct hash_index *index, uint64_t hash)
{
    if (index->capacity != 0) {
        __builtin_prefetch(&index->places[home_of(index, (uint32_t)hash)]);
    }
}

static bool any(const void *context, uint32_t slot, const void *key)
{
    (void)context;
    (void)slot;
    (void)key;
    return true;
}

uint32_t hash_index_foresee(const struct hash_index *index, uint64_t hash)
{
    return hash_index_find(index, hash, NULL, any, NULL);
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
    size_t hole = home_of(index, (uint32_t)hash);
    while (index->places[hole].slot != slot) {
        assert(!is_free(index, hole));
        hole = next(index, hole);
    }
    /* Everybody behind, up to one who is at home, moves one place nearer to it. */
    for (size_t at = next(index, hole); !is_free(index, at) && distance_at(index, at) > 0;
         at = next(index, at)) {
        index->places[hole] = index->places[at];
        hole = at;
    }
    index->places[hole].slot = HASH_INDEX_NONE;
    index->length--;
}

/*
 * Hash index: finds the slot of a key among items that its owner keeps elsewhere.
 *
 * The index holds pairs of a 32-bit hash and a slot number, in one open-addressed array. A hash's
 * home is its share of the array, so the pairs stand in the order of their hashes, with gaps: a
 * search ends where a greater hash stands, growing is one pass from left to right, and the array
 * may have any length. (Linear probing in order: Amble, Knuth, Computer Journal 17 (1974), known as
 * Robin Hood hashing; deletion shifts back.) The owner compares keys; the index knows none. Eight
 * bytes a place, at most seven eighths full. Keys whose hashes begin alike stand in one run: where
 * outsiders choose the keys, the hash has a seed that they do not know. Room is reserved before it
 * is used, so an insertion cannot fail half-way.
 */
#ifndef CRDT_HASH_INDEX_H
#define CRDT_HASH_INDEX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "crdt/status.h"

#define HASH_INDEX_NONE UINT32_MAX

struct hash_index_place {
    uint32_t hash;
    uint32_t slot; /* HASH_INDEX_NONE: free */
};

/* `{0}` is the empty index. */
struct hash_index {
    struct hash_index_place *places;
    size_t capacity;
    size_t length;
};

/* Says whether the item in `slot` has the key; `context` is the owner's. */
typedef bool hash_index_match(const void *context, uint32_t slot, const void *key);

void hash_index_finish(struct hash_index *index);

/* Makes room for `more` insertions. CRDT_NO_MEMORY: unchanged. */
CRDT_CHECKED enum crdt_status hash_index_reserve(struct hash_index *index, size_t more);

/* The slot of the key with that hash, or HASH_INDEX_NONE. All 32 low bits must be well mixed. */
uint32_t hash_index_find(const struct hash_index *index, uint64_t hash, const void *key,
                         hash_index_match *match, const void *context);

/* For whoever knows what is to be found next: the memory where that begins is slow to come, so ask
 * for it in time; and, when it has come, the slot that will be found, as far as the hash says. */
void hash_index_fetch(const struct hash_index *index, uint64_t hash);
uint32_t hash_index_foresee(const struct hash_index *index, uint64_t hash);

/* Adds a slot whose key is not in the index; there must be reserved room. */
void hash_index_insert(struct hash_index *index, uint64_t hash, uint32_t slot);

/* Takes out the slot, which must be in the index under that hash. */
void hash_index_remove(struct hash_index *index, uint64_t hash, uint32_t slot);

#endif

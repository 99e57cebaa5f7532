/*
 * The OR-set's table of elements: slots, lookup, dots, and the two lists by position. Private to
 * this room: orset.c holds the algebra on top of it, register.c and map.c theirs.
 */
#ifndef CRDT_ORSET_TABLE_H
#define CRDT_ORSET_TABLE_H

#include "crdt/orset.h"

void orset_table_init(struct crdt_orset *set, uint64_t seed);
void orset_table_finish(struct crdt_orset *set);

/* The element's slot, or HASH_INDEX_NONE. */
uint32_t orset_table_find(const struct crdt_orset *set, struct bytes element);

/* Asks for the memory that finding the element will need, which is far away in a large set: first
 * where the index says the slot, and, when that has come, the slot. */
void orset_table_fetch_place(const struct crdt_orset *set, struct bytes element);
void orset_table_fetch_slot(const struct crdt_orset *set, struct bytes element);

/* The element's slot; if it was not there, it is new: no dots, in no list. The bytes are not the
 * set's own. CRDT_NO_MEMORY: unchanged. */
CRDT_CHECKED enum crdt_status orset_table_take(struct crdt_orset *set, struct bytes element,
                                               uint32_t *slot);

bool orset_table_is_new(const struct crdt_orset *set, uint32_t slot);

/* Takes the slot out of table and list. */
void orset_table_remove(struct crdt_orset *set, uint32_t slot);

/* The same for the oldest of the removed, asking for the memory that the next will need. */
void orset_table_forget_oldest(struct crdt_orset *set);

/* Appends a dot. CRDT_NO_MEMORY: unchanged. */
CRDT_CHECKED enum crdt_status orset_table_push_dot(struct crdt_orset *set, uint32_t slot,
                                                   const struct crdt_dot *dot);

/* Puts these dots in the place of those there are. CRDT_NO_MEMORY: unchanged. */
CRDT_CHECKED enum crdt_status orset_table_set_dots(struct crdt_orset *set, uint32_t slot,
                                                   const struct crdt_dot *dots, size_t count);

/* Drops the dots that `covered` holds of; says whether any went. */
typedef bool orset_table_covered(const void *context, const struct crdt_dot *dot);
bool orset_table_drop_dots(struct crdt_orset *set, uint32_t slot, orset_table_covered *covered,
                           const void *context);

/* Puts the slot at the end of the list its dots call for, as changed at `position`. */
void orset_table_touch(struct crdt_orset *set, uint32_t slot, uint64_t position);

#endif

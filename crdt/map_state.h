/*
 * The map's inside: what its files share. map.c holds the map and its keys, map_change.c changes,
 * map_apply.c and map_join.c the two ways into a map.
 */
#ifndef CRDT_MAP_STATE_H
#define CRDT_MAP_STATE_H

#include "crdt/map.h"
#include "crdt/orset_table.h"

/* map.c */
uint32_t map_slot_of(const struct crdt_orset *keys, const struct crdt_orset_element *key);
size_t map_memory_of(const struct crdt_field *field);
void map_drop_field(struct crdt_map *map, uint32_t slot);
/* The key's field, made if there is none; NULL: no memory. */
struct crdt_field *map_take_field(struct crdt_map *map, uint32_t slot, uint64_t position);
/* The key's slot, made if there is none. CRDT_NO_MEMORY: unchanged. */
enum crdt_status map_take_slot(struct crdt_map *map, struct bytes key, uint32_t *slot);
/* The key changed at `position`. */
void map_touch(struct crdt_map *map, uint32_t slot, uint64_t position);

/* map_change.c */
struct crdt_change *map_change_create(const struct crdt_type *type);
void map_change_destroy(struct crdt_change *base);
enum crdt_status map_gather(struct crdt_change *base, const struct crdt_change *later);
bool map_is_ahead(const struct crdt_change *base, uint64_t now_ms);
bool map_is_field_ahead(const struct crdt_field *field, uint64_t now_ms);
enum crdt_status map_stamp(struct crdt_change *base, const struct crdt_field *field,
                           uint64_t now_ms);
/* The first of the keys that the change names; `crdt_orset_next` has the others. */
const struct crdt_orset_element *map_first_key(const struct crdt_map_change *change);

/* map_apply.c */
enum crdt_status map_check(const struct crdt_field *field, const struct crdt_entry *entry,
                           const struct crdt_change *base, const struct crdt_update *update);
enum crdt_status map_check_remove(const struct crdt_field *field, const struct crdt_update *update);
enum crdt_status map_apply(struct crdt_field *field, struct crdt_entry *entry,
                           const struct crdt_change *base, const struct crdt_update *update);
void map_remove_seen(struct crdt_field *field, const struct crdt_update *update);

/* map_join.c */
enum crdt_status map_check_join(const struct crdt_field *field, const struct crdt_field *state,
                                const struct crdt_join *join);
enum crdt_status map_join(struct crdt_field *field, const struct crdt_field *state,
                          const struct crdt_join *join);

#endif

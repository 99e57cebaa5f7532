/* A full state on its way into a map. */
#include <stddef.h>

#include "crdt/map_state.h"

/* The source's field under a key; an empty one where it has none. */
struct other {
    struct crdt_field *field;
    bool made;
};

static bool take_other(struct other *other, const struct crdt_map *map,
                       const struct crdt_map *theirs, struct bytes key)
{
    other->field = crdt_map_find(theirs, key);
    other->made = other->field == NULL;
    if (other->made) {
        other->field = crdt_map_create_field(map);
    }
    return other->field != NULL;
}

static void other_finish(struct other *other)
{
    if (other->made) {
        other->field->type->destroy(other->field);
    }
}

struct removed_there {
    const struct crdt_join *join;
    const struct crdt_orset_element *theirs;
};

static bool covered_there(const void *context, const struct crdt_dot *dot)
{
    const struct removed_there *there = context;
    return !crdt_orset_has_dot(there->theirs, dot) &&
           crdt_context_covers(&there->join->source, dot);
}

static enum crdt_status arrive(struct crdt_map *map, uint32_t slot,
                               const struct crdt_orset_element *theirs,
                               const struct crdt_join *join, bool *changed)
{
    enum crdt_status status = CRDT_OK;
    uint32_t count = theirs == NULL ? 0 : crdt_orset_dot_count(theirs);
    for (uint32_t i = 0; i < count && status == CRDT_OK; i++) {
        struct crdt_dot dot = crdt_orset_dot(theirs, i);
        if (!crdt_orset_has_dot(&map->keys->elements[slot], &dot) &&
            !crdt_context_covers(&join->target, &dot)) {
            dot.position = join->position;
            status = orset_table_push_dot(map->keys, slot, &dot);
            *changed = true;
        }
    }
    return status;
}

static enum crdt_status join_slot(struct crdt_map *map, uint32_t slot,
                                  const struct crdt_map *theirs, const struct crdt_join *join)
{
    struct bytes key = crdt_orset_bytes(&map->keys->elements[slot]);
    struct removed_there there = {.join = join, .theirs = crdt_orset_find(theirs->keys, key)};
    struct crdt_field *field = map_take_field(map, slot, join->position);
    struct other other;
    if (field == NULL || !take_other(&other, map, theirs, key)) {
        return CRDT_NO_MEMORY;
    }
    size_t before = map_memory_of(field);
    uint64_t position = field->position;
    enum crdt_status status = field->type->join(field, other.field, join);
    map->bytes += map_memory_of(field) - before;
    other_finish(&other);
    bool changed = orset_table_drop_dots(map->keys, slot, covered_there, &there);
    if (status == CRDT_OK) {
        status = arrive(map, slot, there.theirs, join, &changed);
    }
    if (changed || field->position != position) {
        map_touch(map, slot, join->position);
    } else if (map->keys->elements[slot].dotted == ORSET_NO_DOT) {
        map_drop_field(map, slot);
    }
    return status;
}

/* Keys of theirs that we lack. */
static enum crdt_status join_new(struct crdt_map *map, const struct crdt_map *theirs,
                                 const struct crdt_join *join)
{
    enum crdt_status status = CRDT_OK;
    const struct crdt_orset_element *key = crdt_orset_since(theirs->keys, &theirs->keys->live, 0);
    for (; key != NULL && status == CRDT_OK; key = crdt_orset_next(theirs->keys, key)) {
        uint32_t slot = orset_table_find(map->keys, crdt_orset_bytes(key));
        if (slot != HASH_INDEX_NONE && map->keys->elements[slot].dotted != ORSET_NO_DOT) {
            continue;
        }
        bool is_new = slot == HASH_INDEX_NONE;
        status = map_take_slot(map, crdt_orset_bytes(key), &slot);
        if (status == CRDT_OK) {
            status = join_slot(map, slot, theirs, join);
        }
        if (status == CRDT_OK && is_new && map->keys->elements[slot].dotted == ORSET_NO_DOT) {
            map_drop_field(map, slot);
            orset_table_remove(map->keys, slot);
        }
    }
    return status;
}

enum crdt_status map_join(struct crdt_field *field, const struct crdt_field *state,
                          const struct crdt_join *join)
{
    struct crdt_map *map = (struct crdt_map *)field;
    const struct crdt_map *theirs = (const struct crdt_map *)state;
    enum crdt_status status = CRDT_OK;
    size_t length = map->keys->live.length;
    uint32_t slot = map->keys->live.oldest;
    for (size_t i = 0; i < length && status == CRDT_OK; i++) {
        uint32_t next = map->keys->elements[slot].newer;
        status = join_slot(map, slot, theirs, join);
        slot = next;
    }
    return status == CRDT_OK ? join_new(map, theirs, join) : status;
}

static enum crdt_status check_join_slot(const struct crdt_map *map, const struct crdt_field *field,
                                        const struct crdt_map *theirs, struct bytes key,
                                        const struct crdt_join *join)
{
    struct other ours = {.field = (struct crdt_field *)(uintptr_t)field, .made = field == NULL};
    struct other other;
    if (ours.made && (ours.field = crdt_map_create_field(map)) == NULL) {
        return CRDT_NO_MEMORY;
    }
    if (!take_other(&other, map, theirs, key)) {
        other_finish(&ours);
        return CRDT_NO_MEMORY;
    }
    enum crdt_status status = crdt_field_check_join(ours.field, other.field, join);
    other_finish(&other);
    other_finish(&ours);
    return status;
}

enum crdt_status map_check_join(const struct crdt_field *field, const struct crdt_field *state,
                                const struct crdt_join *join)
{
    const struct crdt_map *map = (const struct crdt_map *)field;
    const struct crdt_map *theirs = (const struct crdt_map *)state;
    enum crdt_status status = CRDT_OK;
    if (map->of->type->check_join == NULL) {
        return CRDT_OK;
    }
    const struct crdt_orset_element *key = crdt_orset_since(map->keys, &map->keys->live, 0);
    for (; key != NULL && status == CRDT_OK; key = crdt_orset_next(map->keys, key)) {
        status = check_join_slot(map, map->values[map_slot_of(map->keys, key)].field, theirs,
                                 crdt_orset_bytes(key), join);
    }
    key = crdt_orset_since(theirs->keys, &theirs->keys->live, 0);
    for (; key != NULL && status == CRDT_OK; key = crdt_orset_next(theirs->keys, key)) {
        if (crdt_map_find(map, crdt_orset_bytes(key)) == NULL) {
            status = check_join_slot(map, NULL, theirs, crdt_orset_bytes(key), join);
        }
    }
    return status;
}

/* A change on its way into a map: checking, applying, and what a remove takes. */
#include "crdt/map_state.h"

/* --- checking --- */

static enum crdt_status check_on(const struct crdt_field *field, const struct crdt_change *change,
                                 const struct crdt_update *update)
{
    static const struct crdt_entry no_entry;
    return crdt_field_check(field, &no_entry, change, update);
}

/* As it would be after the removal, or when there is nothing under the key yet. */
static enum crdt_status check_on_other(const struct crdt_map *map, const struct crdt_field *field,
                                       const struct crdt_change *change,
                                       const struct crdt_update *update)
{
    struct crdt_field *other =
        field == NULL ? crdt_map_create_field(map) : field->type->copy(field);
    if (other == NULL) {
        return CRDT_NO_MEMORY;
    }
    if (field != NULL) {
        other->type->remove(other, update);
    }
    enum crdt_status status = check_on(other, change, update);
    other->type->destroy(other);
    return status;
}

static enum crdt_status check_edit(const struct crdt_map *map, const struct crdt_field *field,
                                   const struct crdt_map_edit *edit,
                                   const struct crdt_update *update)
{
    if (edit->removed && field != NULL) {
        enum crdt_status status = crdt_field_check_remove(field, update);
        if (status != CRDT_OK) {
            return status;
        }
    }
    if (edit->change == NULL || edit->change->type->check == NULL) {
        return CRDT_OK;
    }
    return edit->removed || field == NULL ? check_on_other(map, field, edit->change, update)
                                          : check_on(field, edit->change, update);
}

enum crdt_status map_check(const struct crdt_field *field, const struct crdt_entry *entry,
                           const struct crdt_change *base, const struct crdt_update *update)
{
    (void)entry;
    const struct crdt_map *map = (const struct crdt_map *)field;
    const struct crdt_map_change *change = (const struct crdt_map_change *)base;
    enum crdt_status status = CRDT_OK;
    const struct crdt_orset_element *key = map_first_key(change);
    for (; key != NULL && status == CRDT_OK; key = crdt_orset_next(change->keys, key)) {
        status = check_edit(map, crdt_map_find(map, crdt_orset_bytes(key)),
                            crdt_map_edit_of(change, key), update);
    }
    return status;
}

enum crdt_status map_check_remove(const struct crdt_field *field, const struct crdt_update *update)
{
    const struct crdt_map *map = (const struct crdt_map *)field;
    enum crdt_status status = CRDT_OK;
    const struct crdt_orset_element *key = crdt_orset_since(map->keys, &map->keys->live, 0);
    for (; key != NULL && status == CRDT_OK; key = crdt_orset_next(map->keys, key)) {
        status = crdt_field_check_remove(map->values[map_slot_of(map->keys, key)].field, update);
    }
    return status;
}

/* --- applying --- */

static bool covered_by_update(const void *context, const struct crdt_dot *dot)
{
    return crdt_update_covers(context, dot);
}

static void remove_slot(struct crdt_map *map, uint32_t slot, const struct crdt_update *update)
{
    struct crdt_field *field = map->values[slot].field;
    if (field == NULL) {
        return;
    }
    size_t before = map_memory_of(field);
    uint64_t position = field->position;
    field->type->remove(field, update);
    map->bytes += map_memory_of(field) - before;
    bool fewer = orset_table_drop_dots(map->keys, slot, covered_by_update, update);
    if (fewer || field->position != position) {
        map_touch(map, slot, update->position);
    }
}

static enum crdt_status edit_slot(struct crdt_map *map, uint32_t slot,
                                  const struct crdt_change *change,
                                  const struct crdt_update *update)
{
    struct crdt_entry no_entry = {0};
    struct crdt_dot dot = {
        .seq = update->last, .position = update->position, .replica = update->replica};
    struct crdt_field *field = map_take_field(map, slot, update->position);
    if (field == NULL) {
        return CRDT_NO_MEMORY;
    }
    size_t before = map_memory_of(field);
    enum crdt_status status = field->type->apply(field, &no_entry, change, update);
    map->bytes += map_memory_of(field) - before;
    (void)orset_table_drop_dots(map->keys, slot, covered_by_update, update);
    if (status == CRDT_OK) {
        status = orset_table_push_dot(map->keys, slot, &dot);
    }
    map_touch(map, slot, update->position);
    return status;
}

static enum crdt_status apply_key(struct crdt_map *map, struct bytes key,
                                  const struct crdt_map_edit *edit,
                                  const struct crdt_update *update)
{
    uint32_t slot = orset_table_find(map->keys, key);
    if (edit->removed && slot != HASH_INDEX_NONE) {
        remove_slot(map, slot, update);
    }
    if (edit->change == NULL) {
        return CRDT_OK;
    }
    enum crdt_status status = map_take_slot(map, key, &slot);
    return status == CRDT_OK ? edit_slot(map, slot, edit->change, update) : status;
}

enum crdt_status map_apply(struct crdt_field *field, struct crdt_entry *entry,
                           const struct crdt_change *base, const struct crdt_update *update)
{
    (void)entry;
    const struct crdt_map_change *change = (const struct crdt_map_change *)base;
    enum crdt_status status = CRDT_OK;
    const struct crdt_orset_element *key = map_first_key(change);
    for (; key != NULL && status == CRDT_OK; key = crdt_orset_next(change->keys, key)) {
        status = apply_key((struct crdt_map *)field, crdt_orset_bytes(key),
                           crdt_map_edit_of(change, key), update);
    }
    return status;
}

void map_remove_seen(struct crdt_field *field, const struct crdt_update *update)
{
    struct crdt_map *map = (struct crdt_map *)field;
    /* A touched key moves to the end of a list, so take the next one first. */
    size_t length = map->keys->live.length;
    uint32_t slot = map->keys->live.oldest;
    for (size_t i = 0; i < length; i++) {
        uint32_t next = map->keys->elements[slot].newer;
        remove_slot(map, slot, update);
        slot = next;
    }
}

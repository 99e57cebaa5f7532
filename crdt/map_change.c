/* Changes of a map: what they gather, and their clocks. */
#include <stdlib.h>

#include "crdt/map_state.h"

void map_change_destroy(struct crdt_change *base)
{
    struct crdt_map_change *change = (struct crdt_map_change *)base;
    if (change == NULL) {
        return;
    }
    for (uint32_t i = 0; i < change->capacity; i++) {
        if (change->edits[i].change != NULL) {
            change->edits[i].change->type->change_destroy(change->edits[i].change);
        }
    }
    crdt_orset_destroy(change->keys == NULL ? NULL : &change->keys->field);
    free(change->edits);
    free(change);
}

struct crdt_change *map_change_create(const struct crdt_type *type)
{
    static const struct crdt_declaration keys = {.type = &crdt_orset};
    struct crdt_map_change *change = calloc(1, sizeof *change);
    if (change == NULL) {
        return NULL;
    }
    change->change.type = type;
    change->keys = (struct crdt_orset *)crdt_orset_create(&keys, 0);
    if (change->keys == NULL) {
        map_change_destroy(&change->change);
        return NULL;
    }
    return &change->change;
}

/* The key's edit, made if there is none; NULL: no memory. */
static struct crdt_map_edit *take_edit(struct crdt_map_change *change, struct bytes key)
{
    uint32_t slot;
    if (orset_table_take(change->keys, key, &slot) != CRDT_OK) {
        return NULL;
    }
    if (!orset_table_is_new(change->keys, slot)) {
        return &change->edits[slot];
    }
    orset_table_touch(change->keys, slot, 1);
    if (change->keys->capacity > change->capacity) {
        uint32_t capacity = change->keys->capacity;
        struct crdt_map_edit *grown = realloc(change->edits, capacity * sizeof *grown);
        if (grown == NULL) {
            return NULL;
        }
        for (uint32_t i = change->capacity; i < capacity; i++) {
            grown[i] = (struct crdt_map_edit){0};
        }
        change->edits = grown;
        change->capacity = capacity;
    }
    return &change->edits[slot];
}

static void destroy_edit(struct crdt_change *edit)
{
    if (edit != NULL) {
        edit->type->change_destroy(edit);
    }
}

enum crdt_status crdt_map_edit(struct crdt_map_change *change, struct bytes key,
                               struct crdt_change *edit)
{
    struct crdt_map_edit *held = take_edit(change, key);
    if (held == NULL) {
        destroy_edit(edit);
        return CRDT_NO_MEMORY;
    }
    if (edit == NULL) {
        return CRDT_OK;
    }
    if (held->change == NULL) {
        held->change = edit;
        return CRDT_OK;
    }
    enum crdt_status status = edit->type->gather(held->change, edit);
    destroy_edit(edit);
    return status;
}

enum crdt_status crdt_map_remove(struct crdt_map_change *change, struct bytes key)
{
    struct crdt_map_edit *held = take_edit(change, key);
    if (held == NULL) {
        return CRDT_NO_MEMORY;
    }
    destroy_edit(held->change);
    *held = (struct crdt_map_edit){.removed = true};
    return CRDT_OK;
}

const struct crdt_map_edit *crdt_map_edit_of(const struct crdt_map_change *change,
                                             const struct crdt_orset_element *key)
{
    return &change->edits[map_slot_of(change->keys, key)];
}

const struct crdt_orset_element *map_first_key(const struct crdt_map_change *change)
{
    return crdt_orset_since(change->keys, &change->keys->removed, 0);
}

/* A change gathers into an empty one without loss, which is a copy. */
static enum crdt_status gather_copy(struct crdt_map_change *change, struct bytes key,
                                    const struct crdt_change *edit)
{
    if (edit == NULL) {
        return CRDT_OK;
    }
    struct crdt_change *copy = edit->type->change_create(edit->type);
    if (copy == NULL) {
        return CRDT_NO_MEMORY;
    }
    enum crdt_status status = edit->type->gather(copy, edit);
    if (status != CRDT_OK) {
        destroy_edit(copy);
        return status;
    }
    return crdt_map_edit(change, key, copy);
}

enum crdt_status map_gather(struct crdt_change *base, const struct crdt_change *later)
{
    struct crdt_map_change *change = (struct crdt_map_change *)base;
    const struct crdt_map_change *next = (const struct crdt_map_change *)later;
    enum crdt_status status = CRDT_OK;
    const struct crdt_orset_element *key = map_first_key(next);
    for (; key != NULL && status == CRDT_OK; key = crdt_orset_next(next->keys, key)) {
        const struct crdt_map_edit *edit = crdt_map_edit_of(next, key);
        if (edit->removed) {
            status = crdt_map_remove(change, crdt_orset_bytes(key));
        }
        if (status == CRDT_OK) {
            status = gather_copy(change, crdt_orset_bytes(key), edit->change);
        }
    }
    return status;
}

bool map_is_ahead(const struct crdt_change *base, uint64_t now_ms)
{
    const struct crdt_map_change *change = (const struct crdt_map_change *)base;
    const struct crdt_orset_element *key = map_first_key(change);
    for (; key != NULL; key = crdt_orset_next(change->keys, key)) {
        const struct crdt_map_edit *edit = crdt_map_edit_of(change, key);
        if (edit->change != NULL && crdt_change_is_ahead(edit->change, now_ms)) {
            return true;
        }
    }
    return false;
}

bool map_is_field_ahead(const struct crdt_field *field, uint64_t now_ms)
{
    const struct crdt_map *map = (const struct crdt_map *)field;
    const struct crdt_orset_element *key = crdt_orset_since(map->keys, &map->keys->live, 0);
    for (; key != NULL; key = crdt_orset_next(map->keys, key)) {
        if (crdt_field_is_ahead(map->values[map_slot_of(map->keys, key)].field, now_ms)) {
            return true;
        }
    }
    return false;
}

enum crdt_status map_stamp(struct crdt_change *base, const struct crdt_field *field,
                           uint64_t now_ms)
{
    struct crdt_map_change *change = (struct crdt_map_change *)base;
    const struct crdt_map *map = (const struct crdt_map *)field;
    enum crdt_status status = CRDT_OK;
    const struct crdt_orset_element *key = map_first_key(change);
    for (; key != NULL && status == CRDT_OK; key = crdt_orset_next(change->keys, key)) {
        const struct crdt_map_edit *edit = crdt_map_edit_of(change, key);
        const struct crdt_field *held =
            map == NULL ? NULL : crdt_map_find(map, crdt_orset_bytes(key));
        if (edit->change != NULL) {
            status = crdt_change_stamp(edit->change, held, now_ms);
        }
    }
    return status;
}

#include "crdt/map.h"

#include <assert.h>
#include <stdlib.h>

#include "crdt/orset_table.h"

/* Removals that the field under a key remembers: beyond, its whole content is sent. */
enum { NESTED_REMOVALS = 64 };

static uint32_t slot_of(const struct crdt_orset *keys, const struct crdt_orset_element *key)
{
    return (uint32_t)(key - keys->elements);
}

/* --- the map --- */

/* The chain of declarations below, in one piece. NULL: no memory. */
static struct crdt_declaration *copy_chain(const struct crdt_declaration *of)
{
    size_t length = 0;
    for (const struct crdt_declaration *at = of; at != NULL; at = at->of) {
        length++;
    }
    struct crdt_declaration *copy = calloc(length, sizeof *copy);
    for (size_t i = 0; copy != NULL && i < length; i++, of = of->of) {
        copy[i] = *of;
        copy[i].of = i + 1 < length ? &copy[i + 1] : NULL;
    }
    return copy;
}

static void map_destroy(struct crdt_field *field)
{
    struct crdt_map *map = (struct crdt_map *)field;
    if (map == NULL) {
        return;
    }
    for (uint32_t i = 0; i < map->capacity; i++) {
        if (map->values[i].field != NULL) {
            map->values[i].field->type->destroy(map->values[i].field);
        }
    }
    crdt_orset_destroy(map->keys == NULL ? NULL : &map->keys->field);
    free(map->values);
    free(map->of);
    free(map);
}

static struct crdt_field *map_create(const struct crdt_declaration *declared, uint64_t seed)
{
    static const struct crdt_declaration keys = {.type = &crdt_orset};
    assert(declared->of != NULL);
    struct crdt_map *map = calloc(1, sizeof *map);
    if (map == NULL) {
        return NULL;
    }
    map->field.type = declared->type;
    map->seed = seed;
    map->of = copy_chain(declared->of);
    map->keys = (struct crdt_orset *)crdt_orset_create(&keys, seed);
    if (map->of == NULL || map->keys == NULL) {
        map_destroy(&map->field);
        return NULL;
    }
    return &map->field;
}

struct crdt_field *crdt_map_create_field(const struct crdt_map *map)
{
    return map->of->type->create(map->of, map->seed);
}

static bool reserve_values(struct crdt_map *map)
{
    uint32_t capacity = map->keys->capacity;
    if (capacity <= map->capacity) {
        return true;
    }
    struct crdt_map_value *grown = realloc(map->values, capacity * sizeof *grown);
    if (grown == NULL) {
        return false;
    }
    for (uint32_t i = map->capacity; i < capacity; i++) {
        grown[i] = (struct crdt_map_value){0};
    }
    map->values = grown;
    map->capacity = capacity;
    return true;
}

static size_t memory_of(const struct crdt_field *field)
{
    return field == NULL ? 0 : field->type->memory(field);
}

static void drop_field(struct crdt_map *map, uint32_t slot)
{
    struct crdt_map_value *value = &map->values[slot];
    if (value->field != NULL) {
        map->bytes -= memory_of(value->field);
        value->field->type->destroy(value->field);
        value->field = NULL;
    }
}

/* The key's field, made if there is none; NULL: no memory. */
static struct crdt_field *take_field(struct crdt_map *map, uint32_t slot, uint64_t position)
{
    struct crdt_map_value *value = &map->values[slot];
    if (value->field == NULL) {
        value->field = crdt_map_create_field(map);
        value->begun = position;
        map->bytes += memory_of(value->field);
    }
    return value->field;
}

/* The key's slot, made if there is none. CRDT_NO_MEMORY: unchanged. */
static enum crdt_status take_slot(struct crdt_map *map, struct bytes key, uint32_t *slot)
{
    *slot = orset_table_find(map->keys, key);
    if (*slot != HASH_INDEX_NONE) {
        return CRDT_OK;
    }
    enum crdt_status status = orset_table_insert(map->keys, key, slot);
    if (status == CRDT_OK && !reserve_values(map)) {
        orset_table_remove(map->keys, *slot);
        return CRDT_NO_MEMORY;
    }
    return status;
}

/* A key without dots holds nothing: every edit under it left a dot that whoever saw the edit saw.
 */
static void touch(struct crdt_map *map, uint32_t slot, uint64_t position)
{
    if (map->keys->elements[slot].dot_count == 0) {
        drop_field(map, slot);
    }
    orset_table_touch(map->keys, slot, position);
    map->field.position = position;
}

static enum crdt_status copy_key(struct crdt_map *copy, const struct crdt_map *source,
                                 const struct crdt_orset_element *key)
{
    const struct crdt_map_value *value = &source->values[slot_of(source->keys, key)];
    struct crdt_field *none;
    if (value->field == NULL) {
        return crdt_map_put(copy, crdt_orset_bytes(key), NULL, 0, false, key->position, &none);
    }
    struct crdt_field *made = value->field->type->copy(value->field);
    if (made == NULL) {
        return CRDT_NO_MEMORY;
    }
    enum crdt_status status = crdt_map_put_field(copy, crdt_orset_bytes(key), key->dots,
                                                 key->dot_count, key->position, made);
    if (status == CRDT_OK) {
        crdt_map_begin(copy, crdt_orset_bytes(key), value->begun);
    }
    return status;
}

static enum crdt_status copy_list(struct crdt_map *copy, const struct crdt_map *source,
                                  const struct crdt_orset_list *list)
{
    enum crdt_status status = CRDT_OK;
    const struct crdt_orset_element *key = crdt_orset_since(source->keys, list, 0);
    for (; key != NULL && status == CRDT_OK; key = crdt_orset_next(source->keys, key)) {
        status = copy_key(copy, source, key);
    }
    return status;
}

static struct crdt_field *map_copy(const struct crdt_field *field)
{
    const struct crdt_map *source = (const struct crdt_map *)field;
    struct crdt_declaration declared = {.type = field->type, .of = source->of};
    struct crdt_field *made = map_create(&declared, source->seed);
    struct crdt_map *copy = (struct crdt_map *)made;
    if (copy == NULL) {
        return NULL;
    }
    if (copy_list(copy, source, &source->keys->live) != CRDT_OK ||
        copy_list(copy, source, &source->keys->removed) != CRDT_OK) {
        map_destroy(made);
        return NULL;
    }
    copy->field = source->field;
    copy->trimmed = source->trimmed;
    return made;
}

static size_t map_memory(const struct crdt_field *field)
{
    const struct crdt_map *map = (const struct crdt_map *)field;
    return sizeof *map + map->bytes + map->capacity * sizeof *map->values +
           crdt_orset_memory(&map->keys->field);
}

/* --- changes --- */

static void change_destroy(struct crdt_change *base)
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

static struct crdt_change *change_create(const struct crdt_type *type)
{
    static const struct crdt_declaration keys = {.type = &crdt_orset};
    struct crdt_map_change *change = calloc(1, sizeof *change);
    if (change == NULL) {
        return NULL;
    }
    change->change.type = type;
    change->keys = (struct crdt_orset *)crdt_orset_create(&keys, 0);
    if (change->keys == NULL) {
        change_destroy(&change->change);
        return NULL;
    }
    return &change->change;
}

/* The key's edit, made if there is none; NULL: no memory. */
static struct crdt_map_edit *take_edit(struct crdt_map_change *change, struct bytes key)
{
    uint32_t slot = orset_table_find(change->keys, key);
    if (slot != HASH_INDEX_NONE) {
        return &change->edits[slot];
    }
    if (orset_table_insert(change->keys, key, &slot) != CRDT_OK) {
        return NULL;
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
    return &change->edits[slot_of(change->keys, key)];
}

static const struct crdt_orset_element *first_key(const struct crdt_map_change *change)
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

static enum crdt_status gather(struct crdt_change *base, const struct crdt_change *later)
{
    struct crdt_map_change *change = (struct crdt_map_change *)base;
    const struct crdt_map_change *next = (const struct crdt_map_change *)later;
    enum crdt_status status = CRDT_OK;
    const struct crdt_orset_element *key = first_key(next);
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

static bool is_ahead(const struct crdt_change *base, uint64_t now_ms)
{
    const struct crdt_map_change *change = (const struct crdt_map_change *)base;
    const struct crdt_orset_element *key = first_key(change);
    for (; key != NULL; key = crdt_orset_next(change->keys, key)) {
        const struct crdt_map_edit *edit = crdt_map_edit_of(change, key);
        if (edit->change != NULL && crdt_change_is_ahead(edit->change, now_ms)) {
            return true;
        }
    }
    return false;
}

static bool is_field_ahead(const struct crdt_field *field, uint64_t now_ms)
{
    const struct crdt_map *map = (const struct crdt_map *)field;
    const struct crdt_orset_element *key = crdt_orset_since(map->keys, &map->keys->live, 0);
    for (; key != NULL; key = crdt_orset_next(map->keys, key)) {
        if (crdt_field_is_ahead(map->values[slot_of(map->keys, key)].field, now_ms)) {
            return true;
        }
    }
    return false;
}

static enum crdt_status stamp(struct crdt_change *base, const struct crdt_field *field,
                              uint64_t now_ms)
{
    struct crdt_map_change *change = (struct crdt_map_change *)base;
    const struct crdt_map *map = (const struct crdt_map *)field;
    enum crdt_status status = CRDT_OK;
    const struct crdt_orset_element *key = first_key(change);
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

static enum crdt_status check(const struct crdt_field *field, const struct crdt_entry *entry,
                              const struct crdt_change *base, const struct crdt_update *update)
{
    (void)entry;
    const struct crdt_map *map = (const struct crdt_map *)field;
    const struct crdt_map_change *change = (const struct crdt_map_change *)base;
    enum crdt_status status = CRDT_OK;
    const struct crdt_orset_element *key = first_key(change);
    for (; key != NULL && status == CRDT_OK; key = crdt_orset_next(change->keys, key)) {
        status = check_edit(map, crdt_map_find(map, crdt_orset_bytes(key)),
                            crdt_map_edit_of(change, key), update);
    }
    return status;
}

static enum crdt_status check_remove(const struct crdt_field *field,
                                     const struct crdt_update *update)
{
    const struct crdt_map *map = (const struct crdt_map *)field;
    enum crdt_status status = CRDT_OK;
    const struct crdt_orset_element *key = crdt_orset_since(map->keys, &map->keys->live, 0);
    for (; key != NULL && status == CRDT_OK; key = crdt_orset_next(map->keys, key)) {
        status = crdt_field_check_remove(map->values[slot_of(map->keys, key)].field, update);
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
    size_t before = memory_of(field);
    uint64_t position = field->position;
    field->type->remove(field, update);
    map->bytes += memory_of(field) - before;
    bool fewer = orset_table_drop_dots(map->keys, slot, covered_by_update, update);
    if (fewer || field->position != position) {
        touch(map, slot, update->position);
    }
}

static enum crdt_status edit_slot(struct crdt_map *map, uint32_t slot,
                                  const struct crdt_change *change,
                                  const struct crdt_update *update)
{
    struct crdt_entry no_entry = {0};
    struct crdt_dot dot = {
        .seq = update->last, .position = update->position, .replica = update->replica};
    struct crdt_field *field = take_field(map, slot, update->position);
    if (field == NULL) {
        return CRDT_NO_MEMORY;
    }
    size_t before = memory_of(field);
    enum crdt_status status = field->type->apply(field, &no_entry, change, update);
    map->bytes += memory_of(field) - before;
    (void)orset_table_drop_dots(map->keys, slot, covered_by_update, update);
    if (status == CRDT_OK) {
        status = orset_table_push_dot(map->keys, slot, &dot);
    }
    touch(map, slot, update->position);
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
    enum crdt_status status = take_slot(map, key, &slot);
    return status == CRDT_OK ? edit_slot(map, slot, edit->change, update) : status;
}

static enum crdt_status apply(struct crdt_field *field, struct crdt_entry *entry,
                              const struct crdt_change *base, const struct crdt_update *update)
{
    (void)entry;
    const struct crdt_map_change *change = (const struct crdt_map_change *)base;
    enum crdt_status status = CRDT_OK;
    const struct crdt_orset_element *key = first_key(change);
    for (; key != NULL && status == CRDT_OK; key = crdt_orset_next(change->keys, key)) {
        status = apply_key((struct crdt_map *)field, crdt_orset_bytes(key),
                           crdt_map_edit_of(change, key), update);
    }
    return status;
}

static void remove_seen(struct crdt_field *field, const struct crdt_update *update)
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

/* --- joining --- */

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

static bool has_dot(const struct crdt_orset_element *element, const struct crdt_dot *dot)
{
    for (uint32_t i = 0; element != NULL && i < element->dot_count; i++) {
        if (element->dots[i].replica == dot->replica && element->dots[i].seq == dot->seq) {
            return true;
        }
    }
    return false;
}

struct removed_there {
    const struct crdt_join *join;
    const struct crdt_orset_element *theirs;
};

static bool covered_there(const void *context, const struct crdt_dot *dot)
{
    const struct removed_there *there = context;
    return !has_dot(there->theirs, dot) && crdt_context_covers(&there->join->source, dot);
}

static enum crdt_status arrive(struct crdt_map *map, uint32_t slot,
                               const struct crdt_orset_element *theirs,
                               const struct crdt_join *join, bool *changed)
{
    enum crdt_status status = CRDT_OK;
    for (uint32_t i = 0; theirs != NULL && i < theirs->dot_count && status == CRDT_OK; i++) {
        struct crdt_dot dot = theirs->dots[i];
        if (!has_dot(&map->keys->elements[slot], &dot) &&
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
    struct crdt_field *field = take_field(map, slot, join->position);
    struct other other;
    if (field == NULL || !take_other(&other, map, theirs, key)) {
        return CRDT_NO_MEMORY;
    }
    size_t before = memory_of(field);
    uint64_t position = field->position;
    enum crdt_status status = field->type->join(field, other.field, join);
    map->bytes += memory_of(field) - before;
    other_finish(&other);
    bool changed = orset_table_drop_dots(map->keys, slot, covered_there, &there);
    if (status == CRDT_OK) {
        status = arrive(map, slot, there.theirs, join, &changed);
    }
    if (changed || field->position != position) {
        touch(map, slot, join->position);
    } else if (map->keys->elements[slot].dot_count == 0) {
        drop_field(map, slot);
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
        if (slot != HASH_INDEX_NONE && map->keys->elements[slot].dot_count > 0) {
            continue;
        }
        bool is_new = slot == HASH_INDEX_NONE;
        status = take_slot(map, crdt_orset_bytes(key), &slot);
        if (status == CRDT_OK) {
            status = join_slot(map, slot, theirs, join);
        }
        if (status == CRDT_OK && is_new && map->keys->elements[slot].dot_count == 0) {
            drop_field(map, slot);
            orset_table_remove(map->keys, slot);
        }
    }
    return status;
}

static enum crdt_status join(struct crdt_field *field, const struct crdt_field *state,
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

static enum crdt_status check_join(const struct crdt_field *field, const struct crdt_field *state,
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
        status = check_join_slot(map, map->values[slot_of(map->keys, key)].field, theirs,
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

/* --- forgetting --- */

static void trim(struct crdt_field *field, size_t removals_max)
{
    struct crdt_map *map = (struct crdt_map *)field;
    const struct crdt_orset_element *key =
        crdt_orset_since(map->keys, &map->keys->live, map->trimmed);
    for (; key != NULL; key = crdt_orset_next(map->keys, key)) {
        uint32_t slot = slot_of(map->keys, key);
        size_t before = memory_of(map->values[slot].field);
        crdt_field_trim(map->values[slot].field,
                        removals_max < NESTED_REMOVALS ? removals_max : NESTED_REMOVALS);
        map->bytes += memory_of(map->values[slot].field) - before;
    }
    map->trimmed = field->position;
    map->keys->field.horizon = field->horizon;
    crdt_orset_trim(&map->keys->field, removals_max);
    field->horizon = map->keys->field.horizon;
}

const struct crdt_type crdt_map = {
    .name = "map",
    .create = map_create,
    .destroy = map_destroy,
    .copy = map_copy,
    .memory = map_memory,
    .change_create = change_create,
    .change_destroy = change_destroy,
    .gather = gather,
    .is_ahead = is_ahead,
    .is_field_ahead = is_field_ahead,
    .stamp = stamp,
    .check = check,
    .apply = apply,
    .check_remove = check_remove,
    .remove = remove_seen,
    .check_join = check_join,
    .join = join,
    .trim = trim,
};

enum crdt_status crdt_map_put(struct crdt_map *map, struct bytes key, const struct crdt_dot *dots,
                              size_t count, bool fresh, uint64_t position,
                              struct crdt_field **field)
{
    uint32_t slot;
    *field = NULL;
    enum crdt_status status = crdt_orset_put(map->keys, key, dots, count, position);
    if (status != CRDT_OK) {
        return status;
    }
    slot = orset_table_find(map->keys, key);
    if (!reserve_values(map)) {
        return CRDT_NO_MEMORY;
    }
    if (fresh || count == 0) {
        drop_field(map, slot);
    }
    map->field.position = position;
    if (count == 0) {
        return CRDT_OK;
    }
    *field = take_field(map, slot, position);
    return *field == NULL ? CRDT_NO_MEMORY : CRDT_OK;
}

enum crdt_status crdt_map_put_field(struct crdt_map *map, struct bytes key,
                                    const struct crdt_dot *dots, size_t count, uint64_t position,
                                    struct crdt_field *field)
{
    enum crdt_status status = crdt_orset_put(map->keys, key, dots, count, position);
    if (status == CRDT_OK && !reserve_values(map)) {
        status = CRDT_NO_MEMORY;
    }
    if (status != CRDT_OK) {
        field->type->destroy(field);
        return status;
    }
    uint32_t slot = orset_table_find(map->keys, key);
    drop_field(map, slot);
    map->values[slot] = (struct crdt_map_value){.field = field, .begun = position};
    map->bytes += memory_of(field);
    map->field.position = position;
    return CRDT_OK;
}

void crdt_map_begin(struct crdt_map *map, struct bytes key, uint64_t begun)
{
    uint32_t slot = orset_table_find(map->keys, key);
    assert(slot != HASH_INDEX_NONE);
    map->values[slot].begun = begun;
}

struct crdt_field *crdt_map_find(const struct crdt_map *map, struct bytes key)
{
    uint32_t slot = orset_table_find(map->keys, key);
    return slot == HASH_INDEX_NONE ? NULL : map->values[slot].field;
}

const struct crdt_map_value *crdt_map_value_of(const struct crdt_map *map,
                                               const struct crdt_orset_element *key)
{
    return &map->values[slot_of(map->keys, key)];
}

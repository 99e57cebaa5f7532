#include "crdt/map.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "crdt/map_state.h"

/* Removals that the field under a key remembers: beyond, its whole content is sent. */
enum { NESTED_REMOVALS = 64 };

uint32_t map_slot_of(const struct crdt_orset *keys, const struct crdt_orset_element *key)
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
    memset(grown + map->capacity, 0, (capacity - map->capacity) * sizeof *grown);
    map->values = grown;
    map->capacity = capacity;
    return true;
}

size_t map_memory_of(const struct crdt_field *field)
{
    return field == NULL ? 0 : field->type->memory(field);
}

void map_drop_field(struct crdt_map *map, uint32_t slot)
{
    assert(map->values != NULL && slot < map->capacity);
    struct crdt_map_value *value = &map->values[slot];
    if (value->field != NULL) {
        map->bytes -= map_memory_of(value->field);
        value->field->type->destroy(value->field);
        value->field = NULL;
    }
}

/* The key's field, made if there is none; NULL: no memory. */
struct crdt_field *map_take_field(struct crdt_map *map, uint32_t slot, uint64_t position)
{
    struct crdt_map_value *value = &map->values[slot];
    if (value->field == NULL) {
        value->field = crdt_map_create_field(map);
        value->begun = position;
        map->bytes += map_memory_of(value->field);
    }
    return value->field;
}

/* The key's slot, made if there is none. CRDT_NO_MEMORY: unchanged. */
enum crdt_status map_take_slot(struct crdt_map *map, struct bytes key, uint32_t *slot)
{
    enum crdt_status status = orset_table_take(map->keys, key, slot);
    if (status == CRDT_OK && orset_table_is_new(map->keys, *slot) && !reserve_values(map)) {
        orset_table_remove(map->keys, *slot);
        return CRDT_NO_MEMORY;
    }
    return status;
}

/* A key without dots holds nothing: every edit under it left a dot that whoever saw the edit saw.
 */
void map_touch(struct crdt_map *map, uint32_t slot, uint64_t position)
{
    if (map->keys->elements[slot].dotted == ORSET_NO_DOT) {
        map_drop_field(map, slot);
    }
    orset_table_touch(map->keys, slot, position);
    map->field.position = position;
}

static enum crdt_status copy_key(struct crdt_map *copy, const struct crdt_map *source,
                                 const struct crdt_orset_element *key)
{
    const struct crdt_map_value *value = &source->values[map_slot_of(source->keys, key)];
    struct crdt_field *none;
    if (value->field == NULL) {
        return crdt_map_put(copy, crdt_orset_bytes(key), NULL, 0, false, key->position, &none);
    }
    struct crdt_field *made = value->field->type->copy(value->field);
    if (made == NULL) {
        return CRDT_NO_MEMORY;
    }
    struct crdt_dot one;
    enum crdt_status status =
        crdt_map_put_field(copy, crdt_orset_bytes(key), crdt_orset_dots(key, &one),
                           crdt_orset_dot_count(key), key->position, made);
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

/* --- forgetting --- */

static void trim(struct crdt_field *field, size_t removals_max)
{
    struct crdt_map *map = (struct crdt_map *)field;
    const struct crdt_orset_element *key =
        crdt_orset_since(map->keys, &map->keys->live, map->trimmed);
    for (; key != NULL; key = crdt_orset_next(map->keys, key)) {
        uint32_t slot = map_slot_of(map->keys, key);
        size_t before = map_memory_of(map->values[slot].field);
        crdt_field_trim(map->values[slot].field,
                        removals_max < NESTED_REMOVALS ? removals_max : NESTED_REMOVALS);
        map->bytes += map_memory_of(map->values[slot].field) - before;
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
    .change_create = map_change_create,
    .change_destroy = map_change_destroy,
    .gather = map_gather,
    .is_ahead = map_is_ahead,
    .is_field_ahead = map_is_field_ahead,
    .stamp = map_stamp,
    .check = map_check,
    .apply = map_apply,
    .check_remove = map_check_remove,
    .remove = map_remove_seen,
    .check_join = map_check_join,
    .join = map_join,
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
        map_drop_field(map, slot);
    }
    map->field.position = position;
    if (count == 0) {
        return CRDT_OK;
    }
    *field = map_take_field(map, slot, position);
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
    map_drop_field(map, slot);
    map->values[slot] = (struct crdt_map_value){.field = field, .begun = position};
    map->bytes += map_memory_of(field);
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
    return &map->values[map_slot_of(map->keys, key)];
}

/*
 * Map: change `[[key, removed, change | nil], ...]`; content `[[[dot, ...], key, fresh, content |
 * nil], ...]`: no dots where the key is gone, `fresh` where its field begins anew; full state
 * `[[[name, ...], key, state], ...]`. A row for each key, with its field's whole content; keys are
 * UTF-8 text.
 */
#include "crdt/map.h"

#include <stdlib.h>

#include "protocol/codec_orset.h"
#include "protocol/json.h"
#include "protocol/limits.h"

static struct bytes read_key(struct reader *reader) { return read_string(reader, LIMIT_KEY_BYTES); }

static const struct protocol_codec *inner_of(const struct crdt_map *map)
{
    return protocol_codec_of(map->of->type);
}

/* --- changes --- */

static void read_edit(struct reader *reader, const struct declaration *inner,
                      struct crdt_map_change *change)
{
    size_t more = read_tuple(reader, 3);
    struct bytes key = read_key(reader);
    bool removed = read_bool(reader);
    struct crdt_change *edit = NULL;
    if (reader_peek(reader) == READER_NIL) {
        read_nil(reader);
    } else if (reader_ok(reader)) {
        edit = inner->codec->read_change(reader, inner);
    }
    reader_skip(reader, more);
    if (reader_ok(reader) && crdt_orset_find(change->keys, key) != NULL) {
        reader_fail(reader, PROTOCOL_MALFORMED);
    }
    if (!reader_ok(reader)) {
        inner->crdt.type->change_destroy(edit);
        return;
    }
    enum crdt_status status = removed ? crdt_map_remove(change, key) : CRDT_OK;
    if (status != CRDT_OK) {
        inner->crdt.type->change_destroy(edit);
    } else if (edit != NULL) {
        status = crdt_map_edit(change, key, edit);
    }
    if (status != CRDT_OK) {
        reader_fail(reader, PROTOCOL_NO_MEMORY);
    }
}

static struct crdt_change *read_change(struct reader *reader, const struct declaration *declared)
{
    struct crdt_change *change = crdt_map.change_create(&crdt_map);
    if (change == NULL) {
        reader_fail(reader, PROTOCOL_NO_MEMORY);
        return NULL;
    }
    size_t length = read_array(reader, LIMIT_OBJECTS);
    for (size_t i = 0; i < length && reader_ok(reader); i++) {
        read_edit(reader, declared->inner, (struct crdt_map_change *)change);
    }
    if (!reader_ok(reader)) {
        crdt_map.change_destroy(change);
        return NULL;
    }
    return change;
}

static void write_change(struct writer *writer, const struct crdt_change *base)
{
    const struct crdt_map_change *change = (const struct crdt_map_change *)base;
    const struct crdt_orset_element *key =
        crdt_orset_since(change->keys, &change->keys->removed, 0);
    write_array(writer, change->keys->removed.length);
    for (; key != NULL; key = crdt_orset_next(change->keys, key)) {
        const struct crdt_map_edit *edit = crdt_map_edit_of(change, key);
        write_array(writer, 3);
        write_string(writer, crdt_orset_bytes(key));
        write_bool(writer, edit->removed);
        if (edit->change == NULL) {
            write_nil(writer);
        } else {
            protocol_codec_of(edit->change->type)->write_change(writer, edit->change);
        }
    }
}

/* --- content --- */

static void write_removed_key(struct writer *writer, const struct crdt_orset_element *key)
{
    write_array(writer, 4);
    write_array(writer, 0);
    write_string(writer, crdt_orset_bytes(key));
    write_bool(writer, true);
    write_nil(writer);
}

static void write_live_key(struct writer *writer, const struct crdt_map *map,
                           const struct crdt_orset_element *key, uint64_t since)
{
    const struct crdt_map_value *value = crdt_map_value_of(map, key);
    bool fresh = since < value->begun || since < value->field->horizon;
    write_array(writer, 4);
    struct crdt_dot one;
    codec_write_dots(writer, crdt_orset_dots(key, &one), crdt_orset_dot_count(key));
    write_string(writer, crdt_orset_bytes(key));
    write_bool(writer, fresh);
    if (fresh || value->field->position > since) {
        inner_of(map)->write_content(writer, value->field, fresh ? 0 : since);
    } else {
        write_nil(writer);
    }
}

static size_t count_since(const struct crdt_orset *keys, const struct crdt_orset_list *list,
                          uint64_t since)
{
    size_t count = 0;
    const struct crdt_orset_element *key = crdt_orset_since(keys, list, since);
    for (; key != NULL; key = crdt_orset_next(keys, key)) {
        count++;
    }
    return count;
}

static void write_content(struct writer *writer, const struct crdt_field *field, uint64_t since)
{
    const struct crdt_map *map = (const struct crdt_map *)field;
    const struct crdt_orset *keys = map->keys;
    size_t removed = since == 0 ? 0 : count_since(keys, &keys->removed, since);
    write_array(writer, removed + count_since(keys, &keys->live, since));
    const struct crdt_orset_element *key =
        removed == 0 ? NULL : crdt_orset_since(keys, &keys->removed, since);
    for (; key != NULL; key = crdt_orset_next(keys, key)) {
        write_removed_key(writer, key);
    }
    key = crdt_orset_since(keys, &keys->live, since);
    for (; key != NULL; key = crdt_orset_next(keys, key)) {
        write_live_key(writer, map, key, since);
    }
}

static void read_content_key(struct reader *reader, const struct declaration *inner,
                             struct crdt_map *map, uint64_t position)
{
    size_t count = 0;
    struct crdt_field *field = NULL;
    size_t more = read_tuple(reader, 4);
    struct crdt_dot *dots = codec_read_dots(reader, &count);
    struct bytes key = read_key(reader);
    bool fresh = read_bool(reader);
    if (reader_ok(reader) &&
        crdt_map_put(map, key, dots, count, fresh, position, &field) != CRDT_OK) {
        reader_fail(reader, PROTOCOL_NO_MEMORY);
    }
    if (field != NULL && reader_peek(reader) != READER_NIL) {
        inner->codec->read_content(reader, inner, field, position);
    } else {
        reader_skip(reader, 1);
    }
    reader_skip(reader, more);
    free(dots);
}

static void read_content(struct reader *reader, const struct declaration *declared,
                         struct crdt_field *field, uint64_t position)
{
    size_t length = read_array(reader, LIMIT_BODY_BYTES);
    for (size_t i = 0; i < length && reader_ok(reader); i++) {
        read_content_key(reader, declared->inner, (struct crdt_map *)field, position);
    }
}

/* --- full states --- */

static void read_state_key(struct reader *reader, const struct declaration *inner,
                           struct crdt_map *map, const struct codec_names *names)
{
    size_t count = 0;
    size_t more = read_tuple(reader, 3);
    struct crdt_dot *dots = codec_read_named_dots(reader, &count, names);
    struct bytes key = read_key(reader);
    struct crdt_field *state =
        reader_ok(reader) ? inner->codec->read_state(reader, inner, names) : NULL;
    reader_skip(reader, more);
    if (reader_ok(reader) && (count == 0 || crdt_orset_find(map->keys, key) != NULL)) {
        reader_fail(reader, PROTOCOL_MALFORMED);
    }
    if (reader_ok(reader) && crdt_map_put_field(map, key, dots, count, 1, state) != CRDT_OK) {
        reader_fail(reader, PROTOCOL_NO_MEMORY);
    } else if (!reader_ok(reader)) {
        inner->crdt.type->destroy(state);
    }
    free(dots);
}

static struct crdt_field *read_state(struct reader *reader, const struct declaration *declared,
                                     const struct codec_names *names)
{
    struct crdt_field *state = crdt_map.create(&declared->crdt, 0);
    if (state == NULL) {
        reader_fail(reader, PROTOCOL_NO_MEMORY);
        return NULL;
    }
    size_t length = read_array(reader, LIMIT_OBJECTS);
    for (size_t i = 0; i < length && reader_ok(reader); i++) {
        read_state_key(reader, declared->inner, (struct crdt_map *)state, names);
    }
    if (!reader_ok(reader)) {
        crdt_map.destroy(state);
        return NULL;
    }
    return state;
}

static void write_state(struct writer *writer, const struct crdt_field *field,
                        const struct codec_names *names)
{
    const struct crdt_map *map = (const struct crdt_map *)field;
    const struct crdt_orset_element *key = crdt_orset_since(map->keys, &map->keys->live, 0);
    write_array(writer, map->keys->live.length);
    for (; key != NULL; key = crdt_orset_next(map->keys, key)) {
        write_array(writer, 3);
        struct crdt_dot one;
        codec_write_named_dots(writer, crdt_orset_dots(key, &one), crdt_orset_dot_count(key),
                               names);
        write_string(writer, crdt_orset_bytes(key));
        inner_of(map)->write_state(writer, crdt_map_value_of(map, key)->field, names);
    }
}

/* --- rows --- */

static void write_key_row(struct writer *writer, const struct crdt_map *map,
                          const struct crdt_orset_element *key, uint32_t number)
{
    const struct crdt_map_value *value = crdt_map_value_of(map, key);
    struct buffer shown;
    struct buffer detail;
    buffer_init(&shown, LIMIT_BODY_BYTES);
    buffer_init(&detail, LIMIT_BODY_BYTES);
    struct writer json = writer_to(&shown);
    inner_of(map)->write_json(&json, value->field);
    struct writer whole = writer_to(&detail);
    write_array(&whole, 3);
    struct crdt_dot one;
    codec_write_dots(&whole, crdt_orset_dots(key, &one), crdt_orset_dot_count(key));
    write_uint(&whole, value->begun);
    inner_of(map)->write_content(&whole, value->field, 0);
    struct row row = {.kind = ROW_ENTRY,
                      .field = number,
                      .key = crdt_orset_bytes(key),
                      .position = key->position,
                      .shown = buffer_bytes(&shown),
                      .detail = buffer_bytes(&detail)};
    row_write(writer, &row);
    if (json.status != PROTOCOL_OK || whole.status != PROTOCOL_OK) {
        writer->status = json.status != PROTOCOL_OK ? json.status : whole.status;
    }
    buffer_finish(&shown);
    buffer_finish(&detail);
}

static void write_rows(struct writer *writer, const struct crdt_field *field, uint32_t number,
                       uint64_t since)
{
    const struct crdt_map *map = (const struct crdt_map *)field;
    codec_orset_write_removal_rows(writer, map->keys, number, since);
    const struct crdt_orset_element *key = crdt_orset_since(map->keys, &map->keys->live, since);
    for (; key != NULL; key = crdt_orset_next(map->keys, key)) {
        write_key_row(writer, map, key, number);
    }
}

/* What was removed from the field before is not in its row: who has an older cursor gets it whole.
 */
static void read_key_row(struct reader *reader, const struct declaration *inner,
                         struct crdt_map *map, const struct row *row)
{
    size_t count = 0;
    struct crdt_field *field = NULL;
    size_t more = read_tuple(reader, 3);
    struct crdt_dot *dots = codec_read_dots(reader, &count);
    uint64_t begun = read_uint(reader);
    if (reader_ok(reader) && count == 0) {
        reader_fail(reader, PROTOCOL_MALFORMED);
    }
    if (reader_ok(reader) &&
        crdt_map_put(map, row->key, dots, count, false, row->position, &field) != CRDT_OK) {
        reader_fail(reader, PROTOCOL_NO_MEMORY);
    }
    if (field != NULL) {
        inner->codec->read_content(reader, inner, field, row->position);
        field->horizon = row->position;
        crdt_map_begin(map, row->key, begun);
    }
    reader_skip(reader, more);
    if (reader->left.length > 0) {
        reader_fail(reader, PROTOCOL_MALFORMED);
    }
    free(dots);
}

static enum protocol_status read_row(const struct declaration *declared, struct crdt_field *field,
                                     const struct row *row)
{
    struct crdt_map *map = (struct crdt_map *)field;
    struct reader reader = reader_of(row->detail);
    struct crdt_field *none;
    if (row->key.length > LIMIT_KEY_BYTES || !utf8_valid(row->key)) {
        return PROTOCOL_MALFORMED;
    }
    if (row->kind == ROW_REMOVAL) {
        return crdt_map_put(map, row->key, NULL, 0, false, row->position, &none) == CRDT_OK
                   ? PROTOCOL_OK
                   : PROTOCOL_NO_MEMORY;
    }
    read_key_row(&reader, declared->inner, map, row);
    return reader.status;
}

/* --- the value --- */

static int by_bytes(const void *a, const void *b)
{
    const struct crdt_orset_element *const *left = a;
    const struct crdt_orset_element *const *right = b;
    return bytes_compare(crdt_orset_bytes(*left), crdt_orset_bytes(*right));
}

static void write_json(struct writer *writer, const struct crdt_field *field)
{
    const struct crdt_map *map = (const struct crdt_map *)field;
    size_t length = map->keys->live.length;
    const struct crdt_orset_element **sorted = malloc((length + 1) * sizeof *sorted);
    if (sorted == NULL) {
        writer->status = PROTOCOL_NO_MEMORY;
        return;
    }
    const struct crdt_orset_element *key = crdt_orset_since(map->keys, &map->keys->live, 0);
    for (size_t i = 0; i < length; i++, key = crdt_orset_next(map->keys, key)) {
        sorted[i] = key;
    }
    qsort((void *)sorted, length, sizeof *sorted, by_bytes);
    json_raw(writer, "{");
    for (size_t i = 0; i < length; i++) {
        json_raw(writer, i == 0 ? "" : ",");
        json_quoted(writer, crdt_orset_bytes(sorted[i]));
        json_raw(writer, ":");
        inner_of(map)->write_json(writer, crdt_map_value_of(map, sorted[i])->field);
    }
    json_raw(writer, "}");
    free((void *)sorted);
}

const struct protocol_codec codec_map = {
    .type = &crdt_map,
    .shape = SHAPE_OBJECT,
    .takes_type = true,
    .empty = "{}",
    .read_change = read_change,
    .write_change = write_change,
    .write_content = write_content,
    .read_content = read_content,
    .read_state = read_state,
    .write_state = write_state,
    .write_rows = write_rows,
    .read_row = read_row,
    .write_json = write_json,
};

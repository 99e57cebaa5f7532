/*
 * OR-set: change `[clear, [added], [removed]]`; content `[[[dot, ...], [element, ...]], ...]` with
 * dot `[index, seq, position]`; full state the same with names `[name, seq]` for dots. Elements
 * that share their dots and follow each other stand in one group: the adds of one update do.
 */
#include <stdlib.h>

#include "crdt/orset.h"
#include "protocol/codec.h"
#include "protocol/element.h"
#include "protocol/json.h"
#include "protocol/limits.h"

typedef enum crdt_status edit(struct crdt_orset_change *change, struct bytes element);

static void read_edits(struct reader *reader, enum element_of of, struct crdt_orset_change *change,
                       edit *apply)
{
    size_t length = read_array(reader, LIMIT_OBJECTS);
    for (size_t i = 0; i < length && reader_ok(reader); i++) {
        struct bytes element = read_element(reader, of);
        if (reader_ok(reader) && apply(change, element) != CRDT_OK) {
            reader_fail(reader, PROTOCOL_NO_MEMORY);
        }
    }
}

/* Both lists of edits in the order that lets an add win over a remove of the same change. */
static struct crdt_change *read_change(struct reader *reader, const struct declaration *declared)
{
    struct crdt_change *base = declared->crdt.type->change_create(declared->crdt.type);
    if (base == NULL) {
        reader_fail(reader, PROTOCOL_NO_MEMORY);
        return NULL;
    }
    struct crdt_orset_change *change = (struct crdt_orset_change *)base;
    size_t more = read_tuple(reader, 3);
    if (read_bool(reader)) {
        crdt_orset_clear(change);
    }
    struct reader added = *reader;
    reader_skip(reader, 1);
    read_edits(reader, declared->of, change, crdt_orset_remove);
    if (reader_ok(reader)) {
        read_edits(&added, declared->of, change, crdt_orset_add);
        reader_fail(reader, added.status);
    }
    reader_skip(reader, more);
    if (!reader_ok(reader)) {
        base->type->change_destroy(base);
        return NULL;
    }
    return base;
}

static void write_elements(struct writer *writer, const struct crdt_orset *set)
{
    write_array(writer, set->removed.length);
    const struct crdt_orset_element *element = crdt_orset_since(set, &set->removed, 0);
    for (; element != NULL; element = crdt_orset_next(set, element)) {
        write_raw(writer, crdt_orset_bytes(element));
    }
}

static void write_change(struct writer *writer, const struct crdt_change *base)
{
    const struct crdt_orset_change *change = (const struct crdt_orset_change *)base;
    write_array(writer, 3);
    write_bool(writer, change->clear);
    write_elements(writer, change->added);
    write_elements(writer, change->removed);
}

static bool same_dots(const struct crdt_orset_element *a, const struct crdt_orset_element *b)
{
    bool same = a->dot_count == b->dot_count;
    for (uint32_t i = 0; same && i < a->dot_count; i++) {
        same = a->dots[i].replica == b->dots[i].replica && a->dots[i].seq == b->dots[i].seq;
    }
    return same;
}

/* The elements from `first` on that share its dots. */
static size_t group_length(const struct crdt_orset *set, const struct crdt_orset_element *first)
{
    size_t length = 0;
    for (const struct crdt_orset_element *e = first; e != NULL && same_dots(first, e);
         e = crdt_orset_next(set, e)) {
        length++;
    }
    return length;
}

static size_t group_count(const struct crdt_orset *set, const struct crdt_orset_element *element)
{
    size_t count = 0;
    const struct crdt_orset_element *previous = NULL;
    for (; element != NULL; element = crdt_orset_next(set, element)) {
        count += previous == NULL || !same_dots(previous, element);
        previous = element;
    }
    return count;
}

typedef void write_dot(struct writer *writer, const struct crdt_dot *dot, const void *context);

static void write_placed_dot(struct writer *writer, const struct crdt_dot *dot, const void *context)
{
    (void)context;
    write_array(writer, 3);
    write_uint(writer, dot->replica);
    write_uint(writer, dot->seq);
    write_uint(writer, dot->position);
}

static void write_named_dot(struct writer *writer, const struct crdt_dot *dot, const void *context)
{
    write_array(writer, 2);
    codec_write_name(writer, dot->replica, context);
    write_uint(writer, dot->seq);
}

static void write_groups(struct writer *writer, const struct crdt_orset *set,
                         const struct crdt_orset_element *element, write_dot *dot,
                         const void *context)
{
    while (element != NULL) {
        write_array(writer, 2);
        write_array(writer, element->dot_count);
        for (uint32_t i = 0; i < element->dot_count; i++) {
            dot(writer, &element->dots[i], context);
        }
        size_t length = group_length(set, element);
        write_array(writer, length);
        for (size_t i = 0; i < length; i++) {
            write_raw(writer, crdt_orset_bytes(element));
            element = crdt_orset_next(set, element);
        }
    }
}

static void write_content(struct writer *writer, const struct crdt_field *field, uint64_t since)
{
    const struct crdt_orset *set = (const struct crdt_orset *)field;
    const struct crdt_orset_element *live = crdt_orset_since(set, &set->live, since);
    const struct crdt_orset_element *removed =
        since == 0 ? NULL : crdt_orset_since(set, &set->removed, since);
    write_array(writer, group_count(set, live) + (removed != NULL));
    write_groups(writer, set, removed, write_placed_dot, NULL);
    write_groups(writer, set, live, write_placed_dot, NULL);
}

static struct crdt_dot read_placed_dot(struct reader *reader, const void *context)
{
    (void)context;
    struct crdt_dot dot = {0};
    size_t more = read_tuple(reader, 3);
    uint64_t index = read_uint(reader);
    dot.replica = (crdt_replica_id)index;
    dot.seq = read_uint(reader);
    dot.position = read_uint(reader);
    reader_skip(reader, more);
    if (index > UINT32_MAX || dot.seq == 0 || dot.position == CRDT_POSITION_PENDING) {
        reader_fail(reader, PROTOCOL_MALFORMED);
    }
    return dot;
}

static struct crdt_dot read_named_dot(struct reader *reader, const void *context)
{
    struct crdt_dot dot = {.position = CRDT_POSITION_PENDING};
    size_t more = read_tuple(reader, 2);
    dot.replica = codec_read_name(reader, context);
    dot.seq = read_uint(reader);
    reader_skip(reader, more);
    if (dot.seq == 0) {
        reader_fail(reader, PROTOCOL_MALFORMED);
    }
    return dot;
}

typedef struct crdt_dot read_dot(struct reader *reader, const void *context);

/* NULL with `count` 0: no dots. The caller frees. */
static struct crdt_dot *read_dots(struct reader *reader, size_t *count, read_dot *dot,
                                  const void *context)
{
    *count = read_array(reader, LIMIT_OBJECTS);
    if (*count == 0) {
        return NULL;
    }
    struct crdt_dot *dots = malloc(*count * sizeof *dots);
    if (dots == NULL) {
        reader_fail(reader, PROTOCOL_NO_MEMORY);
        return NULL;
    }
    for (size_t i = 0; i < *count; i++) {
        dots[i] = dot(reader, context);
    }
    return dots;
}

static void read_group(struct reader *reader, struct crdt_orset *set, enum element_of of,
                       uint64_t position, read_dot *dot, const void *context)
{
    size_t count = 0;
    size_t more = read_tuple(reader, 2);
    struct crdt_dot *dots = read_dots(reader, &count, dot, context);
    size_t length = read_array(reader, LIMIT_OBJECTS);
    for (size_t i = 0; i < length && reader_ok(reader); i++) {
        struct bytes element = read_element(reader, of);
        if (reader_ok(reader) && crdt_orset_put(set, element, dots, count, position) != CRDT_OK) {
            reader_fail(reader, PROTOCOL_NO_MEMORY);
        }
    }
    reader_skip(reader, more);
    free(dots);
}

static void read_content(struct reader *reader, const struct declaration *declared,
                         struct crdt_field *field, uint64_t position)
{
    (void)declared;
    size_t length = read_array(reader, LIMIT_BODY_BYTES);
    for (size_t i = 0; i < length && reader_ok(reader); i++) {
        read_group(reader, (struct crdt_orset *)field, ELEMENT_ANY, position, read_placed_dot,
                   NULL);
    }
}

static struct crdt_field *read_state(struct reader *reader, const struct declaration *declared,
                                     const struct codec_names *names)
{
    struct crdt_field *state = declared->crdt.type->create(&declared->crdt, 0);
    if (state == NULL) {
        reader_fail(reader, PROTOCOL_NO_MEMORY);
        return NULL;
    }
    size_t length = read_array(reader, LIMIT_OBJECTS);
    for (size_t i = 0; i < length && reader_ok(reader); i++) {
        read_group(reader, (struct crdt_orset *)state, declared->of, 1, read_named_dot, names);
    }
    if (!reader_ok(reader)) {
        state->type->destroy(state);
        return NULL;
    }
    return state;
}

static void write_state(struct writer *writer, const struct crdt_field *field,
                        const struct codec_names *names)
{
    const struct crdt_orset *set = (const struct crdt_orset *)field;
    const struct crdt_orset_element *live = crdt_orset_since(set, &set->live, 0);
    write_array(writer, group_count(set, live));
    write_groups(writer, set, live, write_named_dot, names);
}

static void write_entry_row(struct writer *writer, const struct crdt_orset_element *element,
                            uint32_t number, struct buffer *shown, struct buffer *detail)
{
    buffer_clear(shown);
    buffer_clear(detail);
    struct writer json = writer_to(shown);
    struct reader value = reader_of(crdt_orset_bytes(element));
    json_value(&json, &value);
    struct writer dots = writer_to(detail);
    write_array(&dots, element->dot_count);
    for (uint32_t i = 0; i < element->dot_count; i++) {
        write_placed_dot(&dots, &element->dots[i], NULL);
    }
    if (json.status != PROTOCOL_OK || dots.status != PROTOCOL_OK) {
        writer->status = json.status != PROTOCOL_OK ? json.status : dots.status;
        return;
    }
    struct row row = {.kind = ROW_ENTRY,
                      .field = number,
                      .key = crdt_orset_bytes(element),
                      .position = element->position,
                      .shown = buffer_bytes(shown),
                      .detail = buffer_bytes(detail)};
    row_write(writer, &row);
}

static void write_rows(struct writer *writer, const struct crdt_field *field, uint32_t number,
                       uint64_t since)
{
    const struct crdt_orset *set = (const struct crdt_orset *)field;
    const struct crdt_orset_element *element = crdt_orset_since(set, &set->removed, since);
    for (; element != NULL; element = crdt_orset_next(set, element)) {
        struct row row = {.kind = ROW_REMOVAL,
                          .field = number,
                          .key = crdt_orset_bytes(element),
                          .position = element->position};
        row_write(writer, &row);
    }
    struct buffer shown;
    struct buffer detail;
    buffer_init(&shown, LIMIT_BODY_BYTES);
    buffer_init(&detail, LIMIT_BODY_BYTES);
    element = crdt_orset_since(set, &set->live, since);
    for (; element != NULL; element = crdt_orset_next(set, element)) {
        write_entry_row(writer, element, number, &shown, &detail);
    }
    buffer_finish(&shown);
    buffer_finish(&detail);
}

static enum protocol_status read_row(const struct declaration *declared, struct crdt_field *field,
                                     const struct row *row)
{
    (void)declared;
    size_t count = 0;
    struct crdt_dot *dots = NULL;
    struct reader reader = reader_of(row->detail);
    if (row->kind == ROW_ENTRY) {
        dots = read_dots(&reader, &count, read_placed_dot, NULL);
    }
    if (row->kind == ROW_ENTRY && count == 0) {
        reader_fail(&reader, PROTOCOL_MALFORMED);
    }
    if (reader_ok(&reader) && crdt_orset_put((struct crdt_orset *)field, row->key, dots, count,
                                             row->position) != CRDT_OK) {
        reader_fail(&reader, PROTOCOL_NO_MEMORY);
    }
    free(dots);
    return reader.status;
}

struct sortable {
    struct bytes key;
    struct bytes element;
};

/* By the elements where a string has the bytes of something else. */
static int by_key(const void *a, const void *b)
{
    const struct sortable *left = a;
    const struct sortable *right = b;
    int order = bytes_compare(left->key, right->key);
    return order != 0 ? order : bytes_compare(left->element, right->element);
}

/* Sorted by canonical bytes with the length header left out of the comparison of strings: strings
 * sort as their text does. */
static struct bytes sort_key(struct bytes element)
{
    struct reader reader = reader_of(element);
    if (reader_peek(&reader) == READER_STRING) {
        return read_string(&reader, LIMIT_ELEMENT_BYTES);
    }
    return element;
}

static void write_json(struct writer *writer, const struct crdt_field *field)
{
    const struct crdt_orset *set = (const struct crdt_orset *)field;
    size_t length = crdt_orset_length(set);
    struct sortable *sorted = malloc((length + 1) * sizeof *sorted);
    if (sorted == NULL) {
        writer->status = PROTOCOL_NO_MEMORY;
        return;
    }
    const struct crdt_orset_element *element = crdt_orset_since(set, &set->live, 0);
    for (size_t i = 0; i < length; i++, element = crdt_orset_next(set, element)) {
        sorted[i].element = crdt_orset_bytes(element);
        sorted[i].key = sort_key(sorted[i].element);
    }
    qsort(sorted, length, sizeof *sorted, by_key);
    json_raw(writer, "[");
    for (size_t i = 0; i < length; i++) {
        struct reader value = reader_of(sorted[i].element);
        json_raw(writer, i == 0 ? "" : ",");
        json_value(writer, &value);
    }
    json_raw(writer, "]");
    free(sorted);
}

const struct protocol_codec codec_orset = {
    .type = &crdt_orset,
    .shape = SHAPE_LIST,
    .takes_of = true,
    .empty = "[]",
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

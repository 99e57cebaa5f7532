/*
 * OR-set: change `[clear, [added], [removed]]`; content `[[[dot, ...], [element, ...]], ...]` with
 * dot `[index, seq, position]`; full state the same with names `[name, seq]` for dots. Elements
 * that share their dots and follow each other stand in one group: the adds of one update do.
 */
#include "protocol/codec_orset.h"

#include <stdlib.h>

#include "protocol/element.h"
#include "protocol/json.h"
#include "protocol/limits.h"

void codec_orset_read_edits(struct reader *reader, enum element_of of,
                            struct crdt_orset_change *change, codec_orset_edit *apply)
{
    size_t length = read_array(reader, LIMIT_OBJECTS);
    for (size_t i = 0; i < length && reader_ok(reader); i++) {
        struct bytes element = read_element(reader, of);
        if (reader_ok(reader) && apply(change, element) != CRDT_OK) {
            reader_fail(reader, PROTOCOL_NO_MEMORY);
        }
    }
}

struct crdt_orset_change *codec_orset_change(struct reader *reader,
                                             const struct declaration *declared)
{
    struct crdt_change *change = declared->crdt.type->change_create(declared->crdt.type);
    if (change == NULL) {
        reader_fail(reader, PROTOCOL_NO_MEMORY);
    }
    return (struct crdt_orset_change *)change;
}

struct crdt_change *codec_orset_read(struct reader *reader, struct crdt_orset_change *change)
{
    if (!reader_ok(reader) && change != NULL) {
        change->change.type->change_destroy(&change->change);
        return NULL;
    }
    return change == NULL ? NULL : &change->change;
}

/* Both lists of edits in the order that lets an add win over a remove of the same change. */
static struct crdt_change *read_change(struct reader *reader, const struct declaration *declared)
{
    struct crdt_orset_change *change = codec_orset_change(reader, declared);
    size_t more = read_tuple(reader, 3);
    if (change == NULL) {
        return NULL;
    }
    if (read_bool(reader)) {
        crdt_orset_clear(change);
    }
    struct reader added = *reader;
    reader_skip(reader, 1);
    codec_orset_read_edits(reader, declared->of, change, crdt_orset_remove);
    if (reader_ok(reader)) {
        codec_orset_read_edits(&added, declared->of, change, crdt_orset_add);
        reader_fail(reader, added.status);
    }
    reader_skip(reader, more);
    return codec_orset_read(reader, change);
}

void codec_orset_write_elements(struct writer *writer, const struct crdt_orset *set)
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
    codec_orset_write_elements(writer, &change->added);
    codec_orset_write_elements(writer, &change->removed);
}

static bool same_dots(const struct crdt_orset_element *a, const struct crdt_orset_element *b)
{
    uint32_t count = crdt_orset_dot_count(a);
    bool same = count == crdt_orset_dot_count(b);
    for (uint32_t i = 0; same && i < count; i++) {
        struct crdt_dot dot = crdt_orset_dot(a, i);
        struct crdt_dot other = crdt_orset_dot(b, i);
        same = dot.replica == other.replica && dot.seq == other.seq;
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
    codec_write_dot_name(writer, dot, context);
}

static void write_dots(struct writer *writer, const struct crdt_dot *dots, size_t count,
                       write_dot *dot, const void *context)
{
    write_array(writer, count);
    for (size_t i = 0; i < count; i++) {
        dot(writer, &dots[i], context);
    }
}

void codec_write_dots(struct writer *writer, const struct crdt_dot *dots, size_t count)
{
    write_dots(writer, dots, count, write_placed_dot, NULL);
}

void codec_write_named_dots(struct writer *writer, const struct crdt_dot *dots, size_t count,
                            const struct codec_names *names)
{
    write_dots(writer, dots, count, write_named_dot, names);
}

static void write_groups(struct writer *writer, const struct crdt_orset *set,
                         const struct crdt_orset_element *element, write_dot *dot,
                         const void *context)
{
    const struct protocol_codec *codec = protocol_codec_of(set->field.type);
    while (element != NULL) {
        write_array(writer, 2);
        struct crdt_dot one;
        write_dots(writer, crdt_orset_dots(element, &one), crdt_orset_dot_count(element), dot,
                   context);
        size_t length = group_length(set, element);
        write_array(writer, length);
        for (size_t i = 0; i < length; i++) {
            codec->write_entry(writer, crdt_orset_bytes(element));
            element = crdt_orset_next(set, element);
        }
    }
}

void codec_orset_write_content(struct writer *writer, const struct crdt_field *field,
                               uint64_t since)
{
    const struct crdt_orset *set = (const struct crdt_orset *)field;
    const struct crdt_orset_element *live = crdt_orset_since(set, &set->live, since);
    const struct crdt_orset_element *removed =
        since == 0 ? NULL : crdt_orset_since(set, &set->removed, since);
    write_array(writer, group_count(set, live) + (removed != NULL));
    write_groups(writer, set, removed, write_placed_dot, NULL);
    write_groups(writer, set, live, write_placed_dot, NULL);
}

void codec_orset_write_whole(struct writer *writer, const struct crdt_field *field, uint64_t since)
{
    (void)since;
    codec_orset_write_content(writer, field, 0);
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
    size_t more = read_tuple(reader, 2);
    struct crdt_dot dot = codec_read_dot_name(reader, context);
    reader_skip(reader, more);
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

/* A full state's entries take all dots of their group, so few bytes could ask for much memory, and
 * the join compares an entry's dots with each other. */
static void take_dots(struct reader *reader, const struct codec_names *names, size_t dots,
                      size_t entries)
{
    if (dots > LIMIT_STATE_PARTS || (dots > 0 && entries > *names->dots_left / dots)) {
        reader_fail(reader, PROTOCOL_TOO_LARGE);
        return;
    }
    *names->dots_left -= dots * entries;
}

struct crdt_dot *codec_read_dots(struct reader *reader, size_t *count)
{
    return read_dots(reader, count, read_placed_dot, NULL);
}

struct crdt_dot *codec_read_named_dots(struct reader *reader, size_t *count,
                                       const struct codec_names *names)
{
    struct crdt_dot *dots = read_dots(reader, count, read_named_dot, names);
    take_dots(reader, names, *count, 1);
    return dots;
}

/* What the groups of a content or a full state are read into. */
struct groups {
    const struct protocol_codec *codec;
    struct crdt_orset *set;
    enum element_of of;
    uint64_t position;
    read_dot *dot;
    const void *context;             /* of `dot` */
    const struct codec_names *names; /* of a full state; NULL: the hub's own content */
    struct buffer scratch;
};

static void read_group(struct reader *reader, struct groups *groups)
{
    size_t count = 0;
    size_t more = read_tuple(reader, 2);
    struct crdt_dot *dots = read_dots(reader, &count, groups->dot, groups->context);
    size_t length = read_array(reader, LIMIT_OBJECTS);
    if (groups->names != NULL) {
        take_dots(reader, groups->names, count, length);
    }
    for (size_t i = 0; i < length && reader_ok(reader); i++) {
        struct bytes entry = groups->codec->read_entry(reader, groups->of, &groups->scratch);
        if (reader_ok(reader) &&
            crdt_orset_put(groups->set, entry, dots, count, groups->position) != CRDT_OK) {
            reader_fail(reader, PROTOCOL_NO_MEMORY);
        }
    }
    reader_skip(reader, more);
    free(dots);
}

static void read_groups(struct reader *reader, struct groups *groups, size_t length_max)
{
    groups->codec = protocol_codec_of(groups->set->field.type);
    buffer_init(&groups->scratch, LIMIT_VALUE_BYTES + LIMIT_ELEMENT_BYTES);
    size_t length = read_array(reader, length_max);
    for (size_t i = 0; i < length && reader_ok(reader); i++) {
        read_group(reader, groups);
    }
    buffer_finish(&groups->scratch);
}

void codec_orset_read_content(struct reader *reader, const struct declaration *declared,
                              struct crdt_field *field, uint64_t position)
{
    (void)declared;
    struct groups groups = {.set = (struct crdt_orset *)field,
                            .of = ELEMENT_ANY,
                            .position = position,
                            .dot = read_placed_dot};
    read_groups(reader, &groups, LIMIT_BODY_BYTES);
}

void codec_orset_read_whole(struct reader *reader, const struct declaration *declared,
                            struct crdt_field *field, uint64_t position)
{
    struct crdt_orset *set = (struct crdt_orset *)field;
    const struct crdt_orset_element *element;
    while ((element = crdt_orset_since(set, &set->live, 0)) != NULL) {
        crdt_orset_forget(set, crdt_orset_bytes(element));
    }
    codec_orset_read_content(reader, declared, field, position);
    field->position = position;
}

struct crdt_field *codec_orset_read_state(struct reader *reader, const struct declaration *declared,
                                          const struct codec_names *names)
{
    struct crdt_field *state = declared->crdt.type->create(&declared->crdt, 0);
    if (state == NULL) {
        reader_fail(reader, PROTOCOL_NO_MEMORY);
        return NULL;
    }
    struct groups groups = {.set = (struct crdt_orset *)state,
                            .of = declared->of,
                            .position = 1,
                            .dot = read_named_dot,
                            .context = names,
                            .names = names};
    read_groups(reader, &groups, LIMIT_OBJECTS);
    if (!reader_ok(reader)) {
        state->type->destroy(state);
        return NULL;
    }
    return state;
}

void codec_orset_write_state(struct writer *writer, const struct crdt_field *field,
                             const struct codec_names *names)
{
    const struct crdt_orset *set = (const struct crdt_orset *)field;
    const struct crdt_orset_element *live = crdt_orset_since(set, &set->live, 0);
    write_array(writer, group_count(set, live));
    write_groups(writer, set, live, write_named_dot, names);
}

static void write_entry_row(struct writer *writer, const struct crdt_orset_element *element,
                            uint32_t number, struct bytes shown, struct buffer *detail)
{
    buffer_clear(detail);
    struct writer dots = writer_to(detail);
    struct crdt_dot one;
    codec_write_dots(&dots, crdt_orset_dots(element, &one), crdt_orset_dot_count(element));
    struct row row = {.kind = ROW_ENTRY,
                      .field = number,
                      .key = crdt_orset_bytes(element),
                      .position = element->position,
                      .shown = shown,
                      .detail = buffer_bytes(detail)};
    row_write(writer, &row);
    writer->status = dots.status != PROTOCOL_OK ? dots.status : writer->status;
}

void codec_orset_write_removal_rows(struct writer *writer, const struct crdt_orset *set,
                                    uint32_t number, uint64_t since)
{
    const struct crdt_orset_element *element = crdt_orset_since(set, &set->removed, since);
    for (; element != NULL; element = crdt_orset_next(set, element)) {
        struct row row = {.kind = ROW_REMOVAL,
                          .field = number,
                          .key = crdt_orset_bytes(element),
                          .position = element->position};
        row_write(writer, &row);
    }
}

void codec_orset_write_shown_rows(struct writer *writer, const struct crdt_orset *set,
                                  uint32_t number, uint64_t since, codec_orset_show *show)
{
    struct buffer shown;
    struct buffer detail;
    buffer_init(&shown, LIMIT_BODY_BYTES);
    buffer_init(&detail, LIMIT_BODY_BYTES);
    codec_orset_write_removal_rows(writer, set, number, since);
    const struct crdt_orset_element *element = crdt_orset_since(set, &set->live, since);
    for (; element != NULL; element = crdt_orset_next(set, element)) {
        buffer_clear(&shown);
        struct writer json = writer_to(&shown);
        show(&json, set, element);
        write_entry_row(writer, element, number, buffer_bytes(&shown), &detail);
        writer->status = json.status != PROTOCOL_OK ? json.status : writer->status;
    }
    buffer_finish(&shown);
    buffer_finish(&detail);
}

static void show_element(struct writer *json, const struct crdt_orset *set,
                         const struct crdt_orset_element *element)
{
    (void)set;
    struct reader value = reader_of(crdt_orset_bytes(element));
    json_value(json, &value);
}

void codec_orset_write_rows(struct writer *writer, const struct crdt_field *field, uint32_t number,
                            uint64_t since)
{
    codec_orset_write_shown_rows(writer, (const struct crdt_orset *)field, number, since,
                                 show_element);
}

/* A damaged key must not reach clients as one. */
static bool is_element(struct bytes key, enum element_of of)
{
    struct reader reader = reader_of(key);
    (void)read_element(&reader, of);
    return reader_ok(&reader) && reader.left.length == 0;
}

enum protocol_status codec_orset_read_tagged_row(const struct declaration *declared,
                                                 struct crdt_field *field, const struct row *row,
                                                 size_t tag_bytes)
{
    size_t count = 0;
    struct crdt_dot *dots = NULL;
    struct reader reader = reader_of(row->detail);
    struct bytes key = row->key;
    if (key.length <= tag_bytes ||
        !is_element((struct bytes){key.data + tag_bytes, key.length - tag_bytes}, declared->of)) {
        return PROTOCOL_MALFORMED;
    }
    if (row->kind == ROW_ENTRY) {
        dots = read_dots(&reader, &count, read_placed_dot, NULL);
    }
    if ((row->kind == ROW_ENTRY && count == 0) || reader.left.length > 0) {
        reader_fail(&reader, PROTOCOL_MALFORMED);
    }
    if (reader_ok(&reader) &&
        crdt_orset_put((struct crdt_orset *)field, key, dots, count, row->position) != CRDT_OK) {
        reader_fail(&reader, PROTOCOL_NO_MEMORY);
    }
    free(dots);
    return reader.status;
}

enum protocol_status codec_orset_read_row(const struct declaration *declared,
                                          struct crdt_field *field, const struct row *row)
{
    return codec_orset_read_tagged_row(declared, field, row, 0);
}

void codec_write_whole_row(struct writer *writer, const struct crdt_field *field, uint32_t number,
                           uint64_t since)
{
    const struct protocol_codec *codec = protocol_codec_of(field->type);
    struct buffer shown;
    struct buffer detail;
    if (field->position <= since) {
        return;
    }
    buffer_init(&shown, LIMIT_BODY_BYTES);
    buffer_init(&detail, LIMIT_BODY_BYTES);
    struct writer json = writer_to(&shown);
    codec->write_json(&json, field);
    struct writer content = writer_to(&detail);
    codec->write_content(&content, field, 0);
    struct row row = {.kind = ROW_ENTRY,
                      .field = number,
                      .position = field->position,
                      .shown = buffer_bytes(&shown),
                      .detail = buffer_bytes(&detail)};
    row_write(writer, &row);
    if (json.status != PROTOCOL_OK || content.status != PROTOCOL_OK) {
        writer->status = json.status != PROTOCOL_OK ? json.status : content.status;
    }
    buffer_finish(&shown);
    buffer_finish(&detail);
}

enum protocol_status codec_read_whole_row(const struct declaration *declared,
                                          struct crdt_field *field, const struct row *row)
{
    struct reader reader = reader_of(row->detail);
    if (row->kind != ROW_ENTRY || row->key.length > 0) {
        return PROTOCOL_MALFORMED;
    }
    declared->codec->read_content(&reader, declared, field, row->position);
    if (reader.left.length > 0) {
        reader_fail(&reader, PROTOCOL_MALFORMED);
    }
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
        return read_string(&reader, LIMIT_VALUE_BYTES);
    }
    return element;
}

void codec_orset_write_list(struct writer *writer, const struct crdt_orset *set,
                            codec_orset_listed *listed)
{
    size_t length = 0;
    struct sortable *sorted = malloc((crdt_orset_length(set) + 1) * sizeof *sorted);
    if (sorted == NULL) {
        writer->status = PROTOCOL_NO_MEMORY;
        return;
    }
    const struct crdt_orset_element *element = crdt_orset_since(set, &set->live, 0);
    for (; element != NULL; element = crdt_orset_next(set, element)) {
        struct bytes value = {0};
        if (!listed(writer, set, element, &value)) {
            continue;
        }
        sorted[length].element = value;
        sorted[length++].key = sort_key(value);
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

static bool list_element(struct writer *writer, const struct crdt_orset *set,
                         const struct crdt_orset_element *element, struct bytes *value)
{
    (void)writer;
    (void)set;
    *value = crdt_orset_bytes(element);
    return true;
}

void codec_orset_write_json(struct writer *writer, const struct crdt_field *field)
{
    codec_orset_write_list(writer, (const struct crdt_orset *)field, list_element);
}

struct bytes codec_orset_read_element(struct reader *reader, enum element_of of,
                                      struct buffer *scratch)
{
    (void)scratch;
    return read_element(reader, of);
}

void codec_orset_write_element(struct writer *writer, struct bytes entry)
{
    write_raw(writer, entry);
}

const struct protocol_codec codec_orset = {
    .type = &crdt_orset,
    .shape = SHAPE_LIST,
    .takes_of = true,
    .empty = "[]",
    .read_change = read_change,
    .write_change = write_change,
    .read_entry = codec_orset_read_element,
    .write_entry = codec_orset_write_element,
    CODEC_ORSET_ELEMENTS,
    .write_rows = codec_orset_write_rows,
    .write_json = codec_orset_write_json,
};

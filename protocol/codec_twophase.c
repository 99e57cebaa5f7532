/* 2P-set: change `[[added, ...], [removed, ...]]`; an entry is `[0, element]` where it was added
 * and
 * `[1, element]` where it was removed; the rest as the OR-set. */
#include "crdt/twophase.h"
#include "protocol/codec_orset.h"
#include "protocol/element.h"
#include "protocol/json.h"

static struct crdt_change *read_change(struct reader *reader, const struct declaration *declared)
{
    struct crdt_orset_change *change = codec_orset_change(reader, declared);
    if (change == NULL) {
        return NULL;
    }
    size_t more = read_tuple(reader, 2);
    codec_orset_read_edits(reader, declared->of, change, crdt_twophase_add);
    if (reader_ok(reader)) {
        codec_orset_read_edits(reader, declared->of, change, crdt_twophase_remove);
    }
    reader_skip(reader, more);
    return codec_orset_read(reader, change);
}

/* Entries of the change's adds that begin with `first`, as elements. */
static void write_elements(struct writer *writer, const struct crdt_orset *added, uint8_t first)
{
    size_t length = 0;
    const struct crdt_orset_element *entry = crdt_orset_since(added, &added->removed, 0);
    for (; entry != NULL; entry = crdt_orset_next(added, entry)) {
        length += crdt_orset_bytes(entry).data[0] == first;
    }
    write_array(writer, length);
    entry = crdt_orset_since(added, &added->removed, 0);
    for (; entry != NULL; entry = crdt_orset_next(added, entry)) {
        struct bytes bytes = crdt_orset_bytes(entry);
        if (bytes.data[0] == first) {
            write_raw(writer, (struct bytes){bytes.data + 1, bytes.length - 1});
        }
    }
}

static void write_change(struct writer *writer, const struct crdt_change *base)
{
    const struct crdt_orset *added = &((const struct crdt_orset_change *)base)->added;
    write_array(writer, 2);
    write_elements(writer, added, CRDT_TWOPHASE_ADDED);
    write_elements(writer, added, CRDT_TWOPHASE_REMOVED);
}

static struct bytes read_entry(struct reader *reader, enum element_of of, struct buffer *scratch)
{
    size_t more = read_tuple(reader, 2);
    uint64_t first = read_uint(reader);
    struct bytes element = read_element(reader, of);
    reader_skip(reader, more);
    uint8_t tag = (uint8_t)first;
    if (first > CRDT_TWOPHASE_REMOVED) {
        reader_fail(reader, PROTOCOL_MALFORMED);
    }
    buffer_clear(scratch);
    if (buffer_append(scratch, &tag, 1) != PROTOCOL_OK ||
        buffer_append(scratch, element.data, element.length) != PROTOCOL_OK) {
        reader_fail(reader, PROTOCOL_NO_MEMORY);
    }
    return buffer_bytes(scratch);
}

static void write_entry(struct writer *writer, struct bytes entry)
{
    write_array(writer, 2);
    write_uint(writer, entry.data[0]);
    write_raw(writer, (struct bytes){entry.data + 1, entry.length - 1});
}

static bool list(struct writer *writer, const struct crdt_orset *set,
                 const struct crdt_orset_element *element, struct bytes *value)
{
    bool shows = false;
    struct bytes entry = crdt_orset_bytes(element);
    *value = (struct bytes){entry.data + 1, entry.length - 1};
    if (crdt_twophase_shows(set, entry, &shows) != CRDT_OK) {
        writer->status = PROTOCOL_NO_MEMORY;
        return false;
    }
    return shows;
}

static void write_json(struct writer *writer, const struct crdt_field *field)
{
    codec_orset_write_list(writer, (const struct crdt_orset *)field, list);
}

static void show(struct writer *json, const struct crdt_orset *set,
                 const struct crdt_orset_element *element)
{
    struct bytes value;
    if (list(json, set, element, &value)) {
        struct reader reader = reader_of(value);
        json_value(json, &reader);
    }
}

static void write_rows(struct writer *writer, const struct crdt_field *field, uint32_t number,
                       uint64_t since)
{
    codec_orset_write_shown_rows(writer, (const struct crdt_orset *)field, number, since, show);
}

/* What everything else takes for granted of an entry. */
static enum protocol_status read_row(const struct declaration *declared, struct crdt_field *field,
                                     const struct row *row)
{
    bool good = row->key.length > 1 && row->key.data[0] <= CRDT_TWOPHASE_REMOVED;
    return good ? codec_orset_read_tagged_row(declared, field, row, 1) : PROTOCOL_MALFORMED;
}

const struct protocol_codec codec_twophase = {
    .type = &crdt_twophase,
    .shape = SHAPE_LIST,
    .takes_of = true,
    .empty = "[]",
    .read_change = read_change,
    .write_change = write_change,
    .read_entry = read_entry,
    .write_entry = write_entry,
    .write_content = codec_orset_write_content,
    .read_content = codec_orset_read_content,
    .read_state = codec_orset_read_state,
    .write_state = codec_orset_write_state,
    .write_rows = write_rows,
    .read_row = read_row,
    .write_json = write_json,
};

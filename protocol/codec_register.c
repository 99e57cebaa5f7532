/* Registers: change `[value]` or `[ms, count, value]`, as entries are; content is whole. An entry
 * of an mv-register is the value itself. */
#include <stdlib.h>

#include "crdt/register.h"
#include "protocol/codec_orset.h"
#include "protocol/element.h"
#include "protocol/json.h"

/* --- multi-value --- */

static struct crdt_change *read_mv_change(struct reader *reader, const struct declaration *declared)
{
    struct crdt_orset_change *change = codec_orset_change(reader, declared);
    if (change == NULL) {
        return NULL;
    }
    size_t more = read_tuple(reader, 1);
    struct bytes value = read_value(reader, declared->of);
    reader_skip(reader, more);
    if (reader_ok(reader) && crdt_mv_register_set(change, value) != CRDT_OK) {
        reader_fail(reader, PROTOCOL_NO_MEMORY);
    }
    return codec_orset_read(reader, change);
}

static void write_mv_change(struct writer *writer, const struct crdt_change *change)
{
    codec_orset_write_elements(writer, &((const struct crdt_orset_change *)change)->added);
}

static struct bytes read_mv_entry(struct reader *reader, enum element_of of, struct buffer *scratch)
{
    (void)scratch;
    return read_value(reader, of);
}

const struct protocol_codec codec_mv_register = {
    .type = &crdt_mv_register,
    .takes_of = true,
    .empty = "[]",
    .read_change = read_mv_change,
    .write_change = write_mv_change,
    .read_entry = read_mv_entry,
    .write_entry = codec_orset_write_element,
    CODEC_ORSET_WHOLE,
    .write_json = codec_orset_write_json,
};

/* --- last writer wins --- */

struct set {
    struct crdt_clock clock;
    struct bytes value;
};

static struct set read_set(struct reader *reader, enum element_of of)
{
    struct set set = {0};
    size_t more = read_tuple(reader, 3);
    set.clock.ms = read_uint(reader);
    uint64_t count = read_uint(reader);
    set.clock.count = (uint32_t)count;
    set.value = read_value(reader, of);
    reader_skip(reader, more);
    if (count > UINT32_MAX || set.clock.ms > (uint64_t)CRDT_INTEGER_MAX) {
        reader_fail(reader, PROTOCOL_MALFORMED);
    }
    return set;
}

static struct crdt_change *read_lww_change(struct reader *reader,
                                           const struct declaration *declared)
{
    struct crdt_orset_change *change = codec_orset_change(reader, declared);
    if (change == NULL) {
        return NULL;
    }
    struct set set = read_set(reader, declared->of);
    if (reader_ok(reader) && crdt_lww_register_set(change, set.clock, set.value) != CRDT_OK) {
        reader_fail(reader, PROTOCOL_NO_MEMORY);
    }
    return codec_orset_read(reader, change);
}

static void write_lww_entry(struct writer *writer, struct bytes entry)
{
    struct crdt_clock clock = crdt_lww_register_clock(entry);
    write_array(writer, 3);
    write_uint(writer, clock.ms);
    write_uint(writer, clock.count);
    write_raw(writer, crdt_lww_register_entry_value(entry));
}

static struct bytes read_lww_entry(struct reader *reader, enum element_of of,
                                   struct buffer *scratch)
{
    struct set set = read_set(reader, of);
    struct bytes entry = {0};
    if (!reader_ok(reader)) {
        return entry;
    }
    entry = crdt_lww_register_entry(set.clock, set.value);
    buffer_clear(scratch);
    if (entry.data == NULL || buffer_append(scratch, entry.data, entry.length) != PROTOCOL_OK) {
        reader_fail(reader, PROTOCOL_NO_MEMORY);
    }
    free((void *)(uintptr_t)entry.data);
    return buffer_bytes(scratch);
}

static void write_lww_change(struct writer *writer, const struct crdt_change *change)
{
    const struct crdt_orset *added = &((const struct crdt_orset_change *)change)->added;
    write_lww_entry(writer, crdt_orset_bytes(crdt_orset_since(added, &added->removed, 0)));
}

static void write_lww_json(struct writer *writer, const struct crdt_field *field)
{
    struct bytes value = crdt_lww_register_value(field);
    struct reader reader = reader_of(value);
    if (value.data == NULL) {
        json_raw(writer, "null");
    } else {
        json_value(writer, &reader);
    }
}

const struct protocol_codec codec_lww_register = {
    .type = &crdt_lww_register,
    .takes_of = true,
    .empty = "null",
    .read_change = read_lww_change,
    .write_change = write_lww_change,
    .read_entry = read_lww_entry,
    .write_entry = write_lww_entry,
    CODEC_ORSET_WHOLE,
    .write_json = write_lww_json,
};

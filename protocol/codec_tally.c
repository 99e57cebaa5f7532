/* Counters in a map: change `amount`; content `[[index, seq, position, amount], ...]`, whole; full
 * state `[[name, seq, amount], ...]`. */
#include "crdt/tally.h"
#include "protocol/codec_orset.h"
#include "protocol/json.h"
#include "protocol/limits.h"

static struct crdt_change *read_change(struct reader *reader, const struct declaration *declared)
{
    const struct crdt_type *type = declared->crdt.type;
    int64_t amount = read_int(reader);
    if (type == &crdt_gtally && amount < 1) {
        reader_fail(reader, PROTOCOL_MALFORMED);
    }
    struct crdt_change *change = reader_ok(reader) ? type->change_create(type) : NULL;
    if (reader_ok(reader) && change == NULL) {
        reader_fail(reader, PROTOCOL_NO_MEMORY);
    }
    if (change != NULL && crdt_tally_count((struct crdt_tally_change *)change, amount) != CRDT_OK) {
        reader_fail(reader, PROTOCOL_MALFORMED);
        type->change_destroy(change);
        return NULL;
    }
    return change;
}

static void write_change(struct writer *writer, const struct crdt_change *change)
{
    write_int(writer, ((const struct crdt_tally_change *)change)->amount);
}

static void write_content(struct writer *writer, const struct crdt_field *field, uint64_t since)
{
    (void)since;
    const struct crdt_tally *tally = (const struct crdt_tally *)field;
    write_array(writer, tally->length);
    for (size_t i = 0; i < tally->length; i++) {
        const struct crdt_tally_part *part = &tally->parts[i];
        write_array(writer, 4);
        write_uint(writer, part->dot.replica);
        write_uint(writer, part->dot.seq);
        write_uint(writer, part->dot.position);
        write_int(writer, part->amount);
    }
}

static void put(struct reader *reader, struct crdt_tally *tally, const struct crdt_tally_part *part)
{
    if (part->dot.seq == 0) {
        reader_fail(reader, PROTOCOL_MALFORMED);
    }
    if (!reader_ok(reader)) {
        return;
    }
    enum crdt_status status = crdt_tally_put(tally, part);
    if (status != CRDT_OK) {
        reader_fail(reader, status == CRDT_NO_MEMORY ? PROTOCOL_NO_MEMORY : PROTOCOL_MALFORMED);
    }
}

static void read_content(struct reader *reader, const struct declaration *declared,
                         struct crdt_field *field, uint64_t position)
{
    (void)declared;
    size_t length = read_array(reader, LIMIT_OBJECTS);
    crdt_tally_clear((struct crdt_tally *)field);
    for (size_t i = 0; i < length && reader_ok(reader); i++) {
        struct crdt_tally_part part = {0};
        size_t more = read_tuple(reader, 4);
        uint64_t index = read_uint(reader);
        part.dot.replica = (crdt_replica_id)index;
        part.dot.seq = read_uint(reader);
        part.dot.position = read_uint(reader);
        part.amount = read_int(reader);
        reader_skip(reader, more);
        if (index > UINT32_MAX) {
            reader_fail(reader, PROTOCOL_MALFORMED);
        }
        put(reader, (struct crdt_tally *)field, &part);
    }
    field->position = position;
}

static struct crdt_field *read_state(struct reader *reader, const struct declaration *declared,
                                     const struct codec_names *names)
{
    struct crdt_field *state = declared->crdt.type->create(&declared->crdt, 0);
    if (state == NULL) {
        reader_fail(reader, PROTOCOL_NO_MEMORY);
        return NULL;
    }
    size_t length = read_array(reader, LIMIT_STATE_PARTS);
    for (size_t i = 0; i < length && reader_ok(reader); i++) {
        size_t more = read_tuple(reader, 3);
        struct crdt_tally_part part = {.dot = codec_read_dot_name(reader, names)};
        part.amount = read_int(reader);
        reader_skip(reader, more);
        if (state->type == &crdt_gtally && part.amount < 1) {
            reader_fail(reader, PROTOCOL_MALFORMED);
        }
        put(reader, (struct crdt_tally *)state, &part);
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
    const struct crdt_tally *tally = (const struct crdt_tally *)field;
    write_array(writer, tally->length);
    for (size_t i = 0; i < tally->length; i++) {
        write_array(writer, 3);
        codec_write_dot_name(writer, &tally->parts[i].dot, names);
        write_int(writer, tally->parts[i].amount);
    }
}

static void write_json(struct writer *writer, const struct crdt_field *field)
{
    json_int(writer, ((const struct crdt_tally *)field)->total);
}

#define TALLY_CODEC(tally_type, bounds)                                                            \
    {                                                                                              \
        .type = &(tally_type), .takes_bounds = bounds, .empty = "0", .read_change = read_change,   \
        .write_change = write_change, .write_content = write_content,                              \
        .read_content = read_content, .read_state = read_state, .write_state = write_state,        \
        .write_rows = codec_write_whole_row, .read_row = codec_read_whole_row,                     \
        .write_json = write_json,                                                                  \
    }

const struct protocol_codec codec_gtally = TALLY_CODEC(crdt_gtally, false);
const struct protocol_codec codec_pntally = TALLY_CODEC(crdt_pntally, false);
const struct protocol_codec codec_bounded_tally = TALLY_CODEC(crdt_bounded_tally, true);

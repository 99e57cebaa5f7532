/*
 * Both counters: change `up` or `[up, down]`, content the total at full width, full state `[[name,
 * up(, down)], ...]`, one row with an empty key whose shown value is the total and whose detail is
 * the total too.
 */
#include "protocol/codec_counter.h"

#include "protocol/json.h"
#include "protocol/limits.h"

static bool counts_down(const struct crdt_type *type) { return type == &crdt_pncounter; }

static struct crdt_change *read_change(struct reader *reader, const struct declaration *declared)
{
    const struct crdt_type *type = declared->crdt.type;
    struct crdt_entry entry = {0};
    if (counts_down(type)) {
        size_t more = read_tuple(reader, 2);
        entry.up = read_uint(reader);
        entry.down = read_uint(reader);
        reader_skip(reader, more);
    } else {
        entry.up = read_uint(reader);
    }
    if (!reader_ok(reader)) {
        return NULL;
    }
    struct crdt_change *change = type->change_create(type);
    if (change == NULL) {
        reader_fail(reader, PROTOCOL_NO_MEMORY);
        return NULL;
    }
    ((struct crdt_counter_change *)change)->entry = entry;
    return change;
}

static void write_change(struct writer *writer, const struct crdt_change *change)
{
    struct crdt_entry entry = ((const struct crdt_counter_change *)change)->entry;
    if (counts_down(change->type)) {
        write_array(writer, 2);
        write_uint(writer, entry.up);
        write_uint(writer, entry.down);
    } else {
        write_uint(writer, entry.up);
    }
}

static void write_content(struct writer *writer, const struct crdt_field *field, uint64_t since)
{
    (void)since;
    write_wide(writer, ((const struct crdt_counter *)field)->total);
}

static bool total_fits(int64_t total)
{
    return total >= -CRDT_INTEGER_MAX && total <= CRDT_INTEGER_MAX;
}

static void read_content(struct reader *reader, const struct declaration *declared,
                         struct crdt_field *field, uint64_t position)
{
    (void)declared;
    int64_t total = read_int(reader);
    if (!total_fits(total)) {
        reader_fail(reader, PROTOCOL_MALFORMED);
    }
    if (reader_ok(reader)) {
        ((struct crdt_counter *)field)->total = total;
        field->position = position;
    }
}

void codec_counter_read_entries(struct reader *reader, struct crdt_counter *state, bool down,
                                const struct codec_names *names)
{
    size_t length = read_array(reader, LIMIT_OBJECTS);
    for (size_t i = 0; i < length && reader_ok(reader); i++) {
        struct crdt_entry entry = {0};
        size_t more = read_tuple(reader, down ? 3 : 2);
        crdt_replica_id replica = codec_read_name(reader, names);
        entry.up = read_uint(reader);
        entry.down = down ? read_uint(reader) : 0;
        reader_skip(reader, more);
        if (reader_ok(reader) && crdt_counter_put_entry(state, replica, entry) != CRDT_OK) {
            reader_fail(reader, PROTOCOL_NO_MEMORY);
        }
    }
}

void codec_counter_write_entries(struct writer *writer, const struct crdt_counter *counter,
                                 bool down, const struct codec_names *names)
{
    write_array(writer, counter->length);
    for (size_t i = 0; i < counter->length; i++) {
        write_array(writer, down ? 3 : 2);
        codec_write_name(writer, counter->entries[i].replica, names);
        write_uint(writer, counter->entries[i].entry.up);
        if (down) {
            write_uint(writer, counter->entries[i].entry.down);
        }
    }
}

static struct crdt_field *read_state(struct reader *reader, const struct declaration *declared,
                                     const struct codec_names *names)
{
    const struct crdt_type *type = declared->crdt.type;
    struct crdt_field *state = type->create(&declared->crdt, 0);
    if (state == NULL) {
        reader_fail(reader, PROTOCOL_NO_MEMORY);
        return NULL;
    }
    codec_counter_read_entries(reader, (struct crdt_counter *)state, counts_down(type), names);
    if (!reader_ok(reader)) {
        type->destroy(state);
        return NULL;
    }
    return state;
}

static void write_state(struct writer *writer, const struct crdt_field *field,
                        const struct codec_names *names)
{
    codec_counter_write_entries(writer, (const struct crdt_counter *)field,
                                counts_down(field->type), names);
}

static void write_json(struct writer *writer, const struct crdt_field *field)
{
    json_int(writer, ((const struct crdt_counter *)field)->total);
}

static void write_rows(struct writer *writer, const struct crdt_field *field, uint32_t number,
                       uint64_t since)
{
    if (field->position <= since) {
        return;
    }
    uint8_t text[24];
    struct buffer shown = {.data = text, .capacity = sizeof text, .limit = sizeof text};
    struct writer number_writer = writer_to(&shown);
    write_json(&number_writer, field);
    struct row row = {.kind = ROW_ENTRY,
                      .field = number,
                      .position = field->position,
                      .shown = buffer_bytes(&shown),
                      .detail = buffer_bytes(&shown)};
    row_write(writer, &row);
}

/* The detail is the total's decimal digits: the same text that the view shows. */
static enum protocol_status read_row(const struct declaration *declared, struct crdt_field *field,
                                     const struct row *row)
{
    struct bytes text = row->detail;
    bool negative = text.length > 0 && text.data[0] == '-';
    int64_t total = 0;
    if (row->kind != ROW_ENTRY || row->key.length > 0 || text.length <= (negative ? 1 : 0) ||
        text.length > 20 || (negative && !counts_down(declared->crdt.type))) {
        return PROTOCOL_MALFORMED;
    }
    for (size_t i = negative ? 1 : 0; i < text.length; i++) {
        if (text.data[i] < '0' || text.data[i] > '9' || total > CRDT_INTEGER_MAX / 10) {
            return PROTOCOL_MALFORMED;
        }
        total = total * 10 + (text.data[i] - '0');
    }
    if (!total_fits(total)) {
        return PROTOCOL_MALFORMED;
    }
    ((struct crdt_counter *)field)->total = negative ? -total : total;
    field->position = row->position;
    return PROTOCOL_OK;
}

#define COUNTER_CODEC(counter_type, tally)                                                         \
    {                                                                                              \
        .type = &(counter_type), .in_map = &(tally), .empty = "0", .read_change = read_change,     \
        .write_change = write_change, .write_content = write_content,                              \
        .read_content = read_content, .read_state = read_state, .write_state = write_state,        \
        .write_rows = write_rows, .read_row = read_row, .write_json = write_json,                  \
    }

const struct protocol_codec codec_gcounter = COUNTER_CODEC(crdt_gcounter, codec_gtally);
const struct protocol_codec codec_pncounter = COUNTER_CODEC(crdt_pncounter, codec_pntally);

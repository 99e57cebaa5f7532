/*
 * Bounded counter: change `[up, down, nil | [key, drawn, reserved, ttl_ms]]`; content `[total,
 * [[key, left, expires_ms], ...]]`, whole; full state as the pn-counter's, without leases.
 */
#include "crdt/bounded.h"

#include <string.h>

#include "protocol/codec_counter.h"
#include "protocol/codec_orset.h"
#include "protocol/json.h"
#include "protocol/limits.h"

_Static_assert((int)LIMIT_LEASE_KEY_BYTES == (int)CRDT_LEASE_KEY_BYTES, "one bound, two rooms");
_Static_assert((int)LIMIT_LEASES == (int)CRDT_LEASES_MAX, "one bound, two rooms");

/* An amount within what counters hold. */
static int64_t read_amount(struct reader *reader)
{
    uint64_t amount = read_uint(reader);
    if (amount > (uint64_t)CRDT_INTEGER_MAX) {
        reader_fail(reader, PROTOCOL_MALFORMED);
    }
    return (int64_t)amount;
}

static uint8_t read_lease_key(struct reader *reader, uint8_t key[CRDT_LEASE_KEY_BYTES])
{
    struct bytes bytes = read_bin(reader, LIMIT_LEASE_KEY_BYTES);
    if (reader_ok(reader) && bytes.length == 0) {
        reader_fail(reader, PROTOCOL_MALFORMED);
    }
    if (reader_ok(reader)) {
        memcpy(key, bytes.data, bytes.length);
    }
    return (uint8_t)bytes.length;
}

static struct crdt_lease_edit read_lease_edit(struct reader *reader)
{
    struct crdt_lease_edit edit = {.key_length = 0};
    if (reader_peek(reader) == READER_NIL) {
        read_nil(reader);
        return edit;
    }
    size_t more = read_tuple(reader, 4);
    edit.key_length = read_lease_key(reader, edit.key);
    edit.drawn = read_amount(reader);
    edit.reserved = read_amount(reader);
    edit.ttl_ms = read_uint(reader);
    reader_skip(reader, more);
    bool timed = edit.ttl_ms >= LIMIT_LEASE_MS_MIN && edit.ttl_ms <= LIMIT_LEASE_MS_MAX;
    if ((edit.reserved > 0) != timed || (edit.reserved > 0 && edit.drawn > 0) ||
        (edit.reserved == 0 && edit.ttl_ms > 0)) {
        reader_fail(reader, PROTOCOL_MALFORMED);
    }
    return edit;
}

static struct crdt_change *read_change(struct reader *reader, const struct declaration *declared)
{
    struct crdt_bounded_change read = {.counter = {.entry = {0}}};
    size_t more = read_tuple(reader, 3);
    read.counter.entry.up = read_uint(reader);
    read.counter.entry.down = read_uint(reader);
    read.lease = read_lease_edit(reader);
    reader_skip(reader, more);
    if (!reader_ok(reader)) {
        return NULL;
    }
    struct crdt_change *change = declared->crdt.type->change_create(declared->crdt.type);
    if (change == NULL) {
        reader_fail(reader, PROTOCOL_NO_MEMORY);
        return NULL;
    }
    read.counter.change = *change;
    *(struct crdt_bounded_change *)change = read;
    return change;
}

static void write_change(struct writer *writer, const struct crdt_change *base)
{
    const struct crdt_bounded_change *change = (const struct crdt_bounded_change *)base;
    const struct crdt_lease_edit *lease = &change->lease;
    write_array(writer, 3);
    write_uint(writer, change->counter.entry.up);
    write_uint(writer, change->counter.entry.down);
    if (lease->key_length == 0) {
        write_nil(writer);
        return;
    }
    write_array(writer, 4);
    write_bin(writer, (struct bytes){lease->key, lease->key_length});
    write_int(writer, lease->drawn);
    write_int(writer, lease->reserved);
    write_uint(writer, lease->ttl_ms);
}

static void write_content(struct writer *writer, const struct crdt_field *field, uint64_t since)
{
    (void)since;
    const struct crdt_bounded *bounded = (const struct crdt_bounded *)field;
    write_array(writer, 2);
    write_wide(writer, bounded->counter.total);
    write_array(writer, bounded->length);
    for (size_t i = 0; i < bounded->length; i++) {
        const struct crdt_lease *lease = &bounded->leases[i];
        write_array(writer, 3);
        write_bin(writer, (struct bytes){lease->key, lease->key_length});
        write_int(writer, lease->left);
        write_uint(writer, lease->expires_ms);
    }
}

static void read_lease(struct reader *reader, struct crdt_bounded *bounded)
{
    struct crdt_lease lease = {.left = 0};
    size_t more = read_tuple(reader, 3);
    lease.key_length = read_lease_key(reader, lease.key);
    lease.left = read_amount(reader);
    lease.expires_ms = read_uint(reader);
    reader_skip(reader, more);
    if (lease.left == 0) {
        reader_fail(reader, PROTOCOL_MALFORMED);
    }
    if (reader_ok(reader) && crdt_bounded_put_lease(bounded, &lease) != CRDT_OK) {
        reader_fail(reader, PROTOCOL_NO_MEMORY);
    }
}

static void read_content(struct reader *reader, const struct declaration *declared,
                         struct crdt_field *field, uint64_t position)
{
    (void)declared;
    struct crdt_bounded *bounded = (struct crdt_bounded *)field;
    size_t more = read_tuple(reader, 2);
    int64_t total = read_int(reader);
    size_t length = read_array(reader, LIMIT_LEASES);
    if (total > CRDT_INTEGER_MAX || total < -CRDT_INTEGER_MAX) {
        reader_fail(reader, PROTOCOL_MALFORMED);
    }
    crdt_bounded_clear_leases(bounded);
    for (size_t i = 0; i < length && reader_ok(reader); i++) {
        read_lease(reader, bounded);
    }
    reader_skip(reader, more);
    bounded->counter.total = total;
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
    codec_counter_read_entries(reader, (struct crdt_counter *)state, true, names);
    if (!reader_ok(reader)) {
        state->type->destroy(state);
        return NULL;
    }
    return state;
}

static void write_state(struct writer *writer, const struct crdt_field *field,
                        const struct codec_names *names)
{
    codec_counter_write_entries(writer, (const struct crdt_counter *)field, true, names);
}

static void write_json(struct writer *writer, const struct crdt_field *field)
{
    json_int(writer, ((const struct crdt_bounded *)field)->counter.total);
}

static void write_standing(struct writer *writer, const struct crdt_field *field)
{
    write_int(writer, ((const struct crdt_bounded *)field)->counter.total);
}

const struct protocol_codec codec_bounded = {
    .type = &crdt_bounded,
    .takes_bounds = true,
    .in_map = &codec_bounded_tally,
    .empty = "0",
    .read_change = read_change,
    .write_change = write_change,
    .write_content = write_content,
    .read_content = read_content,
    .read_state = read_state,
    .write_state = write_state,
    .write_rows = codec_write_whole_row,
    .read_row = codec_read_whole_row,
    .write_json = write_json,
    .write_standing = write_standing,
};

#include "protocol/packet.h"

#include <string.h>

#include "crdt/context.h"
#include "protocol/json.h"
#include "protocol/limits.h"
#include "protocol/packet_families.h"

const char *packet_kind_text(uint64_t kind)
{
    switch (kind) {
#define X(name, number)                                                                            \
    case number:                                                                                   \
        return #name;
        PACKET_KIND_LIST(X)
#undef X
    default:
        return NULL;
    }
}

static const struct packet_layout *layout_of(uint64_t kind)
{
    const struct packet_layout *layout = packet_layout_update(kind);
    if (layout == NULL) {
        layout = packet_layout_stream(kind);
    }
    return layout == NULL ? packet_layout_connection(kind) : layout;
}

bool packet_read(struct reader *reader, struct packet *packet)
{
    if (!reader_ok(reader) || reader->left.length == 0) {
        return false;
    }
    /* One walk bounds depth and count of the whole packet before any of it is looked at. */
    struct reader whole = *reader;
    struct bytes raw = read_raw(&whole);
    reader_fail(reader, whole.status);
    struct reader body = reader_of(raw);
    *packet = (struct packet){0};
    size_t length = read_tuple(&body, 2);
    packet->kind = read_uint(&body);
    packet->id = read_int(&body);
    const struct packet_layout *layout = layout_of(packet->kind);
    if (layout != NULL && length < layout->length) {
        reader_fail(&body, PROTOCOL_MALFORMED);
    }
    if (layout != NULL && reader_ok(&body)) {
        layout->read(&body, packet, length);
    }
    reader_fail(reader, body.status);
    reader->left = whole.left;
    return reader_ok(reader);
}

void packet_write(struct writer *writer, const struct packet *packet)
{
    const struct packet_layout *layout = layout_of(packet->kind);
    size_t length = layout->written == NULL ? layout->length : layout->written(packet);
    write_array(writer, 2 + length);
    write_uint(writer, packet->kind);
    write_int(writer, packet->id);
    layout->write(writer, packet);
}

void packet_write_json(struct writer *writer, struct bytes bytes)
{
    struct reader reader = reader_of(bytes);
    size_t length = read_array(&reader, LIMIT_OBJECTS);
    const char *kind = packet_kind_text(read_uint(&reader));
    if (!reader_ok(&reader) || length < 2 || kind == NULL) {
        writer->status = PROTOCOL_MALFORMED;
        return;
    }
    json_raw(writer, "[\"");
    json_raw(writer, kind);
    json_raw(writer, "\"");
    for (size_t i = 1; i < length; i++) {
        json_raw(writer, ",");
        json_value(writer, &reader);
    }
    json_raw(writer, "]");
}

struct bytes packet_read_typed(struct reader *reader, enum reader_type type)
{
    if (reader_ok(reader) && reader_peek(reader) != type) {
        reader_fail(reader, PROTOCOL_MALFORMED);
    }
    return read_raw(reader);
}

uint64_t packet_read_position(struct reader *reader)
{
    uint64_t position = read_uint(reader);
    if (position > (uint64_t)CRDT_INTEGER_MAX) {
        reader_fail(reader, PROTOCOL_MALFORMED);
    }
    return position;
}

struct journal_id packet_read_journal(struct reader *reader)
{
    struct journal_id journal = {{0}};
    struct bytes bytes = read_bin(reader, JOURNAL_ID_BYTES);
    if (bytes.length == JOURNAL_ID_BYTES) {
        memcpy(journal.bytes, bytes.data, JOURNAL_ID_BYTES);
    } else {
        reader_fail(reader, PROTOCOL_MALFORMED);
    }
    return journal;
}

void packet_write_journal(struct writer *writer, const struct journal_id *journal)
{
    write_bin(writer, (struct bytes){journal->bytes, JOURNAL_ID_BYTES});
}

struct bytes packet_read_key(struct reader *reader)
{
    if (reader_peek(reader) != READER_INT) {
        return read_string(reader, LIMIT_TEXT_BYTES);
    }
    (void)read_int(reader);
    return (struct bytes){0};
}

bool packet_key_is(struct bytes key, const char *text)
{
    return bytes_equal(key, bytes_of_text(text));
}

size_t packet_replicas(struct bytes raw, struct reader *left)
{
    *left = reader_of(raw);
    return read_array(left, LIMIT_NAMED_REPLICAS);
}

struct replica_id packet_read_replica(struct reader *reader)
{
    struct replica_id id = {{0}};
    if (!replica_id_from_bytes(read_bin(reader, REPLICA_BYTES), &id)) {
        reader_fail(reader, PROTOCOL_MALFORMED);
    }
    return id;
}

struct packet_replica packet_read_name(struct reader *reader)
{
    struct packet_replica replica = {.own = reader_peek(reader) == READER_NIL};
    if (replica.own) {
        read_nil(reader);
    } else {
        replica.id = packet_read_replica(reader);
    }
    return replica;
}

void packet_write_name(struct writer *writer, const struct packet_replica *replica)
{
    if (replica->own) {
        write_nil(writer);
    } else {
        write_bin(writer, replica_id_bytes(&replica->id));
    }
}

void packet_read_context(struct reader *reader, struct packet_context *context)
{
    *context = (struct packet_context){0};
    size_t more = read_tuple(reader, 2);
    context->position = read_uint(reader);
    struct reader vector = *reader;
    reader_skip(reader, 1);
    context->length = read_array(&vector, LIMIT_NAMED_REPLICAS);
    context->seen = vector;
    reader_fail(reader, vector.status);
    context->has_journal = more > 0 && reader_peek(reader) == READER_BIN;
    if (context->has_journal) {
        context->journal = packet_read_journal(reader);
        more--;
    }
    reader_skip(reader, more);
}

struct packet_seen packet_read_seen(struct reader *reader)
{
    struct packet_seen seen = {0};
    size_t more = read_tuple(reader, 2);
    seen.replica = packet_read_replica(reader);
    seen.seq = read_uint(reader);
    reader_skip(reader, more);
    return seen;
}

void packet_write_context(struct writer *writer, uint64_t position, const struct packet_seen *seen,
                          size_t length, const struct journal_id *journal)
{
    write_array(writer, journal == NULL ? 2 : 3);
    write_uint(writer, position);
    write_array(writer, length);
    for (size_t i = 0; i < length; i++) {
        write_array(writer, 2);
        write_bin(writer, replica_id_bytes(&seen[i].replica));
        write_uint(writer, seen[i].seq);
    }
    if (journal != NULL) {
        packet_write_journal(writer, journal);
    }
}

/*
 * Goal:   no message makes the reader of packets, the hub's and the client's, read what is not
 * there, and what is read can be written and is read as the same again.
 * Method: any bytes as one message. Each packet that is read is written, what was written is read,
 * and both structs are compared field by field, so that a writer that leaves something out is seen.
 * Nested lists, contexts and JSON forms are walked.
 */
#include <jansson.h>
#include <string.h>

#include "protocol/limits.h"
#include "protocol/packet.h"
#include "tests/fuzz/fuzz.h"

static bool same(struct bytes a, struct bytes b)
{
    return (a.data == NULL) == (b.data == NULL) && bytes_equal(a, b);
}

static bool same_journal(const struct journal_id *a, const struct journal_id *b)
{
    return memcmp(a->bytes, b->bytes, JOURNAL_ID_BYTES) == 0;
}

static bool same_name(const struct packet_replica *a, const struct packet_replica *b)
{
    return a->own == b->own && replica_id_equal(&a->id, &b->id);
}

static bool same_welcome(const struct packet_welcome *a, const struct packet_welcome *b)
{
    return bytes_equal(a->hub, b->hub) && same_journal(&a->journal, &b->journal) &&
           bytes_equal(a->schema, b->schema) && a->message_bytes == b->message_bytes &&
           a->streams == b->streams && a->replicas == b->replicas && a->ping_ms == b->ping_ms &&
           a->resume_ms == b->resume_ms && a->relaxed == b->relaxed;
}

static bool same_open(const struct packet_open *a, const struct packet_open *b)
{
    return same(a->name, b->name) && same(a->replicas, b->replicas) &&
           same_journal(&a->journal, &b->journal) && a->position == b->position &&
           a->has_cursor == b->has_cursor && a->once == b->once && a->presence == b->presence;
}

static bool same_update(const struct packet_update *a, const struct packet_update *b)
{
    return same_name(&a->replica, &b->replica) && a->first == b->first && a->last == b->last &&
           same(a->context, b->context) && same(a->fields, b->fields);
}

static bool same_content(const struct packet_content *a, const struct packet_content *b)
{
    return a->from == b->from && a->to == b->to && same(a->fields, b->fields) &&
           a->transfer == b->transfer && a->bytes == b->bytes;
}

static bool same_body(const struct packet *a, const struct packet *b)
{
    switch ((enum packet_kind)a->kind) {
    case PACKET_HELLO:
        return a->hello.version == b->hello.version && same(a->hello.token, b->hello.token) &&
               same(a->hello.client, b->hello.client) && same(a->hello.agent, b->hello.agent);
    case PACKET_WELCOME:
        return same_welcome(&a->welcome, &b->welcome);
    case PACKET_OPEN:
        return same_open(&a->open, &b->open);
    case PACKET_OPENED:
        return same(a->opened.fields, b->opened.fields) && a->opened.rights == b->opened.rights &&
               a->opened.position == b->opened.position && same(a->opened.ledger, b->opened.ledger);
    case PACKET_DELTA:
    case PACKET_STATE:
        return same_update(&a->update, &b->update);
    case PACKET_ACK:
        return same_name(&a->ack.replica, &b->ack.replica) && a->ack.seq == b->ack.seq &&
               a->ack.position == b->ack.position && a->ack.index == b->ack.index;
    case PACKET_REJECT:
        return same_name(&a->reject.replica, &b->reject.replica) &&
               a->reject.seq == b->reject.seq && same(a->reject.code, b->reject.code) &&
               same(a->reject.text, b->reject.text) && same(a->reject.details, b->reject.details);
    case PACKET_GAP:
        return same_name(&a->gap.replica, &b->gap.replica) && a->gap.next == b->gap.next;
    case PACKET_SNAPSHOT:
    case PACKET_UPDATE:
        return same_content(&a->content, &b->content);
    case PACKET_PRESENCE:
        return a->presence.peer == b->presence.peer && same(a->presence.data, b->presence.data);
    case PACKET_AUTH:
    case PACKET_CALL:
    case PACKET_EVENT:
    case PACKET_RESULT:
        return same(a->call.name, b->call.name) && same(a->call.value, b->call.value);
    case PACKET_CHUNK:
        return same(a->chunk.bytes, b->chunk.bytes);
    case PACKET_END:
    case PACKET_CREDIT:
    case PACKET_PING:
    case PACKET_PONG:
        return a->number.value == b->number.value;
    case PACKET_CLOSE:
    case PACKET_ERROR:
        return same(a->error.code, b->error.code) && same(a->error.text, b->error.text) &&
               same(a->error.details, b->error.details);
    }
    return false;
}

static void check_round_trip(const struct packet *packet)
{
    struct buffer out;
    struct packet again;
    buffer_init(&out, 1 << 24);
    struct writer writer = writer_to(&out);
    packet_write(&writer, packet);
    FUZZ_REQUIRE(writer.status == PROTOCOL_OK);
    struct reader reader = reader_of(buffer_bytes(&out));
    FUZZ_REQUIRE(packet_read(&reader, &again) && reader.left.length == 0);
    FUZZ_REQUIRE(again.kind == packet->kind && again.id == packet->id);
    FUZZ_REQUIRE(same_body(packet, &again));
    buffer_finish(&out);
}

/* What was written as JSON is JSON; jansson takes no NUL in a key. */
static void check_json(struct bytes bytes)
{
    struct buffer out;
    json_error_t error;
    buffer_init(&out, 1 << 26);
    struct writer writer = writer_to(&out);
    packet_write_json(&writer, bytes);
    if (writer.status == PROTOCOL_OK) {
        json_t *shown = json_loadb((const char *)out.data, out.length, JSON_ALLOW_NUL, &error);
        FUZZ_REQUIRE(shown != NULL || json_error_code(&error) == json_error_null_byte_in_key ||
                     json_error_code(&error) == json_error_numeric_overflow);
        json_decref(shown);
    }
    buffer_finish(&out);
}

static void walk_replicas(struct bytes raw)
{
    struct reader left;
    size_t length = packet_replicas(raw, &left);
    for (size_t i = 0; i < length && reader_ok(&left); i++) {
        (void)packet_read_replica(&left);
    }
}

/* A context that can be read is written and read as the same. */
static void walk_context(struct bytes raw)
{
    struct packet_seen seen[LIMIT_NAMED_REPLICAS];
    struct packet_context context;
    struct packet_context again;
    struct buffer out;
    struct reader reader = reader_of(raw);
    packet_read_context(&reader, &context);
    for (size_t i = 0; i < context.length; i++) {
        seen[i] = packet_read_seen(&context.seen);
    }
    if (!reader_ok(&reader) || !reader_ok(&context.seen)) {
        return;
    }
    buffer_init(&out, 1 << 20);
    struct writer writer = writer_to(&out);
    packet_write_context(&writer, context.position, seen, context.length,
                         context.has_journal ? &context.journal : NULL);
    reader = reader_of(buffer_bytes(&out));
    packet_read_context(&reader, &again);
    FUZZ_REQUIRE(reader_ok(&reader) && again.position == context.position &&
                 again.length == context.length && again.has_journal == context.has_journal &&
                 same_journal(&again.journal, &context.journal));
    for (size_t i = 0; i < again.length; i++) {
        struct packet_seen one = packet_read_seen(&again.seen);
        FUZZ_REQUIRE(one.seq == seen[i].seq && replica_id_equal(&one.replica, &seen[i].replica));
    }
    buffer_finish(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t length)
{
    struct reader reader = reader_of((struct bytes){data, length});
    struct packet packet;
    const uint8_t *start = data;
    while (packet_read(&reader, &packet)) {
        check_json((struct bytes){start, (size_t)(reader.left.data - start)});
        start = reader.left.data;
        if (packet_kind_text(packet.kind) != NULL) {
            check_round_trip(&packet);
        }
        if (packet.kind == PACKET_OPEN) {
            walk_replicas(packet.open.replicas);
        } else if (packet.kind == PACKET_DELTA || packet.kind == PACKET_STATE) {
            walk_context(packet.update.context);
        }
    }
    return 0;
}

/*
 * Publish: what a stream's client lacks, worked out from cursors when its connection can take it.
 * In this order: OPENED; REJECT, ACK and GAP for the replicas it named; SNAPSHOT or UPDATE, inline
 * or as a transfer.
 */
#include <stdlib.h>

#include "protocol/packet.h"
#include "server/hub/connections.h"
#include "server/hub/documents.h"
#include "server/hub/effects.h"
#include "server/hub/sent.h"
#include "server/hub/state.h"
#include "server/hub/streams.h"

void body_release(struct body *body)
{
    if (body != NULL && --body->references == 0) {
        buffer_finish(&body->bytes);
        free(body);
    }
}

static void write_head(struct writer *writer, size_t length, enum packet_kind kind, int64_t id)
{
    write_array(writer, length);
    write_uint(writer, kind);
    write_int(writer, id);
}

static void write_replica_name(struct writer *writer, const struct stream *stream, size_t index)
{
    struct packet_replica name = {.id = stream->named[index], .own = index == 0};
    packet_write_name(writer, &name);
}

/* What the client needs to do better: the field, and what stands in it, or the hub's time. */
static void write_details(struct writer *writer, const struct hub *hub, const struct stream *stream,
                          const struct rejection *rejection)
{
    char text[HUB_CORRELATION_BYTES];
    struct bytes correlation = correlation_told(hub, stream->connection, text);
    const struct document *document = stream->document;
    const struct schema_field *field = schema_field_by_number(document->schema, rejection->field);
    const struct protocol_codec *codec = field == NULL ? NULL : field->declared.codec;
    bool stands =
        rejection->code == CODE_OUT_OF_BOUNDS && codec != NULL && codec->write_standing != NULL;
    bool ahead = rejection->code == CODE_CLOCK_AHEAD;
    bool has_field = rejection->field != UINT32_MAX;
    write_map(writer, (size_t)has_field + stands + ahead + (correlation.length > 0));
    if (has_field) {
        write_text(writer, "field");
        write_uint(writer, rejection->field);
    }
    if (stands) {
        write_text(writer, "value");
        codec->write_standing(writer, document->fields[field - document->schema->fields]);
    }
    if (ahead) {
        write_text(writer, "now_ms");
        write_uint(writer, hub->now_ms);
    }
    write_correlation(writer, correlation);
}

static void write_reject(struct writer *writer, const struct hub *hub, const struct stream *stream,
                         size_t index, const struct rejection *rejection)
{
    write_head(writer, 7, PACKET_REJECT, stream->id);
    write_replica_name(writer, stream, index);
    write_uint(writer, rejection->seq);
    write_string(writer, bytes_of_text(hub_code_name(rejection->code)));
    write_string(writer, bytes_of_text(hub_code_text(rejection->code)));
    write_details(writer, hub, stream, rejection);
    stream->connection->rejected++;
}

static void write_rejects(struct writer *writer, const struct hub *hub, struct stream *stream,
                          size_t index)
{
    struct stream_replica *told = &stream->replicas[index];
    const struct ledger_row *row = told->row;
    if (row->rejects > told->rejects + LIMIT_REJECTIONS) {
        told->rejects = row->rejects - LIMIT_REJECTIONS;
    }
    for (; told->rejects < row->rejects; told->rejects++) {
        write_reject(writer, hub, stream, index,
                     &row->rejections[told->rejects % LIMIT_REJECTIONS]);
    }
}

static void write_ack(struct writer *writer, const struct stream *stream, size_t index)
{
    const struct ledger_row *row = stream->replicas[index].row;
    write_head(writer, 6, PACKET_ACK, stream->id);
    write_replica_name(writer, stream, index);
    write_uint(writer, row->seq);
    write_wide(writer, (int64_t)stream->document->position);
    write_uint(writer, row->index);
}

static void write_gap(struct writer *writer, const struct stream *stream, size_t index)
{
    write_head(writer, 4, PACKET_GAP, stream->id);
    write_replica_name(writer, stream, index);
    write_uint(writer, stream->replicas[index].row->seq + 1);
}

static void write_answers(struct writer *writer, const struct hub *hub, struct stream *stream)
{
    for (size_t i = 0; i < stream->length; i++) {
        struct stream_replica *told = &stream->replicas[i];
        write_rejects(writer, hub, stream, i);
        if (told->acks != told->row->acks && told->row->interned) {
            write_ack(writer, stream, i);
        }
        if (told->gaps != told->row->gaps) {
            write_gap(writer, stream, i);
        }
        told->acks = told->row->acks;
        told->gaps = told->row->gaps;
    }
}

static void write_opened(struct writer *writer, const struct hub *hub, struct stream *stream)
{
    write_head(writer, 6, PACKET_OPENED, stream->id);
    write_fields(writer, stream->document->schema);
    write_uint(writer, stream->rights);
    write_wide(writer, (int64_t)stream->document->position);
    write_array(writer, stream->length);
    for (size_t i = 0; i < stream->length; i++) {
        struct stream_replica *told = &stream->replicas[i];
        write_array(writer, 2);
        if (told->row->interned) {
            write_uint(writer, told->row->index);
        } else {
            write_nil(writer);
        }
        write_uint(writer, told->row->seq);
        told->acks = told->row->acks;
        told->gaps = told->row->gaps;
    }
    for (size_t i = 0; i < stream->length; i++) {
        write_rejects(writer, hub, stream, i);
    }
    stream->opened = true;
}

static uint64_t horizon_of(const struct document *document)
{
    uint64_t horizon = 0;
    for (size_t i = 0; i < document->schema->length; i++) {
        if (document->fields[i]->horizon > horizon) {
            horizon = document->fields[i]->horizon;
        }
    }
    return horizon;
}

static void encode_body(struct writer *writer, const struct document *document, bool snapshot,
                        uint64_t since)
{
    size_t changed = 0;
    for (size_t i = 0; i < document->schema->length; i++) {
        changed += snapshot || document->fields[i]->position > since;
    }
    write_map(writer, changed);
    for (size_t i = 0; i < document->schema->length; i++) {
        const struct crdt_field *field = document->fields[i];
        if (snapshot || field->position > since) {
            write_uint(writer, document->schema->fields[i].number);
            document->schema->fields[i].declared.codec->write_content(writer, field,
                                                                      snapshot ? 0 : since);
        }
    }
}

/* The document's last body of that kind, if it is the one asked for; else a new one in its place.
 * Borrowed. */
static struct body *take_body(struct hub *hub, struct document *document, bool snapshot,
                              uint64_t from)
{
    struct body **cached = snapshot ? &document->snapshot : &document->update;
    if (*cached != NULL && (*cached)->to == document->position && (*cached)->from == from) {
        return *cached;
    }
    struct body *body = calloc(1, sizeof *body);
    if (body == NULL) {
        hub_fail(hub, HUB_NO_MEMORY);
        return NULL;
    }
    *body = (struct body){
        .references = 1, .from = from, .to = document->position, .snapshot = snapshot};
    buffer_init(&body->bytes, LIMIT_BODY_BYTES);
    struct writer writer = writer_to(&body->bytes);
    encode_body(&writer, document, snapshot, from);
    if (writer.status != PROTOCOL_OK) {
        body_release(body);
        hub_fail(hub, HUB_NO_MEMORY);
        return NULL;
    }
    body_release(*cached);
    *cached = body;
    return body;
}

static void write_content(struct writer *writer, struct stream *stream, struct body *body)
{
    bool inline_body = body->bytes.length <= LIMIT_INLINE_BODY_BYTES;
    size_t length = (body->snapshot ? 4U : 5U) + (inline_body ? 0U : 2U);
    write_head(writer, length, body->snapshot ? PACKET_SNAPSHOT : PACKET_UPDATE, stream->id);
    if (!body->snapshot) {
        write_wide(writer, (int64_t)body->from);
    }
    write_wide(writer, (int64_t)body->to);
    if (inline_body) {
        write_raw(writer, buffer_bytes(&body->bytes));
        return;
    }
    body->references++;
    stream->transfer = (struct transfer){
        .id = --stream->connection->last_hub_id, .body = body, .credit = LIMIT_TRANSFER_WINDOW};
    write_nil(writer);
    write_int(writer, stream->transfer.id);
    write_uint(writer, body->bytes.length);
}

static void count_state(struct hub *hub, const struct stream *stream, const struct body *body)
{
    hub->counters.snapshots += body->snapshot;
    hub->counters.updates_sent += !body->snapshot;
    hub->counters.transfers += body->bytes.length > LIMIT_INLINE_BODY_BYTES;
    /* Its cursor was good, but what it would have to be told of was forgotten. */
    if (body->snapshot && stream->has_cursor && stream->cursor <= stream->document->position) {
        limit_hit(hub, stream->connection, HUB_LIMIT_REMOVALS);
    }
}

/* Fields that were not declared for a time hold what the client's cursor covers, and it may have
 * never seen. */
static bool has_seen_all(const struct stream *stream)
{
    const struct document *document = stream->document;
    for (size_t i = 0; i < document->schema->length; i++) {
        uint64_t position = document->fields[i]->position;
        if (position > 0 && position <= stream->cursor &&
            stream->cursor <= document->schema->fields[i].since) {
            return false;
        }
    }
    return true;
}

static void write_state(struct hub *hub, struct stream *stream, struct writer *writer)
{
    struct document *document = stream->document;
    bool snapshot = !stream->has_cursor || stream->cursor > document->position ||
                    stream->cursor < horizon_of(document);
    struct body *body = take_body(hub, document, snapshot, snapshot ? 0 : stream->cursor);
    if (body == NULL) {
        return;
    }
    count_state(hub, stream, body);
    write_content(writer, stream, body);
    stream->cursor = body->to;
    stream->has_cursor = true;
}

/* One chunk at a time, so that the connection's other streams have their turn in between. */
static bool publish_transfer(struct stream *stream, struct writer *writer)
{
    struct transfer *transfer = &stream->transfer;
    struct bytes whole = buffer_bytes(&transfer->body->bytes);
    size_t left = whole.length - transfer->sent;
    if (left == 0) {
        write_head(writer, 3, PACKET_END, transfer->id);
        write_uint(writer, 0);
        stream_drop_transfer(stream);
        return false;
    }
    size_t length = left < LIMIT_CHUNK_BYTES ? left : LIMIT_CHUNK_BYTES;
    if (length > transfer->credit) {
        return true; /* CREDIT brings it back */
    }
    write_head(writer, 3, PACKET_CHUNK, transfer->id);
    write_bin(writer, (struct bytes){whole.data + transfer->sent, length});
    transfer->sent += length;
    transfer->credit -= length;
    return false;
}

bool stream_publish(struct hub *hub, struct stream *stream, struct writer *writer)
{
    if (!stream->document->ready || stream->load != NULL) {
        return true; /* LOADED brings it back */
    }
    if (stream->transfer.id != 0) {
        return publish_transfer(stream, writer);
    }
    bool was_opened = stream->opened;
    if (was_opened) {
        write_answers(writer, hub, stream);
    } else {
        hub->counters.opened++;
        hub->counters.resumed += stream->has_cursor;
        write_opened(writer, hub, stream);
        stream->has_cursor = stream->has_cursor && has_seen_all(stream);
    }
    bool news = stream->cursor != stream->document->position;
    if (!was_opened || news) {
        write_state(hub, stream, writer);
    }
    stream_sent(hub, stream, was_opened && news);
    if (stream->transfer.id != 0) {
        return false;
    }
    if (stream->once) {
        write_head(writer, 4, PACKET_CLOSE, stream->id);
        write_text(writer, "");
        write_text(writer, "");
        stream_close(hub, stream);
        return true;
    }
    return presence_publish(stream, writer);
}

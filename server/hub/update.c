/* DELTA and STATE on their way in: what depends on the schema, on time and on who asks is decided
 * here, before the journal. */

#include "protocol/codec.h"
#include "protocol/packet.h"
#include "server/hub/access.h"
#include "server/hub/batch.h"
#include "server/hub/connections.h"
#include "server/hub/documents.h"
#include "server/hub/effects.h"
#include "server/hub/pipeline.h"
#include "server/hub/retire.h"
#include "server/hub/state.h"
#include "server/hub/streams.h"

enum { READ_ONLY_RETRY_MS = 1000, SETTLING_RETRY_MS = 100, BUSY_RETRY_MS = 1000 };

struct verdict {
    enum hub_code code;
    uint32_t field;
};

/* BUSY is no verdict on the update: there was no memory to look at it. */
static struct verdict verdict_of(enum protocol_status status, uint32_t field)
{
    switch (status) {
    case PROTOCOL_NO_MEMORY:
        return (struct verdict){CODE_BUSY, field};
    case PROTOCOL_BAD_ELEMENT:
        return (struct verdict){CODE_BAD_ELEMENT, field};
    default:
        return (struct verdict){CODE_BAD_CHANGE, field};
    }
}

static bool accept_any(void *context, const struct replica_id *replica, crdt_replica_id *id)
{
    *id = 0;
    return stream_replica_find(context, &(struct packet_replica){.id = *replica}) != NULL;
}

static bool accept_index(void *context, uint64_t index, crdt_replica_id *id)
{
    const struct stream *stream = context;
    *id = (crdt_replica_id)index;
    return index < stream->document->next_index || index == CRDT_REPLICA_NONE;
}

struct trial {
    enum protocol_status status;
    bool ahead; /* of the hub's clock */
};

/* Reads one field's change or state for its form, and its clocks. */
static struct trial try_field(struct hub *hub, struct bytes bytes, const struct schema_field *field,
                              uint64_t kind, const struct codec_names *names)
{
    const struct declaration *declared = &field->declared;
    struct reader value = reader_of(bytes);
    struct trial trial = {.ahead = false};
    if (kind == PACKET_DELTA) {
        struct crdt_change *change = declared->codec->read_change(&value, declared);
        trial.ahead = change != NULL && crdt_change_is_ahead(change, hub->now_ms);
        declared->crdt.type->change_destroy(change);
    } else {
        struct crdt_field *state = declared->codec->read_state(&value, declared, names);
        trial.ahead = state != NULL && crdt_field_is_ahead(state, hub->now_ms);
        declared->crdt.type->destroy(state);
    }
    trial.status = value.status;
    return trial;
}

static struct verdict judge(struct hub *hub, struct stream *stream, const struct packet *packet)
{
    if ((stream->rights & ACCESS_WRITE) == 0) {
        return (struct verdict){CODE_FORBIDDEN, UINT32_MAX};
    }
    struct reader reader = reader_of(packet->update.fields);
    size_t length = read_map(&reader, LIMIT_FIELDS);
    uint64_t previous = 0;
    size_t dots_left = LIMIT_STATE_DOTS;
    struct codec_names names = {
        .find = accept_any, .index = accept_index, .dots_left = &dots_left, .context = stream};
    for (size_t i = 0; i < length && reader_ok(&reader); i++) {
        uint64_t number = read_uint(&reader);
        const struct schema_field *field = schema_field_by_number(stream->document->schema, number);
        if (!reader_ok(&reader) || (i > 0 && number <= previous)) {
            return verdict_of(PROTOCOL_MALFORMED, UINT32_MAX);
        }
        if (field == NULL) {
            return (struct verdict){CODE_UNKNOWN_FIELD, (uint32_t)number};
        }
        if (field->guarded && (stream->rights & ACCESS_ADMIN) == 0) {
            return (struct verdict){CODE_FORBIDDEN, (uint32_t)number};
        }
        previous = number;
        if (stream->document->schema->frozen || field->frozen) {
            return (struct verdict){CODE_FROZEN, (uint32_t)number};
        }
        struct trial trial = try_field(hub, read_raw(&reader), field, packet->kind, &names);
        if (trial.status != PROTOCOL_OK) {
            return verdict_of(trial.status, (uint32_t)number);
        }
        if (trial.ahead) {
            return (struct verdict){CODE_CLOCK_AHEAD, (uint32_t)number};
        }
    }
    return reader_ok(&reader) ? (struct verdict){CODE_NONE, UINT32_MAX}
                              : verdict_of(reader.status, UINT32_MAX);
}

/* Whether every replica of the context was named by OPEN. */
static bool names_known(const struct stream *stream, struct packet_context context)
{
    for (size_t i = 0; i < context.length; i++) {
        struct packet_replica seen = {.id = packet_read_seen(&context.seen).replica};
        if (!reader_ok(&context.seen) || stream_replica_find(stream, &seen) == NULL) {
            return false;
        }
    }
    return true;
}

/* Nothing of an expired replica enters the journal: its ledger row is folded away, and would come
 * back. Neither does what is sent in the name of somebody else's: it would take the owner's seqs.
 * `whole`: all that is ever sent in the replica's name will be refused. */
static void refuse(struct hub *hub, struct stream *stream, const struct packet *packet,
                   enum hub_code code, bool whole)
{
    uint8_t bytes[32 + HUB_CORRELATION_BYTES];
    char told[HUB_CORRELATION_BYTES];
    struct buffer details = {.data = bytes, .capacity = sizeof bytes, .limit = sizeof bytes};
    struct writer writer = writer_to(&details);
    struct bytes correlation = correlation_told(hub, stream->connection, told);
    write_map(&writer, (size_t)whole + (correlation.length > 0));
    if (whole) {
        write_text(&writer, "replica");
        write_bool(&writer, true);
    }
    write_correlation(&writer, correlation);
    const char *name = hub_code_name(code);
    const char *text = hub_code_text(code);
    struct packet answer = {.kind = PACKET_REJECT, .id = stream->id};
    answer.reject = (struct packet_reject){
        .replica = packet->update.replica,
        .seq = packet->update.last,
        .code = bytes_of_text(name),
        .text = bytes_of_text(text),
        .details = buffer_bytes(&details),
    };
    connection_answer(hub, stream->connection, &answer);
    stream->connection->rejected++;
    hub->counters.rejected++;
    hub->counters.results[packet->kind == PACKET_DELTA ? UPDATE_DELTA : UPDATE_STATE]
                         [CODE_REPLICA_EXPIRED]++;
    note_rejected(hub, stream->connection->id, document_name(stream->document),
                  CODE_REPLICA_EXPIRED);
}

static bool is_expired(const struct hub *hub, const struct stream *stream,
                       const struct ledger_row *row)
{
    bool unknown = !row->interned && row->submitted == 0;
    return replica_is_retired(stream->document, row) ||
           (unknown &&
            replica_id_time_ms(&row->replica) + hub->config.replica_ttl_ms < hub->now_ms);
}

/* What the update has seen of an expired replica will never be in the ledger again. */
static bool names_expired(const struct hub *hub, const struct stream *stream,
                          struct packet_context context)
{
    for (size_t i = 0; i < context.length; i++) {
        struct packet_seen seen = packet_read_seen(&context.seen);
        struct packet_replica replica = {.id = seen.replica};
        if (seen.seq > 0 && is_expired(hub, stream, stream_replica_find(stream, &replica)->row)) {
            return true;
        }
    }
    return false;
}

/* The update's own replica, and those whose seqs a STATE brings along. */
static bool owns_all(const struct hub *hub, const struct stream *stream,
                     const struct ledger_row *row, struct packet_context brought)
{
    bool owns = token_owns(hub, stream->connection, row);
    for (size_t i = 0; owns && i < brought.length; i++) {
        struct packet_replica seen = {.id = packet_read_seen(&brought.seen).replica};
        owns = token_owns(hub, stream->connection, stream_replica_find(stream, &seen)->row);
    }
    return owns;
}

/* A repeat needs no journal, and neither does a gap. True: answered. */
static bool answer_early(struct hub *hub, struct stream *stream, struct stream_replica *replica,
                         const struct packet *packet)
{
    struct ledger_row *row = replica->row;
    if (packet->kind == PACKET_STATE) {
        return false;
    }
    if (packet->update.last <= row->seq) {
        replica->acks--; /* differs from the row's, so it is told again */
        hub->counters.repeats++;
        stream_touch(hub, stream);
        return true;
    }
    uint64_t reached = row->submitted > row->seq ? row->submitted : row->seq;
    if (packet->update.first > reached + 1) {
        replica->gaps--;
        hub->counters.gaps++;
        stream_touch(hub, stream);
        return true;
    }
    return false;
}

/* Once it is in a batch: they stay until it is merged, whatever becomes of the stream. */
static void hold_named(const struct hub *hub, const struct stream *stream,
                       struct packet_context context)
{
    for (size_t i = 0; i < context.length; i++) {
        struct packet_replica seen = {.id = packet_read_seen(&context.seen).replica};
        stream_replica_find(stream, &seen)->row->named_in = hub->gathering.number;
    }
}

void update_received(struct hub *hub, struct connection *connection, const struct packet *packet,
                     struct bytes raw)
{
    struct stream *stream = stream_find(connection, packet->id);
    if (stream == NULL || !stream->opened) {
        connection_error(hub, connection, packet->id, CODE_UNKNOWN_STREAM, 0);
        return;
    }
    static const struct packet_context none = {0};
    struct reader reader = reader_of(packet->update.context);
    struct packet_context context;
    packet_read_context(&reader, &context);
    if (!reader_ok(&reader)) {
        connection_close(hub, connection, CLOSE_FORMAT, "an update's context has no such layout");
        return;
    }
    struct stream_replica *replica = stream_replica_find(stream, &packet->update.replica);
    if (replica == NULL || !names_known(stream, context)) {
        connection_error(hub, connection, packet->id, CODE_UNKNOWN_REPLICA, 0);
        return;
    }
    if (!owns_all(hub, stream, replica->row, packet->kind == PACKET_STATE ? context : none)) {
        refuse(hub, stream, packet, CODE_FORBIDDEN, !token_owns(hub, connection, replica->row));
        return;
    }
    bool expired_context = names_expired(hub, stream, context);
    if (is_expired(hub, stream, replica->row) ||
        (expired_context && packet->kind == PACKET_STATE)) {
        refuse(hub, stream, packet, CODE_REPLICA_EXPIRED, false);
        return;
    }
    if (answer_early(hub, stream, replica, packet)) {
        return;
    }
    if (hub->settling) {
        connection_error(hub, connection, packet->id, CODE_READ_ONLY, SETTLING_RETRY_MS);
        return;
    }
    if (hub->draining || (hub->read_only && hub->now_ms < hub->retry_ms)) {
        connection_error(hub, connection, packet->id, CODE_READ_ONLY, READ_ONLY_RETRY_MS);
        return;
    }
    struct verdict verdict = expired_context ? (struct verdict){CODE_REPLICA_EXPIRED, UINT32_MAX}
                                             : judge(hub, stream, packet);
    if (verdict.code == CODE_BUSY) {
        connection_error(hub, connection, packet->id, CODE_BUSY, BUSY_RETRY_MS);
        return;
    }
    struct record record = {
        .kind = packet->kind,
        .name = document_name(stream->document),
        .replica = replica->row->replica,
        .verdict = verdict.code,
        .field = verdict.field,
        .packet = raw,
    };
    if (hub->config.tokens && !replica->row->bound) {
        record.principal = buffer_bytes(&connection->token.principal);
    }
    const struct journal_id *journal =
        context.has_journal ? &context.journal : &hub->config.journal;
    (void)hub_resolve(hub, journal, context.position, &record.position);
    /* Nobody has seen what is not merged yet, whatever a context says. */
    record.position = record.position < hub->position ? record.position : hub->position;
    if (batch_submit(hub, stream, replica->row, &record, packet->update.last)) {
        hold_named(hub, stream, context);
    }
}

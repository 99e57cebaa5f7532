/*
 * Batches: while one is written to the journal, the next gathers, so the group grows with the load.
 *
 * A batch is `[format, at_ms]` and then records `[kind, document, replica, position, verdict,
 * field, packet, principal?]` back to back; the packet is the client's, as it came. Everything that
 * a merge needs is in it, so that it has the same effect whenever it is merged.
 */
#include "server/hub/batch.h"

#include <stdlib.h>
#include <string.h>

#include "protocol/packet.h"
#include "server/hub/connections.h"
#include "server/hub/documents.h"
#include "server/hub/effects.h"
#include "server/hub/histogram.h"
#include "server/hub/job.h"
#include "server/hub/pipeline.h"
#include "server/hub/sent.h"
#include "server/hub/state.h"
#include "server/hub/streams.h"

enum { BATCH_FORMAT = 1, BATCH_SHARE = 4, READ_ONLY_RETRY_MS = 1000 };

static void write_head(struct hub *hub, struct batch *batch)
{
    struct writer writer = writer_to(&batch->bytes);
    batch->number = ++hub->last_batch;
    write_array(&writer, 2);
    write_uint(&writer, BATCH_FORMAT);
    write_uint(&writer, hub->now_ms);
    if (writer.status != PROTOCOL_OK) {
        hub_fail(hub, HUB_NO_MEMORY);
    }
}

void record_write(struct writer *writer, const struct record *record)
{
    bool binds = record->principal.length > 0;
    write_array(writer, 7 + (size_t)binds);
    write_uint(writer, record->kind);
    write_bin(writer, record->name);
    write_bin(writer, replica_id_bytes(&record->replica));
    write_uint(writer, record->position);
    write_text(writer, record->verdict == CODE_NONE ? "" : hub_code_name(record->verdict));
    write_uint(writer, record->field);
    write_bin(writer, record->packet);
    if (binds) {
        write_bin(writer, record->principal);
    }
}

static bool reserve_origin(struct batch *batch)
{
    if (batch->length < batch->capacity) {
        return true;
    }
    size_t capacity = batch->capacity == 0 ? 16 : batch->capacity * 2;
    struct batch_origin *grown = realloc(batch->origins, capacity * sizeof *grown);
    if (grown == NULL) {
        return false;
    }
    batch->origins = grown;
    batch->capacity = capacity;
    return true;
}

/* The record's bytes, or 0: no memory, and the batch is as it was. */
static size_t add_record(struct hub *hub, const struct record *record,
                         const struct batch_origin *origin)
{
    struct batch *batch = &hub->gathering;
    if (batch->bytes.length == 0) {
        write_head(hub, batch);
    }
    size_t start = batch->bytes.length;
    struct writer writer = writer_to(&batch->bytes);
    record_write(&writer, record);
    if (writer.status != PROTOCOL_OK || !reserve_origin(batch)) {
        batch->bytes.length = start;
        return 0;
    }
    document_pin(origin->document);
    batch->origins[batch->length++] = *origin;
    return batch->bytes.length - start;
}

bool batch_add(struct hub *hub, struct document *document, const struct record *record)
{
    return add_record(hub, record, &(struct batch_origin){.document = document}) > 0;
}

static void backlog_add(struct backlog *backlog, uint64_t batch)
{
    if (backlog->batch[0] != batch) {
        backlog->batch[1] = backlog->batch[0];
        backlog->updates[1] = backlog->updates[0];
        backlog->batch[0] = batch;
        backlog->updates[0] = 0;
    }
    backlog->updates[0]++;
}

bool batch_waits(const struct hub *hub, uint64_t number)
{
    return number != 0 && (number == hub->gathering.number || number == hub->committing.number);
}

size_t backlog_length(const struct hub *hub, const struct backlog *backlog)
{
    size_t length = 0;
    for (size_t i = 0; i < 2; i++) {
        length += batch_waits(hub, backlog->batch[i]) ? backlog->updates[i] : 0;
    }
    return length;
}

bool batch_submit(struct hub *hub, struct stream *stream, struct ledger_row *row,
                  const struct record *record, uint64_t last)
{
    struct batch *batch = &hub->gathering;
    struct connection *connection = stream->connection;
    struct batch_origin origin = {.connection = connection->id,
                                  .stream = stream->id,
                                  .document = stream->document,
                                  .row = row,
                                  .received_us = hub->now_us};
    size_t length = add_record(hub, record, &origin);
    if (length == 0) {
        connection_error(hub, connection, stream->id, CODE_BUSY, READ_ONLY_RETRY_MS);
        return false;
    }
    ledger_bind(hub, row, record->principal, false);
    row->references++;
    row->submitted = last > row->submitted ? last : row->submitted;
    connection->batch_bytes += length;
    connection->updates++;
    backlog_add(&connection->backlog, batch->number);
    backlog_add(&stream->backlog, batch->number);
    if (batch->bytes.length > hub->config.batch_bytes ||
        connection->batch_bytes > hub->config.batch_bytes / BATCH_SHARE) {
        if ((connection->paused & PAUSE_BATCH) == 0) {
            limit_hit(hub, connection, HUB_LIMIT_BATCH_BYTES);
        }
        connection_pause(hub, connection, PAUSE_BATCH);
    }
    return true;
}

static void resume_writers(struct hub *hub)
{
    for (uint32_t i = 0; i < hub->connections.length; i++) {
        struct connection *connection = hub->connections.places[i].item;
        connection->batch_bytes = 0;
        connection_resume(hub, connection, PAUSE_BATCH);
    }
}

/* A read-only hub writes an empty batch now and then, to see whether the disk has healed. */
void batch_pump(struct hub *hub)
{
    bool probe = hub->read_only && hub->now_ms >= hub->retry_ms;
    if (hub->appending || (hub->gathering.length == 0 && !probe) || hub->replay_first != NULL) {
        return;
    }
    if (hub->gathering.bytes.length == 0) {
        write_head(hub, &hub->gathering);
    }
    struct batch empty = hub->committing;
    hub->committing = hub->gathering;
    hub->gathering = empty;
    hub->appending = true;
    hub->retry_ms = hub->now_ms + READ_ONLY_RETRY_MS;
    effect_bytes(hub, effect_add(hub, EFFECT_APPEND), buffer_bytes(&hub->committing.bytes));
    for (size_t i = 0; i < hub->committing.length; i++) {
        struct connection *connection = connection_find(hub, hub->committing.origins[i].connection);
        if (connection != NULL) {
            connection->batch_bytes = 0;
        }
    }
    if (hub->paused_count > 0) {
        resume_writers(hub);
    }
}

static void clear(struct batch *batch)
{
    buffer_clear(&batch->bytes);
    batch->length = 0;
    batch->number = 0;
}

/* What its updates had named need not stay for it any more. */
static void unpin_all(struct hub *hub, struct batch *batch)
{
    uint64_t number = batch->number;
    batch->number = 0;
    for (size_t i = 0; i < batch->length; i++) {
        if (batch->origins[i].row != NULL) {
            ledger_release(hub, batch->origins[i].document, batch->origins[i].row);
        }
        ledger_evict_named(hub, batch->origins[i].document, number);
        document_unpin(hub, batch->origins[i].document);
    }
}

void batch_appended(struct hub *hub, uint64_t position)
{
    hub->appending = false;
    hub->read_only = false;
    hub->counters.batches++;
    hub->counters.batch_bytes += hub->committing.bytes.length;
    histogram_add(&hub->counters.batch_updates, hub->committing.length, 1);
    batch_arrived(hub, &hub->committing);
    merge_batch(hub, position, buffer_bytes(&hub->committing.bytes));
    batch_forgotten(&hub->committing);
    unpin_all(hub, &hub->committing);
    clear(&hub->committing);
}

/* Once for each stream: the client sends its outbox again from the start. */
static void refuse(struct hub *hub, struct batch *batch)
{
    for (size_t i = 0; i < batch->length; i++) {
        struct batch_origin *origin = &batch->origins[i];
        if (origin->row == NULL) {
            expire_refused(hub, origin->document);
            jobs_refused(hub, origin->document);
            continue;
        }
        origin->row->submitted = origin->row->seq;
        struct connection *connection = connection_find(hub, origin->connection);
        bool told = false;
        for (size_t k = 0; k < i && !told; k++) {
            told = batch->origins[k].connection == origin->connection &&
                   batch->origins[k].stream == origin->stream;
        }
        if (connection != NULL && !told && stream_find(connection, origin->stream) != NULL) {
            connection_error(hub, connection, origin->stream, CODE_READ_ONLY, READ_ONLY_RETRY_MS);
        }
    }
    unpin_all(hub, batch);
    clear(batch);
}

void batch_failed(struct hub *hub)
{
    hub->appending = false;
    hub->counters.appends_failed++;
    hub->read_only = true;
    hub->retry_ms = hub->now_ms + READ_ONLY_RETRY_MS;
    refuse(hub, &hub->committing);
    refuse(hub, &hub->gathering);
    resume_writers(hub);
}

void batch_finish(struct batch *batch)
{
    buffer_finish(&batch->bytes);
    free(batch->origins);
    *batch = (struct batch){0};
}

uint64_t batch_read(struct reader *reader)
{
    size_t more = read_tuple(reader, 2);
    uint64_t format = read_uint(reader);
    uint64_t at_ms = read_uint(reader);
    reader_skip(reader, more);
    if (format != BATCH_FORMAT) {
        reader_fail(reader, PROTOCOL_MALFORMED);
    }
    return at_ms;
}

bool record_read(struct reader *reader, struct record *record)
{
    if (!reader_ok(reader) || reader->left.length == 0) {
        return false;
    }
    size_t more = read_tuple(reader, 7);
    *record = (struct record){.kind = read_uint(reader)};
    record->name = read_bin(reader, LIMIT_DOCUMENT_NAME_BYTES);
    record->replica = packet_read_replica(reader);
    record->position = read_uint(reader);
    struct bytes verdict = read_string(reader, LIMIT_CODE_BYTES);
    record->verdict = hub_code_find(verdict);
    record->field = (uint32_t)read_uint(reader);
    record->packet = read_bin(reader, LIMIT_BODY_BYTES);
    if (more > 0) {
        record->principal = read_bin(reader, LIMIT_PRINCIPAL_BYTES);
        more--;
    }
    reader_skip(reader, more);
    if ((record->verdict == CODE_NONE && verdict.length > 0) ||
        (record->kind != PACKET_DELTA && record->kind != PACKET_STATE &&
         record->kind != RECORD_RETIRE && record->kind != RECORD_EXPIRE &&
         record->kind != RECORD_IMPORT && record->kind != RECORD_ERASE)) {
        reader_fail(reader, PROTOCOL_MALFORMED);
    }
    return reader_ok(reader);
}

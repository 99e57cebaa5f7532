/*
 * Retire: what the ledger knows of a replica that was silent for longer than `replica_ttl` is
 * forgotten: its row leaves, and what it counted stays in the fields' totals. A retirement is a
 * record of the journal like an update, so it happens at the same place in every replay.
 *
 * Now and then the hub walks through all replicas' rows, a step at a time. What a step finds waits
 * until its documents are loaded, and then goes into a batch. When a record is merged, rows that
 * are not silent any more stay.
 *
 * From then on the document refuses replicas without a row that are older than the record's time:
 * their outboxes may hold what was merged before the row left. A record's packet is `[before_ms,
 * [replica, ...]]`.
 */
#include "server/hub/retire.h"

#include <string.h>

#include "protocol/packet.h"
#include "protocol/rows.h"
#include "server/hub/batch.h"
#include "server/hub/connections.h"
#include "server/hub/documents.h"
#include "server/hub/effects.h"
#include "server/hub/operator.h"
#include "server/hub/pipeline.h"
#include "server/hub/state.h"

enum { STEP_WAIT_MS = 1000, WALK_WAIT_MS = 60 * 60 * 1000 };

static uint64_t walk_wait_ms(const struct hub *hub)
{
    uint64_t ttl_ms = hub->config.replica_ttl_ms;
    return ttl_ms < WALK_WAIT_MS ? ttl_ms : WALK_WAIT_MS;
}

bool replica_is_retired(const struct document *document, const struct ledger_row *row)
{
    return !row->interned && replica_id_time_ms(&row->replica) < document->retired_ms;
}

static void ask(struct hub *hub)
{
    struct retirement *retirement = &hub->retirement;
    if (retirement->after_length == 0) {
        retirement->asked.walking = retirement->asked.connection != 0;
        retirement->before_ms =
            hub->now_ms -
            (retirement->asked.walking ? retirement->asked.idle_ms : hub->config.replica_ttl_ms);
    }
    struct row_request request = {.kind = ROWS_SILENT,
                                  .silent_before_ms = retirement->before_ms,
                                  .after = {retirement->after, retirement->after_length}};
    struct hub_effect *effect = effect_load(hub, &request);
    effect->request = ++hub->last_request;
    retirement->request = effect->request;
}

/* --- what a step found, on its way into records --- */

struct found {
    struct hub *hub;
    struct bytes name;
    struct replica_id replicas[LIMIT_NAMED_REPLICAS];
    size_t length;
};

/* The record's packet, in the hub's scratch. False: no memory. */
static bool write_packet(struct hub *hub, uint64_t before_ms, const struct replica_id *replicas,
                         size_t length)
{
    buffer_clear(&hub->scratch);
    struct writer packet = writer_to(&hub->scratch);
    write_array(&packet, 2);
    write_uint(&packet, before_ms);
    write_array(&packet, length);
    for (size_t i = 0; i < length; i++) {
        write_bin(&packet, replica_id_bytes(&replicas[i]));
    }
    return packet.status == PROTOCOL_OK;
}

static void write_record(const struct found *found)
{
    struct hub *hub = found->hub;
    bool written = write_packet(hub, hub->retirement.before_ms, found->replicas, found->length);
    struct record record = {.kind = RECORD_RETIRE,
                            .name = found->name,
                            .replica = found->replicas[0],
                            .field = UINT32_MAX,
                            .packet = buffer_bytes(&hub->scratch)};
    struct writer writer = writer_to(&hub->retirement.records);
    record_write(&writer, &record);
    if (!written || writer.status != PROTOCOL_OK) {
        hub_fail(hub, HUB_NO_MEMORY);
    }
}

/* Documents of a schema that is declared no more keep their rows. */
static void load_found(struct found *found)
{
    struct hub *hub = found->hub;
    size_t length = found->length;
    struct retire_call *asked = &hub->retirement.asked;
    struct bytes schema;
    struct bytes key;
    found->length = 0;
    asked->found += asked->walking ? length : 0;
    if (length == 0 || (asked->walking && asked->dry) ||
        !document_name_valid(found->name, &schema, &key) ||
        schema_find(hub->config.schemas, schema) == NULL || !documents_make_room(hub)) {
        return;
    }
    struct document *document = document_take(hub, found->name);
    if (document == NULL) {
        return;
    }
    found->length = length;
    write_record(found);
    document_pin(document);
    document_load(hub, document, found->replicas, length, &hub->retirement.loads);
    found->length = 0;
}

static void read_found(struct hub *hub, struct reader *reader)
{
    struct found found = {.hub = hub};
    struct row row;
    while (hub->status == HUB_OK && row_read(reader, &row)) {
        if (row.kind == ROW_SILENT && found.length < LIMIT_NAMED_REPLICAS) {
            found.replicas[found.length++] = row.replica;
        }
        if (row.kind != ROW_SILENT || found.length == LIMIT_NAMED_REPLICAS) {
            load_found(&found);
        }
        if (row.kind == ROW_DOCUMENT) {
            found.name = row.name;
        }
        if (row.kind == ROW_WALKED) {
            memcpy(hub->retirement.after, row.key.data, row.key.length);
            hub->retirement.after_length = row.key.length;
        }
    }
}

static void wait(struct hub *hub)
{
    struct retire_call *asked = &hub->retirement.asked;
    bool more = hub->retirement.after_length > 0;
    if (asked->walking) {
        asked->ended = !more;
        hub->retirement.next_ms = hub->now_ms + (more ? 0 : walk_wait_ms(hub));
        return;
    }
    if (asked->connection != 0) {
        hub->retirement.after_length = 0; /* whose walk is next, from the beginning */
        hub->retirement.next_ms = hub->now_ms;
        return;
    }
    hub->retirement.next_ms = hub->now_ms + (more ? STEP_WAIT_MS : walk_wait_ms(hub));
}

bool retire_loaded(struct hub *hub, uint64_t request, struct bytes rows)
{
    struct retirement *retirement = &hub->retirement;
    if (request != retirement->request) {
        return false;
    }
    struct reader reader = reader_of(rows);
    retirement->request = 0;
    retirement->after_length = 0;
    read_found(hub, &reader);
    if (!reader_ok(&reader)) {
        hub_fail(hub, HUB_CORRUPT);
    }
    wait(hub);
    return true;
}

/* The walk begins anew; whoever runs the hub has told why it failed. */
bool retire_load_failed(struct hub *hub, uint64_t request)
{
    if (request != hub->retirement.request) {
        return false;
    }
    hub->retirement.request = 0;
    hub->retirement.after_length = 0;
    hub->retirement.asked.failed = hub->retirement.asked.walking;
    wait(hub);
    return true;
}

/* --- into the journal --- */

static bool is_silent(const struct ledger_row *row, uint64_t before_ms)
{
    return row != NULL && row->interned && row->at_ms < before_ms &&
           replica_id_time_ms(&row->replica) < before_ms;
}

/* A replica that a client has open now is left out, though it does not edit. */
static void submit(struct hub *hub, struct document *document, struct record *record)
{
    struct reader reader;
    struct replica_id silent[LIMIT_NAMED_REPLICAS];
    uint64_t before_ms;
    size_t count = 0;
    size_t length = retire_read(record, &reader, &before_ms);
    for (size_t i = 0; i < length; i++) {
        struct replica_id replica = packet_read_replica(&reader);
        const struct ledger_row *row = ledger_find(document, &replica);
        if (is_silent(row, before_ms) && row->references == 0) {
            silent[count++] = replica;
        }
    }
    /* What finds no memory is found again. */
    if (count > 0 && write_packet(hub, before_ms, silent, count)) {
        record->packet = buffer_bytes(&hub->scratch);
        if (batch_add(hub, document, record)) {
            hub->retirement.asked.batch = hub->gathering.number;
        }
    }
}

static void submit_found(struct hub *hub)
{
    struct buffer *records = &hub->retirement.records;
    struct reader reader = reader_of(buffer_bytes(records));
    struct record record;
    while (record_read(&reader, &record)) {
        struct document *document = document_find(hub, record.name);
        if (document->ready) {
            submit(hub, document, &record);
        }
        document_unpin(hub, document);
    }
    buffer_finish(records);
}

static bool may_ask(const struct hub *hub)
{
    return hub->retirement.request == 0 && hub->retirement.records.length == 0 &&
           !hub->retirement.asked.ended && hub->replay_first == NULL && !hub->draining &&
           !hub->settling && !hub->read_only && hub->now_ms > hub->config.replica_ttl_ms;
}

/* --- an operator's --- */

bool retire_begin(struct hub *hub, const struct retire_call *asked)
{
    if (hub->retirement.asked.connection != 0) {
        return false;
    }
    hub->retirement.asked = *asked;
    if (hub->retirement.request == 0) {
        hub->retirement.after_length = 0;
    }
    hub->retirement.next_ms = hub->now_ms;
    return true;
}

/* What the journal has not taken is not retired, and found again the next time. */
static void answer(struct hub *hub)
{
    struct retire_call *asked = &hub->retirement.asked;
    struct connection *connection = connection_find(hub, asked->connection);
    struct writer writer = operator_begin(hub);
    write_map(&writer, 2);
    write_pair_uint(&writer, "found", asked->found);
    write_pair_uint(&writer, "retired", asked->retired);
    if (connection != NULL && asked->failed) {
        operator_refuse(hub, connection, asked->call, CODE_UNAVAILABLE,
                        "The hub could not read its database; its log says why.");
    } else if (connection != NULL) {
        operator_answer(hub, connection, asked->call, &writer);
    }
    *asked = (struct retire_call){.connection = 0};
}

void retire_pump(struct hub *hub)
{
    if (hub->retirement.records.length > 0 && hub->retirement.loads == 0) {
        submit_found(hub);
    } else if (hub->retirement.asked.ended && hub->retirement.records.length == 0 &&
               !batch_waits(hub, hub->retirement.asked.batch)) {
        answer(hub);
    } else if (may_ask(hub) && hub->now_ms >= hub->retirement.next_ms) {
        ask(hub);
    }
}

uint64_t retire_wake_ms(const struct hub *hub)
{
    return may_ask(hub) ? hub->retirement.next_ms : UINT64_MAX;
}

/* --- out of the journal --- */

size_t retire_read(const struct record *record, struct reader *reader, uint64_t *before_ms)
{
    *reader = reader_of(record->packet);
    (void)read_tuple(reader, 2);
    *before_ms = read_uint(reader);
    return read_array(reader, LIMIT_NAMED_REPLICAS);
}

/* Streams may hold the row, so it stays until they let go; it refuses what they send. */
static void retire_row(const struct document *document, struct ledger_row *row, uint64_t position)
{
    row->interned = false;
    row->retired = true;
    row->seq = 0;
    row->submitted = 0;
    row->position = position;
    memset(row->entries, 0, document->schema->length * sizeof row->entries[0]);
}

void retire_merge(struct hub *hub, struct document *document, const struct record *record,
                  uint64_t position)
{
    struct reader reader;
    uint64_t before_ms;
    size_t length = retire_read(record, &reader, &before_ms);
    bool changed = false;
    for (size_t i = 0; i < length && reader_ok(&reader); i++) {
        struct replica_id replica = packet_read_replica(&reader);
        struct ledger_row *row = ledger_find(document, &replica);
        if (is_silent(row, before_ms)) {
            retire_row(document, row, position);
            hub->retirement.asked.retired += hub->retirement.asked.walking;
            changed = true;
        }
    }
    if (!reader_ok(&reader)) {
        hub_fail(hub, HUB_CORRUPT);
    }
    if (changed) {
        document->retired_ms = before_ms > document->retired_ms ? before_ms : document->retired_ms;
        document->position = position;
        store_mark(hub, document, position);
        document_touch(hub, document);
    }
}

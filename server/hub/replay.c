/* Replay: at start, the journal's tail takes effect again, batch by batch; each waits until its
 * documents are loaded. */
#include <stdlib.h>
#include <string.h>

#include "protocol/packet.h"
#include "server/hub/batch.h"
#include "server/hub/documents.h"
#include "server/hub/effects.h"
#include "server/hub/pipeline.h"
#include "server/hub/retire.h"
#include "server/hub/state.h"

/* What is merged without a field would never be in its rows. */
static bool has_all_fields(const struct schema *schema, const struct packet *packet)
{
    struct reader reader = reader_of(packet->update.fields);
    size_t length = read_map(&reader, LIMIT_FIELDS);
    bool all = true;
    for (size_t i = 0; i < length && reader_ok(&reader); i++) {
        all = schema_field_by_number(schema, read_uint(&reader)) != NULL && all;
        reader_skip(&reader, 1);
    }
    return all;
}

/* A record's own form; what it says is the merge's business. */
static enum hub_status check_record(const struct hub *hub, const struct record *record)
{
    struct bytes schema;
    struct bytes key;
    struct reader reader = reader_of(record->packet);
    struct packet packet;
    bool packed = record->kind == PACKET_DELTA || record->kind == PACKET_STATE;
    bool read = !packed || (packet_read(&reader, &packet) && packet.kind == record->kind &&
                            reader.left.length == 0);
    if (!read || !document_name_valid(record->name, &schema, &key)) {
        return HUB_CORRUPT;
    }
    const struct schema *declared = schema_find(hub->config.schemas, schema);
    if (declared == NULL) {
        return HUB_UNKNOWN_SCHEMA;
    }
    bool merges = packed && record->verdict == CODE_NONE;
    return merges && !has_all_fields(declared, &packet) ? HUB_UNKNOWN_FIELD : HUB_OK;
}

/* At once, while whoever reads the journal knows which batch it is. */
static enum hub_status check_batch(const struct hub *hub, struct bytes bytes)
{
    struct reader reader = reader_of(bytes);
    struct record record;
    enum hub_status status = HUB_OK;
    (void)batch_read(&reader);
    while (status == HUB_OK && record_read(&reader, &record)) {
        status = check_record(hub, &record);
    }
    return status == HUB_OK && !reader_ok(&reader) ? HUB_CORRUPT : status;
}

void replay_add(struct hub *hub, uint64_t position, struct bytes bytes)
{
    enum hub_status status = check_batch(hub, bytes);
    if (status != HUB_OK) {
        hub_fail(hub, status);
        return;
    }
    struct replay *replay = malloc(sizeof *replay + bytes.length);
    if (replay == NULL) {
        hub_fail(hub, HUB_NO_MEMORY);
        return;
    }
    if (position <= hub->position) {
        hub->position = position - 1; /* what was merged before is in the rows */
    }
    *replay = (struct replay){.position = position, .length = bytes.length};
    memcpy(replay->bytes, bytes.data, bytes.length);
    if (hub->replay_last == NULL) {
        hub->replay_first = replay;
    } else {
        hub->replay_last->next = replay;
    }
    hub->replay_last = replay;
}

/* A replay goes on beyond the limit: what is stored leaves as soon as it can. */
static struct document *take_document(struct hub *hub, struct bytes name)
{
    if (document_find(hub, name) == NULL) {
        (void)documents_make_room(hub);
    }
    return document_take(hub, name);
}

static size_t retired_replicas(const struct record *record, struct replica_id *replicas)
{
    struct reader reader;
    uint64_t before_ms;
    size_t length = retire_read(record, &reader, &before_ms);
    for (size_t i = 0; i < length; i++) {
        replicas[i] = packet_read_replica(&reader);
    }
    return length;
}

/* The replicas that a record names: its own and its context's. */
static size_t replicas_of(const struct record *record, struct replica_id *replicas)
{
    if (record->kind == RECORD_RETIRE) {
        return retired_replicas(record, replicas);
    }
    if (record->kind == RECORD_EXPIRE) {
        return 0;
    }
    struct reader reader = reader_of(record->packet);
    struct packet packet;
    replicas[0] = record->replica;
    if (!packet_read(&reader, &packet)) {
        return 1;
    }
    reader = reader_of(packet.update.context);
    struct packet_context context;
    packet_read_context(&reader, &context);
    for (size_t i = 0; i < context.length; i++) {
        replicas[i + 1] = packet_read_seen(&context.seen).replica;
    }
    return context.length + 1;
}

typedef void each_document(struct hub *hub, struct document *document, const struct record *record);

static void pin_and_load(struct hub *hub, struct document *document, const struct record *record)
{
    struct replica_id replicas[LIMIT_NAMED_REPLICAS + 1];
    document_pin(document);
    if (record->kind == RECORD_IMPORT || record->kind == RECORD_ERASE) {
        document_load_ledger(hub, document, &hub->replay_loads);
        return;
    }
    size_t length = replicas_of(record, replicas);
    (void)document_load(hub, document, replicas, length, &hub->replay_loads);
}

static void unpin(struct hub *hub, struct document *document, const struct record *record)
{
    (void)record;
    document_unpin(hub, document);
}

static void for_each_record(struct hub *hub, const struct replay *replay, each_document *each)
{
    struct reader reader = reader_of((struct bytes){replay->bytes, replay->length});
    struct record record;
    (void)batch_read(&reader);
    while (hub->status == HUB_OK && record_read(&reader, &record)) {
        struct document *document = take_document(hub, record.name);
        if (document != NULL) {
            each(hub, document, &record);
        }
    }
    if (!reader_ok(&reader)) {
        hub_fail(hub, HUB_CORRUPT);
    }
}

static void drop_first(struct hub *hub)
{
    struct replay *first = hub->replay_first;
    hub->replay_first = first->next;
    hub->replay_asked = false;
    if (hub->replay_first == NULL) {
        hub->replay_last = NULL;
        counters_clear(&hub->counters);
    }
    free(first);
}

void replay_pump(struct hub *hub)
{
    while (hub->replay_first != NULL && hub->replay_loads == 0 && hub->status == HUB_OK) {
        struct replay *first = hub->replay_first;
        if (!hub->replay_asked) {
            hub->replay_asked = true;
            for_each_record(hub, first, pin_and_load);
            continue;
        }
        merge_batch(hub, first->position, (struct bytes){first->bytes, first->length});
        for_each_record(hub, first, unpin);
        drop_first(hub);
    }
}

void replay_finish(struct hub *hub)
{
    while (hub->replay_first != NULL) {
        drop_first(hub);
    }
}

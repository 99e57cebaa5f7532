/* Replay: at start, the journal's tail takes effect again, batch by batch; each waits until its
 * documents are loaded. */
#include <stdlib.h>
#include <string.h>

#include "server/hub/state.h"

void replay_add(struct hub *hub, uint64_t position, struct bytes bytes)
{
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

static struct document *take_document(struct hub *hub, struct bytes name)
{
    struct document *document = document_find(hub, name);
    struct bytes schema_name;
    struct bytes key;
    if (document != NULL) {
        return document;
    }
    (void)documents_make_room(
        hub); /* a replay goes on beyond the limit: what is stored leaves as soon as it can */
    if (!document_name_valid(name, &schema_name, &key)) {
        hub_fail(hub, HUB_CORRUPT);
        return NULL;
    }
    const struct schema *schema = schema_find(hub->config.schemas, schema_name);
    if (schema == NULL) {
        hub_fail(hub, HUB_CORRUPT);
        return NULL;
    }
    return document_create(hub, name, schema);
}

/* The replicas that a record names: its own and its context's. */
static size_t replicas_of(const struct record *record, struct replica_id *replicas)
{
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
    size_t length = replicas_of(record, replicas);
    document_pin(document);
    hub->replay_loads += document_load(hub, document, replicas, length) != 0;
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

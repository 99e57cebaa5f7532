/*
 * Expire: what ends by itself in a document, as a lease does, ends by a record of the journal: at
 * the same place in every replay. Documents in memory are looked at when the first of them is due;
 * the others when they are loaded, before anybody sees them. The record's packet is its time.
 */
#include "crdt/field.h"
#include "server/hub/batch.h"
#include "server/hub/documents.h"
#include "server/hub/effects.h"
#include "server/hub/list.h"
#include "server/hub/pipeline.h"
#include "server/hub/state.h"

static uint64_t due_of(const struct document *document)
{
    uint64_t due_ms = UINT64_MAX;
    for (size_t i = 0; i < document->schema->length; i++) {
        uint64_t field_ms = crdt_field_due_ms(document->fields[i]);
        due_ms = field_ms < due_ms ? field_ms : due_ms;
    }
    return due_ms;
}

void expire_watch(struct hub *hub, struct document *document)
{
    document->due_ms = due_of(document);
    if (document->due_ms == UINT64_MAX) {
        list_remove(&document->due);
        return;
    }
    list_push(&hub->due_documents, &document->due);
    hub->next_due_ms = document->due_ms < hub->next_due_ms ? document->due_ms : hub->next_due_ms;
}

static void submit(struct hub *hub, struct document *document)
{
    buffer_clear(&hub->scratch);
    struct writer writer = writer_to(&hub->scratch);
    write_uint(&writer, hub->now_ms);
    static const uint8_t nobody[REPLICA_BYTES];
    struct record record = {.kind = RECORD_EXPIRE,
                            .name = document_name(document),
                            .replica = replica_id_make(hub->now_ms, nobody),
                            .field = UINT32_MAX,
                            .packet = buffer_bytes(&hub->scratch)};
    if (writer.status != PROTOCOL_OK) {
        hub_fail(hub, HUB_NO_MEMORY);
        return;
    }
    document->expiring = batch_add(hub, document, &record);
}

void expire_pump(struct hub *hub)
{
    if (hub->now_ms < hub->next_due_ms || hub->replay_first != NULL || hub->read_only) {
        return;
    }
    hub->next_due_ms = UINT64_MAX;
    LIST_FOR_EACH(at, &hub->due_documents)
    {
        struct document *document = CONTAINER(at, struct document, due);
        if (document->due_ms <= hub->now_ms && !document->expiring && !hub->draining &&
            !hub->settling) {
            submit(hub, document);
        } else if (!document->expiring && document->due_ms < hub->next_due_ms) {
            hub->next_due_ms = document->due_ms;
        }
    }
}

void expire_refused(struct hub *hub, struct document *document)
{
    document->expiring = false;
    expire_watch(hub, document);
}

void expire_merge(struct hub *hub, struct document *document, const struct record *record,
                  uint64_t position)
{
    struct reader reader = reader_of(record->packet);
    uint64_t now_ms = read_uint(&reader);
    bool changed = false;
    document->expiring = false;
    if (!reader_ok(&reader)) {
        hub_fail(hub, HUB_CORRUPT);
        return;
    }
    for (size_t i = 0; i < document->schema->length; i++) {
        crdt_field_expire(document->fields[i], now_ms, position);
        changed = changed || document->fields[i]->position == position;
    }
    if (changed) {
        document->position = position;
        store_mark(hub, document, position);
        document_touch(hub, document);
    }
    expire_watch(hub, document);
}

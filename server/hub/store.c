/*
 * Store: rows on their way to the database. Changed documents wait in a list; one STORE at a time
 * writes a bounded run of them, each with the position its rows include; then the journal behind
 * the oldest change that is not stored is trimmed.
 *
 * A replica's row has a detail that load.c reads: `[[[field, up, down], ...], [[seq, code, field],
 * ...]]`.
 */
#include <string.h>

#include "crdt/field.h"
#include "protocol/rows.h"
#include "server/hub/documents.h"
#include "server/hub/effects.h"
#include "server/hub/list.h"
#include "server/hub/pipeline.h"
#include "server/hub/state.h"
#include "server/hub/unstored.h"

enum { STORE_BYTES = 4 << 20, STORE_RETRY_MS = 1000 };

/* A while, in which more gathers; a hub that drains, or settles, waits for nothing but a disk that
 * failed. */
static uint64_t next_time(const struct hub *hub)
{
    return hub->draining || hub->settling ? hub->now_ms : hub->now_ms + hub->config.store_ms;
}

void store_soon(struct hub *hub) { hub->next_store_ms = hub->now_ms; }

void store_mark(struct hub *hub, struct document *document, uint64_t position)
{
    document_changed(hub, document, position);
    if (document->storing != 0) {
        document->dirty_after = document->dirty_after == 0 ? position : document->dirty_after;
    } else if (!list_linked(&document->dirty)) {
        document->dirty_since = position;
        list_remove(&document->idle);
        list_push(&hub->dirty_documents, &document->dirty);
    }
    if (hub->next_store_ms == UINT64_MAX) {
        hub->next_store_ms = next_time(hub);
    }
}

static void write_detail(struct writer *writer, const struct document *document,
                         const struct ledger_row *row)
{
    size_t first = row->rejects > LIMIT_REJECTIONS ? row->rejects - LIMIT_REJECTIONS : 0;
    write_array(writer, 2);
    write_array(writer, document->schema->length);
    for (size_t i = 0; i < document->schema->length; i++) {
        write_array(writer, 3);
        write_uint(writer, document->schema->fields[i].number);
        write_uint(writer, row->entries[i].up);
        write_uint(writer, row->entries[i].down);
    }
    write_array(writer, row->rejects - first);
    for (size_t i = first; i < row->rejects; i++) {
        const struct rejection *rejection = &row->rejections[i % LIMIT_REJECTIONS];
        write_array(writer, 3);
        write_uint(writer, rejection->seq);
        write_text(writer, hub_code_name(rejection->code));
        write_uint(writer, rejection->field);
    }
}

static void write_replica(struct hub *hub, struct writer *writer, const struct document *document,
                          const struct ledger_row *from)
{
    if (from->retired) {
        row_write(writer, &(struct row){.kind = ROW_RETIRED, .replica = from->replica});
        return;
    }
    buffer_clear(&hub->scratch);
    struct writer detail = writer_to(&hub->scratch);
    write_detail(&detail, document, from);
    struct row row = {.kind = ROW_REPLICA,
                      .replica = from->replica,
                      .index = from->index,
                      .seq = from->seq,
                      .position = from->position,
                      .at_ms = from->at_ms,
                      .principal = {(const uint8_t *)from->principal,
                                    from->principal == NULL ? 0 : strlen(from->principal)},
                      .detail = buffer_bytes(&hub->scratch)};
    row_write(writer, &row);
    if (detail.status != PROTOCOL_OK) {
        writer->status = detail.status;
    }
}

static void write_document(struct hub *hub, struct writer *writer, struct document *document)
{
    struct row head = {.kind = ROW_DOCUMENT,
                       .name = document_name(document),
                       .position = document->position,
                       .next_index = document->next_index,
                       .retired_ms = document->retired_ms};
    /* An ERASE leaves nothing of what was there: all is written anew. */
    bool anew = document->erased > document->stored;
    uint64_t since = anew ? 0 : document->stored;
    row_write(writer, &head);
    if (anew) {
        row_write(writer, &(struct row){.kind = ROW_ERASED});
    }
    for (size_t i = 0; i < document->schema->length; i++) {
        const struct crdt_field *field = document->fields[i];
        const struct schema_field *place = &document->schema->fields[i];
        if (field->position <= since) {
            continue;
        }
        struct row row = {.kind = ROW_FIELD,
                          .field = place->number,
                          .position = field->position,
                          .horizon = field->horizon};
        row_write(writer, &row);
        place->declared.codec->write_rows(writer, field, place->number, since);
    }
    for (uint32_t i = 0; i < document->ledger.length; i++) {
        const struct ledger_row *row = document->ledger.places[i].item;
        if (row->position > document->stored) {
            write_replica(hub, writer, document, row);
        }
    }
    write_raw(writer, buffer_bytes(&document->rejected));
    document->rejected_storing = document->rejected.length;
}

/* The oldest change that rows lack decides what the journal must keep. */
static uint64_t stored_up_to(const struct hub *hub)
{
    uint64_t oldest = hub->position + 1;
    LIST_FOR_EACH(at, &hub->dirty_documents)
    {
        const struct document *document = CONTAINER(at, struct document, dirty);
        oldest = document->dirty_since < oldest ? document->dirty_since : oldest;
    }
    return oldest - 1;
}

void store_pump(struct hub *hub)
{
    if (hub->storing || hub->now_ms < hub->next_store_ms || list_empty(&hub->dirty_documents)) {
        return;
    }
    buffer_clear(&hub->store_bytes);
    struct writer writer = writer_to(&hub->store_bytes);
    LIST_FOR_EACH(at, &hub->dirty_documents)
    {
        struct document *document = CONTAINER(at, struct document, dirty);
        write_document(hub, &writer, document);
        document->storing = document->position;
        if (hub->store_bytes.length > STORE_BYTES) {
            break;
        }
    }
    if (writer.status != PROTOCOL_OK) {
        hub_fail(hub, HUB_NO_MEMORY);
        return;
    }
    hub->storing = true;
    struct hub_effect *effect = effect_add(hub, EFFECT_STORE);
    effect_bytes(hub, effect, buffer_bytes(&hub->store_bytes));
    effect->position = hub->position;
}

/* What came while the others were stored waits for the next time. */
static void drop_rejected(struct document *document)
{
    struct buffer *rejected = &document->rejected;
    size_t left = rejected->length - document->rejected_storing;
    if (left == 0) {
        buffer_finish(rejected);
    } else {
        memmove(rejected->data, rejected->data + document->rejected_storing, left);
        rejected->length = left;
    }
    document->rejected_storing = 0;
}

/* Removals are forgotten once they are stored: before, their elements would still stand in the
 * rows. */
static void trim_removals(const struct hub *hub, struct document *document)
{
    for (size_t i = 0; i < document->schema->length; i++) {
        struct crdt_field *field = document->fields[i];
        if (field->position <= document->stored) {
            crdt_field_trim(field, hub->config.removals_max);
        }
    }
}

static void settle(struct hub *hub, struct document *document)
{
    list_remove(&document->dirty);
    document->stored = document->storing;
    unstored_remove(&hub->unstored_documents, document);
    document->storing = 0;
    if (document->dirty_after != 0) {
        document->dirty_since = document->dirty_after;
        document->dirty_after = 0;
        list_push(&hub->dirty_documents, &document->dirty);
    }
    drop_rejected(document);
    trim_removals(hub, document);
    ledger_evict(hub, document);
    document_weigh(hub, document);
    document_rest(hub, document);
}

static void trim(struct hub *hub)
{
    uint64_t position = stored_up_to(hub);
    if (position > hub->trimmed && hub->replay_first == NULL) {
        hub->trimmed = position;
        effect_add(hub, EFFECT_TRIM)->position = position;
    }
}

void store_done(struct hub *hub)
{
    hub->storing = false;
    hub->counters.stores++;
    struct link *at = hub->dirty_documents.next;
    while (at != &hub->dirty_documents) {
        struct document *document = CONTAINER(at, struct document, dirty);
        at = at->next;
        if (document->storing == 0) {
            break; /* what was stored stands first */
        }
        settle(hub, document);
    }
    trim(hub);
    bool more = !list_empty(&hub->dirty_documents);
    hub->next_store_ms = more ? next_time(hub) : UINT64_MAX;
}

void store_failed(struct hub *hub)
{
    hub->storing = false;
    hub->counters.stores_failed++;
    LIST_FOR_EACH(at, &hub->dirty_documents)
    {
        struct document *document = CONTAINER(at, struct document, dirty);
        document->storing = 0;
        document->dirty_after = 0;
    }
    hub->next_store_ms = hub->now_ms + STORE_RETRY_MS;
}

/*
 * Erase: a document's content, or an element of a set, leaves the hub without a trace of it. A
 * record of the journal like an update; its packet is `[]`, for all, or `[field, element]`.
 *
 * Nothing of what was removed may be named, so nobody is told of it as of a removal: the field's
 * horizon rises, and who has an older cursor takes the document anew. Rows are all written again.
 *
 * What comes late: an element's adds are in the ledger, so one that is sent again is a repeat.
 * Where all is erased the ledger goes, too, and every replica made before is retired: what it sends
 * is refused, and is its app's again. An edit that was never sent is a new edit.
 */
#include "crdt/field.h"
#include "server/hub/batch.h"
#include "server/hub/documents.h"
#include "server/hub/effects.h"
#include "server/hub/export.h"
#include "server/hub/job.h"
#include "server/hub/operator.h"
#include "server/hub/pipeline.h"
#include "server/hub/state.h"

struct erased {
    uint64_t fields;
    uint64_t replicas;
    bool found;
};

static void cut_rejected(struct document *document)
{
    if (document->rejected_storing == 0) {
        buffer_finish(&document->rejected);
    } else {
        document->rejected.length = document->rejected_storing; /* they leave with the rows */
    }
}

static void erase_element(struct hub *hub, const struct document *document, struct reader *reader,
                          uint64_t position, struct erased *erased)
{
    const struct schema_field *place = schema_field_by_number(document->schema, read_uint(reader));
    struct bytes element = read_bin(reader, LIMIT_BODY_BYTES);
    if (!reader_ok(reader) || place == NULL) {
        return;
    }
    struct crdt_field *field = document->fields[place - document->schema->fields];
    if (field->type->erase != NULL &&
        field->type->erase(field, element, position, &erased->found) != CRDT_OK) {
        hub_fail(hub, HUB_NO_MEMORY);
    }
    erased->fields = erased->found;
}

/* What a journal had forgotten is named for ever, and comes to nothing. */
static void forget_row(const struct document *document, struct ledger_row *row, uint64_t position)
{
    row->position = position;
    for (size_t i = 0; i < document->schema->length; i++) {
        row->entries[i] = (struct crdt_entry){0};
    }
    if (replica_id_time_ms(&row->replica) != EXPORT_TIME_MS) {
        row->interned = false;
        row->retired = true;
        row->seq = 0;
        row->submitted = 0;
    }
}

/* After the youngest of its replicas, some of whose clocks may be ahead. */
static uint64_t retire_all(struct document *document, uint64_t position, uint64_t at_ms)
{
    uint64_t count = 0;
    uint64_t retired_ms = at_ms > document->retired_ms ? at_ms : document->retired_ms;
    for (uint32_t i = 0; i < document->ledger.length; i++) {
        struct ledger_row *row = document->ledger.places[i].item;
        uint64_t made_ms = replica_id_time_ms(&row->replica);
        if (!row->interned) {
            continue;
        }
        if (made_ms != EXPORT_TIME_MS && made_ms >= retired_ms) {
            retired_ms = made_ms + 1;
        }
        forget_row(document, row, position);
        count++;
    }
    document->retired_ms = retired_ms;
    return count;
}

static void erase_all(struct hub *hub, struct document *document, uint64_t position, uint64_t at_ms,
                      struct erased *erased)
{
    for (size_t i = 0; i < document->schema->length; i++) {
        erased->fields += document->fields[i]->position != 0;
    }
    erased->found = document->position != 0;
    erased->replicas = retire_all(document, position, at_ms);
    document_empty(hub, document);
    for (size_t i = 0; i < document->schema->length && hub->status == HUB_OK; i++) {
        document->fields[i]->position = position;
        document->fields[i]->horizon = position;
    }
}

static void answer(struct hub *hub, const struct document *document, uint64_t position,
                   const struct erased *erased)
{
    struct job *job = job_merging(hub, document);
    if (job == NULL) {
        return;
    }
    struct writer writer = operator_begin(hub);
    write_map(&writer, 4);
    write_pair_bool(&writer, "found", erased->found);
    write_pair_position(&writer, "position", position);
    write_pair_uint(&writer, "fields", erased->fields);
    write_pair_uint(&writer, "replicas", erased->replicas);
    if (writer.status != PROTOCOL_OK) {
        hub_fail(hub, HUB_NO_MEMORY);
        return;
    }
    job_scrub(hub, job, position, buffer_bytes(&hub->scratch));
}

void erase_merge(struct hub *hub, struct document *document, const struct record *record,
                 uint64_t position, uint64_t at_ms)
{
    struct reader reader = reader_of(record->packet);
    struct erased erased = {.found = false};
    size_t length = read_array(&reader, 2);
    if (length == 0) {
        erase_all(hub, document, position, at_ms, &erased);
    } else {
        erase_element(hub, document, &reader, position, &erased);
    }
    if (!reader_ok(&reader)) {
        hub_fail(hub, HUB_CORRUPT);
        return;
    }
    cut_rejected(document);
    document->erased = position;
    document->position = position;
    store_mark(hub, document, position);
    document_weigh(hub, document);
    expire_watch(hub, document);
    document_touch(hub, document);
    answer(hub, document, position, &erased);
}

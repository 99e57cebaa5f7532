/* Load: a document's rows, and its replicas', on their way from the database; and who waits for
 * them. */
#include <assert.h>
#include <stdlib.h>

#include "crdt/field.h"
#include "protocol/rows.h"
#include "server/hub/documents.h"
#include "server/hub/download.h"
#include "server/hub/effects.h"
#include "server/hub/job.h"
#include "server/hub/list.h"
#include "server/hub/operator.h"
#include "server/hub/pipeline.h"
#include "server/hub/retire.h"
#include "server/hub/state.h"
#include "server/hub/streams.h"
#include "server/hub/table.h"
#include "server/hub/unstored.h"

static void read_entries(struct reader *reader, const struct document *document,
                         struct ledger_row *row)
{
    size_t length = read_array(reader, LIMIT_FIELDS);
    for (size_t i = 0; i < length && reader_ok(reader); i++) {
        (void)read_tuple(reader, 3);
        const struct schema_field *field =
            schema_field_by_number(document->schema, read_uint(reader));
        struct crdt_entry entry = {.up = read_uint(reader)};
        entry.down = read_uint(reader);
        if (field != NULL) {
            row->entries[field - document->schema->fields] = entry;
        }
    }
}

static void read_rejections(struct hub *hub, struct document *document, struct reader *reader,
                            struct ledger_row *row)
{
    size_t length = read_array(reader, LIMIT_REJECTIONS);
    for (size_t i = 0; i < length && reader_ok(reader); i++) {
        (void)read_tuple(reader, 3);
        uint64_t seq = read_uint(reader);
        enum hub_code code = hub_code_find(read_string(reader, LIMIT_CODE_BYTES));
        ledger_reject(hub, document, row, seq, code, (uint32_t)read_uint(reader));
    }
}

static void load_replica(struct hub *hub, struct document *document, const struct row *row,
                         struct reader *rows)
{
    if (ledger_find(document, &row->replica) != NULL) {
        return; /* it came with another request, and may have changed since */
    }
    struct ledger_row *made = ledger_take(hub, document, &row->replica);
    if (made == NULL) {
        return;
    }
    struct reader reader = reader_of(row->detail);
    made->interned = true;
    made->index = (uint32_t)row->index;
    made->seq = row->seq;
    made->position = row->position;
    made->at_ms = row->at_ms;
    ledger_bind(hub, made, row->principal, true);
    (void)read_tuple(&reader, 2);
    read_entries(&reader, document, made);
    read_rejections(hub, document, &reader, made);
    bool numbered = document->ready || document->next_index > 0;
    if (!reader_ok(&reader) || reader.left.length > 0 || row->index > UINT32_MAX ||
        (numbered && row->index >= document->next_index)) {
        ledger_forget(document, made);
        reader_fail(rows, PROTOCOL_MALFORMED);
    }
}

static void load_field_row(const struct document *document, const struct row *row,
                           struct reader *rows)
{
    const struct schema_field *place = schema_field_by_number(document->schema, row->field);
    if (place == NULL) {
        return; /* of a field that the schema no longer has */
    }
    struct crdt_field *field = document->fields[place - document->schema->fields];
    if (row->kind == ROW_FIELD) {
        field->position = row->position;
        field->horizon = row->horizon;
        return;
    }
    uint64_t position = field->position;
    reader_fail(rows, place->declared.codec->read_row(&place->declared, field, row));
    field->position = position > field->position ? position : field->position;
}

/* What no journal has led to is damage, which merging would make worse: what seems to be in the
 * rows already is passed over. */
static bool is_possible(const struct hub *hub, const struct document *document,
                        const struct row *row)
{
    uint64_t last = hub->position > hub->config.position ? hub->position : hub->config.position;
    switch (row->kind) {
    case ROW_DOCUMENT:
        return row->position <= last && row->next_index <= UINT32_MAX;
    case ROW_FIELD:
    case ROW_ENTRY:
    case ROW_REMOVAL:
        return row->position <= document->position && row->horizon <= row->position;
    default:
        return row->position <= last;
    }
}

static void load_row(struct hub *hub, struct document *document, const struct row *row,
                     struct reader *rows)
{
    if (!is_possible(hub, document, row)) {
        reader_fail(rows, PROTOCOL_MALFORMED);
        return;
    }
    switch (row->kind) {
    case ROW_DOCUMENT:
        if (!document->ready) {
            document->position = row->position;
            document->stored = row->position;
            document->next_index = (uint32_t)row->next_index;
            document->retired_ms = row->retired_ms;
        }
        return;
    case ROW_FIELD:
    case ROW_ENTRY:
    case ROW_REMOVAL:
        load_field_row(document, row, rows);
        return;
    case ROW_REPLICA:
        load_replica(hub, document, row, rows);
        return;
    case ROW_REJECTED:
    case ROW_RETIRED:
    case ROW_SILENT:
    case ROW_WALKED:
    case ROW_ERASED:
    case ROW_COPY:
    case ROW_TARGET:
    case ROW_WAITING:
    case ROW_DELIVERED:
    case ROW_LETTER:
    case ROW_RESENT:
        return;
    }
}

bool load_matches(const void *item, const void *key)
{
    return ((const struct load *)item)->request == *(const uint64_t *)key;
}

static uint64_t hash_of(uint64_t request)
{
    return bytes_hash((struct bytes){(const uint8_t *)&request, sizeof request}, 0);
}

/* What a request takes on its way to the database and back, counted as memory. */
enum { LOAD_BYTES = 1024 };

struct load *load_ask(struct hub *hub, struct document *document, bool rows, size_t *loads)
{
    uint64_t request = ++hub->last_request;
    struct load *load = malloc(sizeof *load);
    if (load == NULL || !table_add(&hub->loads, hash_of(request), load)) {
        free(load);
        hub_fail(hub, HUB_NO_MEMORY);
        return NULL;
    }
    *load = (struct load){.document = document, .request = request, .rows = rows, .loads = loads};
    if (loads != NULL) {
        ++*loads;
    }
    hub->memory += LOAD_BYTES;
    document->loads++;
    list_remove(&document->idle);
    document->loading = document->loading || rows;
    return load;
}

/* Takes the request out of those under way; false: there is none. */
static bool take_load(struct hub *hub, uint64_t request, struct load *taken)
{
    struct load *found = table_find(&hub->loads, hash_of(request), &request);
    if (found == NULL) {
        return false;
    }
    *taken = *found;
    table_remove(&hub->loads, hash_of(request), found);
    free(found);
    hub->memory -= LOAD_BYTES;
    hub->load_ended = true;
    taken->document->loads--;
    document_rest(hub, taken->document);
    taken->document->loading = taken->document->loading && !taken->rows;
    if (taken->loads != NULL) {
        --*taken->loads;
    }
    if (taken->stream != NULL) {
        taken->stream->load = NULL;
    }
    return true;
}

/* The stream may have closed meanwhile; what was loaded stays until the document is idle. */
static void wake(struct hub *hub, const struct load *load)
{
    if (load->stream != NULL) {
        stream_loaded(hub, load->stream);
    }
    if (load->rows) {
        document_touch(hub, load->document);
    }
}

/* Without its rows a document can neither be shown nor merged: its streams end, and may be opened
 * again. */
static void end_streams(struct hub *hub, const struct load *load)
{
    struct link *streams = &load->document->streams;
    while (load->rows && !list_empty(streams)) {
        stream_end(hub, CONTAINER(streams->next, struct stream, in_document), CODE_UNAVAILABLE);
    }
    if (!load->rows && load->stream != NULL) {
        stream_end(hub, load->stream, CODE_UNAVAILABLE);
    }
}

static void give_up(struct hub *hub, const struct load *load)
{
    if (hub->replay_first != NULL) {
        hub_fail(hub, HUB_CORRUPT);
        return;
    }
    document_pin(load->document);
    jobs_unloaded(hub, load->document, load->loads);
    end_streams(hub, load);
    if (load->rows) {
        document_clear(hub, load->document);
    }
    document_unpin(hub, load->document);
}

static const char *table_of(enum row_kind kind)
{
    switch (kind) {
    case ROW_DOCUMENT:
        return "documents";
    case ROW_FIELD:
        return "document_fields";
    case ROW_ENTRY:
        return "entries";
    case ROW_REMOVAL:
        return "removals";
    default:
        return "replicas";
    }
}

static void tell_damage(struct hub *hub, const struct document *document, const struct row *row)
{
    struct hub_effect *effect = effect_add(hub, EFFECT_DAMAGED);
    effect->text = table_of(row->kind);
    hub->counters.damaged++;
    effect->position = row->position;
    effect_bytes(hub, effect, document_name(document));
}

void load_done(struct hub *hub, uint64_t request, struct bytes rows)
{
    struct load load;
    struct reader reader = reader_of(rows);
    struct row row = {0};
    if (retire_loaded(hub, request, rows) || operator_loaded(hub, request, rows) ||
        download_loaded(hub, request, rows) || !take_load(hub, request, &load)) {
        return;
    }
    hub->counters.loads++;
    while (hub->status == HUB_OK && row_read(&reader, &row)) {
        load_row(hub, load.document, &row, &reader);
    }
    if (reader.status == PROTOCOL_NO_MEMORY) {
        hub_fail(hub, HUB_NO_MEMORY);
        return;
    }
    if (!reader_ok(&reader)) {
        tell_damage(hub, load.document, &row);
        give_up(hub, &load);
        return;
    }
    load.document->ready = load.document->ready || load.rows;
    document_weigh(hub, load.document);
    if (load.rows && load.document->stored == 0) {
        unstored_add(&hub->unstored_documents, load.document);
    }
    if (load.rows) {
        expire_watch(hub, load.document);
        expire_pump(hub);
    }
    wake(hub, &load);
}

void load_failed(struct hub *hub, uint64_t request)
{
    struct load load;
    if (!retire_load_failed(hub, request) && !operator_load_failed(hub, request) &&
        !download_load_failed(hub, request) && take_load(hub, request, &load)) {
        hub->counters.loads_failed++;
        give_up(hub, &load);
    }
}

void loads_finish(struct hub *hub)
{
    for (uint32_t i = 0; i < hub->loads.length; i++) {
        free(hub->loads.places[i].item);
    }
    table_finish(&hub->loads);
}

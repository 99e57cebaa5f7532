/* Documents in memory: found by name, loaded on demand, evicted when idle. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "crdt/field.h"
#include "protocol/rows.h"
#include "server/hub/documents.h"
#include "server/hub/effects.h"
#include "server/hub/list.h"
#include "server/hub/sent.h"
#include "server/hub/state.h"
#include "server/hub/streams.h"
#include "server/hub/table.h"
#include "server/hub/unstored.h"

enum {
    CROWD_STREAMS = 64,
    GATHERING_PART =
        256, /* a crowd gathers, if more than this part of it has come since the last wake */
    GATHERED_PER_MS = 32 /* so many add a millisecond to the wait between two */
};

struct bytes document_name(const struct document *document)
{
    return (struct bytes){document->name, document->name_length};
}

bool document_matches(const void *item, const void *key)
{
    return bytes_equal(document_name(item), *(const struct bytes *)key);
}

struct document *document_find(const struct hub *hub, struct bytes name)
{
    return table_find(&hub->documents, bytes_hash(name, hub->config.seed), &name);
}

static void free_fields(const struct schema *schema, struct crdt_field **fields)
{
    for (size_t i = 0; fields != NULL && i < schema->length; i++) {
        if (fields[i] != NULL) {
            fields[i]->type->destroy(fields[i]);
        }
    }
    free(fields);
}

/* NULL: no memory. */
static struct crdt_field **create_fields(const struct hub *hub, const struct schema *schema)
{
    struct crdt_field **fields = calloc(schema->length + 1, sizeof(*fields));
    for (size_t i = 0; fields != NULL && i < schema->length; i++) {
        const struct crdt_declaration *declared = &schema->fields[i].declared.crdt;
        fields[i] = declared->type->create(declared, hub->config.seed);
        if (fields[i] == NULL) {
            free_fields(schema, fields);
            fields = NULL;
        }
    }
    return fields;
}

/* Without memory it keeps those it has: the step that has failed still looks at it. */
static void renew_fields(struct hub *hub, struct document *document)
{
    struct crdt_field **fresh = create_fields(hub, document->schema);
    if (fresh == NULL) {
        hub_fail(hub, HUB_NO_MEMORY);
        return;
    }
    free_fields(document->schema, document->fields);
    document->fields = fresh;
}

void document_clear(struct hub *hub, struct document *document)
{
    assert(!document->ready && list_empty(&document->streams));
    ledger_finish(document);
    document->position = 0;
    document->stored = 0;
    document->next_index = 0;
    renew_fields(hub, document);
}

void document_empty(struct hub *hub, struct document *document)
{
    body_release(document->update);
    body_release(document->snapshot);
    document->update = NULL;
    document->snapshot = NULL;
    renew_fields(hub, document);
}

static void free_document(struct document *document)
{
    free_fields(document->schema, document->fields);
    ledger_finish(document);
    body_release(document->update);
    body_release(document->snapshot);
    buffer_finish(&document->rejected);
    free(document);
}

struct document *document_create(struct hub *hub, struct bytes name, const struct schema *schema)
{
    struct document *document = calloc(1, sizeof *document + name.length);
    if (document == NULL) {
        hub_fail(hub, HUB_NO_MEMORY);
        return NULL;
    }
    document->schema = schema;
    document->ledger.match = ledger_row_matches;
    document->seed = hub->config.seed;
    document->name_length = name.length;
    memcpy(document->name, name.data, name.length);
    list_init(&document->streams);
    list_init(&document->presences);
    buffer_init(&document->rejected, LIMIT_BODY_BYTES);
    document->fields = create_fields(hub, schema);
    if (document->fields == NULL ||
        !table_add(&hub->documents, bytes_hash(name, hub->config.seed), document)) {
        free_document(document);
        hub_fail(hub, HUB_NO_MEMORY);
        return NULL;
    }
    document_weigh(hub, document);
    return document;
}

struct document *document_take(struct hub *hub, struct bytes name)
{
    struct bytes schema_name;
    struct bytes key;
    struct document *document = document_find(hub, name);
    if (document != NULL) {
        return document;
    }
    if (!document_name_valid(name, &schema_name, &key)) {
        hub_fail(hub, HUB_CORRUPT);
        return NULL;
    }
    const struct schema *schema = schema_find(hub->config.schemas, schema_name);
    if (schema == NULL) {
        hub_fail(hub, HUB_UNKNOWN_SCHEMA);
        return NULL;
    }
    return document_create(hub, name, schema);
}

void document_destroy(struct hub *hub, struct document *document)
{
    assert(list_empty(&document->streams) && document->pins == 0);
    unstored_remove(&hub->unstored_documents, document);
    table_remove(&hub->documents, bytes_hash(document_name(document), hub->config.seed), document);
    list_remove(&document->idle);
    list_remove(&document->dirty);
    list_remove(&document->due);
    list_remove(&document->touched);
    presences_finish(hub, document);
    hub->memory -= document->memory;
    free_document(document);
}

void document_pin(struct document *document)
{
    document->pins++;
    list_remove(&document->idle);
}

void document_unpin(struct hub *hub, struct document *document)
{
    assert(document->pins > 0);
    document->pins--;
    document_rest(hub, document);
}

void document_rest(struct hub *hub, struct document *document)
{
    if (document->pins == 0 && document->loads == 0 && !list_linked(&document->dirty) &&
        !list_linked(&document->idle)) {
        document->idle_since_ms = hub->now_ms;
        list_push(&hub->idle_documents, &document->idle);
    }
}

void document_touch(struct hub *hub, struct document *document)
{
    list_push(&hub->touched_documents, &document->touched);
}

static void wake(struct hub *hub, struct document *document)
{
    bool crowded = document->stream_count > CROWD_STREAMS;
    LIST_FOR_EACH(at, &document->streams)
    {
        struct stream *stream = CONTAINER(at, struct stream, in_document);
        stream_arrive(stream);
        if (crowded) {
            stream_touch_later(hub, stream);
        } else {
            stream_touch(hub, stream);
        }
    }
}

/*
 * When the document's streams may be woken; now_ms or before: at once. While a crowd is being told,
 * each of its members gets the newest state when its turn comes: to put those who have had it at
 * the end again, for each batch, would cost a walk, and change nothing. And while a crowd gathers,
 * who is there already is told of its edits in fewer and larger steps.
 */
static uint64_t wake_at_ms(const struct hub *hub, const struct document *document)
{
    size_t crowd = document->stream_count;
    if (crowd <= CROWD_STREAMS) {
        return 0;
    }
    if (hub->patient_left < document->woken) {
        return UINT64_MAX; /* a TICK comes then */
    }
    bool gathers = document->joined > crowd / GATHERING_PART;
    return gathers ? document->woken_ms + crowd / GATHERED_PER_MS : 0;
}

void documents_wake(struct hub *hub)
{
    struct link *next;
    for (struct link *at = hub->touched_documents.next; at != &hub->touched_documents; at = next) {
        struct document *document = CONTAINER(at, struct document, touched);
        next = at->next;
        if (wake_at_ms(hub, document) <= hub->now_ms) {
            list_remove(at);
            wake(hub, document);
            document->arrival = (struct arrival){0};
            document->woken = hub->patient_came;
            document->woken_ms = hub->now_ms;
            document->joined = 0;
        }
    }
}

uint64_t documents_wake_ms(const struct hub *hub)
{
    uint64_t first_ms = UINT64_MAX;
    LIST_FOR_EACH(at, &hub->touched_documents)
    {
        uint64_t at_ms = wake_at_ms(hub, CONTAINER(at, struct document, touched));
        if (at_ms <= hub->now_ms) {
            return at_ms; /* at once is soon enough: there may be thousands more */
        }
        first_ms = at_ms < first_ms ? at_ms : first_ms;
    }
    return first_ms;
}

static size_t row_bytes(const struct document *document)
{
    return sizeof(struct ledger_row) + document->schema->length * sizeof(struct crdt_entry);
}

void document_weigh(struct hub *hub, struct document *document)
{
    size_t memory = sizeof *document + document->name_length + document->rejected.capacity +
                    document->ledger.length * row_bytes(document) + document->rejection_bytes +
                    document->presence_bytes;
    for (size_t i = 0; i < document->schema->length; i++) {
        memory += document->fields[i]->type->memory(document->fields[i]);
    }
    hub->memory += memory - document->memory;
    document->memory = memory;
}

static struct document *longest_idle(const struct hub *hub)
{
    return CONTAINER(hub->idle_documents.next, struct document, idle);
}

bool documents_make_room(struct hub *hub)
{
    while (hub->memory > hub->config.memory_limit) {
        if (list_empty(&hub->idle_documents)) {
            return false;
        }
        document_destroy(hub, longest_idle(hub));
    }
    return true;
}

void documents_evict(struct hub *hub)
{
    while (!list_empty(&hub->idle_documents) &&
           longest_idle(hub)->idle_since_ms + hub->config.idle_ms <= hub->now_ms) {
        document_destroy(hub, longest_idle(hub));
    }
}

void document_load_ledger(struct hub *hub, struct document *document, size_t *loads)
{
    struct row_request request = {.kind = ROWS_LEDGER, .name = document_name(document)};
    (void)document_load(hub, document, NULL, 0, loads);
    struct hub_effect *effect = effect_load(hub, &request);
    struct load *load = load_ask(hub, document, false, loads);
    effect->request = load == NULL ? 0 : load->request;
}

struct load *document_load(struct hub *hub, struct document *document,
                           const struct replica_id *replicas, size_t length, size_t *loads)
{
    bool ask_document = !document->ready && !document->loading;
    buffer_clear(&hub->scratch);
    size_t missing = 0;
    struct writer writer = writer_to(&hub->scratch);
    for (size_t i = 0; i < length; i++) {
        if (ledger_find(document, &replicas[i]) == NULL) {
            write_raw(&writer, replica_id_bytes(&replicas[i]));
            missing++;
        }
    }
    if (!ask_document && missing == 0 && document->ready) {
        return NULL;
    }
    if (writer.status != PROTOCOL_OK) {
        hub_fail(hub, HUB_NO_MEMORY);
        return NULL;
    }
    struct row_request request = {.name = document_name(document),
                                  .document = ask_document,
                                  .replicas = (const struct replica_id *)hub->scratch.data,
                                  .length = missing};
    struct hub_effect *effect = effect_load(hub, &request);
    struct load *load = load_ask(hub, document, ask_document, loads);
    effect->request = load == NULL ? 0 : load->request;
    return load;
}

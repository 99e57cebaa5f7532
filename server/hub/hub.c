#include "server/hub/hub.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "server/hub/batch.h"
#include "server/hub/connections.h"
#include "server/hub/documents.h"
#include "server/hub/download.h"
#include "server/hub/effects.h"
#include "server/hub/job.h"
#include "server/hub/list.h"
#include "server/hub/operator.h"
#include "server/hub/pipeline.h"
#include "server/hub/principal.h"
#include "server/hub/retire.h"
#include "server/hub/roster.h"
#include "server/hub/state.h"
#include "server/hub/table.h"

enum { EFFECTS_MIN = 16 };

const char *hub_status_text(enum hub_status status)
{
    switch (status) {
#define X(name, text)                                                                              \
    case name:                                                                                     \
        return text;
        HUB_STATUS_LIST(X)
#undef X
    }
    return "unknown status";
}

void hub_config_init(struct hub_config *config)
{
    *config = (struct hub_config){
        .ping_ms = 30000,
        .hello_ms = 10000,
        .idle_ms = 60000,
        .store_ms = 500,
        .replica_ttl_ms = (uint64_t)90 * 24 * 60 * 60 * 1000,
        .message_bytes = LIMIT_MESSAGE_BYTES,
        .streams_max = LIMIT_STREAMS,
        .connections_max = 20000,
        .removals_max = LIMIT_REMOVALS,
        .batch_bytes = 1 << 20,
        .slice_packets = 256,
        .memory_limit = (size_t)1 << 30,
        .buffer_bytes = (size_t)256 << 20,
        .connection_rates = {{20000, 1000}, {16 << 20, 1000}},
        .principal_rates = {{0, 1000}, {0, 1000}},
        .hub_rates = {{0, 1000}, {0, 1000}},
        .principal_connections = 1000,
        .principal_streams = 100000,
    };
}

/* What is only a switch counts where it is not as it comes, so that hubs without switches have the
 * hash they always had. */
static void write_switches(struct writer *writer, const struct schema *schema)
{
    if (schema->frozen || schema->withheld > 0) {
        write_bool(writer, schema->frozen);
        write_uint(writer, schema->withheld);
    }
    for (size_t i = 0; i < schema->length; i++) {
        if (schema->fields[i].frozen) {
            write_uint(writer, schema->fields[i].number);
        }
    }
}

bool hub_hash_schemas(const struct schema_set *schemas, uint64_t *hash)
{
    struct buffer bytes;
    buffer_init(&bytes, LIMIT_BODY_BYTES);
    struct writer writer = writer_to(&bytes);
    for (size_t i = 0; i < schemas->length; i++) {
        write_text(&writer, schemas->schemas[i].name);
        write_fields(&writer, &schemas->schemas[i]);
        write_switches(&writer, &schemas->schemas[i]);
    }
    *hash = bytes_hash(buffer_bytes(&bytes), 0);
    buffer_finish(&bytes);
    return writer.status == PROTOCOL_OK;
}

static bool copy_ancestors(struct hub *hub, const struct hub_config *config)
{
    hub->ancestors = calloc(config->ancestor_count + 1, sizeof *hub->ancestors);
    if (hub->ancestors == NULL) {
        return false;
    }
    for (size_t i = 0; i < config->ancestor_count; i++) {
        hub->ancestors[i] = config->ancestors[i];
    }
    return true;
}

void counters_clear(struct hub_counters *counters)
{
    *counters = (struct hub_counters){.batch_updates = {.bounds = &histogram_size},
                                      .publish_us = {.bounds = &histogram_latency},
                                      .end_to_end_us = {.bounds = &histogram_latency}};
}

struct hub *hub_create(const struct hub_config *config)
{
    struct hub *hub = calloc(1, sizeof *hub);
    if (hub == NULL || !copy_ancestors(hub, config)) {
        free(hub);
        return NULL;
    }
    hub->effects = calloc(EFFECTS_MIN, sizeof *hub->effects);
    if (hub->effects == NULL || !hub_hash_schemas(config->schemas, &hub->schema_hash)) {
        free(hub->effects);
        free(hub->ancestors);
        free(hub);
        return NULL;
    }
    hub->effect_capacity = EFFECTS_MIN;
    hub->config = *config;
    hub->config.ancestors = hub->ancestors;
    hub->position = config->position;
    hub->connections.match = connection_matches;
    hub->documents.match = document_matches;
    hub->principals.match = principal_matches;
    counters_clear(&hub->counters);
    hub->loads.match = load_matches;
    hub->next_sweep_ms = UINT64_MAX;
    hub->next_store_ms = UINT64_MAX;
    list_init(&hub->dirty_connections);
    list_init(&hub->patient_connections);
    list_init(&hub->waiting_connections);
    list_init(&hub->waiters);
    list_init(&hub->idle_documents);
    list_init(&hub->dirty_documents);
    list_init(&hub->due_documents);
    list_init(&hub->touched_documents);
    hub->unstored_documents.seed = config->seed;
    hub->next_due_ms = UINT64_MAX;
    buffer_init(&hub->gathering.bytes, LIMIT_BODY_BYTES);
    buffer_init(&hub->committing.bytes, LIMIT_BODY_BYTES);
    buffer_init(&hub->store_bytes, LIMIT_BODY_BYTES);
    buffer_init(&hub->scratch, LIMIT_BODY_BYTES);
    buffer_init(&hub->retirement.records, LIMIT_BODY_BYTES);
    buffer_init(&hub->arena, SIZE_MAX / 2);
    return hub;
}

void hub_destroy(struct hub *hub)
{
    if (hub == NULL) {
        return;
    }
    operator_requests_finish(hub);
    waiters_finish(hub);
    jobs_finish(hub);
    downloads_finish(hub);
    free(hub->refusals);
    while (hub->connections.length > 0) {
        connection_destroy(hub, hub->connections.places[0].item);
    }
    while (hub->documents.length > 0) {
        struct document *document = hub->documents.places[0].item;
        document->pins = 0;
        document_destroy(hub, document);
    }
    replay_finish(hub);
    loads_finish(hub);
    roster_finish(&hub->roster);
    table_finish(&hub->connections);
    table_finish(&hub->documents);
    table_finish(&hub->principals);
    buffer_finish(&hub->retirement.records);
    batch_finish(&hub->gathering);
    batch_finish(&hub->committing);
    buffer_finish(&hub->store_bytes);
    buffer_finish(&hub->scratch);
    buffer_finish(&hub->arena);
    free(hub->effects);
    free(hub->notes);
    free(hub->ancestors);
    free(hub);
}

bool hub_resolve(const struct hub *hub, const struct journal_id *journal, uint64_t position,
                 uint64_t *resolved)
{
    if (memcmp(journal->bytes, hub->config.journal.bytes, JOURNAL_ID_BYTES) == 0) {
        *resolved = position;
        return true;
    }
    for (size_t i = 0; i < hub->config.ancestor_count; i++) {
        const struct hub_ancestor *ancestor = &hub->ancestors[i];
        if (memcmp(journal->bytes, ancestor->journal.bytes, JOURNAL_ID_BYTES) == 0) {
            *resolved = position < ancestor->position ? position : ancestor->position;
            return true;
        }
    }
    *resolved = 0;
    return false;
}

static void drain(struct hub *hub)
{
    if (!hub->draining) {
        hub->draining = true;
        store_soon(hub);
        connections_drain(hub);
    }
}

static void dispatch(struct hub *hub, const struct hub_event *event)
{
    switch (event->kind) {
    case EVENT_TICK:
        return;
    case EVENT_CONNECTED:
        connection_connected(hub, event->connection, event->inside);
        return;
    case EVENT_RECEIVED:
        connection_received(hub, event->connection, event->bytes);
        return;
    case EVENT_BLOCKED:
        connection_blocked(hub, event->connection);
        return;
    case EVENT_WRITABLE:
        connection_writable(hub, event->connection);
        return;
    case EVENT_DISCONNECTED:
        connection_gone(hub, event->connection);
        return;
    case EVENT_APPENDED:
        batch_appended(hub, event->position);
        return;
    case EVENT_APPEND_FAILED:
        batch_failed(hub);
        return;
    case EVENT_REPLAY:
        replay_add(hub, event->position, event->bytes);
        return;
    case EVENT_LOADED:
        load_done(hub, event->request, event->bytes);
        return;
    case EVENT_LOAD_FAILED:
        load_failed(hub, event->request);
        return;
    case EVENT_STORED:
        store_done(hub);
        return;
    case EVENT_STORE_FAILED:
        store_failed(hub);
        return;
    case EVENT_VERIFIED:
        token_verified(hub, event);
        return;
    case EVENT_SCRUBBED:
        jobs_scrubbed(hub, event->request, true);
        return;
    case EVENT_SCRUB_FAILED:
        jobs_scrubbed(hub, event->request, false);
        return;
    case EVENT_REWRITE:
        rewrite_document(hub, event->bytes);
        return;
    case EVENT_SETTLE:
        hub_settle(hub);
        return;
    case EVENT_GO_ON:
        hub->settling = false;
        return;
    case EVENT_RECONFIGURE:
        hub_reconfigure(hub, event->config);
        return;
    case EVENT_VALUES:
        outside_asked(hub, event);
        return;
    case EVENT_ANSWER:
        operator_answered(hub, event);
        return;
    case EVENT_DRAIN:
        drain(hub);
        return;
    }
}

static uint64_t earliest(uint64_t a, uint64_t b) { return a < b ? a : b; }

static uint64_t next_wake(const struct hub *hub)
{
    uint64_t wake_ms = hub->next_sweep_ms;
    if (!hub->storing && !list_empty(&hub->dirty_documents)) {
        wake_ms = earliest(wake_ms, hub->next_store_ms);
    }
    wake_ms = earliest(wake_ms, retire_wake_ms(hub));
    wake_ms = earliest(wake_ms, documents_wake_ms(hub));
    if (!hub->read_only && !hub->draining && !hub->settling && hub->replay_first == NULL) {
        wake_ms = earliest(wake_ms, hub->next_due_ms);
    }
    if (hub->read_only && !hub->appending) {
        wake_ms = earliest(wake_ms, hub->retry_ms);
    }
    if (!list_empty(&hub->idle_documents)) {
        const struct document *oldest = CONTAINER(hub->idle_documents.next, struct document, idle);
        wake_ms = earliest(wake_ms, oldest->idle_since_ms + hub->config.idle_ms);
    }
    return wake_ms;
}

enum hub_status hub_step(struct hub *hub, const struct hub_event *event,
                         struct hub_effects *effects)
{
    hub->status = HUB_OK;
    hub->now_ms = event->now_ms > hub->now_ms ? event->now_ms : hub->now_ms;
    hub->now_us = event->now_us;
    hub->verbose = event->verbose;
    hub->started_ms = hub->started_ms == 0 ? hub->now_ms : hub->started_ms;
    effects_clear(hub);
    dispatch(hub, event);
    if (event->kind == EVENT_TICK) {
        held_pump(hub);
    }
    jobs_pump(hub);
    downloads_sweep(hub);
    replay_pump(hub);
    retire_pump(hub);
    expire_pump(hub);
    batch_pump(hub);
    waiters_pump(hub);
    connections_sweep(hub);
    turn_take(hub, event->kind);
    store_pump(hub);
    documents_evict(hub);
    *effects = (struct hub_effects){.wake_ms = next_wake(hub), .more = hub->behind};
    effects_finish(hub, effects);
    return hub->status;
}

void hub_stats(const struct hub *hub, struct hub_stats *stats)
{
    bool idle = !hub->appending && hub->gathering.length == 0 && !hub->storing &&
                list_empty(&hub->dirty_documents) && !hub->behind;
    *stats = (struct hub_stats){
        .position = hub->position,
        .connections = hub->connections.length,
        .streams = hub->stream_count,
        .documents = hub->documents.length,
        .principals = hub->principals.length,
        .paused = hub->paused_count,
        .pending = hub->gathering.length + hub->committing.length,
        .pending_bytes = hub->gathering.bytes.length + hub->committing.bytes.length,
        .trimmed = hub->trimmed,
        .memory_bytes = hub->memory,
        .answer_bytes = hub->answer_bytes,
        .held_bytes = hub->held_bytes,
        .read_only = hub->read_only,
        .draining = hub->draining,
        .drained = hub->draining && idle,
        .replaying = hub->replay_first != NULL,
    };
}

const struct hub_counters *hub_counters(const struct hub *hub) { return &hub->counters; }

const struct hub_config *hub_configured(const struct hub *hub) { return &hub->config; }

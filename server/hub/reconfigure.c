/*
 * Reconfigure: another configuration takes effect in one step.
 *
 * What the journal holds was judged, and must be merged again after a crash, under the schemas it
 * was written under. So before documents change their fields the hub settles: it takes no update
 * and opens nothing, begins no operator's call on a document, ends what is under way, and stores
 * all of it. Then rows are all there is of any document, whoever runs the hub gives new fields
 * their numbers, and documents whose fields changed simply leave the memory: they come back from
 * their rows.
 */

#include "server/hub/batch.h"
#include "server/hub/connections.h"
#include "server/hub/documents.h"
#include "server/hub/effects.h"
#include "server/hub/list.h"
#include "server/hub/pipeline.h"
#include "server/hub/state.h"
#include "server/hub/streams.h"

void hub_settle(struct hub *hub)
{
    hub->settling = true;
    store_soon(hub);
}

static bool is_idle(const struct hub *hub)
{
    return hub->replay_first == NULL && !hub->appending && hub->gathering.length == 0 &&
           !hub->storing && list_empty(&hub->dirty_documents) && hub->loads.length == 0 &&
           hub->retirement.request == 0 && hub->retirement.records.length == 0;
}

/* Pins that are no stream's are records in batches, jobs, and who waits for values. A download has
 * its own copy of what it sends. */
bool hub_settled(const struct hub *hub)
{
    bool settled = hub->settling && is_idle(hub);
    for (uint32_t i = 0; settled && i < hub->documents.length; i++) {
        const struct document *document = hub->documents.places[i].item;
        settled = document->pins == document->stream_count;
    }
    return settled;
}

static const struct schema *schema_of(const struct schema_set *schemas,
                                      const struct document *document)
{
    const char *name = document->schema->name;
    return schema_find(schemas, bytes_of_text(name));
}

static bool is_changed(const struct schema_set *schemas, const struct document *document)
{
    const struct schema *now = schema_of(schemas, document);
    return now == NULL || !schema_equal(document->schema, now);
}

static void end_streams(struct hub *hub, struct document *document, enum hub_code code)
{
    while (!list_empty(&document->streams)) {
        stream_end(hub, CONTAINER(document->streams.next, struct stream, in_document), code);
    }
}

/* Their clients open them again, and get what is declared now. */
static void drop_changed(struct hub *hub, const struct schema_set *schemas)
{
    uint32_t i = 0;
    while (i < hub->documents.length) {
        struct document *document = hub->documents.places[i].item;
        if (!is_changed(schemas, document)) {
            i++;
            continue;
        }
        bool gone = schema_of(schemas, document) == NULL;
        end_streams(hub, document, gone ? CODE_UNKNOWN_SCHEMA : CODE_SCHEMA_CHANGED);
        document_destroy(hub, document); /* another takes its place */
    }
}

static void adopt_all(struct schema_set *schemas, struct schema_set *before)
{
    for (size_t i = 0; i < schemas->length; i++) {
        for (size_t k = 0; k < before->length; k++) {
            if (schema_equal(&schemas->schemas[i], &before->schemas[k])) {
                schema_adopt(&schemas->schemas[i], &before->schemas[k]);
                break; /* names are there once; and now `before` has another's fields */
            }
        }
    }
}

/* Of a document that is offered to fewer than before. */
static void withdraw(struct hub *hub, struct document *document)
{
    struct link *at = document->streams.next;
    while (at != &document->streams) {
        struct stream *stream = CONTAINER(at, struct stream, in_document);
        at = at->next;
        if (!schema_is_offered(stream->connection, document->schema)) {
            stream_end(hub, stream, CODE_NOT_OFFERED);
            at = document->streams.next; /* its connection may have ended, and others with it */
        }
    }
}

bool schema_is_offered(const struct connection *connection, const struct schema *schema)
{
    return connection->admin || schema_offers(schema, buffer_bytes(&connection->token.principal));
}

static void take_schemas(struct hub *hub, struct schema_set *schemas)
{
    drop_changed(hub, schemas);
    adopt_all(schemas, hub->config.schemas);
    for (uint32_t i = 0; i < hub->documents.length; i++) {
        struct document *document = hub->documents.places[i].item;
        document->schema = schema_of(schemas, document);
    }
    hub->config.schemas = schemas;
    for (uint32_t i = 0; i < hub->documents.length; i++) {
        withdraw(hub, hub->documents.places[i].item);
    }
}

/* Who has been told another hash looks at the schemas again, and opens what could not be opened. */
static void tell_all(struct hub *hub)
{
    uint8_t bytes[32];
    struct buffer data = {.data = bytes, .capacity = sizeof bytes, .limit = sizeof bytes};
    struct writer writer = writer_to(&data);
    write_map(&writer, 1);
    write_text(&writer, "schema");
    write_bin(&writer, (struct bytes){(const uint8_t *)&hub->schema_hash, sizeof hub->schema_hash});
    for (uint32_t i = 0; i < hub->connections.length; i++) {
        struct connection *connection = hub->connections.places[i].item;
        if (connection->greeted) {
            connection_event(hub, connection, "schema", buffer_bytes(&data));
        }
    }
}

void hub_reconfigure(struct hub *hub, const struct hub_config *config)
{
    struct hub_config before = hub->config;
    uint64_t hash = hub->schema_hash;
    if (!hub_hash_schemas(config->schemas, &hub->schema_hash)) {
        hub_fail(hub, HUB_NO_MEMORY); /* and yet nothing of it may look at those before again */
    }
    take_schemas(hub, config->schemas);
    hub->config = *config;
    hub->config.journal = before.journal;
    hub->config.ancestors = before.ancestors;
    hub->config.ancestor_count = before.ancestor_count;
    hub->config.position = before.position;
    hub->config.seed = before.seed;
    hub->config.relaxed = before.relaxed;
    hub->config.tokens = before.tokens;
    hub->settling = false;
    connections_sweep_by(hub, hub->now_ms);
    if (hub->schema_hash != hash) {
        tell_all(hub);
    }
}

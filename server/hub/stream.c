/* Streams: a client's open documents. Opening waits for the document's rows and for those of the
 * replicas that OPEN names. */
#include <stdlib.h>

#include "protocol/packet.h"
#include "server/hub/access.h"
#include "server/hub/connections.h"
#include "server/hub/documents.h"
#include "server/hub/effects.h"
#include "server/hub/list.h"
#include "server/hub/state.h"
#include "server/hub/streams.h"
#include "server/hub/table.h"

enum { BUSY_RETRY_MS = 2000, SETTLING_RETRY_MS = 100, CLOCK_LEEWAY_MS = 24 * 60 * 60 * 1000 };

static uint64_t hash_of(int64_t id)
{
    return bytes_hash((struct bytes){(const uint8_t *)&id, sizeof id}, 0);
}

struct stream *stream_find(const struct connection *connection, int64_t id)
{
    return table_find(&connection->stream_table, hash_of(id), &id);
}

struct stream_replica *stream_replica_find(const struct stream *stream,
                                           const struct packet_replica *replica)
{
    if (replica->own) {
        return &stream->replicas[0];
    }
    for (size_t i = 0; i < stream->length; i++) {
        if (replica_id_equal(&stream->named[i], &replica->id)) {
            return &stream->replicas[i];
        }
    }
    return NULL;
}

void stream_touch(struct hub *hub, struct stream *stream)
{
    list_push(&stream->connection->dirty_streams, &stream->dirty);
    connection_touch(hub, stream->connection);
}

void stream_touch_later(struct hub *hub, struct stream *stream)
{
    if (!list_linked(&stream->dirty)) {
        list_push(&stream->connection->dirty_streams, &stream->dirty);
        connection_touch_later(hub, stream->connection);
    }
}

/* A cursor beyond the restore point of its journal is none: its client has seen what is lost. */
static void resolve_cursor(const struct hub *hub, struct stream *stream,
                           const struct packet_open *open)
{
    stream->has_cursor = open->has_cursor &&
                         hub_resolve(hub, &open->journal, open->position, &stream->cursor) &&
                         stream->cursor == open->position;
}

static bool replica_is_new(const struct stream *stream, size_t index)
{
    for (size_t i = 0; i < index; i++) {
        if (replica_id_equal(&stream->named[i], &stream->named[index])) {
            return false;
        }
    }
    return true;
}

/* The stream with the replicas it names, or NULL: answered. */
static struct stream *read_stream(struct hub *hub, struct connection *connection,
                                  const struct packet *packet)
{
    struct reader left;
    size_t length = packet_replicas(packet->open.replicas, &left);
    if (!reader_ok(&left) || length == 0) {
        connection_error(hub, connection, packet->id, CODE_BAD_REPLICA, 0);
        return NULL;
    }
    struct stream *stream =
        calloc(1, sizeof *stream + length * (sizeof *stream->replicas + sizeof *stream->named));
    if (stream == NULL) {
        connection_error(hub, connection, packet->id, CODE_BUSY, BUSY_RETRY_MS);
        return NULL;
    }
    stream->connection = connection;
    stream->id = packet->id;
    stream->once = packet->open.once;
    stream->rights = token_rights(hub, connection, packet->open.name);
    stream->presence = packet->open.presence && (stream->rights & ACCESS_PRESENCE) != 0;
    stream->length = length;
    stream->replicas = (struct stream_replica *)(void *)&stream->named[length];
    bool good = true;
    for (size_t i = 0; i < length; i++) {
        stream->named[i] = packet_read_replica(&left);
        good = good && replica_is_new(stream, i) &&
               replica_id_time_ms(&stream->named[i]) <= hub->now_ms + CLOCK_LEEWAY_MS;
    }
    if (!good || !reader_ok(&left)) {
        connection_error(hub, connection, packet->id, CODE_BAD_REPLICA, 0);
        free(stream);
        return NULL;
    }
    resolve_cursor(hub, stream, &packet->open);
    return stream;
}

/* With its places in the tables and the allocator's share. */
static size_t stream_bytes(const struct stream *stream)
{
    static const size_t beside = 96;
    return sizeof *stream + beside +
           stream->length * (sizeof *stream->replicas + sizeof *stream->named);
}

struct document *stream_document(struct hub *hub, struct connection *connection,
                                 const struct packet *packet)
{
    struct bytes schema_name;
    struct bytes key;
    if (!document_name_valid(packet->open.name, &schema_name, &key)) {
        connection_error(hub, connection, packet->id, CODE_BAD_NAME, 0);
        return NULL;
    }
    if ((token_rights(hub, connection, packet->open.name) & ACCESS_READ) == 0) {
        connection_error(hub, connection, packet->id, CODE_FORBIDDEN, 0);
        return NULL; /* before it is told which schemas there are */
    }
    const struct schema *schema = schema_find(hub->config.schemas, schema_name);
    if (schema == NULL) {
        connection_error(hub, connection, packet->id, CODE_UNKNOWN_SCHEMA, 0);
        return NULL;
    }
    if (!schema_is_offered(connection, schema)) {
        connection_error(hub, connection, packet->id, CODE_NOT_OFFERED, 0);
        return NULL;
    }
    if (hub->settling) {
        connection_error(hub, connection, packet->id, CODE_BUSY, SETTLING_RETRY_MS);
        return NULL;
    }
    bool full = connection->stream_table.length >= hub->config.streams_max;
    if (full || connection->principal->streams >= hub->config.principal_streams) {
        limit_hit(hub, connection, full ? HUB_LIMIT_STREAMS : HUB_LIMIT_PRINCIPAL_STREAMS);
        connection_error(hub, connection, packet->id, CODE_TOO_MANY_STREAMS, 0);
        return NULL;
    }
    if (!documents_make_room(hub)) {
        limit_hit(hub, connection, HUB_LIMIT_MEMORY);
        connection_error(hub, connection, packet->id, CODE_BUSY, BUSY_RETRY_MS);
        return NULL;
    }
    struct document *document = document_find(hub, packet->open.name);
    return document != NULL ? document : document_create(hub, packet->open.name, schema);
}

void stream_open(struct hub *hub, struct connection *connection, const struct packet *packet)
{
    struct document *document = stream_document(hub, connection, packet);
    if (document == NULL) {
        return;
    }
    document_pin(document);
    struct stream *stream = read_stream(hub, connection, packet);
    if (stream == NULL || !table_add(&connection->stream_table, hash_of(stream->id), stream)) {
        if (stream != NULL) {
            connection_error(hub, connection, packet->id, CODE_BUSY, BUSY_RETRY_MS);
            free(stream);
        }
        document_unpin(hub, document);
        return;
    }
    stream->document = document;
    hub->stream_count++;
    connection->principal->streams++;
    hub->memory += stream_bytes(stream);
    list_push(&connection->streams, &stream->in_connection);
    list_push(&document->streams, &stream->in_document);
    document->stream_count++;
    document->joined++;
    stream->load = document_load(hub, document, stream->named, stream->length, NULL);
    if (stream->load == NULL) {
        stream_loaded(hub, stream);
    } else {
        stream->load->stream = stream;
    }
}

/* A client that comes back before its dead connection was noticed takes its replica along; so does
 * a copied session, whose original then begins a new one. */
static void take_ownership(struct hub *hub, struct stream *stream)
{
    struct ledger_row *row = stream->replicas[0].row;
    struct stream *before = row->owner;
    row->owner = stream;
    if (before != NULL && before != stream) {
        stream_end(hub, before, CODE_REPLICA_IN_USE);
    }
}

void stream_loaded(struct hub *hub, struct stream *stream)
{
    stream->load = NULL;
    for (size_t i = 0; i < stream->length; i++) {
        struct ledger_row *row = ledger_take(hub, stream->document, &stream->named[i]);
        if (row == NULL) {
            return; /* the step has failed */
        }
        row->references++;
        stream->replicas[i].row = row;
    }
    document_weigh(hub, stream->document); /* with the rows that are new */
    if (!token_owns(hub, stream->connection, stream->replicas[0].row)) {
        stream_end(hub, stream, CODE_REPLICA_IN_USE); /* and not the owner's */
        return;
    }
    take_ownership(hub, stream);
    stream_touch(hub, stream);
}

void stream_drop_transfer(struct stream *stream)
{
    body_release(stream->transfer.body);
    stream->transfer = (struct transfer){0};
}

void stream_close(struct hub *hub, struct stream *stream)
{
    struct document *document = stream->document;
    for (size_t i = 0; i < stream->length; i++) {
        struct ledger_row *row = stream->replicas[i].row;
        if (row == NULL) {
            continue;
        }
        if (row->owner == stream) {
            row->owner = NULL;
        }
        ledger_release(hub, document, row);
    }
    if (stream->load != NULL) {
        stream->load->stream = NULL;
    }
    presence_stream_closed(hub, stream);
    stream_drop_transfer(stream);
    list_remove(&stream->dirty);
    list_remove(&stream->in_document);
    list_remove(&stream->in_connection);
    table_remove(&stream->connection->stream_table, hash_of(stream->id), stream);
    hub->stream_count--;
    stream->connection->principal->streams--;
    hub->memory -= stream_bytes(stream);
    document->stream_count--;
    free(stream);
    document_weigh(hub, document);
    document_unpin(hub, document);
}

void stream_end(struct hub *hub, struct stream *stream, enum hub_code code)
{
    const char *name = code == CODE_NONE ? "" : hub_code_name(code);
    const char *text = hub_code_text(code);
    struct packet packet = {.kind = PACKET_CLOSE, .id = stream->id};
    packet.error.code = bytes_of_text(name);
    packet.error.text = bytes_of_text(text);
    struct connection *connection = stream->connection;
    stream_close(hub, stream);
    connection_answer(hub, connection, &packet);
    if (code != CODE_NONE) {
        note_error(hub, connection, code);
    }
}

void streams_restrict(struct hub *hub, struct connection *connection)
{
    struct link *at = connection->streams.next;
    while (at != &connection->streams) {
        struct stream *stream = CONTAINER(at, struct stream, in_connection);
        at = at->next;
        stream->rights = token_rights(hub, connection, document_name(stream->document));
        if ((stream->rights & ACCESS_READ) == 0) {
            stream_end(hub, stream, CODE_FORBIDDEN);
        } else if ((stream->rights & ACCESS_PRESENCE) == 0) {
            stream->presence = false;
            presence_stream_closed(hub, stream);
        }
    }
}

void stream_credit(struct hub *hub, struct connection *connection, int64_t transfer, uint64_t bytes)
{
    LIST_FOR_EACH(at, &connection->streams)
    {
        struct stream *stream = CONTAINER(at, struct stream, in_connection);
        if (stream->transfer.id == transfer) {
            size_t room = LIMIT_BODY_BYTES - stream->transfer.credit;
            stream->transfer.credit += bytes < room ? (size_t)bytes : room;
            stream_touch(hub, stream);
            return;
        }
    }
    /* A grant for a transfer that has ended meanwhile: nothing to do. */
}

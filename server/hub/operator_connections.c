/* An operator's calls about the hub itself and its connections: answered at once, from memory. */
#include "server/hub/batch.h"
#include "server/hub/connections.h"
#include "server/hub/documents.h"
#include "server/hub/list.h"
#include "server/hub/operator.h"
#include "server/hub/roster.h"
#include "server/hub/state.h"
#include "server/hub/streams.h"

/* --- stats --- */

static void write_counters(struct writer *writer, const struct hub_counters *counters)
{
    write_pair_uint(writer, "updates", counters->updates);
    write_pair_uint(writer, "edits", counters->edits);
    write_pair_uint(writer, "rejected", counters->rejected);
    write_pair_uint(writer, "repeats", counters->repeats);
    write_pair_uint(writer, "batches", counters->batches);
    write_pair_uint(writer, "batch_bytes", counters->batch_bytes);
    write_pair_uint(writer, "messages_in", counters->messages_in);
    write_pair_uint(writer, "bytes_in", counters->bytes_in);
    write_pair_uint(writer, "messages_out", counters->messages_out);
    write_pair_uint(writer, "bytes_out", counters->bytes_out);
}

void operator_stats(const struct operator_call *call)
{
    struct hub *hub = call->hub;
    struct writer writer = operator_begin(hub);
    write_map(&writer, 25);
    write_pair_uint(&writer, "now_ms", hub->now_ms);
    write_pair_uint(&writer, "started_ms", hub->started_ms);
    write_pair_text(&writer, "hub", (struct bytes){(const uint8_t *)HUB_NAME, sizeof HUB_NAME - 1});
    write_text(&writer, "journal");
    write_bin(&writer, (struct bytes){hub->config.journal.bytes, JOURNAL_ID_BYTES});
    write_pair_position(&writer, "position", hub->position);
    write_pair_position(&writer, "trimmed", hub->trimmed);
    write_pair_bool(&writer, "read_only", hub->read_only);
    write_pair_bool(&writer, "draining", hub->draining);
    write_pair_bool(&writer, "relaxed", hub->config.relaxed);
    write_pair_uint(&writer, "connections", hub->connections.length);
    write_pair_uint(&writer, "streams", hub->stream_count);
    write_pair_uint(&writer, "documents", hub->documents.length);
    write_pair_uint(&writer, "memory_bytes", hub->memory);
    write_pair_uint(&writer, "memory_limit", hub->config.memory_limit);
    write_pair_uint(&writer, "paused", hub->paused_count);
    write_counters(&writer, &hub->counters);
    operator_answer(hub, call->connection, call->id, &writer);
}

/* --- connections --- */

static bool is_behind(const struct stream *stream)
{
    return !stream->has_cursor || stream->cursor < stream->document->position;
}

/* Takes from `looks` what it costs; streams beyond that are not counted. */
static size_t count_behind(const struct connection *connection, size_t *looks)
{
    size_t behind = 0;
    LIST_FOR_EACH(at, &connection->streams)
    {
        if (*looks == 0) {
            break;
        }
        behind += is_behind(CONTAINER(at, struct stream, in_connection));
        --*looks;
    }
    return behind;
}

enum { CONNECTION_PAIRS = 13 };

static void write_greeting(struct writer *writer, const struct greeting *greeting)
{
    struct bytes agent = {0};
    struct bytes client = {0};
    if (greeting != NULL) {
        agent = (struct bytes){greeting->texts, greeting->agent_length};
        client = (struct bytes){greeting->texts + greeting->agent_length, greeting->client_length};
    }
    write_pair_text(writer, "agent", agent);
    write_pair_text(writer, "client", client);
}

/* But for its number of streams. */
static void write_connection(struct writer *writer, const struct hub *hub,
                             const struct connection *connection, size_t *looks)
{
    write_pair_uint(writer, "id", connection->id);
    write_pair_uint(writer, "connected_ms", connection->connected_ms);
    write_pair_uint(writer, "heard_ms", connection->heard_ms);
    write_greeting(writer, connection->greeting);
    write_pair_bool(writer, "blocked", connection->blocked);
    write_pair_bool(writer, "paused", connection->paused != 0);
    write_pair_uint(writer, "updates", connection->updates);
    write_pair_uint(writer, "rejected", connection->rejected);
    write_pair_uint(writer, "bytes_in", connection->bytes_in);
    write_pair_uint(writer, "bytes_out", connection->bytes_out);
    write_pair_uint(writer, "pending", backlog_length(hub, &connection->backlog));
    write_pair_uint(writer, "behind", count_behind(connection, looks));
}

/* One page: the places, holes among them, from `at` up to `end`. */
struct page {
    size_t at;
    size_t end;
    size_t listed;
};

/* As much as is listed, and worth one call: a connection's streams are looked at too. */
static struct page turn_page(const struct roster *roster, uint64_t after, size_t limit)
{
    struct page page = {.at = roster_after(roster, after)};
    size_t looks = 0;
    for (page.end = page.at; page.end < roster->length; page.end++) {
        const struct connection *connection = roster->places[page.end].connection;
        if (page.listed == limit || looks >= LIMIT_LOOKED_AT) {
            break;
        }
        looks += connection == NULL ? 1 : 1 + connection->stream_table.length;
        page.listed += connection != NULL;
    }
    return page;
}

void operator_connections(const struct operator_call *call)
{
    struct hub *hub = call->hub;
    const struct roster *roster = &hub->roster;
    uint64_t after = operator_number(&call->values[0], 0);
    struct page page = turn_page(roster, after, operator_number(&call->values[1], OPERATOR_LISTED));
    struct writer writer = operator_begin(hub);
    write_map(&writer, 3);
    write_text(&writer, "connections");
    write_array(&writer, page.listed);
    size_t looks = 2 * LIMIT_LOOKED_AT;
    for (size_t i = page.at; i < page.end; i++) {
        const struct connection *connection = roster->places[i].connection;
        if (connection != NULL) {
            write_map(&writer, CONNECTION_PAIRS + 1);
            write_connection(&writer, hub, connection, &looks);
            write_pair_uint(&writer, "streams", connection->stream_table.length);
        }
    }
    write_pair_id(&writer, "next", page.end < roster->length ? roster->places[page.end - 1].id : 0);
    write_pair_uint(&writer, "total", hub->connections.length);
    operator_answer(hub, call->connection, call->id, &writer);
}

/* --- connection --- */

static void write_stream(struct writer *writer, const struct hub *hub, const struct stream *stream)
{
    write_map(writer, 7);
    write_text(writer, "id");
    write_int(writer, stream->id);
    write_pair_text(writer, "document", document_name(stream->document));
    write_text(writer, "cursor");
    if (stream->has_cursor) {
        write_wide(writer, (int64_t)stream->cursor);
    } else {
        write_nil(writer);
    }
    write_pair_position(writer, "position", stream->document->position);
    write_pair_uint(writer, "pending", backlog_length(hub, &stream->backlog));
    write_pair_uint(writer, "replicas", stream->length);
    write_pair_bool(writer, "presence", stream->own_presence != NULL);
}

static void write_streams(struct writer *writer, const struct hub *hub,
                          const struct connection *connection)
{
    size_t length = connection->stream_table.length;
    size_t left = length < LIMIT_LISTED ? length : LIMIT_LISTED;
    write_text(writer, "streams");
    write_array(writer, left);
    LIST_FOR_EACH(at, &connection->streams)
    {
        if (left-- == 0) {
            break;
        }
        write_stream(writer, hub, CONTAINER(at, struct stream, in_connection));
    }
    write_pair_bool(writer, "more", length > LIMIT_LISTED);
}

void operator_connection(const struct operator_call *call)
{
    struct hub *hub = call->hub;
    const struct connection *connection = connection_find(hub, call->values[0].number);
    struct writer writer = operator_begin(hub);
    if (connection == NULL) {
        write_nil(&writer);
    } else {
        size_t looks = LIMIT_LOOKED_AT;
        write_map(&writer, CONNECTION_PAIRS + 3);
        write_connection(&writer, hub, connection, &looks);
        write_pair_uint(&writer, "stream_count", connection->stream_table.length);
        write_streams(&writer, hub, connection);
    }
    operator_answer(hub, call->connection, call->id, &writer);
}

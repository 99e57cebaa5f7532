/* Connections: packets in, pauses, pings, and the end. What goes out is turn.c's. */
#include <assert.h>
#include <stdlib.h>

#include "protocol/packet.h"
#include "server/hub/connections.h"
#include "server/hub/download.h"
#include "server/hub/effects.h"
#include "server/hub/list.h"
#include "server/hub/pipeline.h"
#include "server/hub/principal.h"
#include "server/hub/roster.h"
#include "server/hub/state.h"
#include "server/hub/streams.h"
#include "server/hub/table.h"

enum {
    ANSWERS_PAUSE_BYTES =
        16 << 10, /* answers waiting for a blocked client: read no more of its calls */
    ANSWERS_BYTES_MAX = 4 << 20, /* what one message can call forth at the most */
    ERROR_PACKETS = 20, /* what an ERROR counts against the rate, beside the packet it answers */
    SWEEP_MS = 1000,
    GOAWAY_MIN_MS = 500,
    GOAWAY_MAX_MS = 5000
};

bool connection_matches(const void *item, const void *key)
{
    return ((const struct connection *)item)->id == *(const uint64_t *)key;
}

static bool stream_matches(const void *item, const void *key)
{
    return ((const struct stream *)item)->id == *(const int64_t *)key;
}

static uint64_t hash_of(uint64_t id)
{
    return bytes_hash((struct bytes){(const uint8_t *)&id, sizeof id}, 0);
}

struct connection *connection_find(const struct hub *hub, uint64_t id)
{
    return table_find(&hub->connections, hash_of(id), &id);
}

static void refuse(struct hub *hub, uint64_t id, uint16_t code, const char *text)
{
    struct hub_effect *effect = effect_add(hub, EFFECT_CLOSE);
    effect->connection = id;
    effect->code = code;
    effect->text = text;
}

static bool enlist(struct hub *hub, uint64_t id, struct connection *connection)
{
    if (!roster_reserve(&hub->roster) || !table_add(&hub->connections, hash_of(id), connection)) {
        return false;
    }
    roster_add(&hub->roster, id, connection);
    return true;
}

void connection_connected(struct hub *hub, uint64_t id, bool inside)
{
    bool full = hub->connections.length >= hub->config.connections_max;
    if (full) {
        limit_hit(hub, NULL, HUB_LIMIT_CONNECTIONS);
    }
    if (hub->draining || full) {
        refuse(hub, id, CLOSE_TRY_LATER, "the hub takes no more connections now");
        return;
    }
    struct connection *connection = calloc(1, sizeof *connection);
    if (connection == NULL || !enlist(hub, id, connection)) {
        free(connection);
        refuse(hub, id, CLOSE_TRY_LATER, "the hub is out of memory");
        return;
    }
    connection->id = id;
    connection->inside = inside;
    connection->connected_ms = hub->now_ms;
    connection->heard_ms = hub->now_ms;
    connection->pinged_ms = hub->now_ms;
    principal_init(connection);
    hub->counters.connections++;
    connection->stream_table.match = stream_matches;
    list_init(&connection->streams);
    list_init(&connection->dirty_streams);
    buffer_init(&connection->answers, ANSWERS_BYTES_MAX);
    connection_token_init(&connection->token);
    held_init(hub, &connection->held);
    connections_sweep_by(hub, hub->now_ms + SWEEP_MS);
}

static void close_streams(struct hub *hub, struct connection *connection)
{
    while (!list_empty(&connection->streams)) {
        stream_close(hub, CONTAINER(connection->streams.next, struct stream, in_connection));
    }
}

void answers_drop(struct hub *hub, struct connection *connection)
{
    hub->answer_bytes -= connection->answers.capacity;
    buffer_finish(&connection->answers);
}

void connection_destroy(struct hub *hub, struct connection *connection)
{
    close_streams(hub, connection);
    downloads_drop(hub, connection->id);
    hub->paused_count -= connection->paused != 0;
    connection_untouch(hub, connection);
    table_remove(&hub->connections, hash_of(connection->id), connection);
    roster_remove(&hub->roster, connection->id);
    table_finish(&connection->stream_table);
    answers_drop(hub, connection);
    buffer_finish(&connection->upload);
    free(connection->greeting);
    principal_leave(hub, connection);
    connection_token_finish(&connection->token);
    held_drop(hub, connection);
    free(connection);
}

void connection_gone(struct hub *hub, uint64_t id)
{
    struct connection *connection = connection_find(hub, id);
    if (connection != NULL) {
        connection_destroy(hub, connection);
    }
}

/* What was sent goes out first; what was received and not answered is for the client to ask again.
 */
void connection_close(struct hub *hub, struct connection *connection, uint16_t code,
                      const char *text)
{
    if (connection->closing) {
        return;
    }
    connection->closing = true;
    close_streams(hub, connection);
    downloads_drop(hub, connection->id);
    connection_untouch(hub, connection);
    answers_drop(hub, connection); /* it may take its time to go */
    refuse(hub, connection->id, code, text);
}

void connection_pause(struct hub *hub, struct connection *connection, enum pause_reason reason)
{
    if (connection->paused == 0) {
        effect_add(hub, EFFECT_PAUSE)->connection = connection->id;
        hub->paused_count++;
    }
    connection->paused |= reason;
}

void connection_resume(struct hub *hub, struct connection *connection, enum pause_reason reason)
{
    if ((connection->paused & reason) == 0) {
        return;
    }
    connection->paused &= ~(unsigned)reason;
    if (connection->paused == 0) {
        effect_add(hub, EFFECT_RESUME)->connection = connection->id;
        hub->paused_count--;
    }
}

void connection_answer(struct hub *hub, struct connection *connection, const struct packet *packet)
{
    if (connection->closing) {
        return;
    }
    size_t before = connection->answers.capacity;
    struct writer writer = writer_to(&connection->answers);
    packet_write(&writer, packet);
    hub->answer_bytes += connection->answers.capacity - before;
    bool full = hub->answer_bytes > hub->config.buffer_bytes &&
                connection->answers.length > ANSWERS_PAUSE_BYTES;
    if (writer.status != PROTOCOL_OK || full) {
        limit_hit(hub, connection, HUB_LIMIT_BUFFERS);
        connection_close(hub, connection, CLOSE_POLICY, "too many answers are waiting to be read");
        return;
    }
    connection_touch(hub, connection);
    if (connection->answers.length > ANSWERS_PAUSE_BYTES) {
        connection_pause(hub, connection, PAUSE_ANSWERS);
    }
}

void write_correlation(struct writer *writer, struct bytes correlation)
{
    if (correlation.length > 0) {
        write_text(writer, "correlation");
        write_string(writer, correlation);
    }
}

/* Not for what is the hub's own: who waits for its disk or its memory has done nothing wrong. */
void connection_charge(struct connection *connection, enum hub_code code)
{
    bool own = code == CODE_BUSY || code == CODE_READ_ONLY || code == CODE_UNAVAILABLE;
    double packets = own ? 0 : ERROR_PACKETS;
    connection->meter.updates -= packets;
    connection->principal->own.updates -= packets;
    connection->principal->share.updates -= packets;
}

void connection_error(struct hub *hub, struct connection *connection, int64_t id,
                      enum hub_code code, uint64_t retry_ms)
{
    connection_refuse(hub, connection, id, code, hub_code_text(code), retry_ms);
}

void connection_refuse(struct hub *hub, struct connection *connection, int64_t id,
                       enum hub_code code, const char *text, uint64_t retry_ms)
{
    uint8_t bytes[32 + HUB_CORRELATION_BYTES];
    char text_of[HUB_CORRELATION_BYTES];
    struct buffer details = {.data = bytes, .capacity = sizeof bytes, .limit = sizeof bytes};
    struct writer writer = writer_to(&details);
    struct bytes correlation = correlation_told(hub, connection, text_of);
    write_map(&writer, (size_t)(retry_ms != 0) + (correlation.length > 0));
    if (retry_ms != 0) {
        write_text(&writer, "retry_ms");
        write_uint(&writer, retry_ms);
    }
    write_correlation(&writer, correlation);
    const char *name = hub_code_name(code);
    struct packet packet = {.kind = PACKET_ERROR, .id = id};
    packet.error.code = bytes_of_text(name);
    packet.error.text = bytes_of_text(text);
    packet.error.details = buffer_bytes(&details);
    connection_answer(hub, connection, &packet);
    note_error(hub, connection, code);
    connection_charge(connection, code);
}

void connection_event(struct hub *hub, struct connection *connection, const char *name,
                      struct bytes data)
{
    struct packet packet = {.kind = PACKET_EVENT, .id = --connection->last_hub_id};
    packet.call.name = bytes_of_text(name);
    packet.call.value = data;
    connection_answer(hub, connection, &packet);
}

static void stream_closed_by_client(struct hub *hub, struct connection *connection, int64_t id)
{
    struct stream *stream = stream_find(connection, id);
    if (stream == NULL) {
        connection_error(hub, connection, id, CODE_UNKNOWN_STREAM, 0);
    } else {
        stream_close(hub, stream);
    }
}

static void answer_number(struct hub *hub, struct connection *connection, uint64_t kind,
                          uint64_t value)
{
    struct packet packet = {.kind = kind, .number = {value}};
    connection_answer(hub, connection, &packet);
}

/* Ids only grow, so that none is used twice without a table of all that were. */
static bool take_id(struct hub *hub, struct connection *connection, int64_t id)
{
    if (id <= connection->last_client_id) {
        connection_error(hub, connection, id, CODE_ID_IN_USE, 0);
        return false;
    }
    connection->last_client_id = id;
    return true;
}

static void dispatch(struct hub *hub, struct connection *connection, const struct packet *packet,
                     struct bytes raw)
{
    switch (packet->kind) {
    case PACKET_AUTH:
        if (take_id(hub, connection, packet->id)) {
            token_auth(hub, connection, packet);
        }
        return;
    case PACKET_CALL:
        if (take_id(hub, connection, packet->id)) {
            call_method(hub, connection, packet);
        }
        return;
    case PACKET_OPEN:
        if (take_id(hub, connection, packet->id)) {
            stream_open(hub, connection, packet);
        }
        return;
    case PACKET_DELTA:
    case PACKET_STATE:
        update_received(hub, connection, packet, raw);
        return;
    case PACKET_PRESENCE:
        presence_received(hub, connection, packet);
        return;
    case PACKET_CREDIT:
        if (!download_credit(hub, connection->id, packet->id, packet->number.value)) {
            stream_credit(hub, connection, packet->id, packet->number.value);
        }
        return;
    case PACKET_CLOSE:
        stream_closed_by_client(hub, connection, packet->id);
        return;
    case PACKET_PING:
        answer_number(hub, connection, PACKET_PONG, packet->number.value);
        return;
    case PACKET_PONG:
        return;
    case PACKET_HELLO:
        connection_close(hub, connection, CLOSE_POLICY, "HELLO comes once");
        return;
    default:
        if (packet_kind_text(packet->kind) != NULL) {
            connection_close(hub, connection, CLOSE_POLICY, "a packet that only the hub sends");
        }
        return; /* a kind that a later version knows */
    }
}

static const char *format_reason(enum protocol_status status)
{
    switch (status) {
    case PROTOCOL_TRUNCATED:
        return "a packet ends inside a value";
    case PROTOCOL_TOO_LARGE:
        return "a length, count or depth is beyond its limit";
    default:
        return "a packet does not have its layout";
    }
}

/* The id's sign says who minted it, and 0 is the connection's own. */
static bool id_fits(const struct packet *packet)
{
    switch (packet->kind) {
    case PACKET_HELLO:
    case PACKET_PING:
    case PACKET_PONG:
        return packet->id == 0;
    case PACKET_CREDIT:
        return packet->id < 0;
    default:
        return packet->id > 0 || packet_kind_text(packet->kind) == NULL;
    }
}

size_t connection_slice(struct hub *hub, struct connection *connection, struct bytes message)
{
    struct reader reader = reader_of(message);
    struct packet packet;
    size_t packets = 0;
    const uint8_t *start = reader.left.data;
    while (packets < hub->config.slice_packets && !connection->closing &&
           connection->token.request == 0 && packet_read(&reader, &packet)) {
        struct bytes raw = {start, (size_t)(reader.left.data - start)};
        start = reader.left.data;
        packets++;
        if (!id_fits(&packet)) {
            connection_close(hub, connection, CLOSE_FORMAT, "an id of the wrong sign");
        } else if (!connection->greeted) {
            call_hello(hub, connection, &packet);
        } else {
            dispatch(hub, connection, &packet, raw);
        }
    }
    size_t taken = message.length - reader.left.length;
    if (!connection->closing && !reader_ok(&reader)) {
        if (reader.status == PROTOCOL_TOO_LARGE) {
            limit_hit(hub, connection, HUB_LIMIT_PACKET);
        }
        connection_close(hub, connection,
                         reader.status == PROTOCOL_TOO_LARGE ? CLOSE_POLICY : CLOSE_FORMAT,
                         format_reason(reader.status));
    }
    if (!connection->closing) {
        packets = packets == 0 ? 1 : packets; /* an empty message is work, too */
        rates_spend(hub, connection, packets, taken);
    }
    return taken;
}

void connection_received(struct hub *hub, uint64_t id, struct bytes message)
{
    struct connection *connection = connection_find(hub, id);
    if (connection == NULL || connection->closing) {
        return;
    }
    connection->heard_ms = hub->now_ms;
    connection->bytes_in += message.length;
    hub->counters.bytes_in += message.length;
    hub->counters.messages_in++;
    if (message.length > hub->config.message_bytes) {
        limit_hit(hub, connection, HUB_LIMIT_MESSAGE_BYTES);
        connection_close(hub, connection, CLOSE_POLICY, "the message is too long");
        return;
    }
    bool waits = connection->token.request != 0 || held_any(connection);
    size_t taken = waits ? 0 : connection_slice(hub, connection, message);
    if (!connection->closing && taken < message.length) {
        held_add(hub, connection, (struct bytes){message.data + taken, message.length - taken});
    }
}

void connection_blocked(struct hub *hub, uint64_t id)
{
    struct connection *connection = connection_find(hub, id);
    if (connection != NULL) {
        connection->blocked = true;
    }
}

void connection_writable(struct hub *hub, uint64_t id)
{
    struct connection *connection = connection_find(hub, id);
    if (connection != NULL) {
        connection->blocked = false;
        connection_touch(hub, connection);
    }
}

/* Without its streams: what they hold is not for this client any more. */
void connection_expel(struct hub *hub, struct connection *connection, enum hub_code code,
                      uint16_t close_code)
{
    connection_error(hub, connection, 0, code, 0);
    close_streams(hub, connection);
    if (!connection->closing && !connection->blocked) {
        connection_flush(hub, connection);
    }
    connection_close(hub, connection, close_code, hub_code_name(code));
}

static void look_after(struct hub *hub, struct connection *connection)
{
    uint64_t silent_ms = hub->now_ms - connection->heard_ms;
    bool pinged = connection->pinged_ms >= connection->heard_ms; /* since it was heard */
    if (connection->closing) {
        return;
    }
    if (!connection->greeted && hub->now_ms - connection->connected_ms >= hub->config.hello_ms) {
        connection_close(hub, connection, CLOSE_POLICY, "HELLO did not come in time");
    } else if (silent_ms >= 2 * hub->config.ping_ms && connection->paused == 0 && pinged) {
        connection_close(hub, connection, CLOSE_POLICY, "no PONG came");
    } else if (silent_ms >= 2 * hub->config.ping_ms && connection->blocked &&
               (connection->paused & PAUSE_ANSWERS) != 0) {
        /* It asks and does not read: what is kept for it is kept no longer. */
        connection_close(hub, connection, CLOSE_POLICY, "the answers are not read");
    } else if (silent_ms >= hub->config.ping_ms && connection->greeted &&
               hub->now_ms - connection->pinged_ms >= hub->config.ping_ms) {
        connection->pinged_ms = hub->now_ms;
        answer_number(hub, connection, PACKET_PING, hub->now_ms & UINT32_MAX);
    }
    if ((connection->paused & PAUSE_RATE) != 0) {
        rates_spend(hub, connection, 0, 0);
    }
}

static uint64_t earliest(uint64_t a, uint64_t b) { return a < b ? a : b; }

void connections_sweep_by(struct hub *hub, uint64_t at_ms)
{
    uint64_t soon_ms = hub->now_ms + SWEEP_MS / 10;
    hub->next_sweep_ms = earliest(hub->next_sweep_ms, at_ms > soon_ms ? at_ms : soon_ms);
}

void connections_sweep(struct hub *hub)
{
    if (hub->connections.length == 0) {
        hub->next_sweep_ms = UINT64_MAX;
        return;
    }
    if (hub->now_ms < hub->next_sweep_ms) {
        return;
    }
    uint64_t token_ms = UINT64_MAX;
    for (uint32_t i = 0; i < hub->connections.length; i++) {
        struct connection *connection = hub->connections.places[i].item;
        look_after(hub, connection);
        if (!connection->closing) {
            token_ms = earliest(token_ms, token_look_after(hub, connection));
        }
    }
    hub->next_sweep_ms = hub->now_ms + (hub->paused_count > 0 ? SWEEP_MS / 10 : SWEEP_MS);
    connections_sweep_by(hub, token_ms);
}

void connections_drain(struct hub *hub)
{
    uint8_t bytes[32];
    struct buffer data = {.data = bytes, .capacity = sizeof bytes, .limit = sizeof bytes};
    struct writer writer = writer_to(&data);
    write_map(&writer, 2);
    write_text(&writer, "min_ms");
    write_uint(&writer, GOAWAY_MIN_MS);
    write_text(&writer, "max_ms");
    write_uint(&writer, GOAWAY_MAX_MS);
    for (uint32_t i = 0; i < hub->connections.length; i++) {
        connection_event(hub, hub->connections.places[i].item, "goaway", buffer_bytes(&data));
    }
}

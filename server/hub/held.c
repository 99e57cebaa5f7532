/*
 * Held: messages that have come and are not taken yet. A message of many packets is taken slice by
 * slice, one in each of the loop's turns, so that nobody waits for all of it: a MiB holds 100,000
 * packets. And while a token is looked at, what came behind it waits for the rights it was sent
 * with.
 *
 * Reading stops meanwhile. What is held is bounded for each connection, and for all of them
 * together: beyond `buffer_bytes` who sends so much is turned away, and may come again.
 */
#include <assert.h>
#include <string.h>

#include "server/hub/connections.h"
#include "server/hub/effects.h"
#include "server/hub/list.h"
#include "server/hub/state.h"

enum {
    HELD_MESSAGES = 2, /* of the greatest length: the one that was cut, and one on its way behind */
    STEP_SLICES = 4    /* taken in one of the loop's turns */
};

void held_init(const struct hub *hub, struct held *held)
{
    *held = (struct held){0};
    buffer_init(&held->bytes, HELD_MESSAGES * hub->config.message_bytes);
}

void held_drop(struct hub *hub, struct connection *connection)
{
    hub->held_bytes -= connection->held.bytes.capacity;
    buffer_finish(&connection->held.bytes);
    connection->held.at = 0;
    list_remove(&connection->held.waiting);
}

bool held_any(const struct connection *connection)
{
    return connection->held.at < connection->held.bytes.length;
}

static void wait_for_turn(struct hub *hub, struct connection *connection)
{
    if (connection->token.request == 0) { /* or token_verified has it taken */
        list_push(&hub->waiting_connections, &connection->held.waiting);
    }
}

/* Each message stands behind its length. */
static enum protocol_status append(struct hub *hub, struct buffer *bytes, struct bytes message)
{
    uint64_t length = message.length;
    size_t before = bytes->capacity;
    enum protocol_status status = buffer_reserve(bytes, sizeof length + message.length);
    hub->held_bytes += bytes->capacity - before;
    if (status == PROTOCOL_OK) {
        status = buffer_append(bytes, &length, sizeof length);
    }
    return status != PROTOCOL_OK ? status : buffer_append(bytes, message.data, message.length);
}

void held_add(struct hub *hub, struct connection *connection, struct bytes message)
{
    bool full = hub->held_bytes + message.length > hub->config.buffer_bytes;
    enum protocol_status status =
        full ? PROTOCOL_NO_MEMORY : append(hub, &connection->held.bytes, message);
    if (status == PROTOCOL_OK) {
        connection_pause(hub, connection, PAUSE_HELD);
        wait_for_turn(hub, connection);
        return;
    }
    limit_hit(hub, connection, HUB_LIMIT_HELD);
    if (status == PROTOCOL_TOO_LARGE) {
        connection_close(hub, connection, CLOSE_POLICY, "too much came before its turn");
    } else {
        connection_close(hub, connection, CLOSE_TRY_LATER, "too many messages wait for their turn");
    }
}

/* One slice. The length of what is left of its message goes right before it: in what is taken, or
 * in the length that stood there. */
void held_take(struct hub *hub, struct connection *connection)
{
    struct held *held = &connection->held;
    uint64_t length = 0;
    list_remove(&held->waiting);
    if (!held_any(connection) || connection->closing) {
        return;
    }
    memcpy(&length, held->bytes.data + held->at, sizeof length);
    held->at += sizeof length;
    assert(length > 0 && length <= held->bytes.length - held->at);
    size_t taken = connection_slice(hub, connection,
                                    (struct bytes){held->bytes.data + held->at, (size_t)length});
    held->at += taken;
    length -= taken;
    if (length > 0) {
        held->at -= sizeof length;
        memcpy(held->bytes.data + held->at, &length, sizeof length);
    }
    if (connection->closing) {
        held_drop(hub, connection);
    } else if (!held_any(connection)) {
        held_drop(hub, connection);
        connection_resume(hub, connection, PAUSE_HELD);
    } else {
        wait_for_turn(hub, connection);
    }
}

void held_pump(struct hub *hub)
{
    for (int i = 0; i < STEP_SLICES && !list_empty(&hub->waiting_connections); i++) {
        held_take(hub, CONTAINER(hub->waiting_connections.next, struct connection, held.waiting));
    }
}

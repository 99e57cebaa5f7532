/*
 * Turns: who is sent something next. A step sends to some and leaves the rest to the next TICK, so
 * that what comes meanwhile is read in between, and nobody is told twice what can be told once:
 * streams are brought up to date at the moment of sending.
 *
 * First come those who have asked for something, or whose own update is acknowledged, and those who
 * have news of a document that few have open. Behind them come the crowds, whom one sweep after the
 * other tells what has changed since the last, and what of a long message is left. While something
 * is heard few of these have their turn: the later a sweep, the more of what is heard it tells at
 * once, and a crowd that comes back would otherwise be told of each of its members.
 */
#include "server/hub/connections.h"
#include "server/hub/documents.h"
#include "server/hub/effects.h"
#include "server/hub/list.h"
#include "server/hub/state.h"
#include "server/hub/streams.h"

enum {
    MESSAGE_BYTES_SOFT = 32 << 10, /* a message out is closed once it is this long */
    ARENA_BYTES_SOFT = 4 << 20,    /* a step sends this much */
    MESSAGES_SOFT = 64,            /* or so many: half a millisecond of the kernel's time */
    PATIENT_MIN = 2,               /* so many of a crowd have their turn in any case, */
    HEARD_PER_PATIENT = 32         /* and one more for so many events */
};

void connection_untouch(struct hub *hub, struct connection *connection)
{
    hub->patient_left += connection->patient;
    connection->patient = false;
    list_remove(&connection->dirty);
}

void connection_touch(struct hub *hub, struct connection *connection)
{
    if (connection->closing) {
        return;
    }
    if (connection->patient) {
        connection_untouch(hub, connection);
    }
    list_push(&hub->dirty_connections, &connection->dirty);
}

void connection_touch_later(struct hub *hub, struct connection *connection)
{
    if (!connection->closing && !list_linked(&connection->dirty)) {
        connection->patient = true;
        hub->patient_came++;
        list_push(&hub->patient_connections, &connection->dirty);
    }
}

/* The answers, then what each stream's client lacks. */
void connection_flush(struct hub *hub, struct connection *connection)
{
    struct hub_effect *effect = effect_add(hub, EFFECT_SEND);
    effect->connection = connection->id;
    size_t at = hub->effect_count - 1;
    size_t start;
    struct writer writer = effect_begin(hub, &start);
    write_raw(&writer, buffer_bytes(&connection->answers));
    answers_drop(hub, connection); /* most connections only ever have WELCOME */
    connection_resume(hub, connection, PAUSE_ANSWERS);
    while (!list_empty(&connection->dirty_streams) &&
           hub->arena.length - start < MESSAGE_BYTES_SOFT && writer.status == PROTOCOL_OK) {
        struct link *first = connection->dirty_streams.next;
        struct stream *stream = CONTAINER(first, struct stream, dirty);
        list_remove(first);
        if (!stream_publish(hub, stream, &writer)) {
            list_push(&connection->dirty_streams, first);
        }
    }
    effect_end(hub, &writer, start, &hub->effects[at]);
    size_t sent = hub->arena.length - start;
    if (sent == 0) {
        hub->effects[at].kind = EFFECT_NONE;
    }
    connection->bytes_out += sent;
    hub->counters.bytes_out += sent;
    hub->counters.messages_out += sent > 0;
    if (list_empty(&connection->dirty_streams)) {
        list_remove(&connection->dirty);
    }
}

/* How many of the crowds have their turn behind `count` others. */
static size_t patient_room(const struct hub *hub, size_t count)
{
    size_t room = hub->heard == 0 ? MESSAGES_SOFT : PATIENT_MIN + hub->heard / HEARD_PER_PATIENT;
    size_t left = MESSAGES_SOFT - count;
    room = room < left ? room : left;
    return room > PATIENT_MIN ? room : PATIENT_MIN;
}

/* Sends to `most` of the list. What is left of them goes to `left`: one message a step, since it
 * may block now. Answers how many have had their turn. */
static size_t flush(struct hub *hub, struct link *list, size_t most, struct link *left)
{
    size_t count = 0;
    while (!list_empty(list) && hub->arena.length < ARENA_BYTES_SOFT && count < most &&
           hub->status == HUB_OK) {
        struct connection *connection = CONTAINER(list->next, struct connection, dirty);
        connection_untouch(hub, connection);
        if (connection->blocked) {
            continue; /* WRITABLE brings it back */
        }
        connection_flush(hub, connection);
        count++;
        if (!list_empty(&connection->dirty_streams)) {
            list_push(left, &connection->dirty);
        }
    }
    return count;
}

static void flush_all(struct hub *hub)
{
    struct link left;
    list_init(&left);
    size_t count = flush(hub, &hub->dirty_connections, MESSAGES_SOFT, &left);
    (void)flush(hub, &hub->patient_connections, patient_room(hub, count), &left);
    hub->heard = 0;
    while (!list_empty(&left)) {
        struct connection *connection = CONTAINER(left.next, struct connection, dirty);
        list_remove(&connection->dirty);
        connection_touch_later(hub, connection);
    }
}

void turn_take(struct hub *hub, enum hub_event_kind event)
{
    bool tick = event == EVENT_TICK;
    hub->heard += !tick;
    /* At BLOCKED others may have blocked at the same message: they are told of first. */
    if (tick || (!hub->behind && event != EVENT_BLOCKED)) {
        documents_wake(hub);
        flush_all(hub);
    }
    hub->behind = !list_empty(&hub->dirty_connections) || !list_empty(&hub->patient_connections) ||
                  !list_empty(&hub->waiting_connections) || documents_wake_ms(hub) <= hub->now_ms;
}

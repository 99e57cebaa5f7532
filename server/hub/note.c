/* Notes: what a log may tell of a step; and what connections are called in it. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "server/hub/connections.h"
#include "server/hub/effects.h"
#include "server/hub/state.h"

enum { NOTES_MIN = 16, NOTES_MAX = 4096 };

const char *hub_limit_name(enum hub_limit limit)
{
    static const char *const names[] = {
#define X(name, text) text,
        HUB_LIMIT_LIST(X)
#undef X
    };
    return names[limit];
}

/* Without memory, or beyond so many in a step, there is none: nothing depends on it. */
static struct hub_note *add(struct hub *hub, enum hub_note_kind kind, uint64_t connection,
                            const char *text)
{
    if (hub->note_count == hub->note_capacity) {
        size_t capacity = hub->note_capacity == 0 ? NOTES_MIN : hub->note_capacity * 2;
        struct hub_note *grown =
            capacity > NOTES_MAX ? NULL : realloc(hub->notes, capacity * sizeof *grown);
        if (grown == NULL) {
            return NULL;
        }
        hub->notes = grown;
        hub->note_capacity = capacity;
    }
    struct hub_note *note = &hub->notes[hub->note_count++];
    *note = (struct hub_note){.kind = kind, .connection = connection, .text = text};
    return note;
}

void limit_hit(struct hub *hub, const struct connection *connection, enum hub_limit limit)
{
    hub->counters.limits[limit]++;
    (void)add(hub, NOTE_LIMIT, connection == NULL ? 0 : connection->id, hub_limit_name(limit));
}

void note_greeted(struct hub *hub, const struct connection *connection)
{
    (void)add(hub, NOTE_GREETED, connection->id, NULL);
}

void note_error(struct hub *hub, const struct connection *connection, enum hub_code code)
{
    hub->counters.errors[code]++;
    if (hub->verbose) {
        (void)add(hub, NOTE_ERROR, connection->id, hub_code_name(code));
    }
}

void note_rejected(struct hub *hub, uint64_t connection, struct bytes document, enum hub_code code)
{
    struct hub_note *note =
        hub->verbose ? add(hub, NOTE_REJECTED, connection, hub_code_name(code)) : NULL;
    if (note != NULL) {
        size_t start = hub->arena.length;
        struct writer writer = writer_to(&hub->arena);
        write_raw(&writer, document);
        /* An offset until the step ends, as with effects. */
        note->document = (struct bytes){(const uint8_t *)(uintptr_t)(start + 1),
                                        writer.status == PROTOCOL_OK ? document.length : 0};
    }
}

static struct bytes correlation_of(const struct connection *connection)
{
    const struct greeting *greeting = connection->greeting;
    if (greeting == NULL) {
        return (struct bytes){0};
    }
    return (struct bytes){greeting->texts + greeting->agent_length + greeting->client_length,
                          greeting->correlation_length};
}

struct bytes connection_correlation(const struct hub *hub, const struct connection *connection,
                                    char text[HUB_CORRELATION_BYTES])
{
    struct bytes chosen = correlation_of(connection);
    int length = 0;
    text[0] = '\0';
    if (chosen.length > 0) {
        length = snprintf(text, HUB_CORRELATION_BYTES, "%.*s", (int)chosen.length,
                          (const char *)chosen.data);
    } else if (hub->config.boot != 0) {
        length = snprintf(text, HUB_CORRELATION_BYTES, "%08" PRIx32 "-%" PRIu64,
                          (uint32_t)hub->config.boot, connection->id);
    }
    return (struct bytes){(const uint8_t *)text, (size_t)length};
}

struct bytes correlation_told(const struct hub *hub, const struct connection *connection,
                              char text[HUB_CORRELATION_BYTES])
{
    if (connection->greeted && correlation_of(connection).length == 0) {
        return (struct bytes){0};
    }
    return connection_correlation(hub, connection, text);
}

bool hub_peer(const struct hub *hub, uint64_t id, struct hub_peer *peer)
{
    const struct connection *connection = connection_find(hub, id);
    *peer = (struct hub_peer){.correlation = ""};
    if (connection == NULL) {
        return false;
    }
    peer->principal = connection->principal->name;
    peer->updates = connection->updates;
    peer->bytes_in = connection->bytes_in;
    peer->bytes_out = connection->bytes_out;
    peer->greeted = connection->greeted;
    peer->closing = connection->closing;
    if (connection->greeting != NULL) {
        peer->agent =
            (struct bytes){connection->greeting->texts, connection->greeting->agent_length};
    }
    (void)connection_correlation(hub, connection, peer->correlation);
    return true;
}

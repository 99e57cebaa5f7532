/*
 * Presence: who has a document open now, each with some data of the app's. Nothing of it is
 * journaled; it goes with its stream.
 *
 * A document's presences stand in the order of their last change, each with a version; a stream
 * that asked for them knows the version it has told, and is told what is newer when its connection
 * can take it. So a slow client costs a number, and gets what holds by then. Those that are gone
 * stay as entries without data until so many are that the oldest are forgotten; who had not been
 * told starts over.
 */
#include <stdlib.h>
#include <string.h>

#include "protocol/packet.h"
#include "server/hub/access.h"
#include "server/hub/connections.h"
#include "server/hub/documents.h"
#include "server/hub/effects.h"
#include "server/hub/list.h"
#include "server/hub/state.h"
#include "server/hub/streams.h"

enum { GONE_MAX = 256, PORTION_BYTES = 16 << 10 };

struct presence {
    struct link in_document;
    uint64_t version;
    uint64_t peer;
    bool gone;
    size_t length;
    uint8_t data[];
};

static struct presence *presence_of(struct link *link)
{
    return CONTAINER(link, struct presence, in_document);
}

/* Every stream that asked has something new to be told. */
static void touch(struct hub *hub, struct document *document)
{
    LIST_FOR_EACH(at, &document->streams)
    {
        struct stream *stream = CONTAINER(at, struct stream, in_document);
        if (stream->presence) {
            stream_touch(hub, stream);
        }
    }
}

static void weigh(struct hub *hub, struct document *document, int64_t bytes)
{
    document->presence_bytes += (size_t)bytes;
    document->memory += (size_t)bytes;
    hub->memory += (size_t)bytes;
}

static void drop(struct hub *hub, struct document *document, struct presence *presence)
{
    weigh(hub, document, -(int64_t)(sizeof *presence + presence->length));
    list_remove(&presence->in_document);
    document->presence_count -= !presence->gone;
    document->gone_count -= presence->gone;
    free(presence);
}

/* The newest entry of the document; NULL: no memory. */
static struct presence *add(struct hub *hub, struct document *document, uint64_t peer,
                            struct bytes data)
{
    struct presence *made = calloc(1, sizeof *made + data.length);
    if (made == NULL) {
        return NULL;
    }
    made->version = ++document->presence_version;
    made->peer = peer;
    made->gone = data.data == NULL;
    made->length = data.length;
    if (data.length > 0) {
        memcpy(made->data, data.data, data.length);
    }
    list_push(&document->presences, &made->in_document);
    document->presence_count += !made->gone;
    document->gone_count += made->gone;
    weigh(hub, document, (int64_t)(sizeof *made + data.length));
    return made;
}

static void forget_gone(struct hub *hub, struct document *document)
{
    struct link *at = document->presences.next;
    while (document->gone_count > GONE_MAX && at != &document->presences) {
        struct presence *presence = presence_of(at);
        at = at->next;
        if (presence->gone) {
            document->presence_forgotten = presence->version;
            drop(hub, document, presence);
        }
    }
}

/* What takes no memory to be told: the stream's data go. Without memory for the entry everybody
 * starts over, which tells it too. */
static void leave(struct hub *hub, struct stream *stream)
{
    struct document *document = stream->document;
    struct presence *own = stream->own_presence;
    if (own == NULL) {
        return;
    }
    uint64_t peer = own->peer;
    drop(hub, document, own);
    stream->own_presence = NULL;
    if (add(hub, document, peer, (struct bytes){0}) == NULL) {
        document->presence_forgotten = ++document->presence_version;
    }
    forget_gone(hub, document);
    touch(hub, document);
}

void presence_received(struct hub *hub, struct connection *connection, const struct packet *packet)
{
    struct stream *stream = stream_find(connection, packet->id);
    struct bytes data = packet->presence.data;
    if (stream == NULL || !stream->opened) {
        connection_error(hub, connection, packet->id, CODE_UNKNOWN_STREAM, 0);
        return;
    }
    if ((stream->rights & ACCESS_PRESENCE) == 0) {
        connection_error(hub, connection, packet->id, CODE_FORBIDDEN, 0);
        return;
    }
    if (data.data == NULL) {
        leave(hub, stream);
        return;
    }
    struct document *document = stream->document;
    struct presence *before = stream->own_presence;
    if (data.length > LIMIT_PRESENCE_BYTES) {
        limit_hit(hub, connection, HUB_LIMIT_PRESENCE_BYTES);
        connection_error(hub, connection, packet->id, CODE_PRESENCE_TOO_LONG, 0);
        return;
    }
    if (before == NULL && document->presence_count >= LIMIT_PRESENCES) {
        limit_hit(hub, connection, HUB_LIMIT_PRESENCES);
        connection_error(hub, connection, packet->id, CODE_TOO_MANY_PRESENT, 0);
        return;
    }
    uint64_t peer = before == NULL ? ++document->last_peer : before->peer;
    struct presence *made = add(hub, document, peer, data);
    if (made == NULL) {
        connection_error(hub, connection, packet->id, CODE_BUSY, 0);
        return;
    }
    if (before != NULL) {
        drop(hub, document, before);
    }
    stream->own_presence = made;
    touch(hub, document);
}

void presence_stream_closed(struct hub *hub, struct stream *stream) { leave(hub, stream); }

void presences_finish(struct hub *hub, struct document *document)
{
    struct link *at = document->presences.next;
    while (at != &document->presences) {
        struct link *next = at->next;
        drop(hub, document, presence_of(at));
        at = next;
    }
}

static void write_presence(struct writer *writer, const struct stream *stream, uint64_t peer,
                           struct bytes data)
{
    struct packet packet = {.kind = PACKET_PRESENCE, .id = stream->id};
    packet.presence = (struct packet_presence){.peer = peer, .data = data};
    packet_write(writer, &packet);
}

/* The first entry that is newer than what the stream was told. */
static struct link *first_new(const struct document *document, const struct stream *stream)
{
    struct link *at = document->presences.previous;
    while (at != &document->presences && presence_of(at)->version > stream->presence_told) {
        at = at->previous;
    }
    return at->next;
}

bool presence_publish(struct stream *stream, struct writer *writer)
{
    struct document *document = stream->document;
    size_t before = writer->buffer->length;
    if (!stream->presence || stream->presence_told == document->presence_version) {
        return true;
    }
    if (stream->presence_told < document->presence_forgotten) {
        write_presence(writer, stream, 0, (struct bytes){0}); /* nobody; and now those who are */
        stream->presence_told = 0;
    }
    bool anew = stream->presence_told == 0;
    for (struct link *at = first_new(document, stream); at != &document->presences; at = at->next) {
        const struct presence *presence = presence_of(at);
        if (writer->buffer->length - before > PORTION_BYTES) {
            return false;
        }
        if (presence != stream->own_presence && !(anew && presence->gone)) {
            struct bytes data = {presence->data, presence->length};
            write_presence(writer, stream, presence->peer,
                           !presence->gone ? data : (struct bytes){0});
        }
        stream->presence_told = presence->version;
    }
    stream->presence_told = document->presence_version;
    return true;
}

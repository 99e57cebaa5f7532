/*
 * Streams: what one connection has open of one document. stream.c opens and closes them, publish.c
 * and presence.c work out what their clients lack.
 */
#ifndef HUB_STREAMS_H
#define HUB_STREAMS_H

#include "protocol/packet.h"
#include "server/hub/batch.h"
#include "server/hub/list.h"
#include "server/hub/sent.h"

struct connection;
struct document;
struct hub;
struct ledger_row;
struct load;
struct presence;

/* Encoded once, shared by every stream that needs it. */
struct body {
    size_t references;
    uint64_t from; /* 0 with `snapshot` */
    uint64_t to;
    bool snapshot;
    struct buffer bytes; /* the map of fields */
};

/* What a stream has told of a replica. */
struct stream_replica {
    struct ledger_row *row;
    uint64_t acks;
    uint64_t gaps;
    uint64_t rejects;
};

struct transfer {
    int64_t id; /* 0: none */
    struct body *body;
    size_t sent;
    size_t credit;
};

struct stream {
    struct link in_document;
    struct link in_connection;
    struct link dirty; /* in connection->dirty_streams */
    struct connection *connection;
    struct document *document;
    int64_t id;
    uint64_t cursor;
    bool has_cursor; /* false: the client needs a SNAPSHOT */
    bool once;
    bool opened;     /* OPENED was sent */
    bool presence;   /* its client wants to know who is here */
    unsigned rights; /* to the document, enum access_right */
    uint64_t presence_told;
    struct presence *own_presence; /* NULL: none */
    struct load *load;             /* that it waits for, or NULL */
    struct transfer transfer;
    struct backlog backlog;
    struct arrival arrival;          /* of the first update that it was woken for */
    struct stream_replica *replicas; /* behind `named` */
    size_t length;
    struct replica_id named[]; /* as OPEN listed them */
};

/* stream.c */
/* The document that OPEN names, made if it is not in memory, for a connection that may have it
 * open; NULL: answered. */
struct document *stream_document(struct hub *hub, struct connection *connection,
                                 const struct packet *packet);
void stream_open(struct hub *hub, struct connection *connection, const struct packet *packet);
void stream_close(struct hub *hub, struct stream *stream);
struct stream *stream_find(const struct connection *connection, int64_t id);
struct stream_replica *stream_replica_find(const struct stream *stream,
                                           const struct packet_replica *replica);
/* What the connection's token says by now: ends streams that it no longer lets read. */
void streams_restrict(struct hub *hub, struct connection *connection);
/* Ends the stream with CLOSE. */
void stream_end(struct hub *hub, struct stream *stream, enum hub_code code);
void stream_loaded(struct hub *hub, struct stream *stream);
void stream_touch(struct hub *hub, struct stream *stream);
void stream_touch_later(struct hub *hub, struct stream *stream);
void stream_credit(struct hub *hub, struct connection *connection, int64_t transfer,
                   uint64_t bytes);
void stream_drop_transfer(struct stream *stream);

/* publish.c: writes what the stream's client lacks; true: nothing is left for now. */
bool stream_publish(struct hub *hub, struct stream *stream, struct writer *writer);
void body_release(struct body *body);

/* presence.c */
void presence_received(struct hub *hub, struct connection *connection, const struct packet *packet);
void presence_stream_closed(struct hub *hub, struct stream *stream);
void presences_finish(struct hub *hub, struct document *document);
/* Writes what the stream's client does not know yet; true: nothing is left for now. */
bool presence_publish(struct stream *stream, struct writer *writer);

#endif

/*
 * Packets: what travels between client and hub (docs/protocol.md). One struct for each kind;
 * reading borrows from the bytes read and leaves nested lists and maps as raw msgpack, whose
 * well-formedness is checked, for whoever takes them apart: `packet_list`, `packet_context` and the
 * codecs. Writing a packet that was read gives the same bytes.
 */
#ifndef PROTOCOL_PACKET_H
#define PROTOCOL_PACKET_H

#include "protocol/journal_id.h"
#include "protocol/reader.h"
#include "protocol/replica.h"
#include "protocol/writer.h"

enum { PROTOCOL_VERSION = 1 };

#define PACKET_KIND_LIST(X)                                                                        \
    X(HELLO, 1)                                                                                    \
    X(WELCOME, 2)                                                                                  \
    X(AUTH, 3)                                                                                     \
    X(OPEN, 4)                                                                                     \
    X(OPENED, 5)                                                                                   \
    X(DELTA, 6)                                                                                    \
    X(STATE, 7)                                                                                    \
    X(ACK, 8)                                                                                      \
    X(REJECT, 9)                                                                                   \
    X(GAP, 10)                                                                                     \
    X(SNAPSHOT, 11)                                                                                \
    X(UPDATE, 12)                                                                                  \
    X(PRESENCE, 13)                                                                                \
    X(CALL, 14)                                                                                    \
    X(RESULT, 15)                                                                                  \
    X(EVENT, 16)                                                                                   \
    X(CHUNK, 17)                                                                                   \
    X(END, 18)                                                                                     \
    X(CREDIT, 19)                                                                                  \
    X(CLOSE, 20)                                                                                   \
    X(ERROR, 21)                                                                                   \
    X(PING, 22)                                                                                    \
    X(PONG, 23)

enum packet_kind {
#define X(name, number) PACKET_##name = number,
    PACKET_KIND_LIST(X)
#undef X
};

/* "HELLO" …, or NULL: no such kind. */
const char *packet_kind_text(uint64_t kind);

/* A replica, or nil for the stream's own. */
struct packet_replica {
    struct replica_id id;
    bool own;
};

/* Absent texts have data NULL. */
struct packet_hello {
    uint64_t version;
    struct bytes token;
    struct bytes client;
    struct bytes agent;
    struct bytes correlation; /* what logs and errors call the connection */
};

/* `amount` 0: no limit. */
struct packet_rate {
    uint64_t amount;
    uint64_t per_ms;
};

struct packet_welcome {
    struct bytes hub;
    struct journal_id journal;
    struct bytes schema; /* hash */
    uint64_t message_bytes;
    uint64_t streams;
    uint64_t replicas;
    uint64_t ping_ms;
    uint64_t resume_ms;
    bool relaxed;
    struct bytes correlation; /* what is empty, or 0, is not there */
    struct packet_rate updates;
    struct packet_rate bytes;
    struct packet_rate principal_updates;
    struct packet_rate principal_bytes;
    uint64_t principal_streams;
};

struct packet_open {
    struct bytes name;
    struct bytes replicas; /* raw list of bin 16 */
    struct journal_id journal;
    uint64_t position;
    bool has_cursor;
    bool once;
    bool presence; /* to be told who else is here */
};

struct packet_opened {
    struct bytes fields; /* raw list */
    uint64_t rights;
    uint64_t position;
    struct bytes ledger; /* raw list of [index | nil, seq] */
};

/* DELTA, and STATE with `first` 0. */
struct packet_update {
    struct packet_replica replica;
    uint64_t first;
    uint64_t last;
    struct bytes context; /* raw */
    struct bytes fields;  /* raw map */
};

struct packet_ack {
    struct packet_replica replica;
    uint64_t seq;
    uint64_t position;
    uint64_t index;
};

struct packet_reject {
    struct packet_replica replica;
    uint64_t seq;
    struct bytes code;
    struct bytes text;
    struct bytes details; /* raw map */
};

struct packet_gap {
    struct packet_replica replica;
    uint64_t next;
};

/* PRESENCE: from a client `peer` is 0. */
struct packet_presence {
    uint64_t peer;     /* 0 from the hub: everybody */
    struct bytes data; /* raw; data NULL: gone */
};

/* SNAPSHOT (`from` 0) and UPDATE. */
struct packet_content {
    uint64_t from;
    uint64_t to;
    struct bytes fields; /* raw map; data NULL: it travels as a transfer */
    int64_t transfer;
    uint64_t bytes;
};

/* AUTH's token; CALL's method and parameters; RESULT's value; EVENT's name and data. */
struct packet_call {
    struct bytes name;
    struct bytes value; /* raw */
};

struct packet_chunk {
    struct bytes bytes;
};

/* END's status, CREDIT's bytes, PING's and PONG's token. */
struct packet_number {
    uint64_t value;
};

/* CLOSE, and ERROR with details. */
struct packet_error {
    struct bytes code;
    struct bytes text;
    struct bytes details; /* raw map */
};

struct packet {
    uint64_t kind; /* enum packet_kind, or one that is not known: then only `id` is set */
    int64_t id;
    union {
        struct packet_hello hello;
        struct packet_welcome welcome;
        struct packet_open open;
        struct packet_opened opened;
        struct packet_update update;
        struct packet_ack ack;
        struct packet_reject reject;
        struct packet_gap gap;
        struct packet_presence presence;
        struct packet_content content;
        struct packet_call call;
        struct packet_chunk chunk;
        struct packet_number number;
        struct packet_error error;
    };
};

/* Reads the next packet of a message. False at the end of the message and after a failure. */
bool packet_read(struct reader *reader, struct packet *packet);

/* Writes a packet of a known kind. */
void packet_write(struct writer *writer, const struct packet *packet);

/* The packet's JSON form (docs/protocol.md, section 5). `bytes` is one whole packet. */
void packet_write_json(struct writer *writer, struct bytes bytes);

/* Iterates a raw list of replicas. */
size_t packet_replicas(struct bytes raw, struct reader *left);
struct replica_id packet_read_replica(struct reader *reader);

/* An update's context, taken apart. */
struct packet_context {
    uint64_t position;
    size_t length;      /* of the vector */
    struct reader seen; /* `packet_read_seen`, length times */
    struct journal_id journal;
    bool has_journal;
};

struct packet_seen {
    struct replica_id replica;
    uint64_t seq;
};

void packet_read_context(struct reader *reader, struct packet_context *context);
struct packet_seen packet_read_seen(struct reader *reader);
void packet_write_context(struct writer *writer, uint64_t position, const struct packet_seen *seen,
                          size_t length, const struct journal_id *journal);

/* nil, or bin 16. */
struct packet_replica packet_read_name(struct reader *reader);
void packet_write_name(struct writer *writer, const struct packet_replica *replica);

#endif

/*
 * History: every edit that any device ever made, as its user meant it, apart from CRDTs, sessions
 * and the hub. What a document must show in the end follows from it and from two lists of the
 * hub's: how far it has taken each replica's edits, and which of them it has refused.
 */
#ifndef SIMULATION_HISTORY_H
#define SIMULATION_HISTORY_H

#include "protocol/buffer.h"
#include "protocol/replica.h"

enum history_kind {
    HISTORY_LIKES,  /* amount */
    HISTORY_POINTS, /* amount, signed */
    HISTORY_STOCK,  /* amount, signed; may be refused */
    HISTORY_SEEN,   /* element */
    HISTORY_TAG,    /* element */
    HISTORY_UNTAG,  /* element, that the same device has added before */
    HISTORY_CART,   /* amount, signed, of the key `element` % 4 */
    HISTORY_OTHER   /* nothing follows from it but that all show the same */
};

struct history_edit {
    struct replica_id replica;
    uint64_t seq;
    enum history_kind kind;
    int64_t amount;
    uint64_t element;
    bool refused;
    bool told; /* the refusal, to a device */
};

/* What the hub says of a replica. */
struct history_replica {
    struct replica_id replica;
    uint64_t seq;   /* taken up to here */
    uint64_t acked; /* up to here, as a device was told */
};

struct history {
    struct history_edit *edits;
    size_t length;
    size_t capacity;
    struct history_replica *replicas;
    size_t replica_length;
    size_t replica_capacity;
};

void history_finish(struct history *history);

void history_add(struct history *history, const struct history_edit *edit);

/* A device was told that all up to `seq` is durable, or that `seq` was refused. */
void history_acked(struct history *history, const struct replica_id *replica, uint64_t seq);
void history_told(struct history *history, const struct replica_id *replica, uint64_t seq);

/* The hub's lists. */
void history_taken(struct history *history, const struct replica_id *replica, uint64_t seq);
void history_refused(struct history *history, const struct replica_id *replica, uint64_t seq);

/* Appends the document as it must be shown: one line of JSON, NUL-terminated. */
void history_write(const struct history *history, struct buffer *text);

/* A sentence if the hub does not stand by something that a device was told; empty: it does. */
void history_lost(const struct history *history, char *sentence, size_t size);

#endif

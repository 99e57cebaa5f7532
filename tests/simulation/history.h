/*
 * History: every edit that any device ever made, as its user meant it, and what its user had seen
 * then, apart from CRDTs, sessions and the hub. What a document must show in the end follows from
 * it, from the order in which the journal has taken the edits, and from the hub's list of those
 * that it has refused.
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
    HISTORY_UNTAG,  /* element */
    HISTORY_CART,   /* amount, signed, of the key `element` % 4 */
    HISTORY_OTHER   /* nothing follows from it but that all show the same */
};

/* The stock has bounds: 0 and this. */
enum { HISTORY_STOCK_MAX = 20 };

enum { HISTORY_TAGS = 6, HISTORY_SEEN_MAX = 32 };

/* All edits of a replica up to this one. */
struct history_seen {
    struct replica_id replica;
    uint64_t seq;
};

struct history_edit {
    struct replica_id replica;
    uint64_t seq;
    enum history_kind kind;
    int64_t amount;
    uint64_t element;
    bool refused;
    bool told;                                  /* the refusal, to a device */
    uint64_t position;                          /* in the journal; 0: it is not there */
    uint64_t cursor;                            /* all up to this position was seen */
    struct history_seen seen[HISTORY_SEEN_MAX]; /* and this, that waited on the same device */
    size_t seen_length;
};

/* What the hub says of a replica. */
struct history_replica {
    struct replica_id replica;
    uint64_t journaled; /* taken up to here, by the journal's order */
    uint64_t seq;       /* and as the hub says */
    uint64_t acked;     /* up to here, as a device was told */
};

struct history {
    struct history_edit *edits;
    size_t length;
    size_t capacity;
    struct history_replica *replicas;
    size_t replica_length;
    size_t replica_capacity;
    uint64_t position; /* of the last batch */
};

void history_finish(struct history *history);

void history_add(struct history *history, const struct history_edit *edit);

/* A device was told that all up to `seq` is durable, or that `seq` was refused. */
void history_acked(struct history *history, const struct replica_id *replica, uint64_t seq);
void history_told(struct history *history, const struct replica_id *replica, uint64_t seq);

/*
 * A batch is durable at a position; those that come again are known. Its records are held against
 * the rule of the ledger: an update is taken if it goes on where its replica's last one ended, and
 * if all that its context names is taken.
 */
void history_journaled(struct history *history, uint64_t position, struct bytes batch);

/* The hub's lists. */
void history_taken(struct history *history, const struct replica_id *replica, uint64_t seq);
void history_refused(struct history *history, const struct replica_id *replica, uint64_t seq);

/* Appends the document as it must be shown: one line of JSON, NUL-terminated. */
void history_write(const struct history *history, struct buffer *text);

/* A sentence if the hub does not stand by something that a device was told, or has taken what it
 * had to refuse; empty: it does, and has not. */
void history_lost(const struct history *history, char *sentence, size_t size);

#endif

/*
 * Outboxes: a client's updates of one document that the hub has not acknowledged yet, by the
 * session that made them. Each delta joins the edits `first..last`, all made knowing the same; once
 * sent it is never changed.
 */
#ifndef CLIENT_OUTBOX_H
#define CLIENT_OUTBOX_H

#include "protocol/codec.h"
#include "protocol/packet.h"

struct delta {
    uint64_t first;
    uint64_t last;
    uint64_t position;        /* of the cursor when the edits were made */
    struct packet_seen *seen; /* other outboxes whose dots they had seen */
    size_t seen_length;
    struct journal_id journal;    /* that the position counts in; if the position is not 0 */
    struct crdt_change **changes; /* one for each of the schema's fields; NULL: none */
    size_t
        bytes; /* of the edits that have joined it, each as a change of its own: it has no more */
    bool sent;
    bool stored;   /* once: who goes on with a copy of the store may send it as it is */
    bool rejected; /* took no effect: what it counted is spent, until those before it are settled */
};

struct outbox {
    struct replica_id replica;
    crdt_replica_id index; /* the hub's; before it is known, a number of our own */
    bool indexed;
    uint64_t seq;
    uint64_t next;  /* the first seq to send */
    uint64_t asked; /* by the last GAP, if nothing was acknowledged since; 0: none */
    uint64_t acked;
    uint64_t acked_position;
    struct crdt_entry *claimed; /* own entries by field, after all edits */
    struct crdt_entry *settled; /* as far as what is confirmed includes them */
    struct delta *deltas;
    size_t length;
};

/* Numbers of our own start here, far above the hub's. */
enum { OUTBOX_LOCAL_INDEX = 1 << 30 };

/* False: no memory; nothing to finish. */
CRDT_CHECKED bool outbox_init(struct outbox *outbox, const struct replica_id *replica,
                              size_t fields);
void outbox_finish(struct outbox *outbox, size_t fields);

/* Appends an empty delta that starts after the last edit; NULL: no memory. Borrowed until the next.
 */
struct delta *outbox_push(struct outbox *outbox, size_t fields);

/* Drops the deltas from that place on. */
void outbox_cut(struct outbox *outbox, size_t length, size_t fields);

/* What the delta has counted is in `entries`, one for each field, from now on. */
void delta_spend(const struct delta *delta, struct crdt_entry *entries, size_t fields);

bool delta_has_seen(const struct delta *delta, const struct replica_id *replica);

/* Drops the oldest delta; what it counted is settled. */
void outbox_settle_first(struct outbox *outbox, size_t fields);

/* All that is not acknowledged is to be sent again, whatever is missing before it: the hub says so.
 */
void outbox_rewind(struct outbox *outbox);

/* How many edits wait. */
uint64_t outbox_pending(const struct outbox *outbox);

#endif

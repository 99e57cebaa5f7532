/*
 * Causality: which updates a replica had seen when it made an update.
 *
 * An update's name is its dot (replica, seq). The hub gives every dot a position in its journal, so
 * most of what a replica has seen is one number: every dot at or below its cursor. What lies
 * outside the hub's order (a replica's own pending updates, another outbox on the same device,
 * states passed from replica to replica) is a version vector. A context is both; either part may be
 * empty.
 *
 * Source   version vectors: Almeida, Shoker, Baquero, JPDC 111 (2018); dots: Bieniusa et al., INRIA
 * RR-8083 (2012).
 */
#ifndef CRDT_CONTEXT_H
#define CRDT_CONTEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A replica's number within one document: the hub interns the UUID. */
typedef uint32_t crdt_replica_id;

/* Nobody's number: of a dot that only a position covers, which no vector can name. */
#define CRDT_REPLICA_NONE UINT32_MAX

/* The position of a dot that no hub has merged yet: no cursor covers it. */
#define CRDT_POSITION_PENDING UINT64_MAX

/* JavaScript's greatest exact integer: what a counter's entry or total may reach. */
#define CRDT_INTEGER_MAX ((int64_t)9007199254740991)

struct crdt_dot {
    uint64_t seq; /* from 1 */
    uint64_t position;
    crdt_replica_id replica;
};

/* Covers the dots 1..seq of the replica. */
struct crdt_seen {
    uint64_t seq;
    crdt_replica_id replica;
};

struct crdt_context {
    uint64_t position;            /* covers every dot at or below; 0: none */
    const struct crdt_seen *seen; /* ascending by replica, no duplicates; borrowed */
    size_t length;
};

/* An update on its way into a document: who made it, knowing what, and where the journal put it. */
struct crdt_update {
    uint64_t first; /* the seqs it joins */
    uint64_t last;
    uint64_t position;
    uint64_t at_ms; /* when the journal took it */
    bool ordered;   /* by a hub: everybody who applies it does so in the same order */
    struct crdt_context context;
    crdt_replica_id replica;
};

/* The highest seq of the replica that the vector covers; 0: none. */
uint64_t crdt_context_seq(const struct crdt_context *context, crdt_replica_id replica);

bool crdt_context_covers(const struct crdt_context *context, const struct crdt_dot *dot);

/* What the update's context covers, and the earlier dots of its own replica. */
bool crdt_update_covers(const struct crdt_update *update, const struct crdt_dot *dot);

#endif

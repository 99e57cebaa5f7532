/*
 * Replicas: some copies of one field that exchange deltas and full states without a hub, each with
 * its entries and the dots it has seen. What the property tests and the conformance scenarios run
 * on.
 */
#ifndef TESTS_REPLICAS_H
#define TESTS_REPLICAS_H

#include "clients/c/edits.h"
#include "protocol/codec.h"

enum { REPLICAS_MAX = 8, DELTAS_MAX = 256 };

struct replica_delta {
    struct crdt_change *change;
    struct crdt_seen seen[REPLICAS_MAX]; /* what its maker had seen */
    uint64_t first;
    uint64_t last;
    crdt_replica_id replica;
};

struct replica {
    struct crdt_field *field;
    struct crdt_entry entries[REPLICAS_MAX];
    struct crdt_seen seen[REPLICAS_MAX];
    bool waiting[DELTAS_MAX]; /* refused for a gap, to be delivered again */
};

struct replicas {
    struct declaration declared;
    struct replica replica[REPLICAS_MAX];
    size_t length;
    struct replica_delta deltas[DELTAS_MAX];
    size_t delta_count;
    uint64_t step; /* the position of what happens now */
};

/* Moves the declaration. */
void replicas_init(struct replicas *replicas, struct declaration *declared, size_t length);
void replicas_finish(struct replicas *replicas);

/* A local edit made at that time; answers its delta's number, or SIZE_MAX: the field refuses it. */
size_t replicas_edit(struct replicas *replicas, size_t at, const struct edit *edit,
                     uint64_t now_ms);

/* Delivers a delta; after it, those that waited for it. */
void replicas_deliver(struct replicas *replicas, size_t delta, size_t to);

/* Joins the full state of one into another. */
void replicas_merge(struct replicas *replicas, size_t from, size_t into);

/* The value as JSON text, to be freed. */
char *replicas_value(const struct replicas *replicas, size_t at);

#endif

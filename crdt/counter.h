/*
 * Counters: how many times something happened, counted by many replicas. The g-counter only grows,
 * the pn-counter goes both ways; both are one algebra, and a g-counter's replicas never count down.
 *
 * State    the total; each replica's entry (up, down) is kept by the document, beside the replica's
 * seq. Value    the total, an integer within +-(2^53 - 1). Change   the replica's own absolute
 * entry, so that a repeat is harmless; gathering keeps the greater. Merge    per-replica maximum:
 * the total grows by what the entry grew. Commutative, associative, idempotent. A rejected change
 * raises the entry and not the total: its amount is spent. Cost     O(1) for a change, whatever the
 * number of replicas there ever were. Source   Shapiro, Preguiça, Baquero, Zawirski, INRIA RR-7506
 * (2011), Spec. 6 and 7; deltas: Almeida, Shoker, Baquero, JPDC 111 (2018).
 */
#ifndef CRDT_COUNTER_H
#define CRDT_COUNTER_H

#include "crdt/field.h"

struct crdt_counter_entry {
    struct crdt_entry entry;
    crdt_replica_id replica;
};

struct crdt_counter {
    struct crdt_field field;
    int64_t total;
    /* A full state that travels names its replicas' entries; a field in a document leaves them to
     * it. */
    struct crdt_counter_entry *entries;
    size_t length;
    size_t capacity;
};

struct crdt_counter_change {
    struct crdt_change change;
    struct crdt_entry entry;
};

extern const struct crdt_type crdt_gcounter;
extern const struct crdt_type crdt_pncounter;

/* For the types that count: whether an entry is within range; what a replica that claims `claimed`
 * has counted since `entry` (both fit, so this does); and taking the claim over. */
bool crdt_entry_fits(struct crdt_entry entry);
int64_t crdt_entry_growth(struct crdt_entry entry, struct crdt_entry claimed);
void crdt_entry_raise(struct crdt_entry *entry, struct crdt_entry claimed);

/* `total` and `grow` of the types that count. */
int64_t crdt_counter_total(const struct crdt_field *field);
CRDT_CHECKED enum crdt_status crdt_counter_grow(struct crdt_field *field, int64_t amount,
                                                uint64_t position);

/* The total that a join would lead to. CRDT_OVERFLOW: it does not fit. */
CRDT_CHECKED enum crdt_status crdt_counter_joined(const struct crdt_field *field,
                                                  const struct crdt_field *state,
                                                  const struct crdt_join *join, int64_t *total);

/*
 * Counts `up` and `down` on top of `entry`, the replica's own after its earlier edits, and keeps
 * the result in both. CRDT_OVERFLOW: neither has changed.
 */
CRDT_CHECKED enum crdt_status crdt_counter_count(struct crdt_counter_change *change,
                                                 struct crdt_entry *entry, uint64_t up,
                                                 uint64_t down);

/* Adds a replica's entry to a full state. CRDT_NO_MEMORY: unchanged. */
CRDT_CHECKED enum crdt_status crdt_counter_put_entry(struct crdt_counter *state,
                                                     crdt_replica_id replica,
                                                     struct crdt_entry entry);

#endif

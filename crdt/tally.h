/*
 * Tally: a counter inside a map, where a remove takes out exactly what it had seen.
 *
 * State    what was counted, update by update: an amount under a dot.
 * Value    the sum of the amounts.
 * Change   an amount; gathering adds up. The ledger sees to it that it counts once.
 * Merge    as the OR-set's (crdt/orset.h): a dot of ours that the other side had seen and lacks was
 *          removed there, and the other way round.
 * Folding  where a hub orders the updates, the oldest dots become one, with their sum, beyond 64: a
 *          remove that had seen only some of them leaves them all. It is nobody's, so that only a
 *          position covers it.
 * Cost     up to 64 dots; a change O(1), a remove and a join O(dots).
 * Source   dots as in Bieniusa et al., INRIA RR-8083 (2012); Riak's counters in maps keep them by
 *          replica, and let an increment bring back what a concurrent remove had seen.
 */
#ifndef CRDT_TALLY_H
#define CRDT_TALLY_H

#include "crdt/field.h"

/* In a map: the g-counter, the pn-counter, and the bounded counter, whose sum stays in bounds. */
extern const struct crdt_type crdt_gtally;
extern const struct crdt_type crdt_pntally;
extern const struct crdt_type crdt_bounded_tally;

struct crdt_tally_part {
    struct crdt_dot dot;
    int64_t amount;
};

struct crdt_tally {
    struct crdt_field field;
    struct crdt_tally_part *parts; /* oldest first; the sum of the first n is within +-(2^53 - 1) */
    size_t length;
    size_t capacity;
    int64_t total;
    int64_t min;
    int64_t max;
};

struct crdt_tally_change {
    struct crdt_change change;
    int64_t amount;
};

/* Counts on top of what the change holds. CRDT_OVERFLOW: unchanged. */
CRDT_CHECKED enum crdt_status crdt_tally_count(struct crdt_tally_change *change, int64_t amount);

/* Adds a part with its own position, behind the others. CRDT_NO_MEMORY, CRDT_OVERFLOW: unchanged.
 */
CRDT_CHECKED enum crdt_status crdt_tally_put(struct crdt_tally *tally,
                                             const struct crdt_tally_part *part);

/* Forgets all parts. */
void crdt_tally_clear(struct crdt_tally *tally);

#endif

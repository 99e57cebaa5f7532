/*
 * Bounded counter: a pn-counter that stays within bounds, and of which amounts can be reserved.
 *
 * State    the pn-counter's (crdt/counter.h), and the leases: amounts set aside, each under a key,
 *          until it is drawn or its time is over.
 * Value    the total: min <= total <= max.
 * Change   one edit: the replica's absolute entry, and what it does to a lease. Edits are never
 *          joined, so that one that crosses a bound is rejected alone.
 * Order    whoever orders the updates decides: an edit that would leave less than min and what is
 *          reserved, or more than max, takes no effect. A decrement drawn from a lease is never
 *          refused while the lease lasts.
 * Cost     a change O(leases).
 * Source   Balegas, Serra, Duarte, Ferreira, Rodrigues, Preguiça, Shapiro, Najafzadeh, SRDS 2015
 *          (bounded counters); O'Neil, TODS 1986 (escrow). Leases end, as Gray and Cheriton's, SOSP
 *          1989: a device that never comes back keeps nothing for ever.
 */
#ifndef CRDT_BOUNDED_H
#define CRDT_BOUNDED_H

#include "crdt/bytes.h"
#include "crdt/counter.h"

extern const struct crdt_type crdt_bounded;

enum { CRDT_LEASE_KEY_BYTES = 64, CRDT_LEASES_MAX = 1000 };

struct crdt_lease {
    int64_t left; /* at least 1 */
    uint64_t expires_ms;
    uint8_t key[CRDT_LEASE_KEY_BYTES];
    uint8_t key_length; /* at least 1 */
};

struct crdt_bounded {
    struct crdt_counter counter;
    int64_t min;
    int64_t max;
    int64_t reserved; /* the sum of what the leases have left */
    struct crdt_lease *leases;
    size_t length;
    size_t capacity;
};

/* What an edit does to a lease: draws, as part of a decrement; reserves; or, with neither, gives
 * back what is left. */
struct crdt_lease_edit {
    uint8_t key[CRDT_LEASE_KEY_BYTES];
    uint8_t key_length; /* 0: nothing at all */
    int64_t drawn;
    int64_t reserved;
    uint64_t ttl_ms;
};

struct crdt_bounded_change {
    struct crdt_counter_change counter;
    struct crdt_lease_edit lease;
};

/* What can be counted down, or reserved, by those who hold no lease. */
int64_t crdt_bounded_available(const struct crdt_bounded *bounded);

/* The lease under a key, or NULL. */
const struct crdt_lease *crdt_bounded_lease(const struct crdt_bounded *bounded, struct bytes key);

/* Adds a lease whose key is not there. CRDT_NO_MEMORY, CRDT_TOO_MANY: unchanged. */
CRDT_CHECKED enum crdt_status crdt_bounded_put_lease(struct crdt_bounded *bounded,
                                                     const struct crdt_lease *lease);
void crdt_bounded_clear_leases(struct crdt_bounded *bounded);

#endif

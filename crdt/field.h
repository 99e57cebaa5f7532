/*
 * Field: one CRDT inside a document, behind the interface that all types share.
 *
 * A type brings three structs, each with one of the bases below as its first member: the field (its
 * state), the change (its part of a delta, which can gather further edits), and, where full states
 * differ from fields, nothing more: a full state is a field too. Nothing outside a type's own
 * files, its codec and its clients names a type.
 *
 * A replica's entry is its own part of a field (what it has counted so far). The hub keeps entries
 * in its ledger, beside the replica's seq; a type that needs none leaves them alone.
 */
#ifndef CRDT_FIELD_H
#define CRDT_FIELD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "crdt/bytes.h"
#include "crdt/context.h"
#include "crdt/status.h"

struct crdt_type;

struct crdt_field {
    const struct crdt_type *type;
    uint64_t position; /* that last changed it; 0: never */
    uint64_t horizon;  /* changes since a position below it can no longer be told */
};

struct crdt_change {
    const struct crdt_type *type;
};

/* What is declared of a field, as far as its algebra depends on it. */
struct crdt_declaration {
    const struct crdt_type *type;
    int64_t min; /* of a bounded counter */
    int64_t max;
    bool disable_wins;                 /* of a flag */
    bool nested;                       /* inside a map */
    const struct crdt_declaration *of; /* what a map holds; NULL: not a map */
};

/* All that a replica has counted up and down in a field, in every update it made; only it raises
 * them. */
struct crdt_entry {
    uint64_t up;
    uint64_t down;
};

/* A full state's way into a field. */
struct crdt_join {
    struct crdt_context source; /* what the full state had seen */
    struct crdt_context target; /* what the field had seen, of the replicas in question */
    uint64_t position;          /* for the dots that arrive */
    /* The entry of a replica in the joining document; never NULL. */
    struct crdt_entry *(*entry_of)(void *context, crdt_replica_id replica);
    void *context;
};

/* Which other edits an edit may share an update with: an update is accepted or rejected as a whole.
 */
enum crdt_company { CRDT_WITH_ALL, CRDT_WITH_FIELD, CRDT_ALONE };

/* Functions marked with * may be NULL where a type has nothing to do: call them as below the
 * struct. */
struct crdt_type {
    const char *name;
    enum crdt_company company;

    /* An empty field, or NULL: no memory. Copies what it needs. `seed` keys its hash tables. */
    struct crdt_field *(*create)(const struct crdt_declaration *declared, uint64_t seed);
    void (*destroy)(struct crdt_field *field);
    /* A copy, or NULL: no memory. */
    struct crdt_field *(*copy)(const struct crdt_field *field);
    /* About how many bytes the field holds. */
    size_t (*memory)(const struct crdt_field *field);

    /* An empty change, or NULL: no memory. */
    struct crdt_change *(*change_create)(const struct crdt_type *type);
    void (*change_destroy)(struct crdt_change *change);
    /* Joins `later`, which the same replica made next knowing the same, into `change`. On
     * CRDT_NO_MEMORY the change is unfit for use. */
    enum crdt_status (*gather)(struct crdt_change *change, const struct crdt_change *later);

    /* * Whether the change's clocks are further ahead of `now_ms` than a clock may be. */
    bool (*is_ahead)(const struct crdt_change *change, uint64_t now_ms);
    /* * The same of a full state. */
    bool (*is_field_ahead)(const struct crdt_field *field, uint64_t now_ms);
    /* * Gives the change, which was made for `field` (NULL: an empty one), the clocks of an edit
     * made at `now_ms`. On CRDT_NO_MEMORY the change is unfit for use. */
    enum crdt_status (*stamp)(struct crdt_change *change, const struct crdt_field *field,
                              uint64_t now_ms);

    /* * Whether the change can be applied: CRDT_OK or the reason to reject it. */
    enum crdt_status (*check)(const struct crdt_field *field, const struct crdt_entry *entry,
                              const struct crdt_change *change, const struct crdt_update *update);
    /* Applies a checked change. On CRDT_NO_MEMORY the field is unfit for use. */
    enum crdt_status (*apply)(struct crdt_field *field, struct crdt_entry *entry,
                              const struct crdt_change *change, const struct crdt_update *update);
    /* * Takes note of a rejected change, so that what it counted never counts. */
    void (*spend)(struct crdt_entry *entry, const struct crdt_change *change);
    /* * Goes with `spend`: the change claims this much in all, as that of another replica. */
    void (*claim)(struct crdt_change *change, struct crdt_entry entry);

    /* * Whether a map may remove the field: CRDT_OK or the reason to reject it. */
    enum crdt_status (*check_remove)(const struct crdt_field *field,
                                     const struct crdt_update *update);
    /* Takes out everything that the update had seen, because its key leaves the map. NULL: the type
     * does not stand in maps. */
    void (*remove)(struct crdt_field *field, const struct crdt_update *update);

    /* The two steps of an update for a full state: commutative, associative, idempotent. The first
     * is optional. */
    enum crdt_status (*check_join)(const struct crdt_field *field, const struct crdt_field *state,
                                   const struct crdt_join *join);
    enum crdt_status (*join)(struct crdt_field *field, const struct crdt_field *state,
                             const struct crdt_join *join);

    /* * Of a type that counts with entries: what its value is, and that it grows by `amount`,
     * whoever counted it. Position 0: only whether it may. CRDT_OVERFLOW, CRDT_OUT_OF_BOUNDS:
     * unchanged. */
    int64_t (*total)(const struct crdt_field *field);
    enum crdt_status (*grow)(struct crdt_field *field, int64_t amount, uint64_t position);

    /* * Of a set: takes the element out without a trace of it, be it there or removed; `position`
     * becomes the field's horizon. CRDT_NO_MEMORY: unchanged. */
    enum crdt_status (*erase)(struct crdt_field *field, struct bytes element, uint64_t position,
                              bool *found);

    /* * Forgets the oldest removals beyond `removals_max` and raises the horizon. */
    void (*trim)(struct crdt_field *field, size_t removals_max);

    /* * When something in the field ends by itself; UINT64_MAX: never. */
    uint64_t (*due_ms)(const struct crdt_field *field);
    /* * Ends what was due at `now_ms`. */
    void (*expire)(struct crdt_field *field, uint64_t now_ms, uint64_t position);
};

/* A clock may be this far ahead of the hub's. */
enum { CRDT_CLOCK_LEEWAY_MS = 60 * 1000 };

bool crdt_change_is_ahead(const struct crdt_change *change, uint64_t now_ms);
bool crdt_field_is_ahead(const struct crdt_field *field, uint64_t now_ms);
enum crdt_status crdt_change_stamp(struct crdt_change *change, const struct crdt_field *field,
                                   uint64_t now_ms);
enum crdt_status crdt_field_check(const struct crdt_field *field, const struct crdt_entry *entry,
                                  const struct crdt_change *change,
                                  const struct crdt_update *update);
void crdt_entry_spend(struct crdt_entry *entry, const struct crdt_change *change);
void crdt_change_claim(struct crdt_change *change, struct crdt_entry entry);
enum crdt_status crdt_field_check_remove(const struct crdt_field *field,
                                         const struct crdt_update *update);
enum crdt_status crdt_field_check_join(const struct crdt_field *field,
                                       const struct crdt_field *state,
                                       const struct crdt_join *join);
void crdt_field_trim(struct crdt_field *field, size_t removals_max);
uint64_t crdt_field_due_ms(const struct crdt_field *field);
void crdt_field_expire(struct crdt_field *field, uint64_t now_ms, uint64_t position);

/* The strictest of a type and of what its maps hold. */
enum crdt_company crdt_declaration_company(const struct crdt_declaration *declared);

#endif

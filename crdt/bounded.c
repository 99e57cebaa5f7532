#include "crdt/bounded.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

static struct crdt_field *bounded_create(const struct crdt_declaration *declared, uint64_t seed)
{
    (void)seed;
    struct crdt_bounded *bounded = calloc(1, sizeof *bounded);
    if (bounded == NULL) {
        return NULL;
    }
    bounded->counter.field.type = declared->type;
    bounded->min = declared->min;
    bounded->max = declared->max;
    return (struct crdt_field *)bounded;
}

static void bounded_destroy(struct crdt_field *field)
{
    struct crdt_bounded *bounded = (struct crdt_bounded *)field;
    if (bounded != NULL) {
        free(bounded->counter.entries);
        free(bounded->leases);
        free(bounded);
    }
}

static struct crdt_field *bounded_copy(const struct crdt_field *field)
{
    const struct crdt_bounded *source = (const struct crdt_bounded *)field;
    struct crdt_declaration declared = {
        .type = field->type, .min = source->min, .max = source->max};
    struct crdt_field *made = bounded_create(&declared, 0);
    struct crdt_bounded *copy = (struct crdt_bounded *)made;
    if (copy == NULL) {
        return NULL;
    }
    bool good = true;
    for (size_t i = 0; i < source->length && good; i++) {
        good = crdt_bounded_put_lease(copy, &source->leases[i]) == CRDT_OK;
    }
    for (size_t i = 0; i < source->counter.length && good; i++) {
        const struct crdt_counter_entry *entry = &source->counter.entries[i];
        good = crdt_counter_put_entry(&copy->counter, entry->replica, entry->entry) == CRDT_OK;
    }
    if (!good) {
        bounded_destroy(made);
        return NULL;
    }
    copy->counter.field = *field;
    copy->counter.total = source->counter.total;
    return made;
}

static size_t bounded_memory(const struct crdt_field *field)
{
    const struct crdt_bounded *bounded = (const struct crdt_bounded *)field;
    return sizeof *bounded + bounded->counter.capacity * sizeof *bounded->counter.entries +
           bounded->capacity * sizeof *bounded->leases;
}

static struct crdt_change *change_create(const struct crdt_type *type)
{
    struct crdt_bounded_change *change = calloc(1, sizeof *change);
    if (change == NULL) {
        return NULL;
    }
    change->counter.change.type = type;
    return (struct crdt_change *)change;
}

static void change_destroy(struct crdt_change *change) { free(change); }

/* Each edit stands alone; what gathers into an empty change is a copy. */
static enum crdt_status gather(struct crdt_change *base, const struct crdt_change *later)
{
    struct crdt_bounded_change *change = (struct crdt_bounded_change *)base;
    const struct crdt_bounded_change *next = (const struct crdt_bounded_change *)later;
    crdt_entry_raise(&change->counter.entry, next->counter.entry);
    change->lease = next->lease;
    return CRDT_OK;
}

static size_t find(const struct crdt_bounded *bounded, const uint8_t *key, size_t length)
{
    size_t at = 0;
    while (at < bounded->length && (bounded->leases[at].key_length != length ||
                                    memcmp(bounded->leases[at].key, key, length) != 0)) {
        at++;
    }
    return at;
}

/* What an edit comes to, here and now. */
struct outcome {
    int64_t total;
    int64_t grown;
    int64_t reserved; /* by all leases, afterwards */
    int64_t left;     /* in the edit's lease, afterwards */
    size_t lease;     /* its place; bounded->length: there is none */
};

static struct outcome outcome_of(const struct crdt_bounded *bounded, struct crdt_entry entry,
                                 const struct crdt_bounded_change *change)
{
    const struct crdt_lease_edit *edit = &change->lease;
    struct outcome outcome = {.grown = crdt_entry_growth(entry, change->counter.entry),
                              .reserved = bounded->reserved,
                              .lease = bounded->length};
    outcome.total = bounded->counter.total + outcome.grown;
    if (edit->key_length == 0) {
        return outcome;
    }
    outcome.lease = find(bounded, edit->key, edit->key_length);
    int64_t held = outcome.lease < bounded->length ? bounded->leases[outcome.lease].left : 0;
    bool gives_back = edit->drawn == 0 && edit->reserved == 0;
    int64_t drawn = edit->drawn < held && !gives_back ? edit->drawn : held;
    outcome.left = held - drawn + edit->reserved;
    outcome.reserved += outcome.left - held;
    return outcome;
}

static bool fits(int64_t total) { return total >= -CRDT_INTEGER_MAX && total <= CRDT_INTEGER_MAX; }

static enum crdt_status check(const struct crdt_field *field, const struct crdt_entry *entry,
                              const struct crdt_change *base, const struct crdt_update *update)
{
    (void)update;
    const struct crdt_bounded *bounded = (const struct crdt_bounded *)field;
    const struct crdt_bounded_change *change = (const struct crdt_bounded_change *)base;
    if (!crdt_entry_fits(change->counter.entry)) {
        return CRDT_OVERFLOW;
    }
    struct outcome outcome = outcome_of(bounded, *entry, change);
    if (!fits(outcome.total) || !fits(outcome.reserved)) {
        return CRDT_OVERFLOW;
    }
    bool takes = outcome.grown < 0 || change->lease.reserved > 0;
    if ((takes && outcome.total - bounded->min < outcome.reserved) ||
        (outcome.grown > 0 && outcome.total > bounded->max)) {
        return CRDT_OUT_OF_BOUNDS;
    }
    bool is_new = outcome.left > 0 && outcome.lease == bounded->length;
    return is_new && bounded->length == CRDT_LEASES_MAX ? CRDT_TOO_MANY : CRDT_OK;
}

static void drop_lease(struct crdt_bounded *bounded, size_t at)
{
    bounded->reserved -= bounded->leases[at].left;
    bounded->leases[at] = bounded->leases[--bounded->length];
}

static enum crdt_status apply_lease(struct crdt_bounded *bounded,
                                    const struct crdt_lease_edit *edit,
                                    const struct outcome *outcome, uint64_t at_ms)
{
    struct crdt_lease lease = {.key_length = edit->key_length};
    memcpy(lease.key, edit->key, sizeof lease.key);
    if (outcome->lease < bounded->length) {
        lease = bounded->leases[outcome->lease];
        drop_lease(bounded, outcome->lease);
    }
    lease.left = outcome->left;
    if (edit->reserved > 0 && at_ms + edit->ttl_ms > lease.expires_ms) {
        lease.expires_ms = at_ms + edit->ttl_ms;
    }
    return lease.left > 0 ? crdt_bounded_put_lease(bounded, &lease) : CRDT_OK;
}

static enum crdt_status apply(struct crdt_field *field, struct crdt_entry *entry,
                              const struct crdt_change *base, const struct crdt_update *update)
{
    struct crdt_bounded *bounded = (struct crdt_bounded *)field;
    const struct crdt_bounded_change *change = (const struct crdt_bounded_change *)base;
    struct outcome outcome = outcome_of(bounded, *entry, change);
    crdt_entry_raise(entry, change->counter.entry);
    bounded->counter.total = outcome.total;
    field->position = update->position;
    if (change->lease.key_length == 0) {
        return CRDT_OK;
    }
    enum crdt_status status = apply_lease(bounded, &change->lease, &outcome, update->at_ms);
    assert(status != CRDT_OK || bounded->reserved == outcome.reserved);
    return status;
}

static void spend(struct crdt_entry *entry, const struct crdt_change *change)
{
    crdt_pncounter.spend(entry, change);
}

static void claim(struct crdt_change *change, struct crdt_entry entry)
{
    crdt_pncounter.claim(change, entry);
}

static enum crdt_status check_join(const struct crdt_field *field, const struct crdt_field *state,
                                   const struct crdt_join *join)
{
    const struct crdt_bounded *bounded = (const struct crdt_bounded *)field;
    int64_t total;
    enum crdt_status status = crdt_counter_joined(field, state, join, &total);
    if (status != CRDT_OK) {
        return status;
    }
    bool falls = total < bounded->counter.total && total - bounded->min < bounded->reserved;
    bool rises = total > bounded->counter.total && total > bounded->max;
    return falls || rises ? CRDT_OUT_OF_BOUNDS : CRDT_OK;
}

static enum crdt_status join(struct crdt_field *field, const struct crdt_field *state,
                             const struct crdt_join *join)
{
    return crdt_pncounter.join(field, state, join);
}

static enum crdt_status grow(struct crdt_field *field, int64_t amount, uint64_t position)
{
    const struct crdt_bounded *bounded = (const struct crdt_bounded *)field;
    int64_t total = 0;
    if (__builtin_add_overflow(bounded->counter.total, amount, &total)) {
        return CRDT_OVERFLOW;
    }
    bool falls = amount < 0 && total - bounded->min < bounded->reserved;
    bool rises = amount > 0 && total > bounded->max;
    return falls || rises ? CRDT_OUT_OF_BOUNDS : crdt_counter_grow(field, amount, position);
}

static uint64_t due_ms(const struct crdt_field *field)
{
    const struct crdt_bounded *bounded = (const struct crdt_bounded *)field;
    uint64_t due = UINT64_MAX;
    for (size_t i = 0; i < bounded->length; i++) {
        due = bounded->leases[i].expires_ms < due ? bounded->leases[i].expires_ms : due;
    }
    return due;
}

static void expire(struct crdt_field *field, uint64_t now_ms, uint64_t position)
{
    struct crdt_bounded *bounded = (struct crdt_bounded *)field;
    for (size_t i = bounded->length; i > 0; i--) {
        if (bounded->leases[i - 1].expires_ms <= now_ms) {
            drop_lease(bounded, i - 1);
            field->position = position;
        }
    }
}

const struct crdt_type crdt_bounded = {
    .name = "bounded-counter",
    .company = CRDT_ALONE,
    .create = bounded_create,
    .destroy = bounded_destroy,
    .copy = bounded_copy,
    .memory = bounded_memory,
    .change_create = change_create,
    .change_destroy = change_destroy,
    .gather = gather,
    .check = check,
    .apply = apply,
    .spend = spend,
    .claim = claim,
    .check_join = check_join,
    .join = join,
    .total = crdt_counter_total,
    .grow = grow,
    .due_ms = due_ms,
    .expire = expire,
};

int64_t crdt_bounded_available(const struct crdt_bounded *bounded)
{
    return bounded->counter.total - bounded->min - bounded->reserved;
}

const struct crdt_lease *crdt_bounded_lease(const struct crdt_bounded *bounded, struct bytes key)
{
    size_t at = find(bounded, key.data, key.length);
    return at < bounded->length ? &bounded->leases[at] : NULL;
}

enum crdt_status crdt_bounded_put_lease(struct crdt_bounded *bounded,
                                        const struct crdt_lease *lease)
{
    if (bounded->length == CRDT_LEASES_MAX) {
        return CRDT_TOO_MANY;
    }
    if (bounded->length == bounded->capacity) {
        size_t capacity = bounded->capacity == 0 ? 2 : bounded->capacity * 2;
        struct crdt_lease *grown = realloc(bounded->leases, capacity * sizeof *grown);
        if (grown == NULL) {
            return CRDT_NO_MEMORY;
        }
        bounded->leases = grown;
        bounded->capacity = capacity;
    }
    bounded->leases[bounded->length++] = *lease;
    bounded->reserved += lease->left;
    return CRDT_OK;
}

void crdt_bounded_clear_leases(struct crdt_bounded *bounded)
{
    bounded->length = 0;
    bounded->reserved = 0;
}

#include "crdt/counter.h"

#include <assert.h>
#include <stdlib.h>

static uint64_t max(uint64_t a, uint64_t b) { return a > b ? a : b; }

bool crdt_entry_fits(struct crdt_entry entry)
{
    return entry.up <= (uint64_t)CRDT_INTEGER_MAX && entry.down <= (uint64_t)CRDT_INTEGER_MAX;
}

int64_t crdt_entry_growth(struct crdt_entry entry, struct crdt_entry claimed)
{
    int64_t up = (int64_t)(max(entry.up, claimed.up) - entry.up);
    int64_t down = (int64_t)(max(entry.down, claimed.down) - entry.down);
    return up - down;
}

void crdt_entry_raise(struct crdt_entry *entry, struct crdt_entry claimed)
{
    entry->up = max(entry->up, claimed.up);
    entry->down = max(entry->down, claimed.down);
}

static bool total_fits(int64_t total)
{
    return total >= -CRDT_INTEGER_MAX && total <= CRDT_INTEGER_MAX;
}

static struct crdt_counter *create(const struct crdt_type *type)
{
    struct crdt_counter *counter = calloc(1, sizeof *counter);
    if (counter != NULL) {
        counter->field.type = type;
    }
    return counter;
}

static struct crdt_field *counter_create(const struct crdt_declaration *declared, uint64_t seed)
{
    (void)seed;
    struct crdt_counter *counter = create(declared->type);
    return counter == NULL ? NULL : &counter->field;
}

static void counter_destroy(struct crdt_field *field)
{
    struct crdt_counter *counter = (struct crdt_counter *)field;
    if (counter != NULL) {
        free(counter->entries);
        free(counter);
    }
}

static struct crdt_field *counter_copy(const struct crdt_field *field)
{
    const struct crdt_counter *source = (const struct crdt_counter *)field;
    struct crdt_counter *copy = create(field->type);
    if (copy == NULL) {
        return NULL;
    }
    copy->field = source->field;
    copy->total = source->total;
    for (size_t i = 0; i < source->length; i++) {
        const struct crdt_counter_entry *entry = &source->entries[i];
        if (crdt_counter_put_entry(copy, entry->replica, entry->entry) != CRDT_OK) {
            counter_destroy(&copy->field);
            return NULL;
        }
    }
    return &copy->field;
}

static size_t counter_memory(const struct crdt_field *field)
{
    const struct crdt_counter *counter = (const struct crdt_counter *)field;
    return sizeof *counter + counter->capacity * sizeof *counter->entries;
}

static struct crdt_change *change_create(const struct crdt_type *type)
{
    struct crdt_counter_change *change = calloc(1, sizeof *change);
    if (change == NULL) {
        return NULL;
    }
    change->change.type = type;
    return &change->change;
}

static void change_destroy(struct crdt_change *change) { free(change); }

static enum crdt_status change_gather(struct crdt_change *change, const struct crdt_change *later)
{
    crdt_entry_raise(&((struct crdt_counter_change *)change)->entry,
                     ((const struct crdt_counter_change *)later)->entry);
    return CRDT_OK;
}

static enum crdt_status counter_check(const struct crdt_field *field,
                                      const struct crdt_entry *entry,
                                      const struct crdt_change *change,
                                      const struct crdt_update *update)
{
    (void)update;
    struct crdt_entry claimed = ((const struct crdt_counter_change *)change)->entry;
    if (!crdt_entry_fits(claimed)) {
        return CRDT_OVERFLOW;
    }
    int64_t total =
        ((const struct crdt_counter *)field)->total + crdt_entry_growth(*entry, claimed);
    return total_fits(total) ? CRDT_OK : CRDT_OVERFLOW;
}

static enum crdt_status counter_apply(struct crdt_field *field, struct crdt_entry *entry,
                                      const struct crdt_change *change,
                                      const struct crdt_update *update)
{
    struct crdt_counter *counter = (struct crdt_counter *)field;
    struct crdt_entry claimed = ((const struct crdt_counter_change *)change)->entry;
    int64_t grown = crdt_entry_growth(*entry, claimed);
    crdt_entry_raise(entry, claimed);
    if (grown != 0) {
        counter->total += grown;
        assert(total_fits(counter->total));
        counter->field.position = update->position;
    }
    return CRDT_OK;
}

static void counter_spend(struct crdt_entry *entry, const struct crdt_change *change)
{
    struct crdt_entry claimed = ((const struct crdt_counter_change *)change)->entry;
    if (crdt_entry_fits(claimed)) {
        crdt_entry_raise(entry, claimed);
    }
}

static void counter_claim(struct crdt_change *change, struct crdt_entry entry)
{
    ((struct crdt_counter_change *)change)->entry = entry;
}

enum crdt_status crdt_counter_joined(const struct crdt_field *field, const struct crdt_field *state,
                                     const struct crdt_join *join, int64_t *total)
{
    const struct crdt_counter *source = (const struct crdt_counter *)state;
    *total = ((const struct crdt_counter *)field)->total;
    for (size_t i = 0; i < source->length; i++) {
        const struct crdt_counter_entry *theirs = &source->entries[i];
        if (!crdt_entry_fits(theirs->entry)) {
            return CRDT_OVERFLOW;
        }
        *total += crdt_entry_growth(*join->entry_of(join->context, theirs->replica), theirs->entry);
        if (!total_fits(*total)) {
            return CRDT_OVERFLOW;
        }
    }
    return CRDT_OK;
}

static enum crdt_status counter_check_join(const struct crdt_field *field,
                                           const struct crdt_field *state,
                                           const struct crdt_join *join)
{
    int64_t total;
    return crdt_counter_joined(field, state, join, &total);
}

static enum crdt_status counter_join(struct crdt_field *field, const struct crdt_field *state,
                                     const struct crdt_join *join)
{
    struct crdt_counter *target = (struct crdt_counter *)field;
    const struct crdt_counter *source = (const struct crdt_counter *)state;
    for (size_t i = 0; i < source->length; i++) {
        const struct crdt_counter_entry *theirs = &source->entries[i];
        struct crdt_entry *ours = join->entry_of(join->context, theirs->replica);
        int64_t grown = crdt_entry_growth(*ours, theirs->entry);
        crdt_entry_raise(ours, theirs->entry);
        if (grown != 0) {
            target->total += grown;
            target->field.position = join->position;
        }
    }
    assert(total_fits(target->total));
    return CRDT_OK;
}

int64_t crdt_counter_total(const struct crdt_field *field)
{
    return ((const struct crdt_counter *)field)->total;
}

enum crdt_status crdt_counter_grow(struct crdt_field *field, int64_t amount, uint64_t position)
{
    struct crdt_counter *counter = (struct crdt_counter *)field;
    int64_t total = 0;
    if (__builtin_add_overflow(counter->total, amount, &total) || !total_fits(total)) {
        return CRDT_OVERFLOW;
    }
    if (position != 0 && amount != 0) {
        counter->total = total;
        counter->field.position = position;
    }
    return CRDT_OK;
}

#define COUNTER_TYPE(type_name)                                                                    \
    {                                                                                              \
        .name = type_name, .create = counter_create, .destroy = counter_destroy,                   \
        .copy = counter_copy, .memory = counter_memory, .change_create = change_create,            \
        .change_destroy = change_destroy, .gather = change_gather, .check = counter_check,         \
        .apply = counter_apply, .spend = counter_spend, .claim = counter_claim,                    \
        .check_join = counter_check_join, .join = counter_join, .total = crdt_counter_total,       \
        .grow = crdt_counter_grow,                                                                 \
    }

const struct crdt_type crdt_gcounter = COUNTER_TYPE("g-counter");
const struct crdt_type crdt_pncounter = COUNTER_TYPE("pn-counter");

enum crdt_status crdt_counter_count(struct crdt_counter_change *change, struct crdt_entry *entry,
                                    uint64_t up, uint64_t down)
{
    uint64_t limit = (uint64_t)CRDT_INTEGER_MAX;
    if (up > limit - entry->up || down > limit - entry->down) {
        return CRDT_OVERFLOW;
    }
    entry->up += up;
    entry->down += down;
    change->entry = *entry;
    return CRDT_OK;
}

enum crdt_status crdt_counter_put_entry(struct crdt_counter *state, crdt_replica_id replica,
                                        struct crdt_entry entry)
{
    if (state->length == state->capacity) {
        size_t capacity = state->capacity == 0 ? 4 : state->capacity * 2;
        struct crdt_counter_entry *grown =
            realloc(state->entries, capacity * sizeof *state->entries);
        if (grown == NULL) {
            return CRDT_NO_MEMORY;
        }
        state->entries = grown;
        state->capacity = capacity;
    }
    state->entries[state->length++] =
        (struct crdt_counter_entry){.entry = entry, .replica = replica};
    return CRDT_OK;
}

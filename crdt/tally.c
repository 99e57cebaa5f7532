#include "crdt/tally.h"

#include <stdlib.h>
#include <string.h>

enum { PARTS_MAX = 64, PARTS_FOLDED = 32 };

static bool fits(int64_t total) { return total >= -CRDT_INTEGER_MAX && total <= CRDT_INTEGER_MAX; }

/* The difference of two totals: all that a part, or a folded one, can be. */
static bool is_amount(int64_t amount)
{
    return amount >= -2 * CRDT_INTEGER_MAX && amount <= 2 * CRDT_INTEGER_MAX;
}

static struct crdt_field *tally_create(const struct crdt_declaration *declared, uint64_t seed)
{
    (void)seed;
    struct crdt_tally *tally = calloc(1, sizeof *tally);
    if (tally == NULL) {
        return NULL;
    }
    tally->field.type = declared->type;
    tally->min = declared->min;
    tally->max = declared->max;
    return &tally->field;
}

static void tally_destroy(struct crdt_field *field)
{
    struct crdt_tally *tally = (struct crdt_tally *)field;
    if (tally != NULL) {
        free(tally->parts);
        free(tally);
    }
}

static bool reserve(struct crdt_tally *tally, size_t length)
{
    if (length <= tally->capacity) {
        return true;
    }
    size_t capacity = tally->capacity * 2 > length ? tally->capacity * 2 : length;
    struct crdt_tally_part *grown = realloc(tally->parts, capacity * sizeof *grown);
    if (grown == NULL) {
        return false;
    }
    tally->parts = grown;
    tally->capacity = capacity;
    return true;
}

static struct crdt_field *tally_copy(const struct crdt_field *field)
{
    const struct crdt_tally *source = (const struct crdt_tally *)field;
    struct crdt_tally *copy = malloc(sizeof *copy);
    if (copy == NULL) {
        return NULL;
    }
    *copy = *source;
    copy->parts = NULL;
    copy->capacity = 0;
    if (!reserve(copy, source->length)) {
        free(copy);
        return NULL;
    }
    if (source->length > 0) {
        memcpy(copy->parts, source->parts, source->length * sizeof *copy->parts);
    }
    return &copy->field;
}

static size_t tally_memory(const struct crdt_field *field)
{
    const struct crdt_tally *tally = (const struct crdt_tally *)field;
    return sizeof *tally + tally->capacity * sizeof *tally->parts;
}

static struct crdt_change *change_create(const struct crdt_type *type)
{
    struct crdt_tally_change *change = calloc(1, sizeof *change);
    if (change == NULL) {
        return NULL;
    }
    change->change.type = type;
    return &change->change;
}

static void change_destroy(struct crdt_change *change) { free(change); }

/* Both fit into the range of 2^53 each, so the sum does not wrap; check sees what is too much. */
static enum crdt_status gather(struct crdt_change *change, const struct crdt_change *later)
{
    int64_t amount = ((const struct crdt_tally_change *)later)->amount;
    return crdt_tally_count((struct crdt_tally_change *)change, amount) == CRDT_OK ? CRDT_OK
                                                                                   : CRDT_NO_MEMORY;
}

static enum crdt_status check_total(const struct crdt_tally *tally, int64_t total)
{
    if (!fits(total)) {
        return CRDT_OVERFLOW;
    }
    bool falls = total < tally->total && total < tally->min;
    bool rises = total > tally->total && total > tally->max;
    return falls || rises ? CRDT_OUT_OF_BOUNDS : CRDT_OK;
}

static enum crdt_status check(const struct crdt_field *field, const struct crdt_entry *entry,
                              const struct crdt_change *change, const struct crdt_update *update)
{
    (void)entry;
    (void)update;
    const struct crdt_tally *tally = (const struct crdt_tally *)field;
    return check_total(tally, tally->total + ((const struct crdt_tally_change *)change)->amount);
}

/* The position of the newest stands for all: whose cursor has come to it has come to those before.
 * Its dot does not: a replica may have seen it alone, as its own does. */
static void fold(struct crdt_tally *tally)
{
    uint64_t newest = tally->parts[PARTS_FOLDED - 1].dot.position;
    int64_t sum = 0;
    for (size_t i = 0; i < PARTS_FOLDED; i++) {
        sum += tally->parts[i].amount;
    }
    tally->parts[0] = (struct crdt_tally_part){
        .dot = {.seq = newest, .position = newest, .replica = CRDT_REPLICA_NONE}, .amount = sum};
    size_t left = tally->length - PARTS_FOLDED;
    memmove(&tally->parts[1], &tally->parts[PARTS_FOLDED], left * sizeof *tally->parts);
    tally->length = left + 1;
}

enum crdt_status crdt_tally_put(struct crdt_tally *tally, const struct crdt_tally_part *part)
{
    if (!is_amount(part->amount) || !fits(tally->total + part->amount)) {
        return CRDT_OVERFLOW;
    }
    if (!reserve(tally, tally->length + 1)) {
        return CRDT_NO_MEMORY;
    }
    tally->parts[tally->length++] = *part;
    tally->total += part->amount;
    return CRDT_OK;
}

static enum crdt_status apply(struct crdt_field *field, struct crdt_entry *entry,
                              const struct crdt_change *change, const struct crdt_update *update)
{
    (void)entry;
    struct crdt_tally *tally = (struct crdt_tally *)field;
    struct crdt_tally_part part = {
        .dot = {.seq = update->last, .position = update->position, .replica = update->replica},
        .amount = ((const struct crdt_tally_change *)change)->amount};
    enum crdt_status status = crdt_tally_put(tally, &part);
    while (status == CRDT_OK && update->ordered && tally->length > PARTS_MAX) {
        fold(tally);
    }
    field->position = update->position;
    return status;
}

/*
 * The sum of what stays, from the oldest on. Who reads the parts adds them up in that order, so no
 * sum on the way may leave the range either: then this is the first that does.
 */
static int64_t left_total(const struct crdt_tally *tally, const struct crdt_update *update)
{
    int64_t total = 0;
    for (size_t i = 0; i < tally->length && fits(total); i++) {
        const struct crdt_tally_part *part = &tally->parts[i];
        total += crdt_update_covers(update, &part->dot) ? 0 : part->amount;
    }
    return total;
}

static enum crdt_status check_remove(const struct crdt_field *field,
                                     const struct crdt_update *update)
{
    const struct crdt_tally *tally = (const struct crdt_tally *)field;
    return check_total(tally, left_total(tally, update));
}

static void keep(struct crdt_tally *tally, size_t kept, int64_t total, uint64_t position)
{
    if (kept != tally->length) {
        tally->length = kept;
        tally->total = total;
        tally->field.position = position;
    }
}

static void remove_seen(struct crdt_field *field, const struct crdt_update *update)
{
    struct crdt_tally *tally = (struct crdt_tally *)field;
    int64_t total = left_total(tally, update);
    size_t kept = 0;
    for (size_t i = 0; i < tally->length; i++) {
        if (!crdt_update_covers(update, &tally->parts[i].dot)) {
            tally->parts[kept++] = tally->parts[i];
        }
    }
    keep(tally, kept, total, update->position);
}

static bool has_dot(const struct crdt_tally *tally, const struct crdt_dot *dot)
{
    for (size_t i = 0; i < tally->length; i++) {
        if (tally->parts[i].dot.replica == dot->replica && tally->parts[i].dot.seq == dot->seq) {
            return true;
        }
    }
    return false;
}

/* What would stay and what would arrive, as `left_total`. */
static int64_t joined_total(const struct crdt_tally *tally, const struct crdt_tally *theirs,
                            const struct crdt_join *join)
{
    int64_t total = 0;
    for (size_t i = 0; i < tally->length && fits(total); i++) {
        const struct crdt_dot *dot = &tally->parts[i].dot;
        bool gone = crdt_context_covers(&join->source, dot) && !has_dot(theirs, dot);
        total += gone ? 0 : tally->parts[i].amount;
    }
    for (size_t i = 0; i < theirs->length && fits(total); i++) {
        const struct crdt_dot *dot = &theirs->parts[i].dot;
        bool arrives = !crdt_context_covers(&join->target, dot) && !has_dot(tally, dot);
        total += arrives ? theirs->parts[i].amount : 0;
    }
    return total;
}

static enum crdt_status check_join(const struct crdt_field *field, const struct crdt_field *state,
                                   const struct crdt_join *join)
{
    const struct crdt_tally *tally = (const struct crdt_tally *)field;
    return check_total(tally, joined_total(tally, (const struct crdt_tally *)state, join));
}

static void drop_what_they_removed(struct crdt_tally *tally, const struct crdt_tally *theirs,
                                   const struct crdt_join *join)
{
    int64_t total = 0;
    size_t kept = 0;
    for (size_t i = 0; i < tally->length; i++) {
        const struct crdt_dot *dot = &tally->parts[i].dot;
        if (!crdt_context_covers(&join->source, dot) || has_dot(theirs, dot)) {
            total += tally->parts[i].amount;
            tally->parts[kept++] = tally->parts[i];
        }
    }
    keep(tally, kept, total, join->position);
}

static enum crdt_status join(struct crdt_field *field, const struct crdt_field *state,
                             const struct crdt_join *join)
{
    struct crdt_tally *tally = (struct crdt_tally *)field;
    const struct crdt_tally *theirs = (const struct crdt_tally *)state;
    enum crdt_status status = CRDT_OK;
    drop_what_they_removed(tally, theirs, join);
    for (size_t i = 0; i < theirs->length && status == CRDT_OK; i++) {
        struct crdt_tally_part part = theirs->parts[i];
        if (has_dot(tally, &part.dot) || crdt_context_covers(&join->target, &part.dot)) {
            continue; /* known here: still counted, or removed since */
        }
        part.dot.position = join->position;
        status = crdt_tally_put(tally, &part);
        field->position = join->position;
    }
    return status;
}

enum crdt_status crdt_tally_count(struct crdt_tally_change *change, int64_t amount)
{
    if (!fits(amount) || !fits(change->amount + amount)) {
        return CRDT_OVERFLOW;
    }
    change->amount += amount;
    return CRDT_OK;
}

void crdt_tally_clear(struct crdt_tally *tally)
{
    tally->length = 0;
    tally->total = 0;
}

#define TALLY_TYPE(type_name, type_company)                                                        \
    {                                                                                              \
        .name = type_name, .company = type_company, .create = tally_create,                        \
        .destroy = tally_destroy, .copy = tally_copy, .memory = tally_memory,                      \
        .change_create = change_create, .change_destroy = change_destroy, .gather = gather,        \
        .check = check, .apply = apply, .check_remove = check_remove, .remove = remove_seen,       \
        .check_join = check_join, .join = join,                                                    \
    }

const struct crdt_type crdt_gtally = TALLY_TYPE("g-counter", CRDT_WITH_ALL);
const struct crdt_type crdt_pntally = TALLY_TYPE("pn-counter", CRDT_WITH_ALL);
const struct crdt_type crdt_bounded_tally = TALLY_TYPE("bounded-counter", CRDT_ALONE);

#include "crdt/register.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "crdt/orset_table.h"

/* Inside a map: how many concurrent sets are kept, so that a value shows after a remove that had
 * seen the greatest only. */
enum { NESTED_ENTRIES = 16 };

enum crdt_status crdt_mv_register_set(struct crdt_orset_change *change, struct bytes value)
{
    crdt_orset_clear(change);
    return crdt_orset_add(change, value);
}

struct bytes crdt_lww_register_entry(struct crdt_clock clock, struct bytes value)
{
    uint8_t *data = malloc(CRDT_CLOCK_BYTES + value.length);
    if (data == NULL) {
        return (struct bytes){0};
    }
    for (int i = 0; i < 8; i++) {
        data[i] = (uint8_t)(clock.ms >> (56 - 8 * i));
    }
    for (int i = 0; i < 4; i++) {
        data[8 + i] = (uint8_t)(clock.count >> (24 - 8 * i));
    }
    memcpy(data + CRDT_CLOCK_BYTES, value.data, value.length);
    return (struct bytes){data, CRDT_CLOCK_BYTES + value.length};
}

struct crdt_clock crdt_lww_register_clock(struct bytes entry)
{
    struct crdt_clock clock = {0};
    for (int i = 0; i < 8; i++) {
        clock.ms = clock.ms << 8 | entry.data[i];
    }
    for (int i = 8; i < CRDT_CLOCK_BYTES; i++) {
        clock.count = clock.count << 8 | entry.data[i];
    }
    return clock;
}

struct bytes crdt_lww_register_entry_value(struct bytes entry)
{
    return (struct bytes){entry.data + CRDT_CLOCK_BYTES, entry.length - CRDT_CLOCK_BYTES};
}

enum crdt_status crdt_lww_register_set(struct crdt_orset_change *change, struct crdt_clock clock,
                                       struct bytes value)
{
    struct bytes entry = crdt_lww_register_entry(clock, value);
    crdt_orset_clear(change);
    enum crdt_status status = entry.data == NULL ? CRDT_NO_MEMORY : crdt_orset_add(change, entry);
    free((void *)(uintptr_t)entry.data);
    return status;
}

/* --- the order of entries --- */

/* An entry under one of its dots. */
struct stamp {
    struct bytes entry;
    crdt_replica_id replica;
    uint64_t seq;
};

static bool is_before(const struct stamp *a, const struct stamp *b)
{
    int order = memcmp(a->entry.data, b->entry.data, CRDT_CLOCK_BYTES);
    if (order != 0) {
        return order < 0;
    }
    if (a->replica != b->replica) {
        return a->replica < b->replica;
    }
    return a->seq < b->seq;
}

/* Under the greatest of its dots. */
static struct stamp stamp_of(const struct crdt_orset_element *element)
{
    struct stamp greatest = {0};
    uint32_t count = crdt_orset_dot_count(element);
    assert(count > 0);
    for (uint32_t i = 0; i < count; i++) {
        struct crdt_dot dot = crdt_orset_dot(element, i);
        struct stamp stamp = {crdt_orset_bytes(element), dot.replica, dot.seq};
        if (i == 0 || is_before(&greatest, &stamp)) {
            greatest = stamp;
        }
    }
    return greatest;
}

static const struct crdt_orset_element *first(const struct crdt_orset *set)
{
    return crdt_orset_since(set, &set->live, 0);
}

static const struct crdt_orset_element *greatest_of(const struct crdt_orset *set)
{
    const struct crdt_orset_element *found = NULL;
    const struct crdt_orset_element *element = first(set);
    for (; element != NULL; element = crdt_orset_next(set, element)) {
        struct stamp stamp = stamp_of(element);
        struct stamp best = found == NULL ? stamp : stamp_of(found);
        if (found == NULL || is_before(&best, &stamp)) {
            found = element;
        }
    }
    return found;
}

struct bytes crdt_lww_register_value(const struct crdt_field *field)
{
    const struct crdt_orset_element *greatest = greatest_of((const struct crdt_orset *)field);
    return greatest != NULL ? crdt_lww_register_entry_value(crdt_orset_bytes(greatest))
                            : (struct bytes){0};
}

/* --- last writer wins --- */

static bool is_ahead(const struct crdt_change *base, uint64_t now_ms)
{
    const struct crdt_orset *added = &((const struct crdt_orset_change *)base)->added;
    const struct crdt_orset_element *entry = crdt_orset_since(added, &added->removed, 0);
    return entry != NULL &&
           crdt_lww_register_clock(crdt_orset_bytes(entry)).ms > now_ms + CRDT_CLOCK_LEEWAY_MS;
}

static bool is_field_ahead(const struct crdt_field *field, uint64_t now_ms)
{
    const struct crdt_orset_element *greatest = greatest_of((const struct crdt_orset *)field);
    return greatest != NULL &&
           crdt_lww_register_clock(crdt_orset_bytes(greatest)).ms > now_ms + CRDT_CLOCK_LEEWAY_MS;
}

/* The count goes round to the next millisecond: nobody can set one that nothing comes after. */
static struct crdt_clock clock_after(struct crdt_clock before)
{
    bool full = before.count == UINT32_MAX;
    return (struct crdt_clock){.ms = before.ms + (full ? 1 : 0),
                               .count = full ? 0 : before.count + 1};
}

static enum crdt_status stamp(struct crdt_change *base, const struct crdt_field *field,
                              uint64_t now_ms)
{
    struct crdt_orset_change *change = (struct crdt_orset_change *)base;
    const struct crdt_orset_element *entry =
        crdt_orset_since(&change->added, &change->added.removed, 0);
    const struct crdt_orset_element *seen =
        field == NULL ? NULL : greatest_of((const struct crdt_orset *)field);
    struct crdt_clock clock = {.ms = now_ms};
    if (seen != NULL) {
        struct crdt_clock before = crdt_lww_register_clock(crdt_orset_bytes(seen));
        clock = before.ms >= now_ms ? clock_after(before) : clock;
    }
    return entry == NULL
               ? CRDT_OK
               : crdt_lww_register_set(change, clock,
                                       crdt_lww_register_entry_value(crdt_orset_bytes(entry)));
}

/* What a set meets: the dots it had seen, of one entry. */
struct meeting {
    const struct crdt_update *update;
    struct stamp set;
    struct bytes entry;
};

static bool is_replaced(const void *context, const struct crdt_dot *dot)
{
    const struct meeting *meeting = context;
    struct stamp there = {meeting->entry, dot->replica, dot->seq};
    return crdt_update_covers(meeting->update, dot) && !is_before(&meeting->set, &there);
}

static bool is_late(const struct crdt_orset_element *element, const struct meeting *meeting)
{
    uint32_t count = crdt_orset_dot_count(element);
    for (uint32_t i = 0; i < count; i++) {
        struct crdt_dot dot = crdt_orset_dot(element, i);
        struct stamp there = {meeting->entry, dot.replica, dot.seq};
        if (crdt_update_covers(meeting->update, &dot) && is_before(&meeting->set, &there)) {
            return true;
        }
    }
    return false;
}

/* Takes out what the set had seen and is lower. True: it had seen something greater. */
static bool replace(struct crdt_orset *set, struct meeting *meeting)
{
    bool late = false;
    size_t length = set->live.length;
    uint32_t slot = set->live.oldest;
    for (size_t i = 0; i < length; i++) {
        uint32_t next = set->elements[slot].newer;
        meeting->entry = crdt_orset_bytes(&set->elements[slot]);
        late = is_late(&set->elements[slot], meeting) || late;
        if (orset_table_drop_dots(set, slot, is_replaced, meeting)) {
            orset_table_touch(set, slot, meeting->update->position);
            set->field.position = meeting->update->position;
        }
        slot = next;
    }
    return late;
}

/* The slots of the greatest entries, the least of them last. */
struct podium {
    uint32_t slots[NESTED_ENTRIES];
    size_t length;
    size_t capacity;
};

/* The slot that has no place, or no longer: HASH_INDEX_NONE if there was room. */
static uint32_t podium_place(struct podium *podium, const struct crdt_orset *set, uint32_t slot)
{
    struct stamp stamp = stamp_of(&set->elements[slot]);
    size_t at = podium->length;
    for (; at > 0; at--) {
        struct stamp above = stamp_of(&set->elements[podium->slots[at - 1]]);
        if (!is_before(&above, &stamp)) {
            break;
        }
    }
    if (at == podium->capacity) {
        return slot;
    }
    bool full = podium->length == podium->capacity;
    uint32_t fallen = full ? podium->slots[podium->length - 1] : HASH_INDEX_NONE;
    podium->length += !full;
    for (size_t i = podium->length - 1; i > at; i--) {
        podium->slots[i] = podium->slots[i - 1];
    }
    podium->slots[at] = slot;
    return fallen;
}

/* In one pass: a full state may bring as many as a message holds. */
static void keep_greatest(struct crdt_orset *set)
{
    struct podium podium = {.capacity = set->nested ? NESTED_ENTRIES : 1};
    uint32_t slot = set->live.oldest;
    while (slot != HASH_INDEX_NONE) {
        uint32_t next = set->elements[slot].newer;
        uint32_t fallen = podium_place(&podium, set, slot);
        if (fallen != HASH_INDEX_NONE) {
            orset_table_remove(set, fallen);
        }
        slot = next;
    }
    crdt_orset_forget_removed(set);
}

static enum crdt_status put(struct crdt_orset *set, struct bytes entry,
                            const struct crdt_update *update)
{
    struct crdt_dot dot = {
        .seq = update->last, .position = update->position, .replica = update->replica};
    uint32_t slot;
    if (orset_table_take(set, entry, &slot) != CRDT_OK) {
        return CRDT_NO_MEMORY;
    }
    enum crdt_status status = orset_table_push_dot(set, slot, &dot);
    orset_table_touch(set, slot, update->position);
    set->field.position = update->position;
    return status;
}

static enum crdt_status lww_apply(struct crdt_field *field, struct crdt_entry *entry,
                                  const struct crdt_change *base, const struct crdt_update *update)
{
    (void)entry;
    struct crdt_orset *set = (struct crdt_orset *)field;
    const struct crdt_orset *added = &((const struct crdt_orset_change *)base)->added;
    const struct crdt_orset_element *made = crdt_orset_since(added, &added->removed, 0);
    if (made == NULL) {
        return CRDT_OK;
    }
    struct meeting meeting = {.update = update,
                              .set = {crdt_orset_bytes(made), update->replica, update->last}};
    enum crdt_status status = CRDT_OK;
    if (!replace(set, &meeting)) {
        status = put(set, meeting.set.entry, update);
    }
    keep_greatest(set);
    return status;
}

static enum crdt_status lww_join(struct crdt_field *field, const struct crdt_field *state,
                                 const struct crdt_join *join)
{
    enum crdt_status status = crdt_orset_join(field, state, join);
    keep_greatest((struct crdt_orset *)field);
    return status;
}

const struct crdt_type crdt_lww_register = {
    .name = "lww-register",
    .company = CRDT_WITH_FIELD,
    CRDT_ORSET_OPERATIONS,
    .is_ahead = is_ahead,
    .is_field_ahead = is_field_ahead,
    .stamp = stamp,
    .apply = lww_apply,
    .remove = crdt_orset_remove_seen_whole,
    .join = lww_join,
};

/* --- multi-value --- */

static bool is_seen(const struct crdt_orset_element *element, const struct crdt_update *update)
{
    bool seen = true;
    uint32_t count = crdt_orset_dot_count(element);
    for (uint32_t i = 0; i < count; i++) {
        struct crdt_dot dot = crdt_orset_dot(element, i);
        seen = seen && crdt_update_covers(update, &dot);
    }
    return seen;
}

static enum crdt_status mv_check(const struct crdt_field *field, const struct crdt_entry *entry,
                                 const struct crdt_change *change, const struct crdt_update *update)
{
    (void)entry;
    (void)change;
    const struct crdt_orset *set = (const struct crdt_orset *)field;
    size_t kept = 0;
    const struct crdt_orset_element *element = first(set);
    for (; element != NULL; element = crdt_orset_next(set, element)) {
        kept += !is_seen(element, update);
    }
    return kept < CRDT_REGISTER_VALUES_MAX ? CRDT_OK : CRDT_TOO_MANY;
}

static bool arrives(const struct crdt_orset_element *theirs, const struct crdt_join *join)
{
    bool arrives = false;
    uint32_t count = crdt_orset_dot_count(theirs);
    for (uint32_t i = 0; i < count; i++) {
        struct crdt_dot dot = crdt_orset_dot(theirs, i);
        arrives = arrives || !crdt_context_covers(&join->target, &dot);
    }
    return arrives;
}

/* All its dots were seen there, and none of the value's is left: else it may stay. */
static bool is_removed_there(const struct crdt_orset_element *ours,
                             const struct crdt_orset_element *theirs, const struct crdt_join *join)
{
    bool removed = theirs == NULL;
    uint32_t count = crdt_orset_dot_count(ours);
    for (uint32_t i = 0; i < count; i++) {
        struct crdt_dot dot = crdt_orset_dot(ours, i);
        removed = removed && crdt_context_covers(&join->source, &dot);
    }
    return removed;
}

/* How many values the join leaves; where both sides have one, it counts as staying. */
static enum crdt_status mv_check_join(const struct crdt_field *field,
                                      const struct crdt_field *state, const struct crdt_join *join)
{
    const struct crdt_orset *set = (const struct crdt_orset *)field;
    const struct crdt_orset *theirs = (const struct crdt_orset *)state;
    size_t kept = 0;
    const struct crdt_orset_element *element = first(set);
    for (; element != NULL; element = crdt_orset_next(set, element)) {
        const struct crdt_orset_element *same = crdt_orset_find(theirs, crdt_orset_bytes(element));
        kept += !is_removed_there(element, same, join);
    }
    for (element = first(theirs); element != NULL; element = crdt_orset_next(theirs, element)) {
        kept += !crdt_orset_contains(set, crdt_orset_bytes(element)) && arrives(element, join);
    }
    return kept <= CRDT_REGISTER_VALUES_MAX ? CRDT_OK : CRDT_TOO_MANY;
}

const struct crdt_type crdt_mv_register = {
    .name = "mv-register",
    CRDT_ORSET_OPERATIONS,
    .check = mv_check,
    .apply = crdt_orset_apply_whole,
    .remove = crdt_orset_remove_seen_whole,
    .check_join = mv_check_join,
    .join = crdt_orset_join_whole,
};

#include "crdt/orset.h"

#include <assert.h>
#include <stdlib.h>

#include "crdt/orset_table.h"

static bool covered_by_update(const void *context, const struct crdt_dot *dot)
{
    return crdt_update_covers(context, dot);
}

static void touch(struct crdt_orset *set, uint32_t slot, uint64_t position)
{
    orset_table_touch(set, slot, position);
    set->field.position = position;
}

bool crdt_orset_has_dot(const struct crdt_orset_element *element, const struct crdt_dot *dot)
{
    struct crdt_dot one;
    const struct crdt_dot *dots = element == NULL ? NULL : crdt_orset_dots(element, &one);
    uint32_t count = element == NULL ? 0 : crdt_orset_dot_count(element);
    for (uint32_t i = 0; i < count; i++) {
        if (dots[i].replica == dot->replica && dots[i].seq == dot->seq) {
            return true;
        }
    }
    return false;
}

static void set_init(struct crdt_orset *set, const struct crdt_type *type, uint64_t seed)
{
    set->field = (struct crdt_field){.type = type};
    set->nested = false;
    set->disable_wins = false;
    orset_table_init(set, seed);
}

static struct crdt_orset *set_create(const struct crdt_type *type, uint64_t seed)
{
    struct crdt_orset *set = malloc(sizeof *set);
    if (set != NULL) {
        set_init(set, type, seed);
    }
    return set;
}

static void set_destroy(struct crdt_orset *set)
{
    if (set != NULL) {
        orset_table_finish(set);
        free(set);
    }
}

struct crdt_field *crdt_orset_create(const struct crdt_declaration *declared, uint64_t seed)
{
    struct crdt_orset *set = set_create(declared->type, seed);
    if (set == NULL) {
        return NULL;
    }
    set->nested = declared->nested;
    set->disable_wins = declared->disable_wins;
    return &set->field;
}

void crdt_orset_destroy(struct crdt_field *field) { set_destroy((struct crdt_orset *)field); }

static enum crdt_status copy_list(struct crdt_orset *copy, const struct crdt_orset *source,
                                  const struct crdt_orset_list *list)
{
    enum crdt_status status = CRDT_OK;
    const struct crdt_orset_element *element = crdt_orset_since(source, list, 0);
    for (; element != NULL && status == CRDT_OK; element = crdt_orset_next(source, element)) {
        struct crdt_dot one;
        status = crdt_orset_put(copy, crdt_orset_bytes(element), crdt_orset_dots(element, &one),
                                crdt_orset_dot_count(element), element->position);
    }
    return status;
}

struct crdt_field *crdt_orset_copy(const struct crdt_field *field)
{
    const struct crdt_orset *source = (const struct crdt_orset *)field;
    struct crdt_orset *copy = set_create(field->type, source->seed);
    if (copy == NULL) {
        return NULL;
    }
    if (copy_list(copy, source, &source->live) != CRDT_OK ||
        copy_list(copy, source, &source->removed) != CRDT_OK) {
        set_destroy(copy);
        return NULL;
    }
    copy->field = source->field;
    copy->nested = source->nested;
    copy->disable_wins = source->disable_wins;
    return &copy->field;
}

size_t crdt_orset_memory(const struct crdt_field *field)
{
    const struct crdt_orset *set = (const struct crdt_orset *)field;
    return sizeof *set + set->bytes + set->capacity * sizeof *set->elements +
           set->index.capacity * sizeof *set->index.places;
}

void crdt_orset_change_destroy(struct crdt_change *base)
{
    struct crdt_orset_change *change = (struct crdt_orset_change *)base;
    if (change != NULL) {
        orset_table_finish(&change->added);
        orset_table_finish(&change->removed);
        free(change);
    }
}

struct crdt_change *crdt_orset_change_create(const struct crdt_type *type)
{
    struct crdt_orset_change *change = malloc(sizeof *change);
    if (change == NULL) {
        return NULL;
    }
    change->change.type = type;
    change->clear = false;
    set_init(&change->added, type, 0);
    set_init(&change->removed, type, 0);
    return &change->change;
}

/* A change's sets are in the order of their edits: no position, no dots. */
static enum crdt_status name_element(struct crdt_orset *set, struct bytes element)
{
    uint32_t slot;
    enum crdt_status status = orset_table_take(set, element, &slot);
    if (status == CRDT_OK && orset_table_is_new(set, slot)) {
        orset_table_touch(set, slot, 1);
    }
    return status;
}

enum crdt_status crdt_orset_add(struct crdt_orset_change *change, struct bytes element)
{
    crdt_orset_forget(&change->removed, element);
    return name_element(&change->added, element);
}

enum crdt_status crdt_orset_remove(struct crdt_orset_change *change, struct bytes element)
{
    crdt_orset_forget(&change->added, element);
    return change->clear ? CRDT_OK : name_element(&change->removed, element);
}

static void forget_all(struct crdt_orset *set)
{
    orset_table_finish(set);
    set_init(set, set->field.type, set->seed);
}

void crdt_orset_clear(struct crdt_orset_change *change)
{
    forget_all(&change->added);
    forget_all(&change->removed);
    change->clear = true;
}

static const struct crdt_orset_element *first(const struct crdt_orset *set)
{
    return crdt_orset_since(set, &set->removed, 0);
}

enum crdt_status crdt_orset_gather(struct crdt_change *base, const struct crdt_change *later)
{
    struct crdt_orset_change *change = (struct crdt_orset_change *)base;
    const struct crdt_orset_change *next = (const struct crdt_orset_change *)later;
    if (next->clear) {
        crdt_orset_clear(change);
    }
    enum crdt_status status = CRDT_OK;
    const struct crdt_orset_element *element = first(&next->removed);
    for (; element != NULL && status == CRDT_OK;
         element = crdt_orset_next(&next->removed, element)) {
        status = crdt_orset_remove(change, crdt_orset_bytes(element));
    }
    element = first(&next->added);
    for (; element != NULL && status == CRDT_OK; element = crdt_orset_next(&next->added, element)) {
        status = crdt_orset_add(change, crdt_orset_bytes(element));
    }
    return status;
}

static void apply_clear(struct crdt_orset *set, const struct crdt_update *update)
{
    /* A touched element moves to the end of a list, so take the next one first. */
    size_t length = set->live.length;
    uint32_t slot = set->live.oldest;
    for (size_t i = 0; i < length; i++) {
        uint32_t next = set->elements[slot].newer;
        if (orset_table_drop_dots(set, slot, covered_by_update, update)) {
            touch(set, slot, update->position);
        }
        slot = next;
    }
}

void crdt_orset_remove_seen(struct crdt_field *field, const struct crdt_update *update)
{
    apply_clear((struct crdt_orset *)field, update);
}

bool crdt_orset_drop_seen(struct crdt_orset *set, struct bytes element,
                          const struct crdt_update *update)
{
    uint32_t slot = orset_table_find(set, element);
    bool dropped =
        slot != HASH_INDEX_NONE && orset_table_drop_dots(set, slot, covered_by_update, update);
    if (dropped) {
        touch(set, slot, update->position);
    }
    return dropped;
}

static enum crdt_status apply_remove(struct crdt_orset *set, struct bytes element,
                                     const struct crdt_update *update)
{
    (void)crdt_orset_drop_seen(set, element, update);
    return CRDT_OK;
}

static enum crdt_status apply_add(struct crdt_orset *set, struct bytes element,
                                  const struct crdt_update *update)
{
    struct crdt_dot dot = {
        .seq = update->last, .position = update->position, .replica = update->replica};
    uint32_t slot;
    if (orset_table_take(set, element, &slot) != CRDT_OK) {
        return CRDT_NO_MEMORY;
    }
    orset_table_drop_dots(set, slot, covered_by_update, update);
    enum crdt_status status = orset_table_push_dot(set, slot, &dot);
    touch(set, slot, update->position);
    return status;
}

enum { PLACES_AHEAD = 8, SLOTS_AHEAD = 4 };

typedef void scout_ask(const struct crdt_orset *set, struct bytes element);

/* Asks for what a change's element at `at` will need in the set; answers the one behind it. */
static const struct crdt_orset_element *scout(const struct crdt_orset *set,
                                              const struct crdt_orset *named,
                                              const struct crdt_orset_element *at, scout_ask *ask)
{
    if (at == NULL) {
        return NULL;
    }
    ask(set, crdt_orset_bytes(at));
    return crdt_orset_next(named, at);
}

typedef enum crdt_status apply_one(struct crdt_orset *set, struct bytes element,
                                   const struct crdt_update *update);

/* A set of millions is far larger than a processor's caches: what an element needs is asked for
 * while those before it are dealt with. */
static enum crdt_status apply_all(struct crdt_orset *set, const struct crdt_orset *named,
                                  const struct crdt_update *update, apply_one *apply)
{
    const struct crdt_orset_element *element = first(named);
    const struct crdt_orset_element *place =
        element == NULL ? NULL : crdt_orset_next(named, element);
    const struct crdt_orset_element *slot = place;
    for (int i = 0; i < PLACES_AHEAD && place != NULL; i++) {
        place = scout(set, named, place, orset_table_fetch_place);
    }
    for (int i = 0; i < SLOTS_AHEAD && slot != NULL; i++) {
        slot = scout(set, named, slot, orset_table_fetch_slot);
    }
    enum crdt_status status = CRDT_OK;
    for (; element != NULL && status == CRDT_OK; element = crdt_orset_next(named, element)) {
        place = scout(set, named, place, orset_table_fetch_place);
        slot = scout(set, named, slot, orset_table_fetch_slot);
        status = apply(set, crdt_orset_bytes(element), update);
    }
    return status;
}

enum crdt_status crdt_orset_apply(struct crdt_field *field, struct crdt_entry *entry,
                                  const struct crdt_change *base, const struct crdt_update *update)
{
    (void)entry;
    struct crdt_orset *set = (struct crdt_orset *)field;
    const struct crdt_orset_change *change = (const struct crdt_orset_change *)base;
    if (change->clear) {
        apply_clear(set, update);
    }
    enum crdt_status status = apply_all(set, &change->removed, update, apply_remove);
    return status == CRDT_OK ? apply_all(set, &change->added, update, apply_add) : status;
}

struct removed_there {
    const struct crdt_context *source;
    const struct crdt_orset_element *theirs; /* NULL: they lack the element */
};

static bool covered_there(const void *context, const struct crdt_dot *dot)
{
    const struct removed_there *there = context;
    return !crdt_orset_has_dot(there->theirs, dot) && crdt_context_covers(there->source, dot);
}

static void drop_what_they_removed(struct crdt_orset *set, const struct crdt_orset *state,
                                   const struct crdt_join *join,
                                   bool (*keeps)(struct bytes element))
{
    size_t length = set->live.length;
    uint32_t slot = set->live.oldest;
    for (size_t i = 0; i < length; i++) {
        uint32_t next = set->elements[slot].newer;
        struct removed_there there = {
            .source = &join->source,
            .theirs = crdt_orset_find(state, crdt_orset_bytes(&set->elements[slot]))};
        bool kept = keeps != NULL && keeps(crdt_orset_bytes(&set->elements[slot]));
        if (!kept && orset_table_drop_dots(set, slot, covered_there, &there)) {
            touch(set, slot, join->position);
        }
        slot = next;
    }
}

static enum crdt_status take_new_dots(struct crdt_orset *set,
                                      const struct crdt_orset_element *theirs,
                                      const struct crdt_join *join)
{
    struct bytes element = crdt_orset_bytes(theirs);
    uint32_t count = crdt_orset_dot_count(theirs);
    for (uint32_t i = 0; i < count; i++) {
        struct crdt_dot dot = crdt_orset_dot(theirs, i);
        if (crdt_orset_has_dot(crdt_orset_find(set, element), &dot) ||
            crdt_context_covers(&join->target, &dot)) {
            continue; /* known here: still live, or removed since */
        }
        uint32_t slot;
        if (orset_table_take(set, element, &slot) != CRDT_OK) {
            return CRDT_NO_MEMORY;
        }
        dot.position = join->position;
        enum crdt_status status = orset_table_push_dot(set, slot, &dot);
        touch(set, slot, join->position);
        if (status != CRDT_OK) {
            return status;
        }
    }
    return CRDT_OK;
}

enum crdt_status crdt_orset_join_keeping(struct crdt_field *field, const struct crdt_field *source,
                                         const struct crdt_join *join,
                                         bool (*keeps)(struct bytes element))
{
    struct crdt_orset *set = (struct crdt_orset *)field;
    const struct crdt_orset *state = (const struct crdt_orset *)source;
    drop_what_they_removed(set, state, join, keeps);
    const struct crdt_orset_element *element = crdt_orset_since(state, &state->live, 0);
    enum crdt_status status = CRDT_OK;
    for (; element != NULL && status == CRDT_OK; element = crdt_orset_next(state, element)) {
        status = take_new_dots(set, element, join);
    }
    return status;
}

enum crdt_status crdt_orset_join(struct crdt_field *field, const struct crdt_field *state,
                                 const struct crdt_join *join)
{
    return crdt_orset_join_keeping(field, state, join, NULL);
}

void crdt_orset_forget_removed(struct crdt_orset *set)
{
    while (set->removed.length > 0) {
        orset_table_forget_oldest(set);
    }
}

enum crdt_status crdt_orset_apply_whole(struct crdt_field *field, struct crdt_entry *entry,
                                        const struct crdt_change *change,
                                        const struct crdt_update *update)
{
    enum crdt_status status = crdt_orset_apply(field, entry, change, update);
    crdt_orset_forget_removed((struct crdt_orset *)field);
    return status;
}

void crdt_orset_remove_seen_whole(struct crdt_field *field, const struct crdt_update *update)
{
    crdt_orset_remove_seen(field, update);
    crdt_orset_forget_removed((struct crdt_orset *)field);
}

enum crdt_status crdt_orset_join_whole(struct crdt_field *field, const struct crdt_field *state,
                                       const struct crdt_join *join)
{
    enum crdt_status status = crdt_orset_join(field, state, join);
    crdt_orset_forget_removed((struct crdt_orset *)field);
    return status;
}

void crdt_orset_trim(struct crdt_field *field, size_t removals_max)
{
    struct crdt_orset *set = (struct crdt_orset *)field;
    /* What one position removed is forgotten together: a cursor is at, above or below the horizon.
     */
    while (set->removed.length > removals_max ||
           (set->removed.length > 0 &&
            set->elements[set->removed.oldest].position <= field->horizon)) {
        field->horizon = set->elements[set->removed.oldest].position;
        orset_table_forget_oldest(set);
    }
}

/* Removals are forgotten with it: cursors from before get the whole. */
void crdt_orset_erase_entry(struct crdt_orset *set, struct bytes entry, uint64_t position,
                            bool *found)
{
    *found = *found || crdt_orset_find(set, entry) != NULL;
    crdt_orset_forget(set, entry);
    crdt_orset_forget_removed(set);
    set->field.position = position;
    set->field.horizon = position;
}

enum crdt_status crdt_orset_erase(struct crdt_field *field, struct bytes element, uint64_t position,
                                  bool *found)
{
    crdt_orset_erase_entry((struct crdt_orset *)field, element, position, found);
    return CRDT_OK;
}

const struct crdt_type crdt_orset = {
    .name = "or-set",
    CRDT_ORSET_OPERATIONS,
    .apply = crdt_orset_apply,
    .remove = crdt_orset_remove_seen,
    .join = crdt_orset_join,
    .trim = crdt_orset_trim,
    .erase = crdt_orset_erase,
};

enum crdt_status crdt_orset_put(struct crdt_orset *set, struct bytes element,
                                const struct crdt_dot *dots, size_t count, uint64_t position)
{
    uint32_t slot;
    if (orset_table_take(set, element, &slot) != CRDT_OK) {
        return CRDT_NO_MEMORY;
    }
    if (orset_table_set_dots(set, slot, dots, count) != CRDT_OK) {
        if (orset_table_is_new(set, slot)) {
            orset_table_remove(set, slot);
        }
        return CRDT_NO_MEMORY;
    }
    touch(set, slot, position);
    return CRDT_OK;
}

void crdt_orset_forget(struct crdt_orset *set, struct bytes element)
{
    uint32_t slot = orset_table_find(set, element);
    if (slot != HASH_INDEX_NONE) {
        orset_table_remove(set, slot);
    }
}

bool crdt_orset_contains(const struct crdt_orset *set, struct bytes element)
{
    uint32_t slot = orset_table_find(set, element);
    return slot != HASH_INDEX_NONE && set->elements[slot].dotted != ORSET_NO_DOT;
}

const struct crdt_orset_element *crdt_orset_find(const struct crdt_orset *set, struct bytes element)
{
    uint32_t slot = orset_table_find(set, element);
    return slot == HASH_INDEX_NONE ? NULL : &set->elements[slot];
}

size_t crdt_orset_length(const struct crdt_orset *set) { return set->live.length; }

const struct crdt_orset_element *
crdt_orset_since(const struct crdt_orset *set, const struct crdt_orset_list *list, uint64_t since)
{
    if (list->length > 0 && set->elements[list->oldest].position > since) {
        return &set->elements[list->oldest]; /* all of it */
    }
    const struct crdt_orset_element *found = NULL;
    for (uint32_t slot = list->newest; slot != HASH_INDEX_NONE; slot = set->elements[slot].older) {
        if (set->elements[slot].position <= since) {
            break;
        }
        found = &set->elements[slot];
    }
    return found;
}

const struct crdt_orset_element *crdt_orset_next(const struct crdt_orset *set,
                                                 const struct crdt_orset_element *element)
{
    return element->newer == HASH_INDEX_NONE ? NULL : &set->elements[element->newer];
}

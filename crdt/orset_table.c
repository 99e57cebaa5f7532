#include "crdt/orset_table.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum {
    ELEMENTS_MIN = 4,
    DOUBLED_MAX = 1024,
    SCANNED_MAX = 8, /* slots that are looked through without an index: most sets are flags,
                        registers and changes */
    LENGTH_MAX = (1 << 28) - 1
};

static_assert(sizeof(struct crdt_orset_element) == 56, "as docs/code.md says");

static const struct crdt_orset_list empty_list = {HASH_INDEX_NONE, HASH_INDEX_NONE, 0};

/* --- lists --- */

static struct crdt_orset_list *list_of(struct crdt_orset *set,
                                       const struct crdt_orset_element *element)
{
    return element->listed == ORSET_LIVE ? &set->live : &set->removed;
}

static void unlink_slot(struct crdt_orset *set, uint32_t slot)
{
    struct crdt_orset_element *element = &set->elements[slot];
    if (element->listed == ORSET_UNLISTED) {
        return;
    }
    struct crdt_orset_list *list = list_of(set, element);
    if (element->older == HASH_INDEX_NONE) {
        list->oldest = element->newer;
    } else {
        set->elements[element->older].newer = element->newer;
    }
    if (element->newer == HASH_INDEX_NONE) {
        list->newest = element->older;
    } else {
        set->elements[element->newer].older = element->older;
    }
    list->length--;
    element->listed = ORSET_UNLISTED;
}

static void link_newest(struct crdt_orset *set, uint32_t slot)
{
    struct crdt_orset_element *element = &set->elements[slot];
    element->listed = element->dotted == ORSET_NO_DOT ? ORSET_REMOVED : ORSET_LIVE;
    struct crdt_orset_list *list = list_of(set, element);
    element->older = list->newest;
    element->newer = HASH_INDEX_NONE;
    if (list->newest == HASH_INDEX_NONE) {
        list->oldest = slot;
    } else {
        assert(set->elements[list->newest].position <= element->position);
        set->elements[list->newest].newer = slot;
    }
    list->newest = slot;
    list->length++;
}

void orset_table_touch(struct crdt_orset *set, uint32_t slot, uint64_t position)
{
    unlink_slot(set, slot);
    set->elements[slot].position = position;
    link_newest(set, slot);
}

/* --- slots --- */

/* Changes and full states come with no seed of their own, and outsiders choose what is in them:
 * where a set lies in memory is told to nobody, and no order by hashes shows anywhere. */
static uint64_t own_seed(const struct crdt_orset *set, uint64_t seed)
{
    return bytes_hash((struct bytes){(const uint8_t *)&set, sizeof set}, seed);
}

void orset_table_init(struct crdt_orset *set, uint64_t seed)
{
    set->index = (struct hash_index){0};
    set->elements = NULL;
    set->capacity = 0;
    set->used = 0;
    set->free = HASH_INDEX_NONE;
    set->live = empty_list;
    set->removed = empty_list;
    set->seed = own_seed(set, seed);
    set->bytes = 0;
}

static bool is_inlined(size_t length) { return length <= CRDT_ORSET_INLINED; }

static size_t dots_bytes(size_t capacity)
{
    return sizeof(struct crdt_orset_dots) + capacity * sizeof(struct crdt_dot);
}

static size_t dots_capacity(size_t count)
{
    size_t capacity = 2;
    while (capacity < count) {
        capacity *= 2;
    }
    return capacity;
}

static void free_dots(struct crdt_orset *set, struct crdt_orset_element *element)
{
    if (element->dotted == ORSET_MANY_DOTS) {
        set->bytes -= dots_bytes(dots_capacity(element->dots.many->count));
        free(element->dots.many);
    }
    element->dotted = ORSET_NO_DOT;
}

static void free_element(struct crdt_orset *set, struct crdt_orset_element *element)
{
    free_dots(set, element);
    if (!is_inlined(element->length)) {
        set->bytes -= element->length;
        free(element->data.outside);
    }
    element->listed = ORSET_FREE;
}

void orset_table_finish(struct crdt_orset *set)
{
    for (uint32_t i = 0; i < set->used; i++) {
        if (set->elements[i].listed != ORSET_FREE) {
            free_element(set, &set->elements[i]);
        }
    }
    free(set->elements);
    hash_index_finish(&set->index);
}

/* By an eighth where it is large: the slack of doubling would cost more than moving now and then,
 * which for an array of many pages moves no bytes. */
static enum crdt_status reserve_slot(struct crdt_orset *set)
{
    if (set->free != HASH_INDEX_NONE || set->used < set->capacity) {
        return CRDT_OK;
    }
    uint32_t more = set->capacity < DOUBLED_MAX ? set->capacity : set->capacity / 8;
    uint32_t capacity = set->capacity == 0 ? ELEMENTS_MIN : set->capacity + more;
    if (capacity > UINT32_MAX / 4) {
        return CRDT_NO_MEMORY;
    }
    struct crdt_orset_element *grown = realloc(set->elements, capacity * sizeof *grown);
    if (grown == NULL) {
        return CRDT_NO_MEMORY;
    }
    set->elements = grown;
    set->capacity = capacity;
    return CRDT_OK;
}

/* A slot may lie across the end of a line of the cache. Always inlined: GCC takes a call that does
 * no more for one without effect. */
__attribute__((always_inline)) static inline void fetch(const struct crdt_orset *set, uint32_t slot)
{
    if (slot != HASH_INDEX_NONE) {
        const struct crdt_orset_element *element = &set->elements[slot];
        __builtin_prefetch(element);
        __builtin_prefetch((const uint8_t *)(element + 1) - 1);
    }
}

static uint32_t take_slot(struct crdt_orset *set)
{
    uint32_t slot = set->free;
    if (slot == HASH_INDEX_NONE) {
        return set->used++;
    }
    set->free = set->elements[slot].newer;
    if (set->free != HASH_INDEX_NONE) {
        fetch(set, set->elements[set->free].newer); /* for the next but one */
    }
    return slot;
}

/* --- lookup --- */

static bool is_indexed(const struct crdt_orset *set) { return set->index.capacity != 0; }

static uint64_t hash_of(const struct crdt_orset *set, struct bytes element)
{
    return bytes_hash(element, set->seed);
}

static bool matches(const void *context, uint32_t slot, const void *key)
{
    const struct crdt_orset *set = context;
    return bytes_equal(crdt_orset_bytes(&set->elements[slot]), *(const struct bytes *)key);
}

static uint32_t scan(const struct crdt_orset *set, struct bytes element)
{
    for (uint32_t slot = 0; slot < set->used; slot++) {
        if (set->elements[slot].listed != ORSET_FREE && matches(set, slot, &element)) {
            return slot;
        }
    }
    return HASH_INDEX_NONE;
}

uint32_t orset_table_find(const struct crdt_orset *set, struct bytes element)
{
    return is_indexed(set)
               ? hash_index_find(&set->index, hash_of(set, element), &element, matches, set)
               : scan(set, element);
}

void orset_table_fetch_place(const struct crdt_orset *set, struct bytes element)
{
    if (is_indexed(set)) {
        hash_index_fetch(&set->index, hash_of(set, element));
    }
}

void orset_table_fetch_slot(const struct crdt_orset *set, struct bytes element)
{
    if (is_indexed(set)) {
        fetch(set, hash_index_foresee(&set->index, hash_of(set, element)));
    }
}

static enum crdt_status reserve_index(struct crdt_orset *set)
{
    if (is_indexed(set)) {
        return hash_index_reserve(&set->index, 1);
    }
    if (set->used < SCANNED_MAX || set->free != HASH_INDEX_NONE) {
        return CRDT_OK;
    }
    if (hash_index_reserve(&set->index, (size_t)set->used + 1) != CRDT_OK) {
        return CRDT_NO_MEMORY;
    }
    for (uint32_t slot = 0; slot < set->used; slot++) {
        uint64_t hash = hash_of(set, crdt_orset_bytes(&set->elements[slot]));
        hash_index_insert(&set->index, hash, slot);
    }
    return CRDT_OK;
}

static enum crdt_status insert(struct crdt_orset *set, struct bytes element, uint64_t hash,
                               uint32_t *slot)
{
    if (element.length > LENGTH_MAX || reserve_slot(set) != CRDT_OK) {
        return CRDT_NO_MEMORY;
    }
    uint8_t *outside = is_inlined(element.length) ? NULL : malloc(element.length);
    if (outside == NULL && !is_inlined(element.length)) {
        return CRDT_NO_MEMORY;
    }
    *slot = take_slot(set);
    struct crdt_orset_element *made = &set->elements[*slot];
    *made = (struct crdt_orset_element){.length = (uint32_t)element.length & LENGTH_MAX,
                                        .listed = ORSET_UNLISTED};
    if (outside != NULL) {
        made->data.outside = outside;
        set->bytes += element.length;
    }
    if (element.length > 0) {
        memcpy(outside == NULL ? made->data.inlined : outside, element.data, element.length);
    }
    if (is_indexed(set)) {
        hash_index_insert(&set->index, hash, *slot);
    }
    return CRDT_OK;
}

enum crdt_status orset_table_take(struct crdt_orset *set, struct bytes element, uint32_t *slot)
{
    if (!is_indexed(set)) {
        *slot = scan(set, element);
        if (*slot != HASH_INDEX_NONE) {
            return CRDT_OK;
        }
    }
    if (reserve_index(set) != CRDT_OK) {
        return CRDT_NO_MEMORY;
    }
    uint64_t hash = is_indexed(set) ? hash_of(set, element) : 0;
    *slot = hash_index_find(&set->index, hash, &element, matches, set);
    return *slot == HASH_INDEX_NONE ? insert(set, element, hash, slot) : CRDT_OK;
}

bool orset_table_is_new(const struct crdt_orset *set, uint32_t slot)
{
    return set->elements[slot].listed == ORSET_UNLISTED;
}

void orset_table_remove(struct crdt_orset *set, uint32_t slot)
{
    struct crdt_orset_element *element = &set->elements[slot];
    unlink_slot(set, slot);
    if (is_indexed(set)) {
        hash_index_remove(&set->index, hash_of(set, crdt_orset_bytes(element)), slot);
    }
    free_element(set, element);
    element->newer = set->free;
    set->free = slot;
}

void orset_table_forget_oldest(struct crdt_orset *set)
{
    uint32_t slot = set->removed.oldest;
    uint32_t next = set->elements[slot].newer;
    if (next != HASH_INDEX_NONE) {
        orset_table_fetch_place(set, crdt_orset_bytes(&set->elements[next]));
        fetch(set, set->elements[next].newer);
    }
    orset_table_remove(set, slot);
}

/* --- dots --- */

static void put_one(struct crdt_orset_element *element, const struct crdt_dot *dot)
{
    element->dots.one.seq = dot->seq;
    element->dots.one.position = dot->position;
    element->replica = dot->replica;
    element->dotted = ORSET_ONE_DOT;
}

static void put_many(struct crdt_orset *set, struct crdt_orset_element *element,
                     struct crdt_orset_dots *many)
{
    set->bytes += dots_bytes(dots_capacity(many->count));
    element->dots.many = many;
    element->dotted = ORSET_MANY_DOTS;
}

enum crdt_status orset_table_set_dots(struct crdt_orset *set, uint32_t slot,
                                      const struct crdt_dot *dots, size_t count)
{
    struct crdt_orset_element *element = &set->elements[slot];
    struct crdt_orset_dots *many = NULL;
    if (count > UINT32_MAX / 2) {
        return CRDT_NO_MEMORY;
    }
    if (count > 1) {
        many = malloc(dots_bytes(dots_capacity(count)));
        if (many == NULL) {
            return CRDT_NO_MEMORY;
        }
        many->count = (uint32_t)count;
        memcpy(many->dots, dots, count * sizeof *dots);
    }
    free_dots(set, element);
    if (many != NULL) {
        put_many(set, element, many);
    } else if (count == 1) {
        put_one(element, dots);
    }
    return CRDT_OK;
}

/* Room for one more than there are; they are as many as there was room for. */
static enum crdt_status grow_dots(struct crdt_orset *set, struct crdt_orset_element *element)
{
    uint32_t count = element->dots.many->count;
    struct crdt_orset_dots *grown = realloc(element->dots.many, dots_bytes((size_t)count * 2));
    if (grown == NULL) {
        return CRDT_NO_MEMORY;
    }
    set->bytes += dots_bytes((size_t)count * 2) - dots_bytes(count);
    element->dots.many = grown;
    return CRDT_OK;
}

enum crdt_status orset_table_push_dot(struct crdt_orset *set, uint32_t slot,
                                      const struct crdt_dot *dot)
{
    struct crdt_orset_element *element = &set->elements[slot];
    if (element->dotted == ORSET_NO_DOT) {
        put_one(element, dot);
        return CRDT_OK;
    }
    if (element->dotted == ORSET_ONE_DOT) {
        struct crdt_dot both[2] = {crdt_orset_dot(element, 0), *dot};
        return orset_table_set_dots(set, slot, both, 2);
    }
    uint32_t count = element->dots.many->count;
    if (dots_capacity(count) == count && grow_dots(set, element) != CRDT_OK) {
        return CRDT_NO_MEMORY;
    }
    element->dots.many->dots[count] = *dot;
    element->dots.many->count = count + 1;
    return CRDT_OK;
}

/* Gives back the room that is left over; where that fails, it stays. */
static void shrink_dots(struct crdt_orset *set, struct crdt_orset_element *element, uint32_t kept)
{
    struct crdt_orset_dots *many = element->dots.many;
    size_t had = dots_capacity(many->count);
    size_t left = dots_capacity(kept);
    many->count = kept;
    set->bytes -= dots_bytes(had) - dots_bytes(left);
    struct crdt_orset_dots *shrunk = left < had ? realloc(many, dots_bytes(left)) : NULL;
    if (shrunk != NULL) {
        element->dots.many = shrunk;
    }
}

static void keep_dots(struct crdt_orset *set, struct crdt_orset_element *element, uint32_t kept)
{
    if (kept > 1) {
        shrink_dots(set, element, kept);
        return;
    }
    struct crdt_dot first = element->dots.many->dots[0];
    free_dots(set, element);
    if (kept == 1) {
        put_one(element, &first);
    }
}

static bool drop_many(struct crdt_orset *set, struct crdt_orset_element *element,
                      orset_table_covered *covered, const void *context)
{
    struct crdt_orset_dots *many = element->dots.many;
    uint32_t kept = 0;
    for (uint32_t i = 0; i < many->count; i++) {
        if (!covered(context, &many->dots[i])) {
            many->dots[kept++] = many->dots[i];
        }
    }
    if (kept == many->count) {
        return false;
    }
    keep_dots(set, element, kept);
    return true;
}

bool orset_table_drop_dots(struct crdt_orset *set, uint32_t slot, orset_table_covered *covered,
                           const void *context)
{
    struct crdt_orset_element *element = &set->elements[slot];
    if (element->dotted == ORSET_MANY_DOTS) {
        return drop_many(set, element, covered, context);
    }
    struct crdt_dot dot = crdt_orset_dot(element, 0);
    if (element->dotted == ORSET_NO_DOT || !covered(context, &dot)) {
        return false;
    }
    element->dotted = ORSET_NO_DOT;
    return true;
}

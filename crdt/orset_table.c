#include "crdt/orset_table.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum { ELEMENTS_MIN = 4 };

static const struct crdt_orset_list empty_list = {HASH_INDEX_NONE, HASH_INDEX_NONE, 0};

static bool matches(const void *context, uint32_t slot, const void *key)
{
    const struct crdt_orset *set = context;
    return bytes_equal(crdt_orset_bytes(&set->elements[slot]), *(const struct bytes *)key);
}

/* An element's single dot lives in the element itself, which moves when the array grows. */
static enum crdt_status grow(struct crdt_orset *set)
{
    uint32_t capacity = set->capacity == 0 ? ELEMENTS_MIN : set->capacity * 2;
    if (capacity > UINT32_MAX / 4) {
        return CRDT_NO_MEMORY;
    }
    struct crdt_orset_element *grown = malloc(capacity * sizeof *grown);
    if (grown == NULL) {
        return CRDT_NO_MEMORY;
    }
    for (uint32_t i = 0; i < set->used; i++) {
        grown[i] = set->elements[i];
        if (set->elements[i].dots == &set->elements[i].one) {
            grown[i].dots = &grown[i].one;
        }
    }
    free(set->elements);
    set->elements = grown;
    set->capacity = capacity;
    return CRDT_OK;
}

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
    element->listed = element->dot_count > 0 ? ORSET_LIVE : ORSET_REMOVED;
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

void orset_table_init(struct crdt_orset *set, uint64_t seed)
{
    set->seed = seed;
    set->free = HASH_INDEX_NONE;
    set->live = empty_list;
    set->removed = empty_list;
}

static void finish_element(struct crdt_orset_element *element)
{
    free(element->data);
    if (element->dots != &element->one) {
        free(element->dots);
    }
}

void orset_table_finish(struct crdt_orset *set)
{
    for (uint32_t i = 0; i < set->used; i++) {
        if (set->elements[i].data != NULL) {
            finish_element(&set->elements[i]);
        }
    }
    free(set->elements);
    hash_index_finish(&set->index);
}

uint32_t orset_table_find(const struct crdt_orset *set, struct bytes element)
{
    return hash_index_find(&set->index, bytes_hash(element, set->seed), &element, matches, set);
}

enum crdt_status orset_table_insert(struct crdt_orset *set, struct bytes element, uint32_t *slot)
{
    if (element.length > UINT32_MAX || hash_index_reserve(&set->index, 1) != CRDT_OK) {
        return CRDT_NO_MEMORY;
    }
    bool reused = set->free != HASH_INDEX_NONE;
    if (!reused && set->used == set->capacity && grow(set) != CRDT_OK) {
        return CRDT_NO_MEMORY;
    }
    uint8_t *data = malloc(element.length == 0 ? 1 : element.length);
    if (data == NULL) {
        return CRDT_NO_MEMORY;
    }
    if (element.length > 0) {
        memcpy(data, element.data, element.length);
    }
    uint32_t taken = reused ? set->free : set->used++;
    struct crdt_orset_element *made = &set->elements[taken];
    if (reused) {
        set->free = made->newer;
    }
    *made = (struct crdt_orset_element){.data = data,
                                        .length = (uint32_t)element.length,
                                        .dots = &made->one,
                                        .older = HASH_INDEX_NONE,
                                        .newer = HASH_INDEX_NONE};
    hash_index_insert(&set->index, bytes_hash(element, set->seed), taken);
    set->bytes += element.length;
    *slot = taken;
    return CRDT_OK;
}

void orset_table_remove(struct crdt_orset *set, uint32_t slot)
{
    struct crdt_orset_element *element = &set->elements[slot];
    unlink_slot(set, slot);
    orset_table_cut_dots(set, slot, 0);
    set->bytes -= element->length;
    hash_index_remove(&set->index, bytes_hash(crdt_orset_bytes(element), set->seed), slot);
    finish_element(element);
    element->data = NULL;
    element->newer = set->free;
    set->free = slot;
}

enum crdt_status orset_table_push_dot(struct crdt_orset *set, uint32_t slot,
                                      const struct crdt_dot *dot)
{
    struct crdt_orset_element *element = &set->elements[slot];
    if (element->dot_count == 0) {
        element->one = *dot;
        element->dot_count = 1;
        return CRDT_OK;
    }
    /* The array holds a power of two, so its capacity need not be kept. */
    if ((element->dot_count & (element->dot_count - 1)) == 0) {
        bool inline_dot = element->dots == &element->one;
        size_t capacity = (size_t)element->dot_count * 2;
        struct crdt_dot *grown =
            realloc(inline_dot ? NULL : element->dots, capacity * sizeof *grown);
        if (grown == NULL) {
            return CRDT_NO_MEMORY;
        }
        if (inline_dot) {
            grown[0] = element->one;
        }
        element->dots = grown;
        set->bytes += (capacity - element->dot_count) * sizeof *grown;
    }
    element->dots[element->dot_count++] = *dot;
    return CRDT_OK;
}

/* Rebuilds the invariant that the array holds the power of two at or above the count. */
void orset_table_cut_dots(struct crdt_orset *set, uint32_t slot, uint32_t count)
{
    struct crdt_orset_element *element = &set->elements[slot];
    assert(count <= element->dot_count);
    while (element->dot_count > count) {
        uint32_t left = element->dot_count - 1;
        element->dot_count = left;
        if (left > 0 && (left & (left - 1)) == 0) {
            set->bytes -= left * sizeof *element->dots;
        }
    }
    if (count <= 1 && element->dots != &element->one) {
        element->one = element->dots[0];
        free(element->dots);
        element->dots = &element->one;
    }
}

bool orset_table_drop_dots(struct crdt_orset *set, uint32_t slot, orset_table_covered *covered,
                           const void *context)
{
    struct crdt_orset_element *element = &set->elements[slot];
    uint32_t kept = 0;
    for (uint32_t i = 0; i < element->dot_count; i++) {
        if (!covered(context, &element->dots[i])) {
            element->dots[kept++] = element->dots[i];
        }
    }
    bool changed = kept != element->dot_count;
    orset_table_cut_dots(set, slot, kept);
    return changed;
}

void orset_table_touch(struct crdt_orset *set, uint32_t slot, uint64_t position)
{
    unlink_slot(set, slot);
    set->elements[slot].position = position;
    link_newest(set, slot);
}

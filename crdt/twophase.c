#include "crdt/twophase.h"

#include <stdlib.h>
#include <string.h>

/* To be freed; `data` NULL: no memory. */
static struct bytes make_entry(uint8_t first, struct bytes element)
{
    uint8_t *data = malloc(element.length + 1);
    if (data != NULL) {
        data[0] = first;
        memcpy(data + 1, element.data, element.length);
    }
    return (struct bytes){data, element.length + 1};
}

typedef enum crdt_status edit(struct crdt_orset_change *change, struct bytes entry);

static enum crdt_status edit_entry(struct crdt_orset_change *change, uint8_t first,
                                   struct bytes element, edit *apply)
{
    struct bytes entry = make_entry(first, element);
    enum crdt_status status = entry.data == NULL ? CRDT_NO_MEMORY : apply(change, entry);
    free((void *)(uintptr_t)entry.data);
    return status;
}

enum crdt_status crdt_twophase_add(struct crdt_orset_change *change, struct bytes element)
{
    return edit_entry(change, CRDT_TWOPHASE_ADDED, element, crdt_orset_add);
}

enum crdt_status crdt_twophase_remove(struct crdt_orset_change *change, struct bytes element)
{
    enum crdt_status status = edit_entry(change, CRDT_TWOPHASE_ADDED, element, crdt_orset_remove);
    return status == CRDT_OK ? edit_entry(change, CRDT_TWOPHASE_REMOVED, element, crdt_orset_add)
                             : status;
}

enum crdt_status crdt_twophase_other(const struct crdt_orset *set, struct bytes entry,
                                     const struct crdt_orset_element **other)
{
    bool added = entry.data[0] == CRDT_TWOPHASE_ADDED;
    struct bytes sought = make_entry(added ? CRDT_TWOPHASE_REMOVED : CRDT_TWOPHASE_ADDED,
                                     (struct bytes){entry.data + 1, entry.length - 1});
    if (sought.data == NULL) {
        return CRDT_NO_MEMORY;
    }
    *other = crdt_orset_find(set, sought);
    free((void *)(uintptr_t)sought.data);
    return CRDT_OK;
}

enum crdt_status crdt_twophase_contains(const struct crdt_orset *set, struct bytes element,
                                        bool *contains)
{
    struct bytes entry = make_entry(CRDT_TWOPHASE_ADDED, element);
    if (entry.data == NULL) {
        return CRDT_NO_MEMORY;
    }
    enum crdt_status status = crdt_twophase_shows(set, entry, contains);
    *contains = *contains && crdt_orset_contains(set, entry);
    free((void *)(uintptr_t)entry.data);
    return status;
}

enum crdt_status crdt_twophase_shows(const struct crdt_orset *set, struct bytes entry, bool *shows)
{
    const struct crdt_orset_element *other = NULL;
    enum crdt_status status = crdt_twophase_other(set, entry, &other);
    *shows =
        entry.data[0] == CRDT_TWOPHASE_ADDED && (other == NULL || crdt_orset_dot_count(other) == 0);
    return status;
}

static bool is_tombstone(struct bytes entry) { return entry.data[0] == CRDT_TWOPHASE_REMOVED; }

static enum crdt_status erase(struct crdt_field *field, struct bytes element, uint64_t position,
                              bool *found)
{
    struct bytes added = make_entry(CRDT_TWOPHASE_ADDED, element);
    struct bytes removed = make_entry(CRDT_TWOPHASE_REMOVED, element);
    bool made = added.data != NULL && removed.data != NULL;
    if (made) {
        crdt_orset_erase_entry((struct crdt_orset *)field, added, position, found);
        crdt_orset_erase_entry((struct crdt_orset *)field, removed, position, found);
    }
    free((void *)(uintptr_t)added.data);
    free((void *)(uintptr_t)removed.data);
    return made ? CRDT_OK : CRDT_NO_MEMORY;
}

static enum crdt_status join(struct crdt_field *field, const struct crdt_field *state,
                             const struct crdt_join *join)
{
    bool nested = ((const struct crdt_orset *)field)->nested;
    return crdt_orset_join_keeping(field, state, join, nested ? NULL : is_tombstone);
}

const struct crdt_type crdt_twophase = {
    .name = "2p-set",
    CRDT_ORSET_OPERATIONS,
    .apply = crdt_orset_apply,
    .remove = crdt_orset_remove_seen,
    .join = join,
    .trim = crdt_orset_trim,
    .erase = erase,
};

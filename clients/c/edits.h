/* Edits by their names, as the command line and the tests give them: the one place of the client
 * that knows what types can do. */
#ifndef CLIENT_EDITS_H
#define CLIENT_EDITS_H

#include "protocol/codec.h"

struct edit {
    const char *verb;          /* "increment", "add", ... */
    const char *const *values; /* texts: numbers, or elements */
    size_t length;
};

/* Where an edit goes. */
struct edit_place {
    const struct declaration *declared;
    const struct crdt_field *view; /* what is seen of the field; NULL: nothing is there yet */
    struct bytes lease;            /* the key of what this device reserves; empty: it cannot */
    struct crdt_change *change;    /* empty */
    struct crdt_entry *entry;      /* the replica's own, raised */
};

/* Whether edits of such a field depend on what is seen of it: else the place's view may be NULL. */
bool edit_needs_view(const struct declaration *declared);

/* Whether fields of that declaration have an edit of that name. */
bool edit_knows(const struct edit *edit, const struct declaration *declared);

/* Writes what a field of that declaration knows, as in "a g-counter knows increment", cut to fit.
 */
void edit_describe(const struct declaration *declared, char *text, size_t size);

/* Makes the edit in the place's change. False: not an edit of this type, or not with such values;
 * the change is unfit for use. */
CRDT_CHECKED bool edit_apply(const struct edit *edit, const struct edit_place *place);

#endif

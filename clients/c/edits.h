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

/* Gathers the edit into the change. False: not an edit of this type, or not with such values; the
 * change is unfit for use. */
CRDT_CHECKED bool edit_apply(const struct edit *edit, const struct schema_field *field,
                             struct crdt_change *change, struct crdt_entry *entry);

#endif

/* Edits from words, as the command line and the tests give them; protocol/edit.h knows what types
 * can do. */
#ifndef CLIENT_EDITS_H
#define CLIENT_EDITS_H

#include "protocol/edit.h"

struct edit {
    const char *verb;          /* "increment", "add", ... */
    const char *const *values; /* texts: numbers, or elements */
    size_t length;
};

/* The element that a text stands for in such a field, checked; its bytes are `buffer`'s. False: it
 * is none. */
CRDT_CHECKED bool edit_read_element(const struct declaration *declared, const char *text,
                                    struct buffer *buffer, struct bytes *element);

/* Makes the edit in the place's change. False: not an edit of this type, or not with such values;
 * the change is unfit for use. */
CRDT_CHECKED bool edit_apply(const struct edit *edit, const struct edit_place *place);

#endif

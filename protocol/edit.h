/*
 * Edits by their names: which ones each type knows, what they take, and the change that one makes.
 * The one place that knows what types can do, for everybody who makes edits: the command line from
 * words, the HTTP API from JSON. Arguments are msgpack.
 */
#ifndef PROTOCOL_EDIT_H
#define PROTOCOL_EDIT_H

#include "protocol/codec.h"

enum edit_takes {
    EDIT_UNKNOWN,  /* the type has no edit of that name */
    EDIT_NOTHING,  /* no arguments */
    EDIT_AMOUNT,   /* an integer of at least 1; without it 1 */
    EDIT_ELEMENTS, /* elements, at least one */
    EDIT_VALUE,    /* one value */
    EDIT_KEYS,     /* strings: keys of a map, at least one */
    EDIT_PUT,      /* a key, the name of an edit of what the map holds, and what that one takes */
    EDIT_RESERVE   /* an amount, and perhaps for how many seconds */
};

struct edit_call {
    struct bytes verb;             /* "increment", "add", ... */
    const struct bytes *arguments; /* one msgpack value each */
    size_t length;
};

/* Where an edit goes. */
struct edit_place {
    const struct declaration *declared;
    const struct crdt_field *view; /* what is seen of the field; NULL: nothing is there yet */
    struct bytes lease;            /* the key of what this device reserves; empty: it cannot */
    struct crdt_change *change;    /* empty, or with edits of another name */
    struct crdt_entry *entry;      /* the replica's own, raised */
};

enum edit_takes edit_takes(struct bytes verb, const struct declaration *declared);

/* The n-th edit's name, or NULL behind the last. */
const char *edit_verb(const struct declaration *declared, size_t n);

/* Whether edits of such a field depend on what is seen of it: else the place's view may be NULL. */
bool edit_needs_view(const struct declaration *declared);

/* Writes what a field of that declaration knows, as in "a g-counter knows increment", cut to fit.
 */
void edit_describe(const struct declaration *declared, char *text, size_t size);

/* Makes the edit in the place's change. False: not an edit of this type, or not with such
 * arguments, or no memory; the change is unfit for use. */
CRDT_CHECKED bool edit_make(const struct edit_call *call, const struct edit_place *place);

#endif

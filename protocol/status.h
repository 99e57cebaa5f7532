/* What a function of this room can answer. */
#ifndef PROTOCOL_STATUS_H
#define PROTOCOL_STATUS_H

#include "crdt/status.h"

#define PROTOCOL_CHECKED CRDT_CHECKED

#define PROTOCOL_STATUS_LIST(X)                                                                    \
    X(PROTOCOL_OK, "no error")                                                                     \
    X(PROTOCOL_NO_MEMORY, "out of memory")                                                         \
    X(PROTOCOL_TRUNCATED, "the bytes end inside a value")                                          \
    X(PROTOCOL_MALFORMED, "not the value that belongs there")                                      \
    X(PROTOCOL_TOO_LARGE, "a length, count or depth beyond its limit")                             \
    X(PROTOCOL_BAD_ELEMENT, "an element of another type, not canonical, or too long")

enum protocol_status {
#define X(name, text) name,
    PROTOCOL_STATUS_LIST(X)
#undef X
};

/* A sentence for a person; never NULL. */
const char *protocol_status_text(enum protocol_status status);

#endif

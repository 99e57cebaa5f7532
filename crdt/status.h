/* What a function of this room can answer, and the marks its headers share. */
#ifndef CRDT_STATUS_H
#define CRDT_STATUS_H

#define CRDT_CHECKED __attribute__((warn_unused_result))

#define CRDT_STATUS_LIST(X)                                                                        \
    X(CRDT_OK, "no error")                                                                         \
    X(CRDT_NO_MEMORY, "out of memory")                                                             \
    X(CRDT_OVERFLOW, "a counter would exceed 2^53 - 1")                                            \
    X(CRDT_OUT_OF_BOUNDS, "a counter would leave its bounds")                                      \
    X(CRDT_TOO_MANY, "one more value or lease than a field may hold")

enum crdt_status {
#define X(name, text) name,
    CRDT_STATUS_LIST(X)
#undef X
};

/* A sentence for a person; never NULL. */
const char *crdt_status_text(enum crdt_status status);

#endif

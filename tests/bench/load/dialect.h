/* What a message of a server means to a load: no more than can be counted. */
#ifndef BENCH_DIALECT_H
#define BENCH_DIALECT_H

#include "tests/bench/load/plan.h"

/* An acknowledgement of all up to `seq`, which is part of the state from `position` on. */
struct heard_ack {
    int64_t stream;
    uint64_t seq;
    uint64_t position;
};

struct heard {
    int joined;        /* answers to what joins, less those whose rest is still to come */
    size_t updates;    /* delivered, where they are not told by position */
    size_t confirmed;  /* updates, in the order sent */
    uint64_t position; /* the state that the message leads to; 0: none */
    uint64_t refused;  /* updates, or whatever else the server did not take */
    struct heard_ack *acks;
    size_t ack_length;
    size_t ack_capacity;
    uint8_t answer[2048]; /* packets that the server waits for */
    size_t answer_length;
    uint8_t *last; /* the message it was heard in */
    size_t last_length;
    size_t last_capacity;
};

/* The same message for many, one after the other, is taken apart once. */
void dialect_hear(enum dialect dialect, struct bytes message, struct heard *heard);
void heard_finish(struct heard *heard);

/* Whether a writer is told of its own updates as the others are. */
bool dialect_echoes(enum dialect dialect);
bool dialect_acknowledges(enum dialect dialect);

#endif

/*
 * Gathering: what comes in pieces, messages of sockets and bodies of requests, until it is whole.
 * All of it together has a bound; beyond it the one that has been at it longest is given up: who is
 * slow has been at it longest, and whoever goes on has it here soon.
 */
#ifndef NET_GATHERING_H
#define NET_GATHERING_H

#include "protocol/buffer.h"

struct gathering {
    struct gathering *older;
    struct gathering *newer;
    struct buffer bytes;
    /* Drops what it has, and ends what it belongs to. */
    void (*give_up)(void *owner);
    void *owner;
};

struct gatherings {
    size_t most;
    size_t length;     /* bytes, by capacity */
    uint64_t given_up; /* ever */
    struct gathering *oldest;
    struct gathering *newest;
};

/* False: no memory, or beyond its own limit; what it has stays. It may be given up itself. */
CRDT_CHECKED bool gathering_add(struct gatherings *all, struct gathering *gathering,
                                struct bytes piece);

/* Gives its memory back; takes an empty one too. */
void gathering_drop(struct gatherings *all, struct gathering *gathering);

#endif

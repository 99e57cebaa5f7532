/*
 * Stop: the hub's way down, within a bound. It accepts nobody, asks its clients to go and to come
 * back at different times, finishes the batch and stores what it has. What is not stored when the
 * time is up is in the journal.
 */
#ifndef SERVER_STOP_H
#define SERVER_STOP_H

#include "server/loop.h"

struct stop {
    struct loop *loop;
    uv_timer_t timer;
    uint64_t left_ms;
    uint64_t greeting_ms; /* for those who are on their way in */
    unsigned quiet;       /* how often nobody was */
    bool draining;        /* the hub knows */
    bool begun;
};

CRDT_CHECKED bool stop_init(struct stop *stop, struct loop *loop);

/*
 * Ends the loop within `drain_ms`. `keeps_listening`: somebody else goes on with the socket, so
 * those who have connected already are let in first, and nobody is refused.
 */
void stop_begin(struct stop *stop, uint64_t drain_ms, bool keeps_listening);

/* Ends it now. */
void stop_hurry(struct stop *stop);

void stop_close(struct stop *stop);

#endif

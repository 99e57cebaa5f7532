/*
 * Hand-over: a second hub takes the place of a running one without a connection refused. Both talk
 * over a Unix socket beside the database file, `<file>.control`, which only the same user may use:
 *
 *     the new one                          the running one
 *     take-over 1            ->
 *                            <-            sockets, with the listening socket
 *     go                     ->            accepts no more, tells its clients to come back, stores
 *                            <-            released: the database is nobody's
 *     ready                  ->            ends
 *
 * Connections that come meanwhile wait in the socket's queue. If the new one ends before it says
 * `ready`, the old one opens the database again and goes on, with the configuration it had.
 */
#ifndef SERVER_HANDOVER_H
#define SERVER_HANDOVER_H

#include <stdbool.h>
#include <stddef.h>
#include <uv.h>

#include "server/inherit.h"

/* --- the running hub --- */

struct handover {
    uv_poll_t door;    /* who comes */
    uv_poll_t partner; /* who has come; one at a time */
    int door_socket;   /* -1: none */
    int partner_socket;
    char path[108];               /* of the door; empty: none */
    int listener;                 /* what is handed over */
    void (*begin)(void *context); /* `go` has come */
    void *context;
    bool begun;
};

/* Opens the door beside `data`. `listener`, `begin` and `context` are set. False: `error` holds a
 * sentence, and there is no door; the hub can do without. */
bool handover_open(struct handover *handover, uv_loop_t *loop, const char *data, char *error,
                   size_t size);

/* Closes the door, before the database is anybody else's. The loop must run before the memory may
 * go; a partner whose `go` has come stays. */
void handover_close(struct handover *handover);

/* The database is released: says so and waits. True: the other one is ready. False: it has ended.
 */
bool handover_finish(struct handover *handover);

/* --- the new hub --- */

enum takeover_status {
    TAKEOVER_DONE,   /* the database is free, and the socket is here */
    TAKEOVER_NOBODY, /* no hub runs there */
    TAKEOVER_REFUSED /* it goes on; `error` holds a sentence */
};

struct takeover {
    int partner; /* -1: none */
    struct inherited inherited;
};

/* Asks the hub that runs on `data`; its socket must be at `address`, whose port may be 0. Returns
 * when the database is free. */
enum takeover_status takeover_ask(struct takeover *takeover, const char *data, const char *host,
                                  int port, char *error, size_t size);

/* Says that this hub serves, or, if it does not, that the other one may go on. */
void takeover_end(struct takeover *takeover, bool ready);

#endif

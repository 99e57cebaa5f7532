/*
 * Reload: the configuration is read again and takes effect as a whole, or not at all. What is wrong
 * with it is logged, and the hub goes on with what it has.
 *
 * Other schemas take a moment, in which the hub takes no updates (server/hub/reconfigure.c); all
 * else takes effect at once.
 */
#ifndef SERVER_RELOAD_H
#define SERVER_RELOAD_H

#include "server/arguments.h"
#include "server/key_watch.h"
#include "server/loop.h"

struct reload {
    struct loop *loop;
    struct key_watch *key_watch;
    const struct arguments *arguments;
    struct config *config; /* what the hub runs with */
    struct config *next;   /* what it is to run with; NULL: nothing is under way */
    struct config *first;  /* the caller's, which has what the hub runs with in the end */
    uv_timer_t timer;      /* until the hub has settled */
    uint64_t left_ms;
    bool declaring; /* the storage has `next` */
    bool declared;  /* and has taken it: it takes effect as soon as the hub has settled again */
    bool again;     /* asked for while another was under way */
    /* Told when a reload begins, and how it has ended. */
    void (*begun)(void *context);
    void (*ended)(void *context, bool applied);
    void *context;
};

/* `reload` has `key_watch`, `begun`, `ended` and `context` set. False: there is no timer to be had.
 */
CRDT_CHECKED bool reload_init(struct reload *reload, struct loop *loop,
                              const struct arguments *arguments, struct config *config);

/* Reads the file. One that is under way ends first, and then the file is read once more. */
void reload_ask(struct reload *reload);

/* Gives up: the hub stops. */
void reload_stop(struct reload *reload);

/* Closes the timer, then, once the loop has run and the hub and the storage are gone, frees. */
void reload_close(struct reload *reload);
void reload_finish(struct reload *reload);

#endif

/*
 * The listening socket, on the loop and apart from libwebsockets, whose own tries `accept` for ever
 * when the process has no file left, cannot be closed before the rest, and does not tell why an
 * address cannot be had.
 */
#ifndef NET_LISTENER_H
#define NET_LISTENER_H

#include <stdbool.h>
#include <stddef.h>
#include <uv.h>

#include "crdt/status.h"

/* Takes an accepted socket, and closes it if it cannot. */
typedef void listener_accept(void *context, int socket);

struct listener {
    uv_poll_t poll;
    uv_timer_t pause; /* until the process may have a file left */
    int socket;       /* -1: closed */
    listener_accept *accept;
    void *context;
};

/*
 * Listens on a numeric address and a port, 0 for a free one; or goes on with a socket that listens
 * there already, if `inherited` is not 0. False: `error` holds a sentence, and the listener is
 * closed.
 */
CRDT_CHECKED bool listener_open(struct listener *listener, uv_loop_t *loop, int inherited,
                                const char *address, int port, char *error, size_t size);

void listener_start(struct listener *listener, listener_accept *accept, void *context);

/* Accepts no more: who comes waits in the socket's queue. */
void listener_stop(struct listener *listener);

/* The port, 0 when it cannot be told. */
int listener_port(const struct listener *listener);

/* Takes a closed one too. The loop must run before the memory may go. */
void listener_close(struct listener *listener);

#endif

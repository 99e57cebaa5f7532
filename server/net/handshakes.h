/*
 * Handshakes: connections that are no WebSocket, or not yet, or one that the hub has refused and
 * that has not gone. Whoever says nothing may stay for seconds, each has a table for its headers,
 * and libwebsockets walks past the tables of all of them at every end of one; so there is a most,
 * and for the next one the oldest has to go.
 */
#ifndef NET_HANDSHAKES_H
#define NET_HANDSHAKES_H

#include <libwebsockets.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "server/net/net.h"
#include "server/net/wire.h"

struct handshake;

struct handshakes {
    size_t most;
    size_t length;
    uint64_t cut; /* ever, for others */
    struct handshake *oldest;
    struct handshake *newest;
};

/* A socket was taken over. False: no memory. The wire is then the caller's still. */
bool handshakes_begin(struct handshakes *handshakes, struct lws *wsi, struct wire *wire,
                      enum net_door door);

/* It is a WebSocket that the hub has taken, or waits for an answer: it counts no more. */
void handshakes_remove(struct handshakes *handshakes, struct lws *wsi);

/* It has its answer: it counts again, as the newest. */
void handshakes_add(struct handshakes *handshakes, struct lws *wsi);

/* It is gone, and its wire with it; what is not known here is none. */
void handshakes_finish(struct handshakes *handshakes, struct lws *wsi);

/* NULL: it is not known here. */
struct wire *handshakes_wire(struct lws *wsi);

/* Where it came in. */
enum net_door handshakes_door(struct lws *wsi);

#endif

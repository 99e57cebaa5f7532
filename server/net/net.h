/*
 * Net: libwebsockets on the caller's libuv loop. It moves bytes and decides nothing: connections
 * become numbers, messages become events, and what the hub wants sent is written at once while the
 * socket takes it. Whatever libwebsockets leaves open, this room closes: the length of a message,
 * the subprotocol, the origin, masking, text frames (docs/code.md says why).
 */
#ifndef NET_NET_H
#define NET_NET_H

#include <uv.h>

#include "crdt/bytes.h"
#include "crdt/status.h"

struct net;

enum net_event_kind {
    NET_CONNECTED,
    NET_RECEIVED, /* bytes: one whole binary message */
    NET_BLOCKED,  /* the last message is not all gone */
    NET_WRITABLE,
    NET_DISCONNECTED
};

struct net_event {
    enum net_event_kind kind;
    uint64_t connection;
    struct bytes bytes;
};

/* A page served over HTTP: its path, type and content. */
struct net_page {
    const char *path;
    const char *type;
    struct bytes content;
};

/* What an HTTP answer is made of; `text` is written by the callee. */
struct net_status {
    unsigned code;
    char text[512];
};

struct net_config {
    uv_loop_t *loop;
    const char *address; /* a number's text, without brackets */
    int port;            /* 0: a free one */
    bool loopback;       /* only this machine reaches the address */
    size_t message_bytes;
    size_t connections_max; /* of the hub; net takes files for so many */
    size_t handshakes_max;  /* connections that are no WebSocket, or not yet, or were refused */
    size_t buffer_bytes; /* of messages that are not all here; the same of what is not all gone */
    const char *const *origins; /* allowed besides the page's own; "*" for any */
    size_t origin_count;
    const struct net_page *pages;
    size_t page_count;
    /* Events, in order. `net_send` may bring NET_BLOCKED about, and `net_close` the last ones. */
    void (*event)(void *context, const struct net_event *event);
    /* Answers GET /health and GET /ready as JSON. */
    void (*status)(void *context, const char *path, struct net_status *status);
    void *context;
};

/*
 * Starts to listen. False: `error` holds a sentence. `*out` is to be closed either way, NULL
 * included: libwebsockets' handles close in the loop, not before.
 */
CRDT_CHECKED bool net_open(struct net **out, const struct net_config *config, char *error,
                           size_t size);

int net_port(const struct net *net);

/* What an operator sees of it. */
struct net_stats {
    size_t handshakes;
    uint64_t handshakes_cut; /* for newer ones, since the start */
    size_t gathered_bytes;   /* of messages that are not all here */
    size_t unsent_bytes;     /* at the most, of messages that are not all gone */
    uint64_t overfull;       /* connections closed since buffer_bytes were full */
};

void net_stats(const struct net *net, struct net_stats *stats);

/* Nobody else may connect; the port is free again. */
void net_stop_listening(struct net *net);

/* Sends one binary message; HUB_HEADROOM bytes before it are written over. */
void net_send(struct net *net, uint64_t connection, struct bytes message);
/* `text` lives as long as the program. */
void net_close_connection(struct net *net, uint64_t connection, uint16_t code, const char *text);
void net_pause(struct net *net, uint64_t connection, bool paused);

/* Closes everything; the loop must run once more, and then `net_finish` frees. Takes NULL. */
void net_close(struct net *net);
void net_finish(struct net *net);

#endif

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

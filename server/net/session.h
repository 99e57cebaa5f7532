/* One connection as libwebsockets keeps it: the message being gathered, and what is left to be
 * said. */
#ifndef NET_SESSION_H
#define NET_SESSION_H

#include <libwebsockets.h>

#include "protocol/buffer.h"
#include "server/net/net.h"

struct net_session {
    struct net_session *next; /* in its bucket */
    struct lws *wsi;
    uint64_t id;
    struct buffer message;
    uint16_t close_code; /* 0: stay open */
    char close_text[124];
    bool blocked;
};

enum { SESSION_BUCKETS = 4096 };

struct net {
    struct net_config config;
    struct lws_context *context;
    struct lws_vhost *vhost;
    uint64_t last_id;
    struct net_session *buckets[SESSION_BUCKETS];
    int port;
    bool closing;
};

struct net_session *session_find(const struct net *net, uint64_t id);
struct net_session *session_create(struct net *net, struct lws *wsi);
void session_destroy(struct net *net, struct net_session *session);

/* Gathers a piece of a message; -1: the connection is to be closed, and why was said. */
int session_receive(struct net *net, struct net_session *session, struct bytes piece);

/* The HTTP side. */
int http_handle(struct net *net, struct lws *wsi, enum lws_callback_reasons reason, void *user);

/* Whether the page that opens the socket may. */
bool origin_allowed(const struct net *net, struct lws *wsi);

#endif

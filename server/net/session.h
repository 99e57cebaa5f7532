/* One connection as libwebsockets keeps it: the message being gathered, and what is left to be
 * said. */
#ifndef NET_SESSION_H
#define NET_SESSION_H

#include <libwebsockets.h>

#include "protocol/buffer.h"
#include "server/net/exchange.h"
#include "server/net/gathering.h"
#include "server/net/handshakes.h"
#include "server/net/listener.h"
#include "server/net/net.h"
#include "server/net/tls.h"

struct net_session {
    struct net_session *next; /* in its bucket */
    struct lws *wsi;
    int socket;
    uint64_t id;
    struct gathering message; /* that is not all here */
    uint16_t close_code;      /* 0: stay open; otherwise what arrives is not taken any more */
    const char *close_text;
    size_t unsent; /* at the most, since all was gone */
    bool blocked;
};

enum { SESSION_BUCKETS = 4096, EXCHANGE_BUCKETS = 1024, DOUBTFUL_MAX = 16 };

struct exchanges {
    uv_timer_t sweep;
    struct exchange *oldest;
    struct exchange *newest;
    size_t waiting; /* for their answer */
    struct exchange *buckets[EXCHANGE_BUCKETS];
};

/* Of a connection that libwebsockets has not taken: it may close the socket, or never. */
struct doubtful_socket {
    int socket;
    ino_t identity; /* another file may have the number by now */
};

struct net {
    struct net_config config;
    struct lws_context *context;
    struct lws_vhost *vhost;
    struct lws_vhost *internal_vhost;
    struct listener listener;
    struct listener internal;
    struct tls tls;
    uv_timer_t pending; /* bytes that OpenSSL has, and no event will tell of */
    struct handshakes handshakes;
    struct gatherings gatherings;
    struct exchanges exchanges;
    uint64_t requests_refused;
    uint64_t bodies_refused;
    size_t unsent;
    uint64_t overfull;    /* for what is unsent */
    uint64_t too_long;    /* messages beyond message_bytes */
    uint64_t sockets_max; /* libwebsockets has no room for higher ones */
    uint64_t last_id;
    struct net_session *buckets[SESSION_BUCKETS];
    bool closing;
    bool lost; /* `net_lost` */
    struct doubtful_socket doubtful[DOUBTFUL_MAX];
    size_t doubtful_count;
};

static inline struct net *net_of(struct lws *wsi) { return lws_context_user(lws_get_context(wsi)); }

struct net_session *session_find(const struct net *net, uint64_t id);
struct net_session *session_create(struct net *net, struct lws *wsi);
void session_destroy(struct net *net, struct net_session *session);

/* libwebsockets looks at its timers after an event of its own only: what the hub's clock or storage
 * set would wait for one. */
void session_wake(struct net_session *session);

/* Paused: nothing is read. */
void session_pause(struct net_session *session, bool paused);

/*
 * Closes with code and reason once what was sent before is gone, from TIMER (net.c); a peer that
 * does not read gets no reason, and is cut off. The text must stay. Does nothing to a session that
 * closes already.
 */
void session_close(struct net_session *session, uint16_t code, const char *text);

/* Gives up the message that is not all here. */
void session_drop_message(struct net *net, struct net_session *session);

/* All that was written is gone. */
void session_sent(struct net *net, struct net_session *session);

/* Gathers a piece of a message, or closes the session for it; when all that are being gathered take
 * too much, the session that has been at it longest is closed. */
void session_receive(struct net *net, struct net_session *session, struct bytes piece);

/* The methods that pages answer. */
#define HTTP_METHODS "GET, HEAD"

/* What is said to pages that may not ask, whatever they ask for. */
#define ORIGIN_REFUSED "pages of this origin may not ask here (allowed_origins)"

/* The HTTP side; `user` is where the connection's request is. */
int http_handle(struct net *net, struct lws *wsi, enum lws_callback_reasons reason, void *user,
                struct bytes piece);

/* What libwebsockets asks of a request to leave HTTP: 0, it may; -1, it was refused with what there
 * is to say. The method CONNECT, too, which would make a socket without any limit, and is past HTTP
 * when we are asked. */
int upgrade_confirm(struct lws *wsi);
int upgrade_filter(const struct net *net, struct lws *wsi);
int upgrade_refuse_connect(struct lws *wsi);

/* Whether the page that opens the socket, or asks, may; what no page does may be. */
bool origin_allowed(const struct net *net, struct lws *wsi);

/* Whether a request's Host is a name that somebody else has led to this machine (origin.c). */
bool host_is_rebound(const struct net *net, enum net_door door, struct bytes host);

#endif

/* One HTTP request and its answer, from its head to the end of that. */
#ifndef NET_EXCHANGE_H
#define NET_EXCHANGE_H

#include <libwebsockets.h>

#include "server/net/gathering.h"
#include "server/net/head.h"
#include "server/net/net.h"
#include "server/net/wire.h"

enum exchange_stage {
    EXCHANGE_BODY,   /* its body is coming */
    EXCHANGE_SPARED, /* its body is coming and nobody wants it: it is answered already */
    EXCHANGE_ASKED   /* it is all here */
};

struct exchange {
    struct exchange *next; /* in its bucket */
    struct exchange *older;
    struct exchange *newer;
    struct lws *wsi;
    struct wire *wire; /* which has the head */
    uint64_t id;
    uint64_t since_us; /* that it is all here; or its head, if it is answered before */
    enum net_door door;
    enum exchange_stage stage;
    struct head head;
    struct bytes origin; /* of the page that asks, and may; empty: no page, or nobody has looked */
    uint8_t *path;
    size_t path_length;
    struct gathering body;
    struct buffer answer; /* head and body, as far as they are known and not gone */
    struct bytes page;    /* a body that needs no copy, behind it */
    size_t sent;          /* of both */
    unsigned seconds;     /* in which it has to go on; 0: as many as it likes */
    bool inside;          /* a callback of libwebsockets is under way, and will write */
    bool waits;           /* it was not answered at once: no handshake any more */
    bool answered;
    bool more;    /* of the answer is to come */
    bool emptied; /* what was given is gone, and the loop is to be told */
    bool chunked;
    unsigned code; /* of the answer, if none of it has gone */
    bool closes;   /* the connection, when it is answered */
    bool told;     /* to the loop */
};

struct net;

/* NULL: no memory. */
struct exchange *exchange_create(struct net *net, struct lws *wsi, struct wire *wire);

/* Tells the loop if it waits for what comes of it. */
void exchange_destroy(struct net *net, struct exchange *exchange);

struct exchange *exchange_find(const struct net *net, uint64_t id);

void exchange_answer_page(struct net *net, struct exchange *exchange, const struct net_page *page);

/* An answer of which nothing was written: there is to be another. */
void exchange_take_back(struct exchange *exchange);

/* Writes as much as goes. -1: close the connection. The request may be gone afterwards. */
int exchange_write(struct net *net, struct exchange *exchange);

/* A turn of all requests, once a second: those whose time is up, or whose peer has left, end. */
void exchange_sweep(struct net *net);

#endif

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
#include "server/net/certificate.h"

struct net;

/* Where somebody has come in: the public address, or the one for operators. */
enum net_door { NET_PUBLIC, NET_INTERNAL };

enum net_event_kind {
    NET_CONNECTED,
    NET_RECEIVED, /* bytes: one whole binary message */
    NET_BLOCKED,  /* the last message is not all gone */
    NET_WRITABLE,
    NET_DISCONNECTED
};

struct net_event {
    enum net_event_kind kind;
    enum net_door door; /* NET_CONNECTED */
    uint64_t connection;
    struct bytes bytes;
};

/* A page served over HTTP: its path, type and content. */
struct net_page {
    const char *path;
    const char *type;
    struct bytes content;
};

/* A request that no page answers. All of it is borrowed until the callback returns. */
struct net_request {
    uint64_t id; /* never used twice; for `net_answer` */
    enum net_door door;
    struct bytes method;
    struct bytes path;  /* decoded, without NUL and dot segments; a slash is one that was sent so */
    struct bytes query; /* as it was sent */
    /* Headers, empty if there are none: no control bytes are in them. */
    struct bytes token; /* of `Authorization: Bearer` */
    struct bytes content_type;
    struct bytes accept;
    struct bytes idempotency_key;
    struct bytes last_event_id;
    struct bytes if_none_match; /* the first, where it was sent in several */
    struct bytes request_id;    /* X-Request-Id */
    struct bytes origin;
    struct bytes body; /* whole; at most `request_bytes` */
};

struct net_header {
    const char *name;
    const char *value;
};

struct net_answer {
    unsigned code;
    const char *type; /* NULL: no content */
    const struct net_header *headers;
    size_t header_count;
    struct bytes body; /* to a HEAD it is not sent */
    bool more;         /* of the body comes by `net_answer_more` */
};

struct net_config {
    uv_loop_t *loop;
    const char *address;          /* a number's text, without brackets */
    int port;                     /* 0: a free one */
    int listen_socket;            /* that listens there already; 0: none */
    bool loopback;                /* only this machine reaches the address */
    struct certificate_files tls; /* of the public address; without a certificate: no TLS */
    const char *internal_address; /* NULL: there is none */
    int internal_port;
    bool internal_loopback;
    size_t message_bytes;
    size_t connections_max; /* of the hub; net takes files for so many */
    size_t handshakes_max;  /* connections that are no WebSocket, or not yet, or were refused */
    size_t requests_max;    /* HTTP requests that wait for their answer */
    size_t request_bytes;   /* the body of one */
    size_t buffer_bytes; /* of messages that are not all here; the same of what is not all gone */
    const char *const *origins; /* allowed besides the page's own; "*" for any */
    size_t origin_count;
    const struct net_page *pages;
    size_t page_count;
    /* Events, in order. `net_send` may bring NET_BLOCKED about, and `net_close` the last ones. */
    void (*event)(void *context, const struct net_event *event);
    /* Requests that no page answers. Before the body is read the head is shown, without it: who
     * answers then gets no body. Else `request` follows with all of it, and has to be answered by
     * `net_answer`, in the callback or later. */
    void (*request_begins)(void *context, const struct net_request *request);
    void (*request)(void *context, const struct net_request *request);
    /* The peer has left before the answer was whole; there is no such request any more. */
    void (*request_gone)(void *context, uint64_t id);
    /* Of an answer with `more`, what was given is gone. */
    void (*request_writable)(void *context, uint64_t id);
    /* Any request has its answer, pages among them, so long after it was all here. */
    void (*answered)(void *context, unsigned code, uint64_t us);
    /* The files of the certificate have changed, and were read; `error`: they could not be. */
    void (*tls_reloaded)(void *context, const char *error);
    void *context;
};

/*
 * Starts to listen. False: `error` holds a sentence. `*out` is to be closed either way, NULL
 * included: libwebsockets' handles close in the loop, not before.
 */
CRDT_CHECKED bool net_open(struct net **out, const struct net_config *config, char *error,
                           size_t size);

int net_port(const struct net *net);
int net_internal_port(const struct net *net);

/* Reads the certificate again. False: the old one stays, and `error` holds a sentence. Without TLS
 * there is nothing to do. */
CRDT_CHECKED bool net_reload_tls(struct net *net, char *error, size_t size);

/* What became of TLS handshakes, since the start. */
struct net_handshakes {
    uint64_t done;
    uint64_t failed;   /* also those whose peer has left in the middle */
    int64_t expires_s; /* the certificate, since 1970; 0: there is no TLS */
};

/* What an operator sees of it. */
struct net_stats {
    struct net_handshakes tls;
    size_t handshakes;
    uint64_t handshakes_cut;   /* for newer ones, since the start */
    size_t requests;           /* that wait for their answer */
    size_t gathered_bytes;     /* of messages and bodies that are not all here */
    size_t unsent_bytes;       /* at the most, of messages and answers that are not all gone */
    uint64_t overfull;         /* connections closed since buffer_bytes were full */
    uint64_t too_long;         /* connections closed for a message beyond message_bytes */
    uint64_t requests_refused; /* since too many waited for their answers */
    uint64_t bodies_refused;   /* beyond request_bytes */
};

void net_stats(const struct net *net, struct net_stats *stats);

/* What may change while it runs; origins and files' names are borrowed until the next change. Who
 * has given other files reads them by `net_reload_tls`. */
struct net_settings {
    size_t message_bytes;
    size_t request_bytes;
    size_t buffer_bytes;
    const char *const *origins;
    size_t origin_count;
    struct certificate_files tls;
};

void net_reconfigure(struct net *net, const struct net_settings *settings);

/* The socket that listens; it is net's. */
int net_listening_socket(const struct net *net);

/* Accepts nobody for now: who comes waits in the socket's queue. */
void net_stop_accepting(struct net *net);

/* Nobody else may connect; the port is free again. */
void net_stop_listening(struct net *net);

/* Sends one binary message; HUB_HEADROOM bytes before it are written over. */
void net_send(struct net *net, uint64_t connection, struct bytes message);
/* `text` lives as long as the program. */
void net_close_connection(struct net *net, uint64_t connection, uint16_t code, const char *text);
void net_pause(struct net *net, uint64_t connection, bool paused);

/*
 * Answers a request; all of the answer is copied. Does nothing if there is no such request any
 * more, or if it was answered: callers need not know who has left.
 */
void net_answer(struct net *net, uint64_t id, const struct net_answer *answer);

/* Why a request is refused. The texts are short, and have neither quotes nor backslashes. */
struct net_problem {
    unsigned status;
    const char *code; /* one of docs/errors.md */
    const char *detail;
    const struct net_header *header; /* one more; NULL: none */
};

/* The same with a problem document (RFC 9457), as the API has them: with the code, and the id that
 * the request came with. */
void net_answer_problem(struct net *net, uint64_t id, const struct net_problem *problem);

/*
 * Another piece of an answer's body, copied; after the last the answer is whole. Who gives more
 * before `request_writable` has it kept, up to `buffer_bytes` of all connections together: beyond
 * it the request ends, and is told to be gone.
 */
void net_answer_more(struct net *net, uint64_t id, struct bytes piece, bool last);

/* Closes everything; the loop must run once more, and then `net_finish` frees. Takes NULL. */
void net_close(struct net *net);
/* Without memory libwebsockets has lost a connection, whose end it waits for: the loop will have
 * handles for ever, and `net_finish` frees nothing. Known behind `net_close`. Takes NULL. */
bool net_lost(const struct net *net);
void net_finish(struct net *net);

#endif

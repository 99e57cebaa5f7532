/*
 * Link: some documents kept in step with the hub over one connection that comes back when it is
 * lost. It joins sessions, store and transport; the command line is a thin skin over it.
 */
#ifndef CLIENT_LINK_H
#define CLIENT_LINK_H

#include "clients/c/session.h"
#include "clients/c/store.h"

struct link;

struct link_options {
    const char *hub;     /* ws://host:port/ or wss://host:port/ */
    const char *ca_file; /* of the authorities to trust, in PEM; NULL: the system's */
    struct store *store; /* NULL: memory only; borrowed */
    const char
        *token_file; /* read at each connect, and when the hub wants a fresh one; NULL: none */
    const char *correlation; /* what the hub's log calls the connection; NULL: what the hub likes */
    /* Told after each packet that changed the document, and of each rejected update. */
    void (*changed)(void *context, struct session *session);
    void (*rejected)(void *context, struct session *session, const struct session_news *news);
    void *context;
};

/* NULL: `error` holds a sentence. */
struct link *link_create(const struct link_options *options, const char **error);
void link_destroy(struct link *link);

/* The document's session, with what the store holds of it. NULL: no memory, or what is stored
 * cannot be read. Borrowed. */
struct session *link_add(struct link *link, const char *name);

/* Keeps the session in the store, if there is one. False: the disk refused. */
CRDT_CHECKED bool link_save(struct link *link, struct session *session);

/*
 * Calls a method of the hub without parameters, at once and after each reconnect, until it has
 * answered: the value is raw msgpack. One call at a time; `method` NULL: none any more.
 */
void link_ask(struct link *link, const char *method,
              void (*answered)(void *context, struct bytes value), void *context);

/* A call with all that may come of it. Functions that are NULL are not told. */
struct link_call {
    const char *method;      /* lives as long as the call */
    struct bytes parameters; /* raw msgpack, borrowed as long as the call; empty: nil */
    void (*answered)(void *context, struct bytes value);
    /* If the value names a transfer: its bytes, and whether they were all (true), or the hub gave
     * up. `taken` answers false where they cannot be kept: the link ends. */
    bool (*taken)(void *context, struct bytes bytes);
    void (*ended)(void *context, bool complete);
    /* The hub refuses. True: the call is over, and the link stays. */
    bool (*refused)(void *context, const struct packet_error *error);
    void *context;
};

/*
 * The same as `link_ask`, in full. A refusal ends the link, unless `refused` says otherwise; the
 * reason is the hub's sentence then.
 * So does a connection that is lost within a transfer; before it, the call is made again.
 */
void link_call(struct link *link, const struct link_call *asked);

/* Whether the hub is there: it has welcomed the link, and the connection stands. */
bool link_is_up(const struct link *link);

/* Whether trying again would not help. */
bool link_failed(const struct link *link);

/* Runs until `done` says so. False: the time is up, or the hub ended it; `*why` is a sentence. */
CRDT_CHECKED bool link_run(struct link *link, bool (*done)(void *context), void *context,
                           uint64_t timeout_ms, const char **why);

#endif

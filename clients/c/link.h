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

/* Runs until `done` says so. False: the time is up, or the hub ended it; `*why` is a sentence. */
CRDT_CHECKED bool link_run(struct link *link, bool (*done)(void *context), void *context,
                           uint64_t timeout_ms, const char **why);

#endif

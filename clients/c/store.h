/* Store: sessions and schemas in an SQLite file, each edit written as one transaction; one process
 * at a time. */
#ifndef CLIENT_STORE_H
#define CLIENT_STORE_H

#include "protocol/buffer.h"

struct store;

enum { STORE_TEXT_BYTES = 512 };

/* NULL: `error` holds a sentence. */
struct store *store_open(const char *path, char error[STORE_TEXT_BYTES]);
/* Takes NULL. */
void store_close(struct store *store);

/* False: the disk refused, and nothing has changed. */
CRDT_CHECKED bool store_put(struct store *store, const char *name, struct bytes session,
                            bool pending);
CRDT_CHECKED bool store_put_schema(struct store *store, const char *schema, struct bytes fields);

/* Appends what was put, or nothing, if nothing was. False: it cannot be read. */
CRDT_CHECKED bool store_get(struct store *store, const char *name, struct buffer *session);
CRDT_CHECKED bool store_get_schema(struct store *store, const char *schema, struct buffer *fields);

/* Visits the names of the documents whose edits wait. False: they cannot all be read. */
CRDT_CHECKED bool store_each_pending(struct store *store,
                                     void (*visit)(void *context, const char *name), void *context);

#endif

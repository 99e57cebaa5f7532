/* Stored: a session as the store keeps it, and the fields that it has learnt, by the name of its
 * schema: a document of it that is new here begins with them. */
#ifndef CLIENT_STORED_H
#define CLIENT_STORED_H

#include "clients/c/session.h"
#include "clients/c/store.h"

/* Takes in what the store holds, for a session that was just begun. False: it cannot be read. */
CRDT_CHECKED bool stored_load(struct store *store, struct session *session);

/* Nothing, if the session knows no fields yet. False: the disk refused, or there is no memory. */
CRDT_CHECKED bool stored_save(struct store *store, struct session *session);

#endif

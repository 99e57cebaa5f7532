/*
 * Keys: which Idempotency-Key of whom stands for which update (draft-ietf-httpapi-idempotency-key-
 * header). A key is claimed durably before its update is made: the row names the replica that the
 * update goes under, whose ledger row then says whether it has counted, however often it is tried.
 *
 * A request is msgpack: [principal, key, digest, replica, at_ms, forget_ms, most]; its answer
 * [verdict, replica]: the one of the row, whoever has made it.
 */
#ifndef STORAGE_KEYS_H
#define STORAGE_KEYS_H

#include "protocol/buffer.h"
#include "server/storage/database.h"
#include "server/storage/storage.h"

struct keys;

/* Makes the tables, unless they are there; the transaction is the caller's. */
STORAGE_CHECKED int keys_prepare(sqlite3 *database);

/* NULL: no memory, or not the tables of this format. */
struct keys *keys_open(sqlite3 *database);
void keys_close(struct keys *keys);

/*
 * Finds the key's row, or adds it, and appends the answer. Rows made before `forget_ms` leave, a
 * few with each claim; a principal that has `most` gets no other. The transaction is the caller's.
 * SQLITE_MISMATCH: the request is malformed. SQLITE_CORRUPT: the row is damaged.
 */
STORAGE_CHECKED int keys_claim(struct keys *keys, struct bytes request, struct buffer *answer);

#endif

/* Tables: documents' rows in and out of the database (protocol/rows.h). Results are SQLite's codes.
 */
#ifndef STORAGE_TABLES_H
#define STORAGE_TABLES_H

#include "protocol/rows.h"
#include "server/storage/database.h"

struct tables;

/* Statements on a connection that outlives them. NULL: no memory, or not the tables of this format.
 */
struct tables *tables_open_writer(sqlite3 *database);
struct tables *tables_open_reader(sqlite3 *database);
void tables_close(struct tables *tables);

/* Answers for the tables of webhooks too, which are there by now. False: no memory, or they are
 * not. */
STORAGE_CHECKED bool tables_open_webhooks(struct tables *tables, sqlite3 *database, bool writer);

/* Writes rows of webhooks (webhooks.h); the transaction is the caller's. */
STORAGE_CHECKED int tables_keep(struct tables *tables, struct bytes rows);

/* Writes every row; the transaction is the caller's. SQLITE_MISMATCH: the rows are malformed, or
 * one comes before any DOCUMENT row. */
STORAGE_CHECKED int tables_store(struct tables *tables, struct bytes rows);

/* Asked before each document but the first, with the bytes of those that were written. */
typedef bool tables_is_enough(void *context, size_t written_bytes);

/*
 * Writes whole documents from `rows` until it is enough, and moves `rows` behind them; `*more`:
 * there are others. On failure `rows` has not moved.
 */
STORAGE_CHECKED int tables_store_some(struct tables *tables, struct reader *rows,
                                      tables_is_enough *is_enough, void *context, bool *more);

/*
 * Appends the rows asked for: DOCUMENT, FIELD rows, ENTRY rows and REMOVAL rows, each in ascending
 * position, then REPLICA rows. A document that is not there gives none. A request of
 * another kind is answered as walk.h, browse.h and webhooks.h say. SQLITE_TOOBIG: they do not fit
 * into the buffer. SQLITE_MISMATCH: the request is malformed. SQLITE_CORRUPT: `tables_damage`.
 */
STORAGE_CHECKED int tables_load(struct tables *tables, struct bytes request, struct buffer *rows);

/* Whether another load waits: a walk through replicas then ends its step early. */
void tables_yield_to(struct tables *tables, bool (*waits)(void *context), void *context);

/* After tables_load: which row is damaged, in words; empty: none is. */
const char *tables_damage(const struct tables *tables);

#endif

/*
 * Webhooks: what their targets were told, in tables of their own that only a hub with webhooks
 * makes: the cursor of each target, the documents that wait, the dead letters. Results are SQLite's
 * codes; rows are those of protocol/rows.h.
 */
#ifndef STORAGE_WEBHOOKS_H
#define STORAGE_WEBHOOKS_H

#include "protocol/rows.h"
#include "server/storage/database.h"

struct webhook_tables;

/* Makes the tables, and the index by which documents are found by position, unless they are there.
 */
STORAGE_CHECKED int webhook_tables_create(sqlite3 *database);

/* Statements on a connection that outlives them. NULL: no memory, or no such tables. */
struct webhook_tables *webhook_tables_open(sqlite3 *database, bool writer);
void webhook_tables_close(struct webhook_tables *tables);

/* Writes TARGET rows and what belongs to them; the transaction is the caller's. A DELIVERED row
 * without a name takes all WAITING rows of its target. SQLITE_MISMATCH: the rows are malformed. */
STORAGE_CHECKED int webhook_tables_keep(struct webhook_tables *tables, struct bytes rows);

/* Answers ROWS_CHANGED, ROWS_TARGETS and ROWS_LETTERS. SQLITE_CORRUPT: `damage` says which table.
 */
STORAGE_CHECKED int webhook_tables_load(struct webhook_tables *tables,
                                        const struct row_request *request, struct writer *writer,
                                        char *damage, size_t damage_bytes);

#endif

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

/* Writes every row; the transaction is the caller's. SQLITE_MISMATCH: the rows are malformed. */
STORAGE_CHECKED int tables_store(struct tables *tables, struct bytes rows);

/* Appends the rows asked for. SQLITE_TOOBIG: they do not fit into the buffer. */
STORAGE_CHECKED int tables_load(struct tables *tables, struct bytes request, struct buffer *rows);

#endif

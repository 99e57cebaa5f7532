/*
 * Database: SQLite behind the few calls this room needs. Errors are SQLite's result codes inside
 * the room; a sentence for people is made where one leaves it.
 */
#ifndef STORAGE_DATABASE_H
#define STORAGE_DATABASE_H

#include <sqlite3.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "crdt/bytes.h"
#include "crdt/status.h"

#define STORAGE_CHECKED CRDT_CHECKED

enum { DATABASE_REASON_BYTES = 256 };

/* Opens or makes the file, and changes nothing in it. `*out` is set even on failure, for
 * `database_reason`, and to be closed. */
STORAGE_CHECKED int database_open(sqlite3 **out, const char *path);

/* Write-ahead log, commits that wait for the disk, and sizes: docs/storage.md. */
STORAGE_CHECKED int database_set_up(sqlite3 *database);

/* From now on commits do not wait for the disk: a power loss may take the last of them. */
STORAGE_CHECKED int database_relax(sqlite3 *database);

/* A second connection that only reads. */
STORAGE_CHECKED int database_open_reader(sqlite3 **out, const char *path);

/* Why the last call failed with `rc`, in words for the operator. To be asked before a rollback. */
void database_reason(sqlite3 *database, int rc, char reason[DATABASE_REASON_BYTES]);

STORAGE_CHECKED int database_exec(sqlite3 *database, const char *sql);

/* One statement, with a text for its only parameter. */
STORAGE_CHECKED int database_exec_text(sqlite3 *database, const char *sql, const char *text);

/* Ends a transaction that failed. There may be no memory for that either: `database_begin` ends it
 * then. */
void database_rollback(sqlite3 *database);

/* Begins one, with whatever a failed one has left rolled back; `write`: at once as the one who
 * writes. */
STORAGE_CHECKED int database_begin(sqlite3 *database, bool write);

/* Prepares a statement that stays: it is looked up rarely and run often. */
STORAGE_CHECKED int database_prepare(sqlite3 *database, sqlite3_stmt **out, const char *sql);

/* The same for one of a list that all connections share: who only reads leaves out what writes, and
 * `*out` as it is. */
STORAGE_CHECKED int database_prepare_listed(sqlite3 *database, bool writer, sqlite3_stmt **out,
                                            const char *sql);

/* Binds borrowed bytes, which takes no memory, so it fails only for what is longer than SQLite's
 * limit; that is bound as NULL, which no column takes. */
void bind_bytes(sqlite3_stmt *statement, int index, struct bytes bytes);
void bind_text(sqlite3_stmt *statement, int index, struct bytes text);
void bind_uint(sqlite3_stmt *statement, int index, uint64_t value);

/* Runs a statement that gives no rows and makes it ready again. SQLITE_OK or the error. */
STORAGE_CHECKED int database_run(sqlite3_stmt *statement);

struct bytes column_bytes(sqlite3_stmt *statement, int index);

/* For a row that may be damaged: false, unless the column holds an integer >= 0, or a blob. */
bool column_take_uint(sqlite3_stmt *statement, int index, uint64_t *value);
bool column_take_bytes(sqlite3_stmt *statement, int index, struct bytes *value);

/* One integer or blob from `meta`; SQLITE_NOTFOUND: no such key. */
STORAGE_CHECKED int meta_read_int(sqlite3 *database, const char *key, int64_t *value);
STORAGE_CHECKED int meta_read_bytes(sqlite3 *database, const char *key, uint8_t *data,
                                    size_t length);
STORAGE_CHECKED int meta_write_int(sqlite3 *database, const char *key, int64_t value);
STORAGE_CHECKED int meta_write_bytes(sqlite3 *database, const char *key, struct bytes value);

#endif

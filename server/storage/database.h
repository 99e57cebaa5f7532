/*
 * Database: SQLite behind the few calls this room needs. Errors are SQLite's result codes inside
 * the room; a sentence for people is made where one leaves it.
 */
#ifndef STORAGE_DATABASE_H
#define STORAGE_DATABASE_H

#include <sqlite3.h>
#include <stdint.h>

#include "crdt/bytes.h"
#include "crdt/status.h"

#define STORAGE_CHECKED CRDT_CHECKED

/* Opens the file with the pragmas of docs/storage.md; `*out` is set even on failure, for
 * sqlite3_errmsg, and to be closed. */
STORAGE_CHECKED int database_open(sqlite3 **out, const char *path, bool relaxed);

/* A second connection that only reads. */
STORAGE_CHECKED int database_open_reader(sqlite3 **out, const char *path);

STORAGE_CHECKED int database_exec(sqlite3 *database, const char *sql);

/* Ends a transaction that failed. That the rollback fails too changes nothing: SQLite has rolled
 * back on its own then. */
void database_rollback(sqlite3 *database);

/* Prepares a statement that stays: it is looked up rarely and run often. */
STORAGE_CHECKED int database_prepare(sqlite3 *database, sqlite3_stmt **out, const char *sql);

/* Binding that never fails on its own: a statement bound badly fails when it is run. */
void bind_bytes(sqlite3_stmt *statement, int index, struct bytes bytes);
void bind_text(sqlite3_stmt *statement, int index, struct bytes text);
void bind_uint(sqlite3_stmt *statement, int index, uint64_t value);

/* Runs a statement that gives no rows and makes it ready again. SQLITE_OK or the error. */
STORAGE_CHECKED int database_run(sqlite3_stmt *statement);

struct bytes column_bytes(sqlite3_stmt *statement, int index);

/* One integer or blob from `meta`; SQLITE_NOTFOUND: no such key. */
STORAGE_CHECKED int meta_read_int(sqlite3 *database, const char *key, int64_t *value);
STORAGE_CHECKED int meta_read_bytes(sqlite3 *database, const char *key, uint8_t *data,
                                    size_t length);
STORAGE_CHECKED int meta_write_int(sqlite3 *database, const char *key, int64_t value);
STORAGE_CHECKED int meta_write_bytes(sqlite3 *database, const char *key, struct bytes value);

#endif

#include "clients/c/store.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

enum { BUSY_TIMEOUT_MS = 10000 };

struct store {
    sqlite3 *database;
};

static const char setup[] =
    "PRAGMA locking_mode = EXCLUSIVE; PRAGMA synchronous = FULL;"
    "BEGIN IMMEDIATE;"
    "CREATE TABLE IF NOT EXISTS sessions(name TEXT PRIMARY KEY, session BLOB NOT NULL,"
    " pending INTEGER NOT NULL) WITHOUT ROWID;"
    "CREATE TABLE IF NOT EXISTS schemas(name TEXT PRIMARY KEY, fields BLOB NOT NULL) "
    "WITHOUT ROWID;"
    "COMMIT";

struct store *store_open(const char *path, char error[STORE_TEXT_BYTES])
{
    struct store *store = calloc(1, sizeof *store);
    if (store == NULL) {
        (void)snprintf(error, STORE_TEXT_BYTES, "out of memory");
        return NULL;
    }
    mode_t before = umask(S_IRWXG | S_IRWXO); /* others are not to read what SQLite makes */
    int rc = sqlite3_open(path, &store->database);
    if (rc == SQLITE_OK) {
        rc = sqlite3_busy_timeout(store->database, BUSY_TIMEOUT_MS);
    }
    if (rc == SQLITE_OK) {
        rc = sqlite3_exec(store->database, setup, NULL, NULL, NULL);
    }
    (void)umask(before);
    if (rc != SQLITE_OK) {
        (void)snprintf(error, STORE_TEXT_BYTES, "the store %.200s cannot be used: %.200s", path,
                       rc == SQLITE_BUSY ? "another process holds it"
                                         : sqlite3_errmsg(store->database));
        store_close(store);
        return NULL;
    }
    return store;
}

void store_close(struct store *store)
{
    if (store != NULL) {
        (void)sqlite3_close(store->database);
        free(store);
    }
}

static bool run(struct store *store, const char *sql, const char *name, struct bytes blob,
                int number)
{
    sqlite3_stmt *statement = NULL;
    int rc = sqlite3_prepare_v2(store->database, sql, -1, &statement, NULL);
    if (rc == SQLITE_OK) {
        (void)sqlite3_bind_text(statement, 1, name, -1, SQLITE_STATIC);
        (void)sqlite3_bind_blob64(statement, 2, blob.data, blob.length, SQLITE_STATIC);
        (void)sqlite3_bind_int(statement, 3, number);
        rc = sqlite3_step(statement);
    }
    (void)sqlite3_finalize(statement);
    return rc == SQLITE_DONE;
}

bool store_put(struct store *store, const char *name, struct bytes session, bool pending)
{
    return run(store, "INSERT OR REPLACE INTO sessions(name, session, pending) VALUES (?1, ?2, ?3)",
               name, session, pending);
}

bool store_put_schema(struct store *store, const char *schema, struct bytes fields)
{
    return run(store, "INSERT OR REPLACE INTO schemas(name, fields) VALUES (?1, ?2)", schema,
               fields, 0);
}

static bool get(struct store *store, const char *sql, const char *name, struct buffer *found)
{
    sqlite3_stmt *statement = NULL;
    int rc = sqlite3_prepare_v2(store->database, sql, -1, &statement, NULL);
    if (rc == SQLITE_OK) {
        (void)sqlite3_bind_text(statement, 1, name, -1, SQLITE_STATIC);
        rc = sqlite3_step(statement);
    }
    bool good = rc == SQLITE_DONE;
    if (rc == SQLITE_ROW) {
        const void *data = sqlite3_column_blob(statement, 0);
        size_t length = (size_t)sqlite3_column_bytes(statement, 0);
        good = data != NULL && buffer_append(found, data, length) == PROTOCOL_OK;
    }
    (void)sqlite3_finalize(statement);
    return good;
}

bool store_get(struct store *store, const char *name, struct buffer *session)
{
    return get(store, "SELECT session FROM sessions WHERE name = ?1", name, session);
}

bool store_get_schema(struct store *store, const char *schema, struct buffer *fields)
{
    return get(store, "SELECT fields FROM schemas WHERE name = ?1", schema, fields);
}

bool store_each_pending(struct store *store, void (*visit)(void *context, const char *name),
                        void *context)
{
    sqlite3_stmt *statement = NULL;
    int rc =
        sqlite3_prepare_v2(store->database, "SELECT name FROM sessions WHERE pending ORDER BY name",
                           -1, &statement, NULL);
    rc = rc == SQLITE_OK ? sqlite3_step(statement) : rc;
    while (rc == SQLITE_ROW) {
        const char *name = (const char *)sqlite3_column_text(statement, 0);
        if (name == NULL) {
            break;
        }
        visit(context, name);
        rc = sqlite3_step(statement);
    }
    (void)sqlite3_finalize(statement);
    return rc == SQLITE_DONE;
}

#include "server/storage/database.h"

#include <stdio.h>
#include <string.h>

enum { BUSY_TIMEOUT_MS = 2000 };

int database_exec(sqlite3 *database, const char *sql)
{
    return sqlite3_exec(database, sql, NULL, NULL, NULL);
}

void database_rollback(sqlite3 *database)
{
    if (sqlite3_get_autocommit(database) == 0) {
        (void)sqlite3_exec(database, "ROLLBACK", NULL, NULL, NULL);
    }
}

int database_begin(sqlite3 *database, bool write)
{
    database_rollback(database);
    return database_exec(database, write ? "BEGIN IMMEDIATE" : "BEGIN");
}

int database_open(sqlite3 **out, const char *path)
{
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX;
    int rc = sqlite3_open_v2(path, out, flags, NULL);
    if (rc == SQLITE_OK) {
        rc = sqlite3_extended_result_codes(*out, 1);
    }
    if (rc == SQLITE_OK) {
        rc = sqlite3_busy_timeout(*out, BUSY_TIMEOUT_MS);
    }
    /* SQLite opens what cannot be written for reading, and says nothing. */
    if (rc == SQLITE_OK && sqlite3_db_readonly(*out, "main") == 1) {
        rc = SQLITE_READONLY;
    }
    return rc;
}

int database_set_up(sqlite3 *database)
{
    return database_exec(database, "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;"
                                   "PRAGMA cache_size = -65536; PRAGMA wal_autocheckpoint = 10000;"
                                   /* Debian's default writes zeros over whatever is trimmed. */
                                   "PRAGMA secure_delete = FAST");
}

int database_relax(sqlite3 *database)
{
    return database_exec(database, "PRAGMA synchronous = NORMAL");
}

int database_open_reader(sqlite3 **out, const char *path)
{
    int rc = sqlite3_open_v2(path, out, SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX, NULL);
    if (rc == SQLITE_OK) {
        rc = sqlite3_extended_result_codes(*out, 1);
    }
    if (rc == SQLITE_OK) {
        rc = sqlite3_busy_timeout(*out, BUSY_TIMEOUT_MS);
    }
    return rc;
}

void database_reason(sqlite3 *database, int rc, char reason[DATABASE_REASON_BYTES])
{
    /* Some failures are found by this room, not by SQLite, whose message is of the call before. */
    bool known = sqlite3_extended_errcode(database) == rc || sqlite3_errcode(database) == rc;
    const char *text = known ? sqlite3_errmsg(database) : sqlite3_errstr(rc);
    int primary = rc & 0xff;
    int system = sqlite3_system_errno(database);
    if ((primary == SQLITE_IOERR || primary == SQLITE_CANTOPEN) && system != 0) {
        (void)snprintf(reason, DATABASE_REASON_BYTES, "%.120s: %.80s (SQLite %d)", text,
                       strerror(system), rc);
    } else {
        (void)snprintf(reason, DATABASE_REASON_BYTES, "%.200s (SQLite %d)", text, rc);
    }
}

int database_prepare(sqlite3 *database, sqlite3_stmt **out, const char *sql)
{
    return sqlite3_prepare_v3(database, sql, -1, SQLITE_PREPARE_PERSISTENT, out, NULL);
}

int database_prepare_listed(sqlite3 *database, bool writer, sqlite3_stmt **out, const char *sql)
{
    bool reads = strncmp(sql, "SELECT", 6) == 0;
    return writer || reads ? database_prepare(database, out, sql) : SQLITE_OK;
}

/* An empty blob, not NULL, for no bytes. */
void bind_bytes(sqlite3_stmt *statement, int index, struct bytes bytes)
{
    const void *data = bytes.length == 0 ? "" : (const void *)bytes.data;
    (void)sqlite3_bind_blob64(statement, index, data, bytes.length, SQLITE_STATIC);
}

void bind_text(sqlite3_stmt *statement, int index, struct bytes text)
{
    const char *data = text.length == 0 ? "" : (const char *)text.data;
    (void)sqlite3_bind_text64(statement, index, data, text.length, SQLITE_STATIC, SQLITE_UTF8);
}

void bind_uint(sqlite3_stmt *statement, int index, uint64_t value)
{
    (void)sqlite3_bind_int64(statement, index, (sqlite3_int64)value);
}

int database_run(sqlite3_stmt *statement)
{
    int rc = sqlite3_step(statement);
    int reset = sqlite3_reset(statement);
    (void)sqlite3_clear_bindings(statement);
    if (rc == SQLITE_DONE || rc == SQLITE_ROW) {
        return reset;
    }
    return rc;
}

int database_exec_text(sqlite3 *database, const char *sql, const char *text)
{
    sqlite3_stmt *statement = NULL;
    int rc = database_prepare(database, &statement, sql);
    if (rc == SQLITE_OK) {
        bind_text(statement, 1, bytes_of_text(text));
        rc = database_run(statement);
    }
    (void)sqlite3_finalize(statement);
    return rc;
}

struct bytes column_bytes(sqlite3_stmt *statement, int index)
{
    const void *data = sqlite3_column_blob(statement, index);
    return (struct bytes){data, (size_t)sqlite3_column_bytes(statement, index)};
}

bool column_take_uint(sqlite3_stmt *statement, int index, uint64_t *value)
{
    bool good = sqlite3_column_type(statement, index) == SQLITE_INTEGER &&
                sqlite3_column_int64(statement, index) >= 0;
    *value = good ? (uint64_t)sqlite3_column_int64(statement, index) : 0;
    return good;
}

bool column_take_bytes(sqlite3_stmt *statement, int index, struct bytes *value)
{
    bool good = sqlite3_column_type(statement, index) == SQLITE_BLOB;
    *value = good ? column_bytes(statement, index) : (struct bytes){0};
    return good;
}

static int meta_find(sqlite3 *database, const char *key, sqlite3_stmt **statement)
{
    int rc = database_prepare(database, statement, "SELECT value FROM meta WHERE key = ?1");
    if (rc != SQLITE_OK) {
        return rc;
    }
    bind_text(*statement, 1, bytes_of_text(key));
    rc = sqlite3_step(*statement);
    return rc == SQLITE_DONE ? SQLITE_NOTFOUND : rc;
}

int meta_read_int(sqlite3 *database, const char *key, int64_t *value)
{
    sqlite3_stmt *statement = NULL;
    int rc = meta_find(database, key, &statement);
    if (rc == SQLITE_ROW) {
        *value = sqlite3_column_int64(statement, 0);
        rc = SQLITE_OK;
    }
    (void)sqlite3_finalize(statement);
    return rc;
}

int meta_read_bytes(sqlite3 *database, const char *key, uint8_t *data, size_t length)
{
    sqlite3_stmt *statement = NULL;
    int rc = meta_find(database, key, &statement);
    if (rc == SQLITE_ROW) {
        struct bytes value = column_bytes(statement, 0);
        rc = value.length == length ? SQLITE_OK : SQLITE_CORRUPT;
        if (rc == SQLITE_OK) {
            memcpy(data, value.data, length);
        }
    }
    (void)sqlite3_finalize(statement);
    return rc;
}

static int meta_put(sqlite3 *database, const char *key, sqlite3_stmt **statement)
{
    int rc = database_prepare(database, statement,
                              "INSERT INTO meta(key, value) VALUES (?1, ?2) "
                              "ON CONFLICT DO UPDATE SET value = excluded.value");
    if (rc == SQLITE_OK) {
        bind_text(*statement, 1, bytes_of_text(key));
    }
    return rc;
}

int meta_write_int(sqlite3 *database, const char *key, int64_t value)
{
    sqlite3_stmt *statement = NULL;
    int rc = meta_put(database, key, &statement);
    if (rc == SQLITE_OK) {
        bind_uint(statement, 2, (uint64_t)value);
        rc = database_run(statement);
    }
    (void)sqlite3_finalize(statement);
    return rc;
}

int meta_write_bytes(sqlite3 *database, const char *key, struct bytes value)
{
    sqlite3_stmt *statement = NULL;
    int rc = meta_put(database, key, &statement);
    if (rc == SQLITE_OK) {
        bind_bytes(statement, 2, value);
        rc = database_run(statement);
    }
    (void)sqlite3_finalize(statement);
    return rc;
}

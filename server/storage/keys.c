#include "server/storage/keys.h"

#include <stdlib.h>

#include "protocol/limits.h"
#include "protocol/reader.h"
#include "protocol/replica.h"
#include "protocol/writer.h"

static const char tables_sql[] =
    "CREATE TABLE IF NOT EXISTS idempotency("
    "principal BLOB NOT NULL," /* empty: of a hub without tokens */
    "key BLOB NOT NULL,"
    "digest BLOB NOT NULL,"  /* of the request it came with */
    "replica BLOB NOT NULL," /* that its update goes under, as seq 1 */
    "at INTEGER NOT NULL,"   /* Unix milliseconds */
    "PRIMARY KEY(principal, key)) WITHOUT ROWID;"
    "CREATE INDEX IF NOT EXISTS idempotency_by_time ON idempotency(at);"
    /* How many there are of each, without counting them each time. */
    "CREATE TABLE IF NOT EXISTS idempotency_counts("
    "principal BLOB PRIMARY KEY,"
    "keys INTEGER NOT NULL) WITHOUT ROWID;"
    "CREATE TRIGGER IF NOT EXISTS idempotency_added AFTER INSERT ON idempotency BEGIN "
    "INSERT INTO idempotency_counts VALUES (new.principal, 1) "
    "ON CONFLICT(principal) DO UPDATE SET keys = keys + 1; END;"
    "CREATE TRIGGER IF NOT EXISTS idempotency_left AFTER DELETE ON idempotency BEGIN "
    "UPDATE idempotency_counts SET keys = keys - 1 WHERE principal = old.principal;"
    "DELETE FROM idempotency_counts WHERE principal = old.principal AND keys <= 0; END;";

/* More than one claim adds, so that they come to an end. */
static const char forget_sql[] =
    "DELETE FROM idempotency WHERE (principal, key) IN "
    "(SELECT principal, key FROM idempotency WHERE at < ?1 ORDER BY at LIMIT 16)";

static const char find_sql[] =
    "SELECT digest, replica FROM idempotency WHERE principal = ?1 AND key = ?2";

static const char count_sql[] = "SELECT keys FROM idempotency_counts WHERE principal = ?1";

static const char add_sql[] = "INSERT INTO idempotency(principal, key, digest, replica, at) "
                              "VALUES (?1, ?2, ?3, ?4, ?5)";

struct keys {
    sqlite3_stmt *forget;
    sqlite3_stmt *find;
    sqlite3_stmt *count;
    sqlite3_stmt *add;
};

int keys_prepare(sqlite3 *database) { return database_exec(database, tables_sql); }

struct keys *keys_open(sqlite3 *database)
{
    struct keys *keys = calloc(1, sizeof *keys);
    if (keys == NULL || database_prepare(database, &keys->forget, forget_sql) != SQLITE_OK ||
        database_prepare(database, &keys->find, find_sql) != SQLITE_OK ||
        database_prepare(database, &keys->count, count_sql) != SQLITE_OK ||
        database_prepare(database, &keys->add, add_sql) != SQLITE_OK) {
        keys_close(keys);
        return NULL;
    }
    return keys;
}

void keys_close(struct keys *keys)
{
    if (keys != NULL) {
        (void)sqlite3_finalize(keys->forget);
        (void)sqlite3_finalize(keys->find);
        (void)sqlite3_finalize(keys->count);
        (void)sqlite3_finalize(keys->add);
        free(keys);
    }
}

struct claim {
    struct bytes principal;
    struct bytes key;
    struct bytes digest;
    struct bytes replica;
    uint64_t at_ms;
    uint64_t forget_ms;
    uint64_t most;
};

static bool read_claim(struct bytes request, struct claim *claim)
{
    struct reader reader = reader_of(request);
    (void)read_tuple(&reader, 7);
    claim->principal = read_bin(&reader, LIMIT_PRINCIPAL_BYTES);
    claim->key = read_bin(&reader, LIMIT_IDEMPOTENCY_KEY_BYTES);
    claim->digest = read_bin(&reader, LIMIT_DIGEST_BYTES);
    claim->replica = read_bin(&reader, REPLICA_BYTES);
    claim->at_ms = read_uint(&reader);
    claim->forget_ms = read_uint(&reader);
    claim->most = read_uint(&reader);
    return reader_ok(&reader) && claim->replica.length == REPLICA_BYTES;
}

static int answer_with(struct buffer *answer, enum storage_claim verdict, struct bytes replica)
{
    struct writer writer = writer_to(answer);
    write_array(&writer, 2);
    write_uint(&writer, verdict);
    write_bin(&writer, replica);
    return writer.status == PROTOCOL_OK ? SQLITE_OK : SQLITE_NOMEM;
}

/* SQLITE_DONE: there is no row. */
static int find(struct keys *keys, const struct claim *claim, struct buffer *answer)
{
    struct bytes digest;
    struct bytes replica;
    bind_bytes(keys->find, 1, claim->principal);
    bind_bytes(keys->find, 2, claim->key);
    int rc = sqlite3_step(keys->find);
    if (rc == SQLITE_ROW) {
        bool whole = column_take_bytes(keys->find, 0, &digest) &&
                     column_take_bytes(keys->find, 1, &replica) && replica.length == REPLICA_BYTES;
        bool same = whole && bytes_equal(digest, claim->digest);
        rc =
            whole ? answer_with(answer, same ? CLAIM_KNOWN : CLAIM_OTHER, replica) : SQLITE_CORRUPT;
    }
    (void)sqlite3_reset(keys->find);
    return rc;
}

static int count(struct keys *keys, const struct claim *claim, uint64_t *length)
{
    bind_bytes(keys->count, 1, claim->principal);
    int rc = sqlite3_step(keys->count);
    *length = rc == SQLITE_ROW ? (uint64_t)sqlite3_column_int64(keys->count, 0) : 0;
    (void)sqlite3_reset(keys->count);
    return rc == SQLITE_ROW || rc == SQLITE_DONE ? SQLITE_OK : rc;
}

static int add(struct keys *keys, const struct claim *claim, struct buffer *answer)
{
    bind_bytes(keys->add, 1, claim->principal);
    bind_bytes(keys->add, 2, claim->key);
    bind_bytes(keys->add, 3, claim->digest);
    bind_bytes(keys->add, 4, claim->replica);
    bind_uint(keys->add, 5, claim->at_ms);
    int rc = database_run(keys->add);
    return rc == SQLITE_OK ? answer_with(answer, CLAIM_NEW, claim->replica) : rc;
}

int keys_claim(struct keys *keys, struct bytes request, struct buffer *answer)
{
    struct claim claim;
    uint64_t length = 0;
    if (!read_claim(request, &claim)) {
        return SQLITE_MISMATCH;
    }
    int rc = find(keys, &claim, answer);
    if (rc != SQLITE_DONE) {
        return rc;
    }
    bind_uint(keys->forget, 1, claim.forget_ms);
    rc = database_run(keys->forget);
    if (rc == SQLITE_OK) {
        rc = count(keys, &claim, &length);
    }
    if (rc != SQLITE_OK) {
        return rc;
    }
    return length >= claim.most ? answer_with(answer, CLAIM_FULL, claim.replica)
                                : add(keys, &claim, answer);
}

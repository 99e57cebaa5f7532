/* Opening: the lock, the file's format, fields, views, and the journal's tail. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "server/storage/backup.h"
#include "server/storage/catalog.h"
#include "server/storage/storage_state.h"
#include "server/storage/webhooks.h"

static bool refuse(const struct storage *storage, const char *reason,
                   char error[STORAGE_ERROR_BYTES])
{
    (void)snprintf(error, STORAGE_ERROR_BYTES, "%.200s: %.1000s", storage->path, reason);
    return false;
}

static bool refuse_sql(const struct storage *storage, const char *what, int rc,
                       char error[STORAGE_ERROR_BYTES])
{
    char reason[DATABASE_REASON_BYTES];
    database_reason(storage->writer, rc, reason);
    (void)snprintf(error, STORAGE_ERROR_BYTES, "%.200s: %.60s: %.200s", storage->path, what,
                   reason);
    return false;
}

static bool refuse_lock(const struct storage *storage, const char *lock,
                        char error[STORAGE_ERROR_BYTES])
{
    switch (errno) {
    case ENOENT:
    case ENOTDIR:
        return refuse(storage, "there is no such folder: make it first", error);
    case EWOULDBLOCK:
        return refuse(storage, "is in use by another hub: stop it, or name another file", error);
    case ENOSPC:
        return refuse(storage, "the disk is full", error);
    default:
        (void)snprintf(error, STORAGE_ERROR_BYTES,
                       "%.200s: %.200s beside it cannot be made or locked: %s", storage->path, lock,
                       strerror(errno));
        return false;
    }
}

/*
 * SQLite's own locks come and go with transactions: one hub for one file needs a lock that stays,
 * in a file of its own, since closing any descriptor of the database would end SQLite's. The kernel
 * releases it with the process, so the file that is left behind does no harm; to remove it would be
 * a race.
 */
static bool lock_file(struct storage *storage, char error[STORAGE_ERROR_BYTES])
{
    char lock[PATH_MAX];
    char *real = realpath(storage->path, NULL); /* a link names the same database */
    int length = snprintf(lock, sizeof lock, "%s.lock", real == NULL ? storage->path : real);
    free(real);
    if (length < 0 || (size_t)length >= sizeof lock) {
        return refuse(storage, "the path is too long", error);
    }
    storage->lock = open(lock, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (storage->lock < 0 || flock(storage->lock, LOCK_EX | LOCK_NB) != 0) {
        return refuse_lock(storage, lock, error);
    }
    return true;
}

static int add_ancestor(struct storage *storage, sqlite3_stmt *statement)
{
    size_t count = storage->info.ancestor_count;
    struct bytes journal;
    struct storage_ancestor *grown =
        realloc(storage->ancestors, (count + 1) * sizeof *storage->ancestors);
    if (grown == NULL) {
        return SQLITE_NOMEM;
    }
    storage->ancestors = grown;
    storage->info.ancestors = grown;
    if (!column_take_bytes(statement, 0, &journal) || journal.length != JOURNAL_ID_BYTES ||
        !column_take_uint(statement, 1, &grown[count].position)) {
        return SQLITE_CORRUPT;
    }
    memcpy(grown[count].journal.bytes, journal.data, JOURNAL_ID_BYTES);
    storage->info.ancestor_count = count + 1;
    return SQLITE_OK;
}

static int read_ancestors(struct storage *storage)
{
    sqlite3_stmt *statement = NULL;
    int rc =
        database_prepare(storage->writer, &statement, "SELECT journal, position FROM ancestors");
    if (rc == SQLITE_OK) {
        rc = sqlite3_step(statement);
    }
    while (rc == SQLITE_ROW) {
        rc = add_ancestor(storage, statement);
        rc = rc == SQLITE_OK ? sqlite3_step(statement) : rc;
    }
    (void)sqlite3_finalize(statement);
    return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

static bool open_writer(struct storage *storage, char error[STORAGE_ERROR_BYTES])
{
    int rc = database_open(&storage->writer, storage->path);
    switch (rc & 0xff) {
    case SQLITE_OK:
        return true;
    case SQLITE_READONLY:
        return refuse(storage, "cannot be written: its owner or its permissions are wrong", error);
    default:
        return refuse_sql(storage, "cannot be opened", rc, error);
    }
}

/* Enough to see whether there is a tail: stops at the first batch. */
static int any_batch(void *context, uint64_t position, struct bytes batch)
{
    (void)position;
    (void)batch;
    *(bool *)context = true;
    return SQLITE_DONE;
}

static bool open_journal(struct storage *storage, bool *tail, char error[STORAGE_ERROR_BYTES])
{
    storage->journal = journal_sqlite_open(storage->writer);
    if (storage->journal == NULL) {
        return refuse_sql(storage, "the journal cannot be opened",
                          sqlite3_extended_errcode(storage->writer), error);
    }
    const struct journal_operations *operations = storage->journal->operations;
    int rc = operations->last(storage->journal, &storage->info.position);
    if (rc == SQLITE_OK) {
        rc = operations->read(storage->journal, 0, any_batch, tail);
    }
    if (rc != SQLITE_OK && rc != SQLITE_DONE) {
        return refuse_sql(storage, "the journal cannot be read", rc, error);
    }
    return true;
}

static bool update_catalog(struct storage *storage, struct schema_set *schemas, bool tail,
                           char error[STORAGE_ERROR_BYTES])
{
    struct catalog_error reason;
    if (!catalog_journal(storage->writer, storage->relaxed, storage->info.position,
                         &storage->info.journal, &reason) ||
        !catalog_fields(storage->writer, schemas, tail, &reason) ||
        !catalog_absences(storage->writer, schemas, storage->info.position, &reason) ||
        !catalog_views(storage->writer, schemas, &reason)) {
        return refuse(storage, reason.text, error);
    }
    int rc = read_ancestors(storage);
    return rc == SQLITE_OK ? true
                           : refuse_sql(storage, "the table ancestors is damaged", rc, error);
}

/* One transaction, so that a start which is refused leaves the file as it was. */
static bool open_catalog(struct storage *storage, struct schema_set *schemas,
                         char error[STORAGE_ERROR_BYTES])
{
    struct catalog_error reason;
    bool empty = false;
    bool tail = false;
    if (!catalog_prepare(storage->writer, storage->path, &empty, &reason)) {
        return refuse(storage, reason.text, error);
    }
    int rc = database_set_up(storage->writer);
    if (rc == SQLITE_OK) {
        rc = database_exec(storage->writer, "BEGIN IMMEDIATE");
    }
    if (rc != SQLITE_OK) {
        return refuse_sql(storage, "cannot be written", rc, error);
    }
    if (empty && !catalog_create(storage->writer, &reason)) {
        return refuse(storage, reason.text, error);
    }
    rc = keys_prepare(storage->writer);
    if (rc != SQLITE_OK) {
        return refuse_sql(storage, "cannot be written", rc, error);
    }
    if (!open_journal(storage, &tail, error) || !update_catalog(storage, schemas, tail, error)) {
        return false;
    }
    rc = database_exec(storage->writer, "COMMIT");
    /* Relaxed from here on only: that the file is in use must have reached the disk, or a crash
     * would look like a clean stop. */
    if (rc == SQLITE_OK && storage->relaxed) {
        rc = database_relax(storage->writer);
    }
    return rc == SQLITE_OK ? true : refuse_sql(storage, "cannot be written", rc, error);
}

static bool open_tables(struct storage *storage, char error[STORAGE_ERROR_BYTES])
{
    storage->writer_tables = tables_open_writer(storage->writer);
    storage->keys = keys_open(storage->writer);
    if (storage->writer_tables == NULL || storage->keys == NULL) {
        return refuse_sql(storage, "the tables are damaged",
                          sqlite3_extended_errcode(storage->writer), error);
    }
    int rc = database_open_reader(&storage->reader, storage->path);
    storage->reader_tables = rc == SQLITE_OK ? tables_open_reader(storage->reader) : NULL;
    return storage->reader_tables != NULL
               ? true
               : refuse(storage, "cannot be opened a second time, for reading", error);
}

static struct storage *create(const char *path, bool relaxed)
{
    struct storage *storage = calloc(1, sizeof *storage);
    if (storage == NULL) {
        return NULL;
    }
    storage->lock = -1;
    storage->relaxed = relaxed;
    storage->path = strdup(path);
    (void)pthread_mutex_init(&storage->mutex, NULL);
    (void)pthread_cond_init(&storage->writer_wanted, NULL);
    (void)pthread_cond_init(&storage->reader_wanted, NULL);
    return storage;
}

bool storage_open(struct storage **out, const char *path, bool relaxed, struct schema_set *schemas,
                  char error[STORAGE_ERROR_BYTES])
{
    *out = NULL;
    struct storage *storage = create(path, relaxed);
    if (storage == NULL || storage->path == NULL) {
        (void)snprintf(error, STORAGE_ERROR_BYTES, "%.200s: out of memory", path);
        (void)storage_close(storage);
        return false;
    }
    if (!lock_file(storage, error) || !open_writer(storage, error) ||
        !open_catalog(storage, schemas, error) || !open_tables(storage, error)) {
        (void)storage_close(storage);
        return false;
    }
    backup_forget(path);
    *out = storage;
    return true;
}

static int create_webhooks(struct storage *storage)
{
    int rc = database_exec(storage->writer, "BEGIN IMMEDIATE");
    rc = rc == SQLITE_OK ? webhook_tables_create(storage->writer) : rc;
    return rc == SQLITE_OK ? database_exec(storage->writer, "COMMIT") : rc;
}

bool storage_open_webhooks(struct storage *storage, char error[STORAGE_ERROR_BYTES])
{
    int rc = create_webhooks(storage);
    if (rc != SQLITE_OK) {
        (void)refuse_sql(storage, "the tables of webhooks cannot be made", rc, error);
        database_rollback(storage->writer);
        return false;
    }
    return (tables_open_webhooks(storage->writer_tables, storage->writer, true) &&
            tables_open_webhooks(storage->reader_tables, storage->reader, false)) ||
           refuse(storage, "the tables of webhooks are not what this program makes", error);
}

void storage_info(const struct storage *storage, struct storage_info *info)
{
    *info = storage->info;
}

/* What the caller's function answers must not be taken for a failure of the journal. */
struct replay {
    journal_visit *visit;
    void *context;
    uint64_t position; /* of the last batch that could be read */
    bool stopped;
};

static int replay_batch(void *context, uint64_t position, struct bytes batch)
{
    struct replay *replay = context;
    replay->position = position;
    replay->stopped = replay->visit(replay->context, position, batch) != 0;
    return replay->stopped ? SQLITE_ABORT : SQLITE_OK;
}

bool storage_replay(struct storage *storage, journal_visit *visit, void *context,
                    char error[STORAGE_ERROR_BYTES])
{
    struct replay replay = {.visit = visit, .context = context};
    int rc = storage->journal->operations->read(storage->journal, 0, replay_batch, &replay);
    if (replay.stopped) {
        (void)snprintf(error, STORAGE_ERROR_BYTES,
                       "%.200s: the replay ended at the batch of position %" PRIu64, storage->path,
                       replay.position);
    } else if (rc != SQLITE_OK) {
        char reason[DATABASE_REASON_BYTES];
        database_reason(storage->writer, rc, reason);
        (void)snprintf(error, STORAGE_ERROR_BYTES,
                       "%.200s: the table journal %s after position %" PRIu64 ": %s", storage->path,
                       (rc & 0xff) == SQLITE_NOMEM ? "cannot be read" : "is damaged",
                       replay.position, reason);
    }
    return rc == SQLITE_OK;
}

struct storage *storage_lock(const char *path, char error[STORAGE_ERROR_BYTES])
{
    struct storage *storage = create(path, false);
    if (storage == NULL || storage->path == NULL) {
        (void)snprintf(error, STORAGE_ERROR_BYTES, "%.200s: out of memory", path);
    } else if (lock_file(storage, error)) {
        return storage;
    }
    (void)storage_close(storage);
    return NULL;
}

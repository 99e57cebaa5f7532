/* Opening: the lock, the file's format, fields, views, and the journal's tail. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "server/storage/catalog.h"
#include "server/storage/storage_state.h"

/* SQLite's own locks come and go with transactions: one hub for one file needs a lock that stays.
 */
static bool lock_file(struct storage *storage, const char *path, char error[STORAGE_ERROR_BYTES])
{
    char name[4096];
    int length = snprintf(name, sizeof name, "%s-lock", path);
    if (length < 0 || (size_t)length >= sizeof name) {
        (void)snprintf(error, STORAGE_ERROR_BYTES, "the path %.64s... is too long", path);
        return false;
    }
    storage->lock = open(name, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (storage->lock < 0) {
        (void)snprintf(error, STORAGE_ERROR_BYTES, "%.200s cannot be made: %s", name,
                       strerror(errno));
        return false;
    }
    if (flock(storage->lock, LOCK_EX | LOCK_NB) != 0) {
        (void)snprintf(error, STORAGE_ERROR_BYTES,
                       "%s is in use by another hub: stop it, or name another file", path);
        return false;
    }
    return true;
}

static bool read_ancestors(struct storage *storage)
{
    sqlite3_stmt *statement = NULL;
    size_t count = 0;
    int rc =
        database_prepare(storage->writer, &statement, "SELECT journal, position FROM ancestors");
    while (rc == SQLITE_OK && sqlite3_step(statement) == SQLITE_ROW) {
        struct bytes journal = column_bytes(statement, 0);
        struct storage_ancestor *grown = realloc(storage->ancestors, (count + 1) * sizeof *grown);
        if (grown == NULL || journal.length != JOURNAL_ID_BYTES) {
            rc = SQLITE_CORRUPT;
            storage->ancestors = grown == NULL ? storage->ancestors : grown;
            break;
        }
        storage->ancestors = grown;
        memcpy(grown[count].journal.bytes, journal.data, JOURNAL_ID_BYTES);
        grown[count++].position = (uint64_t)sqlite3_column_int64(statement, 1);
    }
    (void)sqlite3_finalize(statement);
    storage->info.ancestors = storage->ancestors;
    storage->info.ancestor_count = count;
    return rc == SQLITE_OK;
}

static int any_batch(void *context, uint64_t position, struct bytes batch)
{
    (void)position;
    (void)batch;
    *(bool *)context = true;
    return SQLITE_DONE; /* one is enough */
}

static bool open_catalog(struct storage *storage, const char *path, bool relaxed,
                         struct schema_set *schemas, char error[STORAGE_ERROR_BYTES])
{
    struct catalog_error reason = {.text = "out of memory"};
    bool tail = false;
    bool good = catalog_prepare(storage->writer, path, &reason);
    if (good) {
        storage->journal = journal_sqlite_open(storage->writer);
        good = storage->journal != NULL;
    }
    if (good) {
        const struct journal_operations *operations = storage->journal->operations;
        good = operations->last(storage->journal, &storage->info.position) == SQLITE_OK;
        int rc = operations->read(storage->journal, 0, any_batch, &tail);
        good = good && (rc == SQLITE_OK || rc == SQLITE_DONE);
    }
    good = good &&
           catalog_journal(storage->writer, relaxed, storage->info.position, &storage->info.journal,
                           &reason) &&
           catalog_fields(storage->writer, schemas, tail, &reason) &&
           catalog_views(storage->writer, schemas, &reason) && read_ancestors(storage);
    if (!good) {
        (void)snprintf(error, STORAGE_ERROR_BYTES, "%.200s: %.300s", path, reason.text);
    }
    return good;
}

static bool open_connections(struct storage *storage, const char *path, bool relaxed,
                             char error[STORAGE_ERROR_BYTES])
{
    int rc = database_open(&storage->writer, path, relaxed);
    if (rc != SQLITE_OK) {
        (void)snprintf(error, STORAGE_ERROR_BYTES, "%.200s cannot be opened for writing: %.200s",
                       path, sqlite3_errmsg(storage->writer));
        return false;
    }
    return true;
}

static bool open_tables(struct storage *storage, const char *path, char error[STORAGE_ERROR_BYTES])
{
    storage->writer_tables = tables_open_writer(storage->writer);
    bool good =
        storage->writer_tables != NULL && database_open_reader(&storage->reader, path) == SQLITE_OK;
    if (good) {
        storage->reader_tables = tables_open_reader(storage->reader);
    }
    if (!good || storage->reader_tables == NULL) {
        (void)snprintf(error, STORAGE_ERROR_BYTES, "%.200s: the tables are damaged: %.200s", path,
                       sqlite3_errmsg(storage->writer));
        return false;
    }
    return true;
}

bool storage_open(struct storage **out, const char *path, bool relaxed, struct schema_set *schemas,
                  char error[STORAGE_ERROR_BYTES])
{
    *out = NULL;
    struct storage *storage = calloc(1, sizeof *storage);
    if (storage == NULL) {
        (void)snprintf(error, STORAGE_ERROR_BYTES, "out of memory");
        return false;
    }
    storage->lock = -1;
    buffer_init(&storage->append.bytes, SIZE_MAX / 2);
    buffer_init(&storage->store.bytes, SIZE_MAX / 2);
    (void)pthread_mutex_init(&storage->mutex, NULL);
    (void)pthread_cond_init(&storage->writer_wanted, NULL);
    (void)pthread_cond_init(&storage->reader_wanted, NULL);
    if (!lock_file(storage, path, error) || !open_connections(storage, path, relaxed, error) ||
        !open_catalog(storage, path, relaxed, schemas, error) ||
        !open_tables(storage, path, error)) {
        storage_close(storage);
        return false;
    }
    *out = storage;
    return true;
}

void storage_info(const struct storage *storage, struct storage_info *info)
{
    *info = storage->info;
}

bool storage_replay(struct storage *storage, journal_visit *visit, void *context,
                    char error[STORAGE_ERROR_BYTES])
{
    int rc = storage->journal->operations->read(storage->journal, 0, visit, context);
    if (rc != SQLITE_OK) {
        (void)snprintf(error, STORAGE_ERROR_BYTES, "the journal cannot be read: %s",
                       sqlite3_errmsg(storage->writer));
    }
    return rc == SQLITE_OK;
}

#include <stdlib.h>

#include "server/storage/database.h"
#include "server/storage/journal.h"

enum { TRIM_ROWS = 256 };

struct journal_sqlite {
    struct journal journal;
    sqlite3 *database;
    sqlite3_stmt *append;
    sqlite3_stmt *read;
    sqlite3_stmt *trim;
    sqlite3_stmt *last;
};

static int journal_append(struct journal *base, struct bytes batch, uint64_t at_ms,
                          uint64_t *position)
{
    struct journal_sqlite *journal = (struct journal_sqlite *)base;
    bind_uint(journal->append, 1, at_ms);
    bind_bytes(journal->append, 2, batch);
    int rc = database_run(journal->append);
    if (rc == SQLITE_OK) {
        *position = (uint64_t)sqlite3_last_insert_rowid(journal->database);
    }
    return rc;
}

static int journal_read(struct journal *base, uint64_t position, journal_visit *visit,
                        void *context)
{
    struct journal_sqlite *journal = (struct journal_sqlite *)base;
    bind_uint(journal->read, 1, position);
    int rc = sqlite3_step(journal->read);
    int stopped = 0;
    while (rc == SQLITE_ROW && stopped == 0) {
        uint64_t at = 0;
        struct bytes batch;
        if (!column_take_uint(journal->read, 0, &at) ||
            !column_take_bytes(journal->read, 1, &batch)) {
            rc = SQLITE_CORRUPT;
            break;
        }
        stopped = visit(context, at, batch);
        rc = stopped == 0 ? sqlite3_step(journal->read) : rc;
    }
    (void)sqlite3_reset(journal->read);
    if (stopped != 0) {
        return stopped;
    }
    return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

static int journal_trim(struct journal *base, uint64_t position, bool *more)
{
    struct journal_sqlite *journal = (struct journal_sqlite *)base;
    bind_uint(journal->trim, 1, position);
    int rc = database_run(journal->trim);
    *more = rc == SQLITE_OK && sqlite3_changes(journal->database) == TRIM_ROWS;
    return rc;
}

static int journal_last(struct journal *base, uint64_t *position)
{
    struct journal_sqlite *journal = (struct journal_sqlite *)base;
    int rc = sqlite3_step(journal->last);
    if (rc == SQLITE_ROW) {
        *position = (uint64_t)sqlite3_column_int64(journal->last, 0);
        rc = SQLITE_OK;
    }
    (void)sqlite3_reset(journal->last);
    return rc;
}

static void journal_close(struct journal *base)
{
    struct journal_sqlite *journal = (struct journal_sqlite *)base;
    if (journal != NULL) {
        (void)sqlite3_finalize(journal->append);
        (void)sqlite3_finalize(journal->read);
        (void)sqlite3_finalize(journal->trim);
        (void)sqlite3_finalize(journal->last);
        free(journal);
    }
}

static const struct journal_operations operations = {
    .append = journal_append,
    .read = journal_read,
    .trim = journal_trim,
    .last = journal_last,
    .close = journal_close,
};

struct journal *journal_sqlite_open(struct sqlite3 *database)
{
    struct journal_sqlite *journal = calloc(1, sizeof *journal);
    if (journal == NULL) {
        return NULL;
    }
    journal->journal.operations = &operations;
    journal->database = database;
    bool ready =
        database_prepare(database, &journal->append,
                         "INSERT INTO journal(at, batch) VALUES (?1, ?2)") == SQLITE_OK &&
        database_prepare(database, &journal->read,
                         "SELECT position, batch FROM journal WHERE position > ?1 "
                         "ORDER BY position") == SQLITE_OK &&
        database_prepare(database, &journal->trim,
                         "DELETE FROM journal WHERE position IN (SELECT position FROM journal "
                         "WHERE position <= ?1 ORDER BY position LIMIT 256)") == SQLITE_OK &&
        database_prepare(database, &journal->last,
                         "SELECT coalesce((SELECT seq FROM sqlite_sequence "
                         "WHERE name = 'journal'), 0)") == SQLITE_OK;
    if (!ready) {
        journal_close(&journal->journal);
        return NULL;
    }
    return &journal->journal;
}

#include <stdlib.h>

#include "server/storage/database.h"
#include "server/storage/journal.h"

/* One step of trimming, which an append may wait for. Bytes count too: a large batch lies on many
 * pages, and each is freed. */
enum { TRIM_ROWS = 256, TRIM_BYTES = 1 << 20 };

struct journal_sqlite {
    struct journal journal;
    sqlite3 *database;
    sqlite3_stmt *append;
    sqlite3_stmt *read;
    sqlite3_stmt *sizes;
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

/* Reads the row at hand. Positions are given one by one and only the oldest are forgotten, so one
 * that does not follow the one `before` it (0: none) comes after batches that were lost. */
static int take_batch(sqlite3_stmt *row, uint64_t before, uint64_t *position, struct bytes *batch)
{
    bool good = column_take_uint(row, 0, position) && column_take_bytes(row, 1, batch) &&
                (before == 0 || *position == before + 1);
    return good ? SQLITE_OK : SQLITE_CORRUPT;
}

/* Visits the rows from where the statement stands; `*at` becomes the position of the last one. */
static int walk(sqlite3_stmt *rows, uint64_t *at, journal_visit *visit, void *context)
{
    int rc = sqlite3_step(rows);
    while (rc == SQLITE_ROW) {
        uint64_t position = 0;
        struct bytes batch;
        rc = take_batch(rows, *at, &position, &batch);
        rc = rc == SQLITE_OK ? visit(context, position, batch) : rc;
        if (rc != 0) {
            return rc;
        }
        *at = position;
        rc = sqlite3_step(rows);
    }
    return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

static int journal_read(struct journal *base, uint64_t position, journal_visit *visit,
                        void *context)
{
    struct journal_sqlite *journal = (struct journal_sqlite *)base;
    uint64_t at = 0;
    uint64_t last = 0;
    int rc = journal_last(base, &last);
    if (rc != SQLITE_OK) {
        return rc;
    }
    bind_uint(journal->read, 1, position);
    rc = walk(journal->read, &at, visit, context);
    (void)sqlite3_reset(journal->read);
    return rc == SQLITE_OK && at != 0 && at != last ? SQLITE_CORRUPT : rc;
}

/* Finds the greatest position that one step may forget; 0: there is nothing to forget. */
static int find_step(struct journal_sqlite *journal, uint64_t position, uint64_t *end, bool *more)
{
    sqlite3_int64 bytes = 0;
    int rows = 0;
    bind_uint(journal->sizes, 1, position);
    int rc = sqlite3_step(journal->sizes);
    while (rc == SQLITE_ROW && rows < TRIM_ROWS && bytes < TRIM_BYTES) {
        *end = (uint64_t)sqlite3_column_int64(journal->sizes, 0);
        bytes += sqlite3_column_int64(journal->sizes, 1);
        rows++;
        rc = sqlite3_step(journal->sizes);
    }
    *more = rc == SQLITE_ROW;
    (void)sqlite3_reset(journal->sizes);
    return rc == SQLITE_DONE || rc == SQLITE_ROW ? SQLITE_OK : rc;
}

static int journal_trim(struct journal *base, uint64_t position, bool *more)
{
    struct journal_sqlite *journal = (struct journal_sqlite *)base;
    uint64_t end = 0;
    int rc = find_step(journal, position, &end, more);
    if (rc == SQLITE_OK && end != 0) {
        bind_uint(journal->trim, 1, end);
        rc = database_run(journal->trim);
    }
    *more = *more && rc == SQLITE_OK;
    return rc;
}

static void journal_close(struct journal *base)
{
    struct journal_sqlite *journal = (struct journal_sqlite *)base;
    if (journal != NULL) {
        (void)sqlite3_finalize(journal->append);
        (void)sqlite3_finalize(journal->read);
        (void)sqlite3_finalize(journal->sizes);
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
        database_prepare(database, &journal->sizes,
                         "SELECT position, length(batch) FROM journal WHERE position <= ?1 "
                         "ORDER BY position") == SQLITE_OK &&
        database_prepare(database, &journal->trim, "DELETE FROM journal WHERE position <= ?1") ==
            SQLITE_OK &&
        database_prepare(database, &journal->last,
                         "SELECT coalesce((SELECT seq FROM sqlite_sequence "
                         "WHERE name = 'journal'), 0)") == SQLITE_OK;
    if (!ready) {
        journal_close(&journal->journal);
        return NULL;
    }
    return &journal->journal;
}

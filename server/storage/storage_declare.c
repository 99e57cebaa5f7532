/*
 * Declare: other schemas for a file that is open. The journal goes first, in the same transaction:
 * its batches were judged under the schemas before, and all that they did is in the rows by now.
 */
#include <stdio.h>

#include "server/storage/catalog.h"
#include "server/storage/storage_state.h"

static int trim_all(struct storage *storage, uint64_t *last)
{
    const struct journal_operations *operations = storage->journal->operations;
    bool more = true;
    int rc = operations->last(storage->journal, last);
    while (rc == SQLITE_OK && more) {
        rc = operations->trim(storage->journal, *last, &more);
    }
    return rc;
}

static bool explain(const struct storage *storage, int rc, char text[STORAGE_ERROR_BYTES])
{
    char reason[DATABASE_REASON_BYTES];
    database_reason(storage->writer, rc, reason);
    (void)snprintf(text, STORAGE_ERROR_BYTES, "%.200s: cannot be written: %.200s", storage->path,
                   reason);
    return false;
}

static bool declare(struct storage *storage, struct schema_set *schemas,
                    char text[STORAGE_ERROR_BYTES])
{
    struct catalog_error reason;
    uint64_t last = 0;
    int rc = database_begin(storage->writer, true);
    if (rc == SQLITE_OK) {
        rc = trim_all(storage, &last);
    }
    if (rc != SQLITE_OK) {
        return explain(storage, rc, text);
    }
    if (!catalog_fields(storage->writer, schemas, false, &reason) ||
        !catalog_absences(storage->writer, schemas, last, &reason) ||
        !catalog_views(storage->writer, schemas, &reason)) {
        (void)snprintf(text, STORAGE_ERROR_BYTES, "%.200s: %.1000s", storage->path, reason.text);
        return false;
    }
    rc = database_exec(storage->writer, "COMMIT");
    return rc == SQLITE_OK ? true : explain(storage, rc, text);
}

void storage_run_declare(struct storage *storage, struct request *request)
{
    struct storage_completion *completion = &request->completion;
    struct request_queue finished = {0};
    bool good = declare(storage, request->schemas, completion->text);
    completion->kind = good ? STORAGE_DECLARED : STORAGE_DECLARE_FAILED;
    if (!good) {
        database_rollback(storage->writer);
    }
    request_push(&finished, request);
    storage_finish_requests(storage, &finished);
}

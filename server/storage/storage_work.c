/*
 * The work, by turns, for the threads or for who has none. A turn of the writer is all appends that
 * wait, as one commit, and one bounded step of a store or of a trim. So an append waits behind one
 * such step at most. A turn of the reader is one load, in a read transaction, so that its rows are
 * of one moment.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "server/storage/backup.h"
#include "server/storage/scrub.h"
#include "server/storage/storage_state.h"

/* A step of a store ends with a document: at the latest with the one that passes the bytes, some
 * ten milliseconds of writing; and if an append waits, with the one that passes the time, which is
 * so long that stores go on beside a hub that never stops appending. */
enum { STORE_STEP_BYTES = 256 << 10, STORE_STEP_NS = 2000000 };

static void explain(const struct storage *storage, sqlite3 *database, const char *what, int rc,
                    struct storage_completion *completion)
{
    char reason[DATABASE_REASON_BYTES];
    database_reason(database, rc, reason);
    (void)snprintf(completion->text, sizeof completion->text, "%.200s: %s: %s", storage->path, what,
                   reason);
}

/* --- writing --- */

bool storage_take_work(struct storage *storage)
{
    struct storage_work *work = &storage->work;
    request_move_all(&storage->appends, &work->appends);
    request_move_all(&storage->claims, &work->claims);
    if (work->store == NULL) {
        work->store = request_pop(&storage->stores);
        if (work->store != NULL) {
            work->rows = reader_of(buffer_bytes(&work->store->bytes));
        }
    }
    work->keep = work->keep == NULL ? request_pop(&storage->keeps) : work->keep;
    if (storage->trim > work->trim) {
        work->trim = storage->trim;
    }
    storage->trim = 0;
    if (work->scrub == NULL) {
        work->scrub = request_pop(&storage->scrubs);
        if (work->scrub != NULL && work->scrub->completion.position > work->trim) {
            work->trim = work->scrub->completion.position;
        }
    }
    if (work->declare == NULL) {
        work->declare = request_pop(&storage->declares);
    }
    return work->appends.first != NULL || work->claims.first != NULL || work->store != NULL ||
           work->keep != NULL || work->trim != 0 || work->declare != NULL || work->scrub != NULL;
}

static int begin(struct storage *storage) { return database_begin(storage->writer, true); }

static int insert_batches(struct storage *storage, struct request_queue *appends)
{
    struct journal *journal = storage->journal;
    int rc = begin(storage);
    for (struct request *at = appends->first; at != NULL && rc == SQLITE_OK; at = at->next) {
        rc = journal->operations->append(journal, buffer_bytes(&at->bytes), at->at_ms,
                                         &at->completion.position);
    }
    return rc == SQLITE_OK ? database_exec(storage->writer, "COMMIT") : rc;
}

static void run_appends(struct storage *storage, struct storage_work *work)
{
    if (work->appends.first == NULL) {
        return;
    }
    int rc = insert_batches(storage, &work->appends);
    for (struct request *at = work->appends.first; at != NULL; at = at->next) {
        at->completion.kind = rc == SQLITE_OK ? STORAGE_APPENDED : STORAGE_APPEND_FAILED;
        if (rc != SQLITE_OK) {
            at->completion.position = 0;
            explain(storage, storage->writer, "the journal cannot be written", rc, &at->completion);
        }
    }
    if (rc != SQLITE_OK) {
        database_rollback(storage->writer);
    }
    storage_finish_requests(storage, &work->appends);
}

static int claim_all(struct storage *storage, struct request_queue *claims)
{
    int rc = begin(storage);
    for (struct request *at = claims->first; at != NULL && rc == SQLITE_OK; at = at->next) {
        struct buffer answer;
        buffer_init(&answer, LIMIT_TEXT_BYTES);
        rc = keys_claim(storage->keys, buffer_bytes(&at->bytes), &answer);
        at->completion.bytes = buffer_bytes(&answer);
    }
    return rc == SQLITE_OK ? database_exec(storage->writer, "COMMIT") : rc;
}

static void run_claims(struct storage *storage, struct storage_work *work)
{
    if (work->claims.first == NULL) {
        return;
    }
    int rc = claim_all(storage, &work->claims);
    for (struct request *at = work->claims.first; at != NULL; at = at->next) {
        at->completion.kind = rc == SQLITE_OK ? STORAGE_CLAIMED : STORAGE_CLAIM_FAILED;
        if (rc != SQLITE_OK) {
            storage_completion_finish(&at->completion);
            explain(storage, storage->writer, "an idempotency key cannot be written", rc,
                    &at->completion);
        }
    }
    if (rc != SQLITE_OK) {
        database_rollback(storage->writer);
    }
    storage_finish_requests(storage, &work->claims);
}

static void finish_store(struct storage *storage, struct storage_work *work)
{
    struct request_queue finished = {0};
    request_push(&finished, work->store);
    work->store = NULL;
    storage_finish_requests(storage, &finished);
}

struct step {
    struct storage *storage;
    struct timespec begun;
};

static int64_t step_ns(const struct step *step)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)(now.tv_sec - step->begun.tv_sec) * 1000000000 + now.tv_nsec -
           step->begun.tv_nsec;
}

static bool append_waits(struct storage *storage)
{
    (void)pthread_mutex_lock(&storage->mutex);
    bool waits = storage->appends.first != NULL;
    (void)pthread_mutex_unlock(&storage->mutex);
    return waits;
}

static bool is_step_done(void *context, size_t written_bytes)
{
    const struct step *step = context;
    return written_bytes >= STORE_STEP_BYTES ||
           (step_ns(step) >= STORE_STEP_NS && append_waits(step->storage));
}

static void run_store(struct storage *storage, struct storage_work *work)
{
    struct storage_completion *completion = &work->store->completion;
    struct step step = {.storage = storage};
    bool more = false;
    (void)clock_gettime(CLOCK_MONOTONIC, &step.begun);
    int rc = begin(storage);
    if (rc == SQLITE_OK) {
        rc = tables_store_some(storage->writer_tables, &work->rows, is_step_done, &step, &more);
    }
    if (rc == SQLITE_OK) {
        rc = database_exec(storage->writer, "COMMIT");
    }
    if (rc != SQLITE_OK) {
        completion->kind = STORAGE_STORE_FAILED;
        explain(storage, storage->writer,
                rc == SQLITE_MISMATCH ? "the rows to be stored are malformed"
                                      : "the tables cannot be written",
                rc, completion);
        database_rollback(storage->writer);
        finish_store(storage, work);
    } else if (!more) {
        completion->kind = STORAGE_STORED;
        finish_store(storage, work);
    }
}

/* What is not trimmed now goes with a later trim, or is replayed for nothing: it does no harm, and
 * a disk that fails here fails the next append, which is reported. */
static void run_trim(struct storage *storage, struct storage_work *work)
{
    bool more = false;
    int rc = begin(storage);
    if (rc == SQLITE_OK) {
        rc = storage->journal->operations->trim(storage->journal, work->trim, &more);
    }
    if (rc == SQLITE_OK) {
        rc = database_exec(storage->writer, "COMMIT");
    }
    if (rc != SQLITE_OK) {
        database_rollback(storage->writer);
    }
    if (rc != SQLITE_OK || !more) {
        work->trim = 0;
    }
}

static bool is_trimmed(struct storage *storage, uint64_t position)
{
    sqlite3_stmt *oldest = NULL;
    int rc = database_prepare(storage->writer, &oldest,
                              "SELECT count(*) FROM journal WHERE position <= ?1");
    if (rc == SQLITE_OK) {
        bind_uint(oldest, 1, position);
        rc = sqlite3_step(oldest);
    }
    bool trimmed = rc == SQLITE_ROW && sqlite3_column_int64(oldest, 0) == 0;
    (void)sqlite3_finalize(oldest);
    return trimmed;
}

/* Behind the trim that came with it. */
static void run_scrub(struct storage *storage, struct storage_work *work)
{
    struct request_queue finished = {0};
    struct storage_completion *completion = &work->scrub->completion;
    bool trimmed = is_trimmed(storage, completion->position);
    int rc = trimmed ? scrub(storage->writer) : SQLITE_IOERR;
    completion->kind = rc == SQLITE_OK ? STORAGE_SCRUBBED : STORAGE_SCRUB_FAILED;
    if (rc != SQLITE_OK) {
        explain(storage, storage->writer,
                trimmed ? "what was erased may be left" : "the journal could not be trimmed", rc,
                completion);
    }
    request_push(&finished, work->scrub);
    work->scrub = NULL;
    storage_finish_requests(storage, &finished);
}

/* A few rows, and rarely: once a second. */
static void run_keep(struct storage *storage, struct storage_work *work)
{
    struct request_queue finished = {0};
    struct storage_completion *completion = &work->keep->completion;
    int rc = begin(storage);
    if (rc == SQLITE_OK) {
        rc = tables_keep(storage->writer_tables, buffer_bytes(&work->keep->bytes));
    }
    if (rc == SQLITE_OK) {
        rc = database_exec(storage->writer, "COMMIT");
    }
    completion->kind = rc == SQLITE_OK ? STORAGE_KEPT : STORAGE_KEEP_FAILED;
    if (rc != SQLITE_OK) {
        explain(storage, storage->writer, "the tables of webhooks cannot be written", rc,
                completion);
        database_rollback(storage->writer);
    }
    request_push(&finished, work->keep);
    work->keep = NULL;
    storage_finish_requests(storage, &finished);
}

static void run_step(struct storage *storage, struct storage_work *work)
{
    if (work->keep != NULL) {
        run_keep(storage, work);
        return;
    }
    bool trims = work->trim != 0 && (work->store == NULL || work->trim_next);
    work->trim_next = !trims;
    if (trims) {
        run_trim(storage, work);
    } else if (work->store != NULL) {
        run_store(storage, work);
    } else if (work->declare != NULL) {
        storage_run_declare(storage, work->declare);
        work->declare = NULL;
    } else if (work->scrub != NULL) {
        run_scrub(storage, work);
    }
}

bool storage_write_some(struct storage *storage)
{
    (void)pthread_mutex_lock(&storage->mutex);
    bool any = storage_take_work(storage);
    (void)pthread_mutex_unlock(&storage->mutex);
    if (any) {
        run_appends(storage, &storage->work);
        run_claims(storage, &storage->work);
        run_step(storage, &storage->work);
    }
    return any;
}

/* --- reading --- */

static void explain_load(const struct storage *storage, int rc,
                         struct storage_completion *completion)
{
    const char *damage = tables_damage(storage->reader_tables);
    if (damage[0] != '\0') {
        (void)snprintf(completion->text, sizeof completion->text, "%.200s: %s", storage->path,
                       damage);
    } else {
        explain(storage, storage->reader, "the document cannot be read", rc, completion);
    }
}

static void run_load(struct storage *storage, struct request *load)
{
    struct buffer rows;
    buffer_init(&rows, LIMIT_BODY_BYTES);
    int rc = database_begin(storage->reader, false);
    if (rc == SQLITE_OK) {
        rc = tables_load(storage->reader_tables, buffer_bytes(&load->bytes), &rows);
    }
    if (rc == SQLITE_OK) {
        load->completion.kind = STORAGE_LOADED;
        load->completion.bytes = buffer_bytes(&rows);
    } else {
        load->completion.kind = STORAGE_LOAD_FAILED;
        explain_load(storage, rc, &load->completion);
        buffer_finish(&rows);
    }
    database_rollback(storage->reader);
}

/* --- a copy of the file --- */

static void drop_copy(struct storage *storage)
{
    backup_close(storage->backup);
    storage->backup = NULL;
}

static void fail_copy(struct storage *storage, struct request *load, int rc)
{
    char reason[DATABASE_REASON_BYTES];
    backup_reason(storage->backup, rc, reason);
    load->completion.kind = STORAGE_LOAD_FAILED;
    (void)snprintf(load->completion.text, sizeof load->completion.text,
                   "%.200s: no copy of the file can be made: %s", storage->path, reason);
    drop_copy(storage);
}

static void answer_copy(struct storage *storage, struct request *load, uint64_t offset,
                        uint64_t limit)
{
    struct buffer rows;
    buffer_init(&rows, LIMIT_BODY_BYTES);
    struct writer writer = writer_to(&rows);
    int rc = storage->backup == NULL ? SQLITE_MISUSE
                                     : backup_read(storage->backup, offset, limit, &writer);
    if (rc != SQLITE_OK || writer.status != PROTOCOL_OK) {
        buffer_finish(&rows);
        fail_copy(storage, load, rc == SQLITE_OK ? SQLITE_NOMEM : rc);
        return;
    }
    load->completion.kind = STORAGE_LOADED;
    load->completion.bytes = buffer_bytes(&rows);
}

static bool is_stopping(struct storage *storage)
{
    (void)pthread_mutex_lock(&storage->mutex);
    bool stopping = storage->stopping;
    (void)pthread_mutex_unlock(&storage->mutex);
    return stopping;
}

/* False: there is more to be copied, and the request goes behind those that wait. */
static bool make_copy(struct storage *storage, struct request *load)
{
    int rc = is_stopping(storage) ? SQLITE_INTERRUPT : SQLITE_OK;
    if (rc == SQLITE_OK && storage->backup == NULL) {
        rc = backup_open(&storage->backup, storage->path);
    }
    rc = rc == SQLITE_OK ? backup_step(storage->backup) : rc;
    if (rc == SQLITE_OK) {
        return false;
    }
    if (rc == SQLITE_DONE) {
        answer_copy(storage, load, 0, 0);
    } else {
        fail_copy(storage, load, rc);
    }
    return true;
}

/* False: it is to be served again, behind those that wait. */
static bool serve(struct storage *storage, struct request *load)
{
    struct row_request request;
    struct reader reader = reader_of(buffer_bytes(&load->bytes));
    bool read = row_request_read(&reader, &request);
    if (read && request.kind == ROWS_COPY_BEGIN) {
        return make_copy(storage, load);
    }
    if (read && request.kind == ROWS_COPY_PIECE) {
        answer_copy(storage, load, request.before, request.limit);
    } else if (read && request.kind == ROWS_COPY_END) {
        drop_copy(storage);
        load->completion.kind = STORAGE_LOADED;
    } else {
        run_load(storage, load);
    }
    return true;
}

bool storage_read_one(struct storage *storage)
{
    struct request_queue finished = {0};
    (void)pthread_mutex_lock(&storage->mutex);
    struct request *load = request_pop(&storage->loads);
    (void)pthread_mutex_unlock(&storage->mutex);
    if (load == NULL) {
        return false;
    }
    if (!serve(storage, load)) {
        (void)pthread_mutex_lock(&storage->mutex);
        request_push(&storage->loads, load);
        (void)pthread_mutex_unlock(&storage->mutex);
        return true;
    }
    request_push(&finished, load);
    storage_finish_requests(storage, &finished);
    return true;
}

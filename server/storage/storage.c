#include "server/storage/storage.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "server/storage/storage_state.h"

/* --- completions --- */

static void push_done(struct storage *storage, struct done *done)
{
    (void)pthread_mutex_lock(&storage->mutex);
    done->next = NULL;
    if (storage->done_last == NULL) {
        storage->done_first = done;
    } else {
        storage->done_last->next = done;
    }
    storage->done_last = done;
    (void)pthread_mutex_unlock(&storage->mutex);
    storage->wake(storage->wake_context);
}

static void explain(struct storage_completion *completion, sqlite3 *database, int rc)
{
    (void)snprintf(completion->text, sizeof completion->text, "%s (%s)", sqlite3_errmsg(database),
                   sqlite3_errstr(rc));
}

bool storage_poll(struct storage *storage, struct storage_completion *completion)
{
    (void)pthread_mutex_lock(&storage->mutex);
    struct done *done = storage->done_first;
    if (done != NULL) {
        storage->done_first = done->next;
        if (done->next == NULL) {
            storage->done_last = NULL;
        }
    }
    (void)pthread_mutex_unlock(&storage->mutex);
    if (done == NULL) {
        return false;
    }
    *completion = done->completion;
    free(done);
    return true;
}

void storage_completion_finish(struct storage_completion *completion)
{
    free((void *)(uintptr_t)completion->bytes.data);
    completion->bytes = (struct bytes){0};
}

/* --- the writing thread --- */

/* What one round of the writer does. The buffers change hands under the lock, so that the next
 * request finds an empty one. */
struct work {
    struct pending append;
    struct pending store;
    uint64_t trim;
    bool stopping;
};

static void take_pending(struct pending *from, struct pending *to)
{
    if (to->asked) {
        return; /* still to be done: an append went first */
    }
    struct buffer empty = to->bytes;
    *to = *from;
    *from = (struct pending){.bytes = empty};
    buffer_clear(&from->bytes);
}

static bool has_work(const struct storage *storage, const struct work *work)
{
    return storage->append.asked || storage->store.asked || storage->trim != 0 ||
           storage->stopping || work->store.asked || work->trim != 0;
}

static void wait_for_work(struct storage *storage, struct work *work)
{
    (void)pthread_mutex_lock(&storage->mutex);
    while (!has_work(storage, work)) {
        (void)pthread_cond_wait(&storage->writer_wanted, &storage->mutex);
    }
    take_pending(&storage->append, &work->append);
    take_pending(&storage->store, &work->store);
    if (storage->trim > work->trim) {
        work->trim = storage->trim;
    }
    storage->trim = 0;
    work->stopping = storage->stopping;
    (void)pthread_mutex_unlock(&storage->mutex);
}

static struct done *take_spare(struct storage *storage, struct done **spare)
{
    (void)pthread_mutex_lock(&storage->mutex);
    struct done *taken = *spare;
    *spare = NULL;
    (void)pthread_mutex_unlock(&storage->mutex);
    return taken;
}

static int begin(struct storage *storage)
{
    return database_exec(storage->writer, "BEGIN IMMEDIATE");
}

/* A failed commit leaves the transaction open. */
static int end(struct storage *storage, int rc)
{
    if (rc == SQLITE_OK) {
        rc = database_exec(storage->writer, "COMMIT");
    }
    if (rc != SQLITE_OK) {
        database_rollback(storage->writer);
    }
    return rc;
}

static void run_append(struct storage *storage, struct work *work)
{
    struct done *done = take_spare(storage, &storage->spare_append);
    struct storage_completion *completion = &done->completion;
    struct journal *journal = storage->journal;
    int rc = begin(storage);
    if (rc == SQLITE_OK) {
        rc = journal->operations->append(journal, buffer_bytes(&work->append.bytes),
                                         work->append.at_ms, &completion->position);
    }
    completion->kind = STORAGE_APPENDED;
    if (rc != SQLITE_OK) {
        explain(completion, storage->writer, rc);
        (void)end(storage, rc);
        completion->kind = STORAGE_APPEND_FAILED;
    } else if ((rc = end(storage, rc)) != SQLITE_OK) {
        explain(completion, storage->writer, rc);
        completion->kind = STORAGE_APPEND_FAILED;
    }
    work->append.asked = false;
    push_done(storage, done);
}

/* The hub bounds a run of rows, so it is one transaction: an append waits behind one of them at
 * most. */
static void run_store(struct storage *storage, struct work *work)
{
    struct done *done = take_spare(storage, &storage->spare_store);
    int rc = begin(storage);
    if (rc == SQLITE_OK) {
        rc = tables_store(storage->writer_tables, buffer_bytes(&work->store.bytes));
    }
    if (rc != SQLITE_OK) {
        explain(&done->completion, storage->writer, rc);
    }
    rc = end(storage, rc);
    done->completion.kind = rc == SQLITE_OK ? STORAGE_STORED : STORAGE_STORE_FAILED;
    work->store.asked = false;
    push_done(storage, done);
}

/* What is not trimmed now is trimmed later: the rows do no harm. */
static void run_trim(struct storage *storage, struct work *work)
{
    bool more = false;
    int rc = begin(storage);
    if (rc == SQLITE_OK) {
        rc = storage->journal->operations->trim(storage->journal, work->trim, &more);
    }
    if (end(storage, rc) != SQLITE_OK || !more) {
        work->trim = 0;
    }
}

static void *write_loop(void *context)
{
    struct storage *storage = context;
    struct work work = {0};
    buffer_init(&work.append.bytes, SIZE_MAX / 2);
    buffer_init(&work.store.bytes, SIZE_MAX / 2);
    do {
        wait_for_work(storage, &work);
        if (work.append.asked) {
            run_append(storage, &work);
        } else if (work.store.asked) {
            run_store(storage, &work);
        } else if (work.trim != 0) {
            run_trim(storage, &work);
        }
        /* An append that came meanwhile goes first, so a store that waits keeps its place in
         * `work`. */
    } while (!work.stopping || work.append.asked || work.store.asked);
    buffer_finish(&work.append.bytes);
    buffer_finish(&work.store.bytes);
    return NULL;
}

/* --- the reading thread --- */

static struct load_request *wait_for_load(struct storage *storage)
{
    (void)pthread_mutex_lock(&storage->mutex);
    while (storage->loads_first == NULL && !storage->stopping) {
        (void)pthread_cond_wait(&storage->reader_wanted, &storage->mutex);
    }
    struct load_request *load = storage->loads_first;
    if (load != NULL) {
        storage->loads_first = load->next;
        if (load->next == NULL) {
            storage->loads_last = NULL;
        }
    }
    (void)pthread_mutex_unlock(&storage->mutex);
    return load;
}

/* One transaction, so that all rows are of one moment. */
static int load(struct storage *storage, struct bytes request, struct buffer *rows)
{
    int rc = database_exec(storage->reader, "BEGIN");
    if (rc == SQLITE_OK) {
        rc = tables_load(storage->reader_tables, request, rows);
    }
    database_rollback(storage->reader);
    return rc;
}

static void run_load(struct storage *storage, struct load_request *request, struct done *done)
{
    struct buffer rows;
    buffer_init(&rows, LIMIT_BODY_BYTES);
    int rc = load(storage, buffer_bytes(&request->bytes), &rows);
    done->completion.request = request->request;
    if (rc == SQLITE_OK) {
        done->completion.kind = STORAGE_LOADED;
        done->completion.bytes = buffer_bytes(&rows);
    } else {
        done->completion.kind = STORAGE_LOAD_FAILED;
        explain(&done->completion, storage->reader, rc);
        buffer_finish(&rows);
    }
}

static void *read_loop(void *context)
{
    struct storage *storage = context;
    struct load_request *request;
    while ((request = wait_for_load(storage)) != NULL) {
        struct done *done = request->done;
        run_load(storage, request, done);
        buffer_finish(&request->bytes);
        free(request);
        push_done(storage, done);
    }
    return NULL;
}

/* --- requests --- */

static bool ask(struct storage *storage, struct pending *pending, struct done **spare,
                struct bytes bytes, uint64_t at_ms)
{
    struct done *done = calloc(1, sizeof *done);
    (void)pthread_mutex_lock(&storage->mutex);
    bool asked = done != NULL && !pending->asked &&
                 buffer_append(&pending->bytes, bytes.data, bytes.length) == PROTOCOL_OK;
    if (asked) {
        *spare = done;
        pending->asked = true;
        pending->at_ms = at_ms;
        (void)pthread_cond_signal(&storage->writer_wanted);
    }
    (void)pthread_mutex_unlock(&storage->mutex);
    if (!asked) {
        free(done);
    }
    return asked;
}

bool storage_append(struct storage *storage, struct bytes batch, uint64_t at_ms)
{
    return ask(storage, &storage->append, &storage->spare_append, batch, at_ms);
}

bool storage_store(struct storage *storage, struct bytes rows)
{
    return ask(storage, &storage->store, &storage->spare_store, rows, 0);
}

void storage_trim(struct storage *storage, uint64_t position)
{
    (void)pthread_mutex_lock(&storage->mutex);
    storage->trim = position > storage->trim ? position : storage->trim;
    (void)pthread_cond_signal(&storage->writer_wanted);
    (void)pthread_mutex_unlock(&storage->mutex);
}

/* The completion is made with the request, so an answer needs no memory of its own. */
bool storage_load(struct storage *storage, uint64_t request, struct bytes bytes)
{
    struct load_request *load = calloc(1, sizeof *load);
    struct done *done = calloc(1, sizeof *done);
    if (load == NULL || done == NULL) {
        free(load);
        free(done);
        return false;
    }
    load->done = done;
    load->request = request;
    buffer_init(&load->bytes, LIMIT_BODY_BYTES);
    if (buffer_append(&load->bytes, bytes.data, bytes.length) != PROTOCOL_OK) {
        free(done);
        free(load);
        return false;
    }
    (void)pthread_mutex_lock(&storage->mutex);
    if (storage->loads_last == NULL) {
        storage->loads_first = load;
    } else {
        storage->loads_last->next = load;
    }
    storage->loads_last = load;
    (void)pthread_cond_signal(&storage->reader_wanted);
    (void)pthread_mutex_unlock(&storage->mutex);
    return true;
}

/* --- start and end --- */

bool storage_start(struct storage *storage, void (*wake)(void *context), void *context)
{
    storage->wake = wake;
    storage->wake_context = context;
    storage->writer_started =
        pthread_create(&storage->writer_thread, NULL, write_loop, storage) == 0;
    storage->reader_started =
        pthread_create(&storage->reader_thread, NULL, read_loop, storage) == 0;
    return storage->writer_started && storage->reader_started;
}

static void stop_threads(struct storage *storage)
{
    (void)pthread_mutex_lock(&storage->mutex);
    storage->stopping = true;
    (void)pthread_cond_broadcast(&storage->writer_wanted);
    (void)pthread_cond_broadcast(&storage->reader_wanted);
    (void)pthread_mutex_unlock(&storage->mutex);
    if (storage->writer_started) {
        (void)pthread_join(storage->writer_thread, NULL);
    }
    if (storage->reader_started) {
        (void)pthread_join(storage->reader_thread, NULL);
    }
}

static void drop_done(struct storage *storage)
{
    struct storage_completion completion;
    while (storage_poll(storage, &completion)) {
        storage_completion_finish(&completion);
    }
    free(storage->spare_append);
    free(storage->spare_store);
}

void storage_close(struct storage *storage)
{
    if (storage == NULL) {
        return;
    }
    stop_threads(storage);
    drop_done(storage);
    if (storage->writer_started && meta_write_int(storage->writer, "clean", 1) != SQLITE_OK) {
        (void)fprintf(stderr, "warning storage the clean stop could not be noted\n");
    }
    if (storage->journal != NULL) {
        storage->journal->operations->close(storage->journal);
    }
    tables_close(storage->writer_tables);
    tables_close(storage->reader_tables);
    (void)sqlite3_close(storage->reader);
    (void)sqlite3_close(storage->writer);
    if (storage->lock >= 0) {
        (void)close(storage->lock);
    }
    buffer_finish(&storage->append.bytes);
    buffer_finish(&storage->store.bytes);
    free(storage->ancestors);
    (void)pthread_mutex_destroy(&storage->mutex);
    (void)pthread_cond_destroy(&storage->writer_wanted);
    (void)pthread_cond_destroy(&storage->reader_wanted);
    free(storage);
}

#include "server/storage/storage.h"

#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "server/storage/backup.h"
#include "server/storage/storage_state.h"

/* --- completions --- */

void storage_finish_requests(struct storage *storage, struct request_queue *requests)
{
    (void)pthread_mutex_lock(&storage->mutex);
    request_move_all(requests, &storage->done);
    (void)pthread_mutex_unlock(&storage->mutex);
    if (storage->wake != NULL) {
        storage->wake(storage->wake_context);
    }
}

bool storage_poll(struct storage *storage, struct storage_completion *completion)
{
    (void)pthread_mutex_lock(&storage->mutex);
    struct request *done = request_pop(&storage->done);
    (void)pthread_mutex_unlock(&storage->mutex);
    if (done == NULL) {
        return false;
    }
    *completion = done->completion;
    done->completion.bytes = (struct bytes){0}; /* the caller's now */
    request_destroy(done);
    return true;
}

void storage_completion_finish(struct storage_completion *completion)
{
    free((void *)(uintptr_t)completion->bytes.data);
    completion->bytes = (struct bytes){0};
}

/* --- requests --- */

static void ask(struct storage *storage, struct request_queue *queue, pthread_cond_t *wanted,
                struct request *request)
{
    (void)pthread_mutex_lock(&storage->mutex);
    request_push(queue, request);
    (void)pthread_mutex_unlock(&storage->mutex);
    (void)pthread_cond_signal(wanted); /* not before: who wakes would meet the lock */
}

bool storage_append(struct storage *storage, struct bytes batch, uint64_t at_ms)
{
    struct request *request = request_create(batch);
    if (request == NULL) {
        return false;
    }
    request->at_ms = at_ms;
    ask(storage, &storage->appends, &storage->writer_wanted, request);
    return true;
}

bool storage_store(struct storage *storage, struct bytes rows)
{
    struct request *request = request_create(rows);
    if (request == NULL) {
        return false;
    }
    ask(storage, &storage->stores, &storage->writer_wanted, request);
    return true;
}

bool storage_keep(struct storage *storage, struct bytes rows)
{
    struct request *request = request_create(rows);
    if (request == NULL) {
        return false;
    }
    ask(storage, &storage->keeps, &storage->writer_wanted, request);
    return true;
}

bool storage_load(struct storage *storage, uint64_t number, struct bytes bytes)
{
    struct request *request = request_create(bytes);
    if (request == NULL) {
        return false;
    }
    request->completion.request = number;
    ask(storage, &storage->loads, &storage->reader_wanted, request);
    return true;
}

bool storage_claim(struct storage *storage, uint64_t number, struct bytes bytes)
{
    struct request *request = request_create(bytes);
    if (request == NULL) {
        return false;
    }
    request->completion.request = number;
    ask(storage, &storage->claims, &storage->writer_wanted, request);
    return true;
}

bool storage_declare(struct storage *storage, struct schema_set *schemas)
{
    struct request *request = request_create((struct bytes){(const uint8_t *)"", 0});
    if (request == NULL) {
        return false;
    }
    request->schemas = schemas;
    ask(storage, &storage->declares, &storage->writer_wanted, request);
    return true;
}

bool storage_scrub(struct storage *storage, uint64_t number, uint64_t position)
{
    struct request *request = request_create((struct bytes){0});
    if (request == NULL) {
        return false;
    }
    request->completion.request = number;
    request->completion.position = position;
    ask(storage, &storage->scrubs, &storage->writer_wanted, request);
    return true;
}

void storage_trim(struct storage *storage, uint64_t position)
{
    (void)pthread_mutex_lock(&storage->mutex);
    storage->trim = position > storage->trim ? position : storage->trim;
    (void)pthread_mutex_unlock(&storage->mutex);
    (void)pthread_cond_signal(&storage->writer_wanted);
}

/* --- start and end --- */

/* Signals are the loop's: the threads inherit that they take none. */
bool storage_start(struct storage *storage, void (*wake)(void *context), void *context)
{
    sigset_t all;
    sigset_t before;
    storage->wake = wake;
    storage->wake_context = context;
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    storage->writer_started =
        pthread_create(&storage->writer_thread, NULL, storage_write_loop, storage) == 0;
    storage->reader_started =
        pthread_create(&storage->reader_thread, NULL, storage_read_loop, storage) == 0;
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
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

/* The writer goes last: the last connection to close moves the log into the file. */
static void close_connections(struct storage *storage)
{
    if (storage->journal != NULL) {
        storage->journal->operations->close(storage->journal);
    }
    keys_close(storage->keys);
    tables_close(storage->writer_tables);
    tables_close(storage->reader_tables);
    (void)sqlite3_close(storage->reader);
    (void)sqlite3_close(storage->writer);
}

bool storage_close(struct storage *storage)
{
    if (storage == NULL) {
        return true;
    }
    stop_threads(storage);
    bool noted =
        !storage->writer_started || meta_write_int(storage->writer, "clean", 1) == SQLITE_OK;
    close_connections(storage);
    if (storage->lock >= 0) {
        (void)close(storage->lock);
    }
    backup_close(storage->backup);
    request_queue_finish(&storage->work.appends);
    request_queue_finish(&storage->work.claims);
    request_destroy(storage->work.store);
    request_destroy(storage->work.declare);
    request_destroy(storage->work.keep);
    request_queue_finish(&storage->appends);
    request_queue_finish(&storage->stores);
    request_queue_finish(&storage->claims);
    request_queue_finish(&storage->keeps);
    request_queue_finish(&storage->loads);
    request_queue_finish(&storage->declares);
    request_queue_finish(&storage->scrubs);
    request_destroy(storage->work.scrub);
    request_queue_finish(&storage->done);
    free(storage->ancestors);
    free(storage->path);
    (void)pthread_mutex_destroy(&storage->mutex);
    (void)pthread_cond_destroy(&storage->writer_wanted);
    (void)pthread_cond_destroy(&storage->reader_wanted);
    free(storage);
    return noted;
}

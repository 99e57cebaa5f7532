/* The two threads: each waits until there is something to do, and does it (storage_work.c). */
#include "server/storage/storage_state.h"

/* False: the storage stops, and all is done. */
static bool wait_for_work(struct storage *storage)
{
    (void)pthread_mutex_lock(&storage->mutex);
    bool any = storage_take_work(storage);
    while (!any && !storage->stopping) {
        (void)pthread_cond_wait(&storage->writer_wanted, &storage->mutex);
        any = storage_take_work(storage);
    }
    (void)pthread_mutex_unlock(&storage->mutex);
    return any;
}

void *storage_write_loop(void *context)
{
    struct storage *storage = context;
    while (wait_for_work(storage)) {
        (void)storage_write_some(storage);
    }
    return NULL;
}

/* False: the storage stops, and all is done. */
static bool wait_for_load(struct storage *storage)
{
    (void)pthread_mutex_lock(&storage->mutex);
    while (storage->loads.first == NULL && !storage->stopping) {
        (void)pthread_cond_wait(&storage->reader_wanted, &storage->mutex);
    }
    bool any = storage->loads.first != NULL;
    (void)pthread_mutex_unlock(&storage->mutex);
    return any;
}

static bool load_waits(void *context)
{
    struct storage *storage = context;
    (void)pthread_mutex_lock(&storage->mutex);
    bool waits = storage->loads.first != NULL;
    (void)pthread_mutex_unlock(&storage->mutex);
    return waits;
}

void *storage_read_loop(void *context)
{
    struct storage *storage = context;
    tables_yield_to(storage->reader_tables, load_waits, storage);
    while (wait_for_load(storage)) {
        (void)storage_read_one(storage);
    }
    return NULL;
}

/* The storage's inside, shared by opening, the threads, and the requests. */
#ifndef STORAGE_STORAGE_STATE_H
#define STORAGE_STORAGE_STATE_H

#include <pthread.h>

#include "server/storage/database.h"
#include "server/storage/keys.h"
#include "server/storage/request.h"
#include "server/storage/tables.h"

/* What the writer has taken of the requests. */
struct storage_work {
    struct request_queue appends;
    struct request_queue claims;
    struct request *store;
    struct reader rows; /* of the store, that are not written yet */
    struct request *keep;
    uint64_t trim;
    bool trim_next; /* a store and a trim take turns */
    struct request *declare;
    struct request *scrub;
};

struct storage {
    char *path;
    bool relaxed;
    sqlite3 *writer;
    sqlite3 *reader;
    struct journal *journal;
    struct tables *writer_tables;
    struct tables *reader_tables;
    struct keys *keys;
    struct storage_info info;
    struct storage_ancestor *ancestors;
    int lock;                 /* file descriptor; -1: none */
    struct storage_work work; /* the writer's */
    struct backup *backup;    /* the reader's: the copy that is made or read; NULL: none */

    void (*wake)(void *context);
    void *wake_context;
    pthread_t writer_thread;
    pthread_t reader_thread;
    bool writer_started;
    bool reader_started;

    pthread_mutex_t mutex; /* guards everything below */
    pthread_cond_t writer_wanted;
    pthread_cond_t reader_wanted;
    struct request_queue appends;
    struct request_queue stores;
    struct request_queue claims;
    struct request_queue keeps;
    struct request_queue loads;
    struct request_queue declares;
    struct request_queue scrubs;
    struct request_queue done;
    uint64_t trim; /* 0: nothing to trim */
    bool stopping;
};

/* The threads' functions; `context` is the storage. They return once `stopping` is set and all that
 * was asked is done. */
void *storage_write_loop(void *context);
void *storage_read_loop(void *context);

/* Whether there is something to write; the caller holds the mutex. */
bool storage_take_work(struct storage *storage);

/* Nothing but the file's lock, until `storage_close`. NULL: `error` holds a sentence. */
struct storage *storage_lock(const char *path, char error[STORAGE_ERROR_BYTES]);

/* SQLite's own check of the whole file. False: `error` holds what it found first. */
bool storage_check_pages(sqlite3 *database, const char *path, char error[STORAGE_ERROR_BYTES]);

/* storage_declare.c: serves the request. */
void storage_run_declare(struct storage *storage, struct request *request);

/* Makes requests completions, and wakes the caller. */
void storage_finish_requests(struct storage *storage, struct request_queue *requests);

#endif

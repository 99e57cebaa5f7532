/* The storage's inside, shared by opening and running. */
#ifndef STORAGE_STORAGE_STATE_H
#define STORAGE_STORAGE_STATE_H

#include <pthread.h>

#include "server/storage/database.h"
#include "server/storage/storage.h"
#include "server/storage/tables.h"

/* What waits for the writing thread; empty bytes with `asked` false: nothing. */
struct pending {
    struct buffer bytes;
    uint64_t at_ms;
    bool asked;
};

struct done {
    struct done *next;
    struct storage_completion completion;
};

struct load_request {
    struct load_request *next;
    struct done *done; /* its answer to be */
    uint64_t request;
    struct buffer bytes;
};

struct storage {
    sqlite3 *writer;
    sqlite3 *reader;
    struct journal *journal;
    struct tables *writer_tables;
    struct tables *reader_tables;
    struct storage_info info;
    struct storage_ancestor *ancestors;
    int lock; /* file descriptor; -1: none */

    void (*wake)(void *context);
    void *wake_context;
    pthread_t writer_thread;
    pthread_t reader_thread;
    bool writer_started;
    bool reader_started;

    pthread_mutex_t mutex; /* guards everything below */
    pthread_cond_t writer_wanted;
    pthread_cond_t reader_wanted;
    struct pending append;
    struct pending store;
    uint64_t trim;
    struct load_request *loads_first;
    struct load_request *loads_last;
    struct done *done_first;
    struct done *done_last;
    /* Made beforehand, so that the threads never fail to answer: one for the append, one for the
     * store. */
    struct done *spare_append;
    struct done *spare_store;
    bool stopping;
};

#endif

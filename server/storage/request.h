/*
 * Requests on their way through the storage: asked for by the loop's thread, served by a thread of
 * the storage, and taken back as completions. A request's memory holds its completion too, so that
 * answering needs none.
 */
#ifndef STORAGE_REQUEST_H
#define STORAGE_REQUEST_H

#include "protocol/buffer.h"
#include "server/storage/storage.h"

struct request {
    struct request *next;
    struct buffer bytes; /* what is asked; freed once it is served */
    uint64_t at_ms;
    struct schema_set *schemas; /* to be declared; borrowed */
    struct storage_completion completion;
};

/* First in, first out. `{0}` is empty; it owns its requests. */
struct request_queue {
    struct request *first;
    struct request *last;
};

/* A request with a copy of the bytes; NULL: no memory. */
struct request *request_create(struct bytes bytes);
void request_destroy(struct request *request);

void request_push(struct request_queue *queue, struct request *request);

/* NULL: the queue is empty. */
struct request *request_pop(struct request_queue *queue);

/* Moves all of `from` behind `to`. */
void request_move_all(struct request_queue *from, struct request_queue *to);

void request_queue_finish(struct request_queue *queue);

#endif

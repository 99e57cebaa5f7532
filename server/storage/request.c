#include "server/storage/request.h"

#include <stdlib.h>

struct request *request_create(struct bytes bytes)
{
    struct request *request = calloc(1, sizeof *request);
    if (request == NULL) {
        return NULL;
    }
    buffer_init(&request->bytes, SIZE_MAX / 2);
    if (buffer_append(&request->bytes, bytes.data, bytes.length) != PROTOCOL_OK) {
        request_destroy(request);
        return NULL;
    }
    return request;
}

void request_destroy(struct request *request)
{
    if (request != NULL) {
        buffer_finish(&request->bytes);
        storage_completion_finish(&request->completion);
        free(request);
    }
}

void request_push(struct request_queue *queue, struct request *request)
{
    request->next = NULL;
    if (queue->last == NULL) {
        queue->first = request;
    } else {
        queue->last->next = request;
    }
    queue->last = request;
}

struct request *request_pop(struct request_queue *queue)
{
    struct request *request = queue->first;
    if (request != NULL) {
        queue->first = request->next;
        queue->last = request->next == NULL ? NULL : queue->last;
        request->next = NULL;
    }
    return request;
}

void request_move_all(struct request_queue *from, struct request_queue *to)
{
    struct request *request;
    while ((request = request_pop(from)) != NULL) {
        request_push(to, request);
    }
}

void request_queue_finish(struct request_queue *queue)
{
    struct request *request;
    while ((request = request_pop(queue)) != NULL) {
        request_destroy(request);
    }
}

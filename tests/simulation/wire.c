#include "tests/simulation/wire.h"

#include <stdlib.h>
#include <string.h>

#include "tests/simulation/disk_file.h"

struct wire_message {
    struct wire_message *next;
    size_t length;
    uint8_t bytes[];
};

void wire_push(struct wire_queue *queue, struct bytes message)
{
    struct wire_message *pushed = disk_allocate(sizeof *pushed + message.length);
    pushed->length = message.length;
    if (message.length > 0) {
        memcpy(pushed->bytes, message.data, message.length);
    }
    if (queue->last == NULL) {
        queue->first = pushed;
    } else {
        queue->last->next = pushed;
    }
    queue->last = pushed;
    queue->bytes += message.length;
}

bool wire_peek(const struct wire_queue *queue, struct bytes *message)
{
    if (queue->first == NULL) {
        return false;
    }
    *message = (struct bytes){queue->first->bytes, queue->first->length};
    return true;
}

void wire_pop(struct wire_queue *queue)
{
    struct wire_message *popped = queue->first;
    queue->first = popped->next;
    queue->last = queue->first == NULL ? NULL : queue->last;
    queue->bytes -= popped->length;
    free(popped);
}

void wire_clear(struct wire_queue *queue)
{
    while (queue->first != NULL) {
        wire_pop(queue);
    }
}

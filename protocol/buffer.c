#include "protocol/buffer.h"

#include <stdlib.h>
#include <string.h>

enum { CAPACITY_MIN = 64 };

void buffer_init(struct buffer *buffer, size_t limit) { *buffer = (struct buffer){.limit = limit}; }

void buffer_finish(struct buffer *buffer)
{
    free(buffer->data);
    buffer_init(buffer, buffer->limit);
}

void buffer_clear(struct buffer *buffer) { buffer->length = 0; }

enum protocol_status buffer_reserve(struct buffer *buffer, size_t more)
{
    if (more > buffer->limit - buffer->length) {
        return PROTOCOL_TOO_LARGE;
    }
    size_t needed = buffer->length + more;
    if (needed <= buffer->capacity) {
        return PROTOCOL_OK;
    }
    size_t least = buffer->limit < CAPACITY_MIN ? buffer->limit : CAPACITY_MIN;
    size_t capacity = buffer->capacity == 0 ? least : buffer->capacity;
    while (capacity < needed) {
        capacity = capacity > buffer->limit / 2 ? buffer->limit : capacity * 2;
    }
    uint8_t *grown = realloc(buffer->data, capacity);
    if (grown == NULL) {
        return PROTOCOL_NO_MEMORY;
    }
    buffer->data = grown;
    buffer->capacity = capacity;
    return PROTOCOL_OK;
}

enum protocol_status buffer_append(struct buffer *buffer, const void *data, size_t length)
{
    enum protocol_status status = buffer_reserve(buffer, length);
    if (status != PROTOCOL_OK || length == 0) {
        return status;
    }
    memcpy(buffer->data + buffer->length, data, length);
    buffer->length += length;
    return PROTOCOL_OK;
}

struct bytes buffer_bytes(const struct buffer *buffer)
{
    return (struct bytes){.data = buffer->data, .length = buffer->length};
}

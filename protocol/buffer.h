/* Owned bytes that grow up to a limit given at birth. `buffer_init` allocates nothing. */
#ifndef PROTOCOL_BUFFER_H
#define PROTOCOL_BUFFER_H

#include "crdt/bytes.h"
#include "protocol/status.h"

struct buffer {
    uint8_t *data;
    size_t length;
    size_t capacity; /* at most the limit */
    size_t limit;    /* the greatest length ever allowed */
};

void buffer_init(struct buffer *buffer, size_t limit);

/* Frees the bytes; the buffer stays usable with its limit. */
void buffer_finish(struct buffer *buffer);

/* Empties and keeps the memory. */
void buffer_clear(struct buffer *buffer);

/* Makes room for `more` bytes beyond length. PROTOCOL_TOO_LARGE, PROTOCOL_NO_MEMORY: unchanged. */
PROTOCOL_CHECKED enum protocol_status buffer_reserve(struct buffer *buffer, size_t more);

/* Appends a copy. On failure unchanged. */
PROTOCOL_CHECKED enum protocol_status buffer_append(struct buffer *buffer, const void *data,
                                                    size_t length);

/* Borrowed until the buffer changes. */
struct bytes buffer_bytes(const struct buffer *buffer);

#endif

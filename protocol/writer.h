/*
 * Writes msgpack into a buffer, through msgpack-c. A writer remembers its first failure and ignores
 * what follows, so an encoder reads like the packet's layout and checks once, at its end.
 */
#ifndef PROTOCOL_WRITER_H
#define PROTOCOL_WRITER_H

#include "protocol/buffer.h"

struct writer {
    struct buffer *buffer; /* borrowed */
    enum protocol_status status;
};

struct writer writer_to(struct buffer *buffer);

void write_nil(struct writer *writer);
void write_bool(struct writer *writer, bool value);
void write_uint(struct writer *writer, uint64_t value);
void write_int(struct writer *writer, int64_t value);
/* Nine bytes whatever the value: `uint 64`, or `int 64` when negative. */
void write_wide(struct writer *writer, int64_t value);
void write_float(struct writer *writer, double value);
void write_bin(struct writer *writer, struct bytes bytes);
void write_string(struct writer *writer, struct bytes text);
void write_text(struct writer *writer, const char *text);
void write_array(struct writer *writer, size_t length);
void write_map(struct writer *writer, size_t length);
/* Bytes that are msgpack already. */
void write_raw(struct writer *writer, struct bytes bytes);

#endif

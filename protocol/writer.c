#include "protocol/writer.h"

#include <msgpack/pack_define.h>
#include <msgpack/timestamp.h>
#include <string.h>

static inline int append(struct writer *writer, const void *data, size_t length)
{
    struct buffer *buffer = writer->buffer;
    if (writer->status == PROTOCOL_OK && length > buffer->capacity - buffer->length) {
        writer->status = buffer_reserve(buffer, length);
    }
    if (writer->status != PROTOCOL_OK) {
        return -1;
    }
    if (length > 0) {
        memcpy(buffer->data + buffer->length, data, length);
        buffer->length += length;
    }
    return 0;
}

/* msgpack-c's packer is a template. Made with our own `append`, which the compiler can put in its
 * place, it takes half the time of the one that calls back for each piece of each value. */
#define msgpack_pack_inline_func(name) static inline int pack##name
#define msgpack_pack_inline_func_cint(name) static inline int pack##name
#define msgpack_pack_inline_func_fixint(name) static inline int pack_fix##name
#define msgpack_pack_user struct writer *
#define msgpack_pack_append_buffer(user, data, length) return append(user, data, length)
#include <msgpack/pack_template.h>

struct writer writer_to(struct buffer *buffer)
{
    return (struct writer){.buffer = buffer, .status = PROTOCOL_OK};
}

void write_nil(struct writer *writer) { (void)pack_nil(writer); }

void write_bool(struct writer *writer, bool value)
{
    value ? (void)pack_true(writer) : (void)pack_false(writer);
}

void write_uint(struct writer *writer, uint64_t value) { (void)pack_uint64(writer, value); }

void write_int(struct writer *writer, int64_t value) { (void)pack_int64(writer, value); }

void write_wide(struct writer *writer, int64_t value)
{
    if (value >= 0) {
        (void)pack_fix_uint64(writer, (uint64_t)value);
    } else {
        (void)pack_fix_int64(writer, value);
    }
}

void write_float(struct writer *writer, double value) { (void)pack_double(writer, value); }

void write_bin(struct writer *writer, struct bytes bytes)
{
    (void)pack_bin(writer, bytes.length);
    (void)pack_bin_body(writer, bytes.data, bytes.length);
}

void write_string(struct writer *writer, struct bytes text)
{
    (void)pack_str(writer, text.length);
    (void)pack_str_body(writer, text.data, text.length);
}

void write_text(struct writer *writer, const char *text)
{
    write_string(writer, bytes_of_text(text));
}

void write_array(struct writer *writer, size_t length) { (void)pack_array(writer, length); }

void write_map(struct writer *writer, size_t length) { (void)pack_map(writer, length); }

void write_raw(struct writer *writer, struct bytes bytes)
{
    append(writer, (const char *)bytes.data, bytes.length);
}

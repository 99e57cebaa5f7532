#include "protocol/writer.h"

#include <msgpack.h>
#include <string.h>

static int append(void *context, const char *data, size_t length)
{
    struct writer *writer = context;
    if (writer->status == PROTOCOL_OK) {
        writer->status = buffer_append(writer->buffer, data, length);
    }
    return writer->status == PROTOCOL_OK ? 0 : -1;
}

static msgpack_packer packer_of(struct writer *writer)
{
    msgpack_packer packer;
    msgpack_packer_init(&packer, writer, append);
    return packer;
}

struct writer writer_to(struct buffer *buffer)
{
    return (struct writer){.buffer = buffer, .status = PROTOCOL_OK};
}

void write_nil(struct writer *writer)
{
    msgpack_packer packer = packer_of(writer);
    msgpack_pack_nil(&packer);
}

void write_bool(struct writer *writer, bool value)
{
    msgpack_packer packer = packer_of(writer);
    value ? msgpack_pack_true(&packer) : msgpack_pack_false(&packer);
}

void write_uint(struct writer *writer, uint64_t value)
{
    msgpack_packer packer = packer_of(writer);
    msgpack_pack_uint64(&packer, value);
}

void write_int(struct writer *writer, int64_t value)
{
    msgpack_packer packer = packer_of(writer);
    msgpack_pack_int64(&packer, value);
}

void write_wide(struct writer *writer, int64_t value)
{
    msgpack_packer packer = packer_of(writer);
    if (value >= 0) {
        msgpack_pack_fix_uint64(&packer, (uint64_t)value);
    } else {
        msgpack_pack_fix_int64(&packer, value);
    }
}

void write_float(struct writer *writer, double value)
{
    msgpack_packer packer = packer_of(writer);
    msgpack_pack_double(&packer, value);
}

void write_bin(struct writer *writer, struct bytes bytes)
{
    msgpack_packer packer = packer_of(writer);
    msgpack_pack_bin(&packer, bytes.length);
    msgpack_pack_bin_body(&packer, bytes.data, bytes.length);
}

void write_string(struct writer *writer, struct bytes text)
{
    msgpack_packer packer = packer_of(writer);
    msgpack_pack_str(&packer, text.length);
    msgpack_pack_str_body(&packer, text.data, text.length);
}

void write_text(struct writer *writer, const char *text)
{
    write_string(writer, (struct bytes){(const uint8_t *)text, strlen(text)});
}

void write_array(struct writer *writer, size_t length)
{
    msgpack_packer packer = packer_of(writer);
    msgpack_pack_array(&packer, length);
}

void write_map(struct writer *writer, size_t length)
{
    msgpack_packer packer = packer_of(writer);
    msgpack_pack_map(&packer, length);
}

void write_raw(struct writer *writer, struct bytes bytes)
{
    append(writer, (const char *)bytes.data, bytes.length);
}

#include "protocol/json.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "protocol/limits.h"

void json_raw(struct writer *writer, const char *text) { write_raw(writer, bytes_of_text(text)); }

static void escape(struct writer *writer, uint8_t byte)
{
    char text[8];
    switch (byte) {
    case '"':
        json_raw(writer, "\\\"");
        return;
    case '\\':
        json_raw(writer, "\\\\");
        return;
    case '\n':
        json_raw(writer, "\\n");
        return;
    case '\r':
        json_raw(writer, "\\r");
        return;
    case '\t':
        json_raw(writer, "\\t");
        return;
    default:
        (void)snprintf(text, sizeof text, "\\u%04x", byte);
        json_raw(writer, text);
    }
}

void json_quoted(struct writer *writer, struct bytes text)
{
    json_raw(writer, "\"");
    size_t start = 0;
    for (size_t i = 0; i < text.length; i++) {
        uint8_t byte = text.data[i];
        if (byte >= 0x20 && byte != '"' && byte != '\\') {
            continue;
        }
        write_raw(writer, (struct bytes){text.data + start, i - start});
        escape(writer, byte);
        start = i + 1;
    }
    if (start < text.length) { /* a text of nothing may be nowhere */
        write_raw(writer, (struct bytes){text.data + start, text.length - start});
    }
    json_raw(writer, "\"");
}

void json_int(struct writer *writer, int64_t value)
{
    char text[24];
    (void)snprintf(text, sizeof text, "%" PRId64, value);
    json_raw(writer, text);
}

/* The shortest of 15 to 17 digits that reads back as the same number. */
static void json_float(struct writer *writer, double value)
{
    char text[32];
    if (!isfinite(value)) {
        json_raw(writer, "null");
        return;
    }
    for (int digits = 15; digits <= 17; digits++) {
        (void)snprintf(text, sizeof text, "%.*g", digits, value);
        if (strtod(text, NULL) == value) {
            break;
        }
    }
    json_raw(writer, text);
}

static void json_hex(struct writer *writer, struct bytes bytes)
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < bytes.length; i++) {
        char pair[3] = {digits[bytes.data[i] >> 4], digits[bytes.data[i] & 0x0f], '\0'};
        json_raw(writer, pair);
    }
}

static void json_bin(struct writer *writer, struct bytes bytes)
{
    json_raw(writer, "{\"$bytes\":\"");
    json_hex(writer, bytes);
    json_raw(writer, "\"}");
}

static void json_nested(struct writer *writer, struct reader *reader, size_t depth);

static void json_array(struct writer *writer, struct reader *reader, size_t depth)
{
    size_t length = read_array(reader, LIMIT_OBJECTS);
    json_raw(writer, "[");
    for (size_t i = 0; i < length; i++) {
        json_raw(writer, i == 0 ? "" : ",");
        json_nested(writer, reader, depth + 1);
    }
    json_raw(writer, "]");
}

/* A key that is no string becomes one: a number, true, false and null by their JSON, anything else
 * by the hex of its msgpack, which grows less than JSON inside a string inside a string. */
static void json_key(struct writer *writer, struct reader *reader, size_t depth)
{
    enum reader_type type = reader_peek(reader);
    if (type == READER_STRING) {
        json_nested(writer, reader, depth);
        return;
    }
    json_raw(writer, "\"");
    if (type == READER_BIN || type == READER_ARRAY || type == READER_MAP) {
        json_hex(writer, read_raw(reader));
    } else {
        json_nested(writer, reader, depth);
    }
    json_raw(writer, "\"");
}

static void json_map(struct writer *writer, struct reader *reader, size_t depth)
{
    size_t length = read_map(reader, LIMIT_OBJECTS);
    json_raw(writer, "{");
    for (size_t i = 0; i < length; i++) {
        json_raw(writer, i == 0 ? "" : ",");
        json_key(writer, reader, depth + 1);
        json_raw(writer, ":");
        json_nested(writer, reader, depth + 1);
    }
    json_raw(writer, "}");
}

static void json_nested(struct writer *writer, struct reader *reader, size_t depth)
{
    if (depth > LIMIT_DEPTH) {
        reader_fail(reader, PROTOCOL_TOO_LARGE);
    }
    switch (reader_peek(reader)) {
    case READER_NIL:
        read_nil(reader);
        json_raw(writer, "null");
        return;
    case READER_BOOL:
        json_raw(writer, read_bool(reader) ? "true" : "false");
        return;
    case READER_INT:
        json_int(writer, read_int(reader));
        return;
    case READER_FLOAT:
        json_float(writer, read_float(reader));
        return;
    case READER_STRING:
        json_quoted(writer, read_string(reader, LIMIT_BODY_BYTES));
        return;
    case READER_BIN:
        json_bin(writer, read_bin(reader, LIMIT_BODY_BYTES));
        return;
    case READER_ARRAY:
        json_array(writer, reader, depth);
        return;
    case READER_MAP:
        json_map(writer, reader, depth);
        return;
    case READER_BAD:
        break;
    }
    reader_fail(reader, PROTOCOL_MALFORMED);
}

void json_value(struct writer *writer, struct reader *reader)
{
    json_nested(writer, reader, 0);
    if (writer->status == PROTOCOL_OK) {
        writer->status = reader->status;
    }
}

#include "protocol/element.h"

#include <math.h>

#include "crdt/context.h"
#include "protocol/limits.h"

static bool is_whole(double value)
{
    return value >= -(double)CRDT_INTEGER_MAX && value <= (double)CRDT_INTEGER_MAX &&
           value == (double)(int64_t)value;
}

static void bad(struct reader *reader) { reader_fail(reader, PROTOCOL_BAD_ELEMENT); }

/* Bytes an integer, or a length header with its family's first byte, takes in its shortest form. */
static size_t shortest_int(int64_t value)
{
    if (value >= -32 && value <= 127) {
        return 1;
    }
    if (value >= INT8_MIN && value <= UINT8_MAX) {
        return 2;
    }
    if (value >= INT16_MIN && value <= UINT16_MAX) {
        return 3;
    }
    return value >= INT32_MIN && value <= UINT32_MAX ? 5 : 9;
}

/* `fixed_max`: the longest whose length is in the first byte itself; `has_8`: the family has an
 * 8-bit length. */
static size_t shortest_header(size_t length, size_t fixed_max, bool has_8)
{
    if (length <= fixed_max) {
        return 1;
    }
    if (has_8 && length <= UINT8_MAX) {
        return 2;
    }
    return length <= UINT16_MAX ? 3 : 5;
}

static void check_int(struct reader *reader, size_t before)
{
    /* A positive number in a signed form is as long as in the unsigned one, but not canonical. */
    uint8_t first = reader->left.data[0];
    int64_t value = read_int(reader);
    bool signed_form = first >= 0xd0 && first <= 0xd3;
    size_t used = before - reader->left.length;
    if (value > CRDT_INTEGER_MAX || value < -CRDT_INTEGER_MAX || used != shortest_int(value) ||
        (signed_form && value >= 0)) {
        bad(reader);
    }
}

static void check_float(struct reader *reader)
{
    bool single = reader->left.data[0] == 0xca;
    double value = read_float(reader);
    if (single || isnan(value) || is_whole(value)) {
        bad(reader);
    }
}

static void check_string(struct reader *reader, size_t before)
{
    struct bytes text = read_string(reader, LIMIT_VALUE_BYTES);
    if (before - reader->left.length - text.length != shortest_header(text.length, 31, true)) {
        bad(reader);
    }
}

/* Alone of the families, bin has no form with the length in the first byte. */
static void check_bin(struct reader *reader, size_t before)
{
    struct bytes bytes = read_bin(reader, LIMIT_VALUE_BYTES);
    size_t least = bytes.length <= UINT8_MAX ? 2 : 3;
    if (before - reader->left.length - bytes.length != least) {
        bad(reader);
    }
}

static void check_value(struct reader *reader, size_t depth);

static void check_array(struct reader *reader, size_t before, size_t depth)
{
    size_t length = read_array(reader, LIMIT_VALUE_BYTES);
    if (before - reader->left.length != shortest_header(length, 15, false)) {
        bad(reader);
    }
    for (size_t i = 0; i < length && reader_ok(reader); i++) {
        check_value(reader, depth + 1);
    }
}

static void check_map(struct reader *reader, size_t before, size_t depth)
{
    size_t length = read_map(reader, LIMIT_VALUE_BYTES);
    if (before - reader->left.length != shortest_header(length, 15, false)) {
        bad(reader);
    }
    struct bytes previous = {0};
    for (size_t i = 0; i < length && reader_ok(reader); i++) {
        const uint8_t *start = reader->left.data;
        check_value(reader, depth + 1);
        struct bytes key = {start, (size_t)(reader->left.data - start)};
        if (i > 0 && bytes_compare(previous, key) >= 0) {
            bad(reader);
        }
        previous = key;
        check_value(reader, depth + 1);
    }
}

static void check_value(struct reader *reader, size_t depth)
{
    size_t before = reader->left.length;
    if (depth > LIMIT_ELEMENT_DEPTH) {
        bad(reader);
        return;
    }
    switch (reader_peek(reader)) {
    case READER_NIL:
        read_nil(reader);
        return;
    case READER_BOOL:
        (void)read_bool(reader);
        return;
    case READER_INT:
        check_int(reader, before);
        return;
    case READER_FLOAT:
        check_float(reader);
        return;
    case READER_STRING:
        check_string(reader, before);
        return;
    case READER_BIN:
        check_bin(reader, before);
        return;
    case READER_ARRAY:
        check_array(reader, before, depth);
        return;
    case READER_MAP:
        check_map(reader, before, depth);
        return;
    case READER_BAD:
        break;
    }
    bad(reader);
}

static bool is_of(enum reader_type type, enum element_of of)
{
    switch (of) {
    case ELEMENT_STRING:
        return type == READER_STRING;
    case ELEMENT_INT:
        return type == READER_INT;
    case ELEMENT_FLOAT:
        return type == READER_FLOAT || type == READER_INT;
    case ELEMENT_BOOL:
        return type == READER_BOOL;
    case ELEMENT_BYTES:
        return type == READER_BIN;
    case ELEMENT_ANY:
        return true;
    }
    return false;
}

static struct bytes read_limited(struct reader *reader, enum element_of of, size_t length_max)
{
    const uint8_t *start = reader->left.data;
    if (reader_ok(reader) && !is_of(reader_peek(reader), of)) {
        bad(reader);
    }
    check_value(reader, 0);
    size_t length = reader_ok(reader) ? (size_t)(reader->left.data - start) : 0;
    if (length > length_max) {
        bad(reader);
    }
    return reader_ok(reader) ? (struct bytes){start, length} : (struct bytes){0};
}

struct bytes read_element(struct reader *reader, enum element_of of)
{
    return read_limited(reader, of, LIMIT_ELEMENT_BYTES);
}

struct bytes read_value(struct reader *reader, enum element_of of)
{
    return read_limited(reader, of, LIMIT_VALUE_BYTES);
}

void write_element_number(struct writer *writer, double value)
{
    if (isnan(value)) {
        writer->status = writer->status == PROTOCOL_OK ? PROTOCOL_BAD_ELEMENT : writer->status;
    } else if (is_whole(value)) {
        write_int(writer, (int64_t)value);
    } else {
        write_float(writer, value);
    }
}

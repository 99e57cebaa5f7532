#include "protocol/reader.h"

#include <assert.h>
#include <string.h>

#include "protocol/limits.h"

/* A value's head: its type, and its value (scalars) or length (the rest). */
struct head {
    uint64_t value;
    enum reader_type type;
    bool negative;
};

static struct bytes take(struct reader *reader, size_t length)
{
    if (reader->status == PROTOCOL_OK && length > reader->left.length) {
        reader->status = PROTOCOL_TRUNCATED;
    }
    if (reader->status != PROTOCOL_OK) {
        return (struct bytes){0};
    }
    struct bytes taken = {reader->left.data, length};
    reader->left.data += length;
    reader->left.length -= length;
    return taken;
}

static uint64_t take_big_endian(struct reader *reader, size_t length)
{
    struct bytes bytes = take(reader, length);
    uint64_t value = 0;
    for (size_t i = 0; i < bytes.length; i++) {
        value = value << 8 | bytes.data[i];
    }
    return value;
}

/* The sign bit of a two's complement number of that many bytes, carried up to 64 bits. */
static uint64_t extend_sign(uint64_t value, size_t length)
{
    assert(length > 0);
    uint64_t sign = (uint64_t)1 << (length * 8 - 1);
    return (value ^ sign) - sign;
}

static enum reader_type type_of(uint8_t first)
{
    static const uint8_t types[32] = {
        [0x00] = READER_NIL,    [0x01] = READER_BAD,    [0x02] = READER_BOOL,
        [0x03] = READER_BOOL,   [0x04] = READER_BIN,    [0x05] = READER_BIN,
        [0x06] = READER_BIN,    [0x07] = READER_BAD,    [0x08] = READER_BAD,
        [0x09] = READER_BAD,    [0x0a] = READER_FLOAT,  [0x0b] = READER_FLOAT,
        [0x0c] = READER_INT,    [0x0d] = READER_INT,    [0x0e] = READER_INT,
        [0x0f] = READER_INT,    [0x10] = READER_INT,    [0x11] = READER_INT,
        [0x12] = READER_INT,    [0x13] = READER_INT,    [0x14] = READER_BAD,
        [0x15] = READER_BAD,    [0x16] = READER_BAD,    [0x17] = READER_BAD,
        [0x18] = READER_BAD,    [0x19] = READER_STRING, [0x1a] = READER_STRING,
        [0x1b] = READER_STRING, [0x1c] = READER_ARRAY,  [0x1d] = READER_ARRAY,
        [0x1e] = READER_MAP,    [0x1f] = READER_MAP,
    };
    if (first < 0x80 || first >= 0xe0) {
        return READER_INT;
    }
    if (first < 0x90) {
        return READER_MAP;
    }
    if (first < 0xa0) {
        return READER_ARRAY;
    }
    return first < 0xc0 ? READER_STRING : (enum reader_type)types[first - 0xc0];
}

/* What follows the first byte 0xc0 + n: so many bytes of value or length. */
static size_t head_bytes(uint8_t first)
{
    static const uint8_t sizes[32] = {
        [0x04] = 1, [0x05] = 2, [0x06] = 4, [0x0a] = 4, [0x0b] = 8, [0x0c] = 1, [0x0d] = 2,
        [0x0e] = 4, [0x0f] = 8, [0x10] = 1, [0x11] = 2, [0x12] = 4, [0x13] = 8, [0x19] = 1,
        [0x1a] = 2, [0x1b] = 4, [0x1c] = 2, [0x1d] = 4, [0x1e] = 2, [0x1f] = 4,
    };
    return sizes[first - 0xc0];
}

static struct head take_head(struct reader *reader)
{
    struct bytes byte = take(reader, 1);
    if (byte.length == 0) {
        return (struct head){.type = READER_BAD};
    }
    uint8_t first = byte.data[0];
    struct head head = {.type = type_of(first)};
    if (first < 0x80) {
        head.value = first;
    } else if (first >= 0xe0) {
        head.value = extend_sign(first, 1);
        head.negative = true;
    } else if (first < 0xa0) {
        head.value = first & 0x0f;
    } else if (first < 0xc0) {
        head.value = first & 0x1f;
    } else if (head.type == READER_BOOL) {
        head.value = first & 1;
    } else if (head.type != READER_BAD && head.type != READER_NIL) {
        size_t length = head_bytes(first);
        head.value = take_big_endian(reader, length);
        if (first >= 0xd0 && first <= 0xd3) {
            head.value = extend_sign(head.value, length);
            head.negative = (int64_t)head.value < 0;
        }
    }
    if (head.type == READER_BAD) {
        reader_fail(reader, PROTOCOL_MALFORMED);
    }
    return head;
}

static uint64_t expect(struct reader *reader, enum reader_type type)
{
    if (reader_ok(reader) && reader->left.length > 0 && reader_peek(reader) != type) {
        reader_fail(reader, PROTOCOL_MALFORMED);
    }
    struct head head = take_head(reader);
    return reader_ok(reader) ? head.value : 0;
}

struct reader reader_of(struct bytes bytes)
{
    return (struct reader){.left = bytes, .status = PROTOCOL_OK};
}

enum reader_type reader_peek(const struct reader *reader)
{
    bool readable = reader->status == PROTOCOL_OK && reader->left.length > 0;
    return readable ? type_of(reader->left.data[0]) : READER_BAD;
}

void read_nil(struct reader *reader) { (void)expect(reader, READER_NIL); }

bool read_bool(struct reader *reader) { return expect(reader, READER_BOOL) != 0; }

uint64_t read_uint(struct reader *reader)
{
    uint64_t value = 0;
    if (reader_peek(reader) == READER_INT) {
        struct head head = take_head(reader);
        if (head.negative) {
            reader_fail(reader, PROTOCOL_MALFORMED);
        }
        value = head.value;
    } else {
        (void)expect(reader, READER_INT);
    }
    return reader_ok(reader) ? value : 0;
}

int64_t read_int(struct reader *reader)
{
    if (reader_peek(reader) != READER_INT) {
        (void)expect(reader, READER_INT);
        return 0;
    }
    struct head head = take_head(reader);
    if (!head.negative && head.value > INT64_MAX) {
        reader_fail(reader, PROTOCOL_MALFORMED);
    }
    return reader_ok(reader) ? (int64_t)head.value : 0;
}

double read_float(struct reader *reader)
{
    bool single = reader->left.length > 0 && reader->left.data[0] == 0xca;
    uint64_t bits = expect(reader, READER_FLOAT);
    if (single) {
        uint32_t narrow = (uint32_t)bits;
        float value;
        memcpy(&value, &narrow, sizeof value);
        return (double)value;
    }
    double value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static struct bytes read_body(struct reader *reader, enum reader_type type, size_t length_max)
{
    uint64_t length = expect(reader, type);
    if (length > length_max) {
        reader_fail(reader, PROTOCOL_TOO_LARGE);
        return (struct bytes){0};
    }
    return take(reader, (size_t)length);
}

struct bytes read_bin(struct reader *reader, size_t length_max)
{
    return read_body(reader, READER_BIN, length_max);
}

struct bytes read_string(struct reader *reader, size_t length_max)
{
    struct bytes text = read_body(reader, READER_STRING, length_max);
    if (!utf8_valid(text)) {
        reader_fail(reader, PROTOCOL_MALFORMED);
        return (struct bytes){0};
    }
    return text;
}

static size_t read_count(struct reader *reader, enum reader_type type, size_t length_max,
                         size_t bytes_each)
{
    uint64_t length = expect(reader, type);
    if (length > reader->left.length / bytes_each) {
        reader_fail(reader, PROTOCOL_TRUNCATED);
    } else if (length > length_max) {
        reader_fail(reader, PROTOCOL_TOO_LARGE);
    }
    return reader_ok(reader) ? (size_t)length : 0;
}

size_t read_array(struct reader *reader, size_t length_max)
{
    return read_count(reader, READER_ARRAY, length_max, 1);
}

size_t read_map(struct reader *reader, size_t length_max)
{
    return read_count(reader, READER_MAP, length_max, 2);
}

size_t read_tuple(struct reader *reader, size_t expected)
{
    size_t length = read_array(reader, LIMIT_OBJECTS);
    if (length < expected) {
        reader_fail(reader, PROTOCOL_MALFORMED);
        return 0;
    }
    return length - expected;
}

/* Walks without recursion: a stack of how many values each open container still has. */
void reader_skip(struct reader *reader, size_t count)
{
    size_t left[LIMIT_DEPTH + 1] = {count};
    size_t depth = 0;
    size_t objects = 0;
    while (reader_ok(reader)) {
        while (left[depth] == 0) {
            if (depth == 0) {
                return;
            }
            depth--;
        }
        left[depth]--;
        struct head head = take_head(reader);
        if (++objects > LIMIT_OBJECTS) {
            reader_fail(reader, PROTOCOL_TOO_LARGE);
        } else if (head.type == READER_STRING || head.type == READER_BIN) {
            (void)take(reader, (size_t)head.value);
        } else if (head.type == READER_ARRAY || head.type == READER_MAP) {
            if (head.value > reader->left.length) {
                reader_fail(reader, PROTOCOL_TRUNCATED);
            } else if (depth == LIMIT_DEPTH) {
                reader_fail(reader, PROTOCOL_TOO_LARGE);
            } else {
                left[++depth] = (size_t)head.value * (head.type == READER_MAP ? 2 : 1);
            }
        }
    }
}

struct bytes read_raw(struct reader *reader)
{
    const uint8_t *start = reader->left.data;
    reader_skip(reader, 1);
    if (!reader_ok(reader)) {
        return (struct bytes){0};
    }
    return (struct bytes){start, (size_t)(reader->left.data - start)};
}

void reader_fail(struct reader *reader, enum protocol_status status)
{
    if (reader->status == PROTOCOL_OK) {
        reader->status = status;
    }
}

bool reader_ok(const struct reader *reader) { return reader->status == PROTOCOL_OK; }

/* The least code point that needs as many bytes, and how many continue; 0: not a first byte. */
static size_t utf8_continuation(uint8_t first, uint32_t *least, uint32_t *bits)
{
    if (first >= 0xc2 && first <= 0xdf) {
        *least = 0x80;
        *bits = first & 0x1f;
        return 1;
    }
    if (first >= 0xe0 && first <= 0xef) {
        *least = 0x800;
        *bits = first & 0x0f;
        return 2;
    }
    if (first >= 0xf0 && first <= 0xf4) {
        *least = 0x10000;
        *bits = first & 0x07;
        return 3;
    }
    return 0;
}

bool utf8_valid(struct bytes text)
{
    for (size_t i = 0; i < text.length; i++) {
        if (text.data[i] < 0x80) {
            continue;
        }
        uint32_t least = 0;
        uint32_t point = 0;
        size_t more = utf8_continuation(text.data[i], &least, &point);
        if (more == 0 || more > text.length - i - 1) {
            return false;
        }
        for (size_t k = 0; k < more; k++) {
            uint8_t next = text.data[++i];
            if ((next & 0xc0) != 0x80) {
                return false;
            }
            point = point << 6 | (next & 0x3f);
        }
        if (point < least || point > 0x10ffff || (point >= 0xd800 && point <= 0xdfff)) {
            return false;
        }
    }
    return true;
}

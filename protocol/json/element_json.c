#include "protocol/json/element_json.h"

#include <stdlib.h>
#include <string.h>

#include "protocol/element.h"

static bool write_nested(struct writer *writer, const json_t *value, size_t depth);

static int by_bytes(const void *a, const void *b)
{
    return bytes_compare(buffer_bytes(a), buffer_bytes(b));
}

/* Keys ascend by their canonical bytes; each is encoded with its value behind it. */
static bool write_object(struct writer *writer, const json_t *object, size_t depth)
{
    size_t length = json_object_size(object);
    struct buffer *pairs = calloc(length + 1, sizeof *pairs);
    bool good = pairs != NULL;
    size_t made = 0;
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)object, key, value)
    {
        if (!good) {
            break;
        }
        buffer_init(&pairs[made], LIMIT_VALUE_BYTES);
        struct writer pair = writer_to(&pairs[made++]);
        write_text(&pair, key);
        good = write_nested(&pair, value, depth + 1) && pair.status == PROTOCOL_OK;
    }
    if (good) {
        qsort(pairs, made, sizeof *pairs, by_bytes);
        write_map(writer, length);
    }
    for (size_t i = 0; i < made; i++) {
        if (good) {
            write_raw(writer, buffer_bytes(&pairs[i]));
        }
        buffer_finish(&pairs[i]);
    }
    free(pairs);
    return good;
}

/* --- bytes --- */

static int digit_of(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    if (c >= 'a' && c <= 'f') {
        return c - 'a' + 10;
    }
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* Both decode in place and answer the length; SIZE_MAX: no such text. */
static size_t decode_hex(const char *text, size_t length, uint8_t *bytes)
{
    for (size_t i = 0; i + 1 < length; i += 2) {
        int high = digit_of(text[i]);
        int low = digit_of(text[i + 1]);
        if (high < 0 || low < 0) {
            return SIZE_MAX;
        }
        bytes[i / 2] = (uint8_t)(high << 4 | low);
    }
    return length % 2 == 0 ? length / 2 : SIZE_MAX;
}

static int sextet_of(char c)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const char *at = c == '\0' ? NULL : strchr(digits, c);
    return at == NULL ? -1 : (int)(at - digits);
}

/* RFC 4648, section 4, with its padding; bits left over are 0. */
static size_t decode_base64(const char *text, size_t length, uint8_t *bytes)
{
    if (length % 4 != 0) {
        return SIZE_MAX;
    }
    size_t digits = length;
    while (digits > 0 && length - digits < 2 && text[digits - 1] == '=') {
        digits--;
    }
    uint32_t bits = 0;
    size_t count = 0;
    size_t made = 0;
    for (size_t i = 0; i < digits; i++) {
        int sextet = sextet_of(text[i]);
        if (sextet < 0) {
            return SIZE_MAX;
        }
        bits = (bits << 6 | (uint32_t)sextet) & 0xffffff;
        count += 6;
        if (count >= 8) {
            count -= 8;
            bytes[made++] = (uint8_t)(bits >> count);
        }
    }
    return (bits & ((1U << count) - 1)) == 0 ? made : SIZE_MAX;
}

static bool write_bytes(struct writer *writer, const json_t *text,
                        size_t (*decode)(const char *, size_t, uint8_t *))
{
    size_t length = json_string_length(text);
    uint8_t *bytes = malloc(length + 1);
    size_t decoded = bytes == NULL ? SIZE_MAX : decode(json_string_value(text), length, bytes);
    if (decoded != SIZE_MAX) {
        write_bin(writer, (struct bytes){bytes, decoded});
    }
    free(bytes);
    return decoded != SIZE_MAX;
}

/* --- values --- */

static bool write_map_or_bytes(struct writer *writer, const json_t *object, size_t depth)
{
    const json_t *hex = json_object_get(object, "$bytes");
    const json_t *base64 = json_object_get(object, "$base64");
    if (json_object_size(object) == 1 && json_is_string(hex)) {
        return write_bytes(writer, hex, decode_hex);
    }
    if (json_object_size(object) == 1 && json_is_string(base64)) {
        return write_bytes(writer, base64, decode_base64);
    }
    return write_object(writer, object, depth);
}

static bool write_list(struct writer *writer, const json_t *array, size_t depth)
{
    bool good = true;
    write_array(writer, json_array_size(array));
    for (size_t i = 0; good && i < json_array_size(array); i++) {
        good = write_nested(writer, json_array_get(array, i), depth + 1);
    }
    return good;
}

static bool write_nested(struct writer *writer, const json_t *value, size_t depth)
{
    if (depth > LIMIT_ELEMENT_DEPTH) {
        return false;
    }
    switch (json_typeof(value)) {
    case JSON_NULL:
        write_nil(writer);
        return true;
    case JSON_TRUE:
    case JSON_FALSE:
        write_bool(writer, json_is_true(value));
        return true;
    case JSON_INTEGER: /* beyond 2^53 - 1 a float, which JSON's writers may print as digits alone */
        write_element_number(writer, (double)json_integer_value(value));
        return true;
    case JSON_REAL:
        write_element_number(writer, json_real_value(value));
        return true;
    case JSON_STRING:
        write_string(writer, (struct bytes){(const uint8_t *)json_string_value(value),
                                            json_string_length(value)});
        return true;
    case JSON_ARRAY:
        return write_list(writer, value, depth);
    case JSON_OBJECT:
        return write_map_or_bytes(writer, value, depth);
    }
    return false;
}

bool element_from_json(struct writer *writer, const json_t *value)
{
    return write_nested(writer, value, 0) && writer->status == PROTOCOL_OK;
}

#include "tests/support/json_packet.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "protocol/element.h"
#include "protocol/packet.h"

static bool write_value(struct writer *writer, const json_t *value);

static bool write_hex(struct writer *writer, const char *hex)
{
    uint8_t bytes[4096];
    size_t length = strlen(hex) / 2;
    for (size_t i = 0; i < length && i < sizeof bytes; i++) {
        char pair[3] = {hex[2 * i], hex[2 * i + 1], '\0'};
        bytes[i] = (uint8_t)strtoul(pair, NULL, 16);
    }
    write_bin(writer, (struct bytes){bytes, length});
    return length <= sizeof bytes;
}

static bool write_key(struct writer *writer, const char *key)
{
    char *end;
    long number = strtol(key, &end, 10);
    if (*key != '\0' && *end == '\0') {
        write_int(writer, number);
    } else {
        write_text(writer, key);
    }
    return true;
}

static bool write_object(struct writer *writer, const json_t *object)
{
    const char *key;
    json_t *value;
    bool good = true;
    const json_t *hex = json_object_get(object, "$bytes");
    if (hex != NULL) {
        return write_hex(writer, json_string_value(hex));
    }
    write_map(writer, json_object_size(object));
    json_object_foreach((json_t *)(uintptr_t)object, key, value)
    {
        good = good && write_key(writer, key) && write_value(writer, value);
    }
    return good;
}

static bool write_list(struct writer *writer, const json_t *list)
{
    bool good = true;
    write_array(writer, json_array_size(list));
    for (size_t i = 0; i < json_array_size(list); i++) {
        good = good && write_value(writer, json_array_get(list, i));
    }
    return good;
}

static bool write_value(struct writer *writer, const json_t *value)
{
    switch (json_typeof(value)) {
    case JSON_NULL:
        write_nil(writer);
        return true;
    case JSON_TRUE:
    case JSON_FALSE:
        write_bool(writer, json_is_true(value));
        return true;
    case JSON_INTEGER:
        write_int(writer, json_integer_value(value));
        return true;
    case JSON_REAL:
        write_element_number(writer, json_real_value(value));
        return true;
    case JSON_STRING:
        write_text(writer, json_string_value(value));
        return true;
    case JSON_ARRAY:
        return write_list(writer, value);
    case JSON_OBJECT:
        return write_object(writer, value);
    }
    return false;
}

static bool write_packet(struct writer *writer, const json_t *packet)
{
    const char *name = json_string_value(json_array_get(packet, 0));
    uint64_t kind = 0;
    while (name != NULL && kind < 64 &&
           (packet_kind_text(kind) == NULL || strcmp(packet_kind_text(kind), name) != 0)) {
        kind++;
    }
    if (name == NULL || kind == 64) {
        return false;
    }
    bool good = true;
    write_array(writer, json_array_size(packet));
    write_uint(writer, kind);
    for (size_t i = 1; i < json_array_size(packet); i++) {
        good = good && write_value(writer, json_array_get(packet, i));
    }
    return good;
}

bool json_packet_write(struct writer *writer, const char *text)
{
    bool good = true;
    while (good && *text != '\0') {
        json_error_t error;
        json_t *packet = json_loads(text, JSON_DISABLE_EOF_CHECK, &error);
        good = packet != NULL && write_packet(writer, packet);
        json_decref(packet);
        text += packet == NULL ? 0 : error.position;
    }
    return good && writer->status == PROTOCOL_OK;
}

bool json_value_write(struct writer *writer, const char *text)
{
    json_t *value = json_loads(text, JSON_DECODE_ANY, NULL);
    bool good = value != NULL && write_value(writer, value);
    json_decref(value);
    return good;
}

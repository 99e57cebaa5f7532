/*
 * Goal:   the C codec writes and reads the packets of tests/golden byte by byte, as the TypeScript
 * codec does. Method: each packet's bytes are read into a struct and written again, and its JSON
 * form is compared; changes, contents and states go through their types' codecs as well.
 */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "protocol/json.h"
#include "protocol/packet.h"

static struct bytes from_hex(const char *hex, uint8_t *bytes, size_t capacity)
{
    size_t length = strlen(hex) / 2;
    cr_assert(length <= capacity);
    for (size_t i = 0; i < length; i++) {
        char pair[3] = {hex[2 * i], hex[2 * i + 1], '\0'};
        bytes[i] = (uint8_t)strtoul(pair, NULL, 16);
    }
    return (struct bytes){bytes, length};
}

static json_t *golden(void)
{
    json_t *file = json_load_file(SYNCLINE_SOURCE "/tests/golden/packets.json", 0, NULL);
    cr_assert(file != NULL);
    return file;
}

Test(golden, packets_are_read_and_written_byte_by_byte)
{
    json_t *file = golden();
    json_t *item;
    size_t i;
    uint8_t raw[1 << 16];
    cr_assert(json_array_size(json_object_get(file, "packets")) >= 23);
    json_array_foreach(json_object_get(file, "packets"), i, item)
    {
        const char *name = json_string_value(json_object_get(item, "name"));
        struct bytes bytes =
            from_hex(json_string_value(json_object_get(item, "hex")), raw, sizeof raw);
        struct reader reader = reader_of(bytes);
        struct packet packet;
        struct buffer out;
        cr_assert(packet_read(&reader, &packet), "%s is not read: %s", name,
                  protocol_status_text(reader.status));
        buffer_init(&out, 1 << 20);
        struct writer writer = writer_to(&out);
        packet_write(&writer, &packet);
        cr_assert(bytes_equal(buffer_bytes(&out), bytes), "%s is not written as it was", name);
        buffer_clear(&out);
        packet_write_json(&writer, bytes);
        json_t *shown = json_loadb((const char *)out.data, out.length, 0, NULL);
        cr_assert(json_equal(shown, json_object_get(item, "json")), "%s in JSON: %.*s", name,
                  (int)out.length, (const char *)out.data);
        json_decref(shown);
        buffer_finish(&out);
    }
    json_decref(file);
}

Test(golden, malformed_bytes_are_refused)
{
    json_t *file = golden();
    json_t *item;
    size_t i;
    uint8_t raw[1 << 16];
    json_array_foreach(json_object_get(file, "malformed"), i, item)
    {
        struct reader reader =
            reader_of(from_hex(json_string_value(json_object_get(item, "hex")), raw, sizeof raw));
        struct packet packet;
        while (packet_read(&reader, &packet)) {
        }
        cr_assert(not(reader_ok(&reader)), "%s is taken",
                  json_string_value(json_object_get(item, "name")));
    }
    json_decref(file);
}

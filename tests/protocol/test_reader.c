/*
 * Goal:   every byte from outside is hostile: a reader never reads past its bytes, never allocates,
 * and says what is wrong. Method: hand-made cases, every truncation of a packet of each kind, and
 * random damage.
 */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdlib.h>
#include <string.h>

#include "protocol/element.h"
#include "protocol/json.h"
#include "protocol/limits.h"
#include "protocol/packet.h"
#include "tests/support/json_packet.h"

#define BYTES(text) ((struct bytes){(const uint8_t *)(text), sizeof(text) - 1})

Test(reader, an_announced_length_beyond_the_bytes_is_truncated)
{
    static const struct bytes cases[] = {
        BYTES("\xdd\x10\x00\x00\x00"),
        BYTES("\xdf\xff\xff\xff\xff"),
        BYTES("\xc6\x7f\xff\xff\xff"),
        BYTES("\xdb\xff\xff\xff\xff"),
        BYTES("\x93\x01"),
        BYTES("\xcf\x01"),
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct reader reader = reader_of(cases[i]);
        reader_skip(&reader, 1);
        cr_assert(eq(int, reader.status, PROTOCOL_TRUNCATED), "case %zu", i);
    }
}

Test(reader, nesting_beyond_the_limit_is_refused)
{
    uint8_t deep[LIMIT_DEPTH + 8];
    memset(deep, 0x91, sizeof deep);
    deep[sizeof deep - 1] = 0xc0;
    struct reader reader = reader_of((struct bytes){deep, sizeof deep});
    reader_skip(&reader, 1);
    cr_assert(eq(int, reader.status, PROTOCOL_TOO_LARGE));
    reader = reader_of((struct bytes){deep + 8, sizeof deep - 8});
    reader_skip(&reader, 1);
    cr_assert(eq(int, reader.status, PROTOCOL_OK));
}

Test(reader, a_failure_is_kept_and_everything_after_reads_as_nothing)
{
    struct reader reader = reader_of(BYTES("\xa1x\x07"));
    cr_assert(eq(u64, read_uint(&reader), 0));
    cr_assert(eq(int, reader.status, PROTOCOL_MALFORMED));
    cr_assert(eq(u64, read_uint(&reader), 0));
    cr_assert(eq(sz, read_array(&reader, 10), 0));
    cr_assert(eq(int, reader.status, PROTOCOL_MALFORMED));
}

Test(reader, integers_of_every_width_read_as_written)
{
    static const int64_t values[] = {
        0,         1,  127, 128, 255,  256,  65535,  65536,  4294967295,    4294967296,
        INT64_MAX, -1, -32, -33, -128, -129, -32768, -32769, -2147483648LL, -2147483649LL,
        INT64_MIN};
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        struct buffer buffer;
        buffer_init(&buffer, 64);
        struct writer writer = writer_to(&buffer);
        write_int(&writer, values[i]);
        write_wide(&writer, values[i]);
        struct reader reader = reader_of(buffer_bytes(&buffer));
        cr_assert(eq(i64, read_int(&reader), values[i]));
        cr_assert(eq(i64, read_int(&reader), values[i]));
        cr_assert(eq(sz, reader.left.length, 0));
        buffer_finish(&buffer);
    }
}

Test(reader, strings_are_valid_utf8)
{
    cr_assert(utf8_valid(BYTES("z\xc3\xa9\xe2\x82\xac\xf0\x9f\x9b\xab")));
    static const struct bytes bad[] = {
        BYTES("\xff"),
        BYTES("\xc0\xaf"),
        BYTES("\xe0\x80\xaf"),
        BYTES("\xed\xa0\x80"),
        BYTES("\xf4\x90\x80\x80"),
        BYTES("\xe2\x82"),
        BYTES("\x80"),
        BYTES("\xf8\x88\x80\x80\x80"),
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        cr_assert(not(utf8_valid(bad[i])), "case %zu", i);
    }
}

/* clang-format off */
static const char *const packets[] = {
    "[\"HELLO\",0,1,{\"token\":\"t\",\"client\":\"c\",\"agent\":\"a\"}]",
    "[\"AUTH\",1,\"token\"]",
    "[\"OPEN\",1,\"post/1\",[{\"$bytes\":\"00000000000070008000000000000000\"}],{\"mode\":\"once\"}]",
    "[\"DELTA\",1,null,1,2,[3,[[{\"$bytes\":\"00000000000070008000000000000000\"},4]]],{\"0\":5}]",
    "[\"STATE\",1,null,2,[3,[]],{\"0\":[[null,5]]}]",
    "[\"ACK\",1,null,1,2,3]",
    "[\"REJECT\",1,null,1,\"CODE\",\"text\",{}]",
    "[\"GAP\",1,null,3]",
    "[\"SNAPSHOT\",1,7,{\"0\":5}]",
    "[\"SNAPSHOT\",1,7,null,-3,100000]",
    "[\"UPDATE\",1,7,8,{}]",
    "[\"UPDATE\",1,7,8,null,-3,100000]",
    "[\"CALL\",1,\"schema\",null]",
    "[\"RESULT\",1,{\"a\":[1,2]}]",
    "[\"EVENT\",-1,\"goaway\",{\"min_ms\":1,\"max_ms\":2}]",
    "[\"CHUNK\",-1,{\"$bytes\":\"0102\"}]",
    "[\"END\",-1,0]",
    "[\"CREDIT\",-1,65536]",
    "[\"CLOSE\",1,\"\",\"\"]",
    "[\"ERROR\",1,\"CODE\",\"text\",{\"retry_ms\":1}]",
    "[\"PING\",0,1]",
    "[\"PONG\",0,1]",
};
/* clang-format on */

static struct bytes encode(const char *json, struct buffer *buffer)
{
    buffer_clear(buffer);
    struct writer writer = writer_to(buffer);
    cr_assert(json_packet_write(&writer, json), "%s", json);
    return buffer_bytes(buffer);
}

Test(packet, every_truncation_of_every_packet_is_refused)
{
    struct buffer buffer;
    buffer_init(&buffer, 4096);
    for (size_t i = 0; i < sizeof packets / sizeof(*packets); i++) {
        struct bytes whole = encode(packets[i], &buffer);
        struct packet packet;
        struct reader reader = reader_of(whole);
        cr_assert(packet_read(&reader, &packet), "%s", packets[i]);
        for (size_t length = 1; length < whole.length; length++) {
            /* A copy of its own, so that a sanitizer sees a read past the end. */
            uint8_t *cut = malloc(length);
            memcpy(cut, whole.data, length);
            reader = reader_of((struct bytes){cut, length});
            cr_assert(not(packet_read(&reader, &packet)), "%s cut to %zu", packets[i], length);
            cr_assert(not(reader_ok(&reader)));
            free(cut);
        }
    }
    buffer_finish(&buffer);
}

Test(packet, random_damage_never_reads_past_the_end)
{
    struct buffer buffer;
    uint64_t state = 88172645463325252ULL;
    buffer_init(&buffer, 4096);
    for (size_t round = 0; round < 20000; round++) {
        struct bytes whole = encode(packets[round % (sizeof packets / sizeof(*packets))], &buffer);
        uint8_t *copy = malloc(whole.length);
        memcpy(copy, whole.data, whole.length);
        for (size_t hits = 0; hits < 3; hits++) {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            copy[state % whole.length] = (uint8_t)(state >> 32);
        }
        struct reader reader = reader_of((struct bytes){copy, whole.length});
        struct packet packet;
        while (packet_read(&reader, &packet)) {
        }
        free(copy);
    }
    buffer_finish(&buffer);
}

static void check_element(const char *json, enum element_of of, bool good)
{
    struct buffer buffer;
    buffer_init(&buffer, 1 << 16);
    struct writer writer = writer_to(&buffer);
    cr_assert(json_packet_write(&writer, json));
    struct reader reader = reader_of(buffer_bytes(&buffer));
    (void)read_array(&reader, 9);
    (void)read_uint(&reader);
    (void)read_element(&reader, of);
    cr_assert(reader_ok(&reader) == good, "%s of %s", json, element_of_text(of));
    buffer_finish(&buffer);
}

Test(element, only_elements_of_the_declared_type_are_taken)
{
    check_element("[\"PING\",\"text\"]", ELEMENT_STRING, true);
    check_element("[\"PING\",7]", ELEMENT_STRING, false);
    check_element("[\"PING\",7]", ELEMENT_INT, true);
    check_element("[\"PING\",1.5]", ELEMENT_INT, false);
    check_element("[\"PING\",1.5]", ELEMENT_FLOAT, true);
    check_element("[\"PING\",7]", ELEMENT_FLOAT, true);
    check_element("[\"PING\",true]", ELEMENT_BOOL, true);
    check_element("[\"PING\",{\"$bytes\":\"00\"}]", ELEMENT_BYTES, true);
    check_element("[\"PING\",{\"a\":[1,null,\"x\"]}]", ELEMENT_ANY, true);
    check_element("[\"PING\",[[[[[[[[[[1]]]]]]]]]]]", ELEMENT_ANY, false);
}

Test(element, other_forms_of_the_same_value_are_refused)
{
    static const struct bytes bad[] = {
        BYTES("\xcc\x07"),                             /* 7 in two bytes */
        BYTES("\xd0\x07"),                             /* 7, signed */
        BYTES("\xd3\x00\x00\x00\x00\x00\x00\x01\x00"), /* 256, signed and wide */
        BYTES("\xcb\x3f\xf0\x00\x00\x00\x00\x00\x00"), /* 1.0 */
        BYTES("\xcb\x80\x00\x00\x00\x00\x00\x00\x00"), /* -0.0 */
        BYTES("\xcb\x7f\xf8\x00\x00\x00\x00\x00\x00"), /* NaN */
        BYTES("\xca\x3f\xc0\x00\x00"),                 /* 1.5 in single precision */
        BYTES("\xcf\x00\x20\x00\x00\x00\x00\x00\x00"), /* 2^53 */
        BYTES("\xd9\x01x"),                            /* a short string behind a long header */
        BYTES("\xc5\x00\x01x"),                        /* short bytes likewise */
        BYTES("\xdc\x00\x01\x01"),                     /* a short array likewise */
        BYTES("\x82\xa1"
              "b\x01\xa1"
              "a\x01"), /* keys out of order */
        BYTES("\x82\xa1"
              "a\x01\xa1"
              "a\x01"),     /* a key twice */
        BYTES("\xd4\x01x"), /* an extension */
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct reader reader = reader_of(bad[i]);
        (void)read_element(&reader, ELEMENT_ANY);
        cr_assert(not(reader_ok(&reader)), "case %zu", i);
    }
}

Test(json, values_are_escaped_and_exact)
{
    struct buffer text;
    buffer_init(&text, 4096);
    struct writer writer = writer_to(&text);
    struct reader reader = reader_of(BYTES(
        "\x96\xa4\"\\\n\x01\xcb\x3f\xb9\x99\x99\x99\x99\x99\x9a\xc0\xc3\xc4\x01\xff\xd1\xff\x00"));
    json_value(&writer, &reader);
    write_raw(&writer, BYTES("\0"));
    cr_assert(eq(str, (char *)text.data,
                 "[\"\\\"\\\\\\n\\u0001\",0.1,null,true,{\"$bytes\":\"ff\"},-256]"));
    buffer_finish(&text);
}

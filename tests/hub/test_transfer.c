/*
 * Goal:   a state too long for one packet arrives whole, under a window that its receiver grants,
 * and keeps neither other streams nor other connections waiting. Method: a document of 400 tags of
 * 1,000 bytes each; what the hub sends is read packet by packet. The oracle is the tags: each
 * stands once in the bytes that the chunks bring.
 */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdio.h>
#include <string.h>

#include "protocol/limits.h"
#include "protocol/packet.h"
#include "tests/support/world.h"

enum { TAGS = 400, TAG_BYTES = 1000, MESSAGE_TAGS = 20, WRITER = 1, READER = 2 };

static struct world world;
static struct buffer body;  /* what the chunks have brought */
static struct buffer order; /* the kinds of packets as they came, a letter each */
static struct packet_content announced;

static char letter_of(enum packet_kind kind)
{
    switch (kind) {
    case PACKET_OPENED:
        return 'o';
    case PACKET_SNAPSHOT:
        return 's';
    case PACKET_CHUNK:
        return 'c';
    case PACKET_END:
        return 'e';
    case PACKET_UPDATE:
        return 'u';
    case PACKET_CLOSE:
        return 'x';
    default:
        return '?';
    }
}

static void take(const struct packet *packet)
{
    uint8_t letter = (uint8_t)letter_of(packet->kind);
    cr_assert(buffer_append(&order, &letter, 1) == PROTOCOL_OK);
    if (packet->kind == PACKET_CHUNK) {
        struct bytes piece = packet->chunk.bytes;
        cr_expect(eq(i64, packet->id, announced.transfer));
        cr_expect(le(sz, piece.length, (size_t)LIMIT_CHUNK_BYTES));
        cr_assert(buffer_append(&body, piece.data, piece.length) == PROTOCOL_OK);
    }
    if (packet->kind == PACKET_SNAPSHOT) {
        announced = packet->content;
    }
}

/* Takes what the reader was sent since the last call. */
static void receive(void)
{
    struct buffer *sent = &world.connections[READER].bytes;
    struct reader reader = reader_of(buffer_bytes(sent));
    struct packet packet;
    buffer_clear(&order);
    while (packet_read(&reader, &packet)) {
        take(&packet);
    }
    cr_assert(reader_ok(&reader) && reader.left.length == 0);
    buffer_clear(sent);
}

static void expect_order(const char *letters)
{
    struct bytes seen = buffer_bytes(&order);
    cr_expect(seen.length == strlen(letters) && memcmp(seen.data, letters, seen.length) == 0,
              "%.*s, not %s", (int)seen.length, (const char *)seen.data, letters);
}

static void credit(uint64_t bytes)
{
    char text[64];
    (void)snprintf(text, sizeof text, "[\"CREDIT\",%lld,%llu]", (long long)announced.transfer,
                   (unsigned long long)bytes);
    world_send(&world, READER, text);
    receive();
}

static void write_tags(void)
{
    static char text[MESSAGE_TAGS * (TAG_BYTES + 8) + 256];
    for (unsigned seq = 1; seq <= TAGS / MESSAGE_TAGS; seq++) {
        int length =
            snprintf(text, sizeof text, "[\"DELTA\",1,null,%u,%u,[0,[]],{\"2\":[false,[", seq, seq);
        for (unsigned i = 0; i < MESSAGE_TAGS; i++) {
            length += snprintf(&text[length], sizeof text - (size_t)length, "%s\"%0*u\"",
                               i == 0 ? "" : ",", TAG_BYTES, (seq - 1) * MESSAGE_TAGS + i);
        }
        (void)snprintf(&text[length], sizeof text - (size_t)length, "],[]]}]");
        world_send(&world, WRITER, text);
    }
}

static void open_post(uint64_t connection, const char *name, int id, const char *options)
{
    char text[256];
    (void)snprintf(text, sizeof text, "[\"OPEN\",%d,\"%s\",[%s],%s]", id, name,
                   world_replica((unsigned)(10 * connection) + (unsigned)id), options);
    world_send(&world, connection, text);
}

static void start(void)
{
    world_init(&world);
    world_start(&world);
    buffer_init(&body, SIZE_MAX / 2);
    buffer_init(&order, SIZE_MAX / 2);
    world_connect(&world, WRITER);
    open_post(WRITER, "post/1", 1, "{}");
    write_tags();
    world_connect(&world, READER);
    buffer_clear(&world.connections[READER].bytes);
}

static void finish(void)
{
    buffer_finish(&body);
    buffer_finish(&order);
    world_finish(&world);
}

TestSuite(transfer, .init = start, .fini = finish);

static void expect_all_tags(void)
{
    cr_expect(eq(sz, body.length, (size_t)announced.bytes));
    for (unsigned i = 0; i < TAGS; i++) {
        char tag[TAG_BYTES + 1];
        (void)snprintf(tag, sizeof tag, "%0*u", TAG_BYTES, i);
        cr_assert(memmem(body.data, body.length, tag, TAG_BYTES) != NULL, "tag %u", i);
    }
}

Test(transfer, no_more_is_sent_than_the_receiver_grants)
{
    open_post(READER, "post/1", 1, "{}");
    receive();
    expect_order("oscccccccccccccccc");
    cr_expect(announced.fields.data == NULL);
    cr_expect(eq(sz, body.length, (size_t)LIMIT_TRANSFER_WINDOW));
    credit(LIMIT_CHUNK_BYTES - 1);
    expect_order("");
    credit(1);
    expect_order("c");
    credit(LIMIT_TRANSFER_WINDOW);
    expect_order("cccccccce");
    expect_all_tags();
}

Test(transfer, a_grant_without_bounds_is_a_large_one)
{
    open_post(READER, "post/1", 1, "{}");
    receive();
    credit(INT64_MAX);
    credit(INT64_MAX); /* the transfer has ended: nothing */
    expect_order("");
    expect_all_tags();
}

Test(transfer, an_update_waits_for_its_streams_transfer_and_for_no_other)
{
    open_post(READER, "post/2", 1, "{}");
    open_post(READER, "post/1", 2, "{}");
    open_post(WRITER, "post/2", 2, "{}");
    receive();
    world_send(&world, WRITER, "[\"DELTA\",1,null,21,21,[0,[]],{\"0\":1}]");
    receive();
    expect_order("");
    world_send(&world, WRITER, "[\"DELTA\",2,null,1,1,[0,[]],{\"0\":1}]");
    receive();
    expect_order("u"); /* of post/2 */
    credit(LIMIT_TRANSFER_WINDOW);
    expect_order("ccccccccceu");
    expect_all_tags();
}

Test(transfer, who_goes_in_the_middle_leaves_nothing_behind)
{
    open_post(READER, "post/1", 1, "{}");
    receive();
    world_send(&world, READER, "[\"CLOSE\",1,\"\",\"\"]");
    receive();
    credit(LIMIT_TRANSFER_WINDOW);
    expect_order("");
    open_post(READER, "post/1", 2, "{}");
    receive();
    expect_order("oscccccccccccccccc");
    world_disconnect(&world, READER);
}

Test(transfer, a_stream_opened_once_closes_behind_its_state)
{
    open_post(READER, "post/2", 1, "{\"mode\":\"once\"}");
    receive();
    expect_order("osx");
    open_post(READER, "post/1", 2, "{\"mode\":\"once\"}");
    receive();
    credit(LIMIT_TRANSFER_WINDOW);
    expect_order("cccccccccex");
    expect_all_tags();
}

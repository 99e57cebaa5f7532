/*
 * Goal:   what a new client downloads does not grow with the sessions there ever were (P5).
 * Method: after 10, 10,000 and 1,000,000 sessions that incremented a counter once each, a new
 * client opens the document: the SNAPSHOT of the counter document has the same number of bytes each
 * time, and it is the one asserted.
 */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdio.h>
#include <string.h>

#include "protocol/codec.h"
#include "protocol/packet.h"
#include "tests/support/world.h"

enum { SESSIONS_EACH = 250, SNAPSHOT_BYTES = 1 + 1 + 1 + 9 + 1 + 1 + 9 };

static struct world world;
static uint64_t last_connection;

static struct replica_id session(uint64_t number)
{
    uint8_t random[REPLICA_BYTES] = {0};
    for (size_t i = 0; i < 4; i++) {
        random[15 - i] = (uint8_t)(number >> (8 * i));
    }
    return replica_id_make(world.now_ms, random);
}

static void write_open(struct writer *writer, const char *name, uint64_t first, size_t count)
{
    write_array(writer, 5);
    write_uint(writer, PACKET_OPEN);
    write_int(writer, 1);
    write_text(writer, name);
    write_array(writer, count);
    for (size_t i = 0; i < count; i++) {
        struct replica_id replica = session(first + i);
        write_bin(writer, replica_id_bytes(&replica));
    }
    write_map(writer, 0);
}

static void write_increment(struct writer *writer, uint64_t number)
{
    struct packet_replica name = {.id = session(number)};
    write_array(writer, 7);
    write_uint(writer, PACKET_DELTA);
    write_int(writer, 1);
    packet_write_name(writer, &name);
    write_uint(writer, 1);
    write_uint(writer, 1);
    packet_write_context(writer, world.last_position, NULL, 0, NULL);
    write_map(writer, 1);
    write_uint(writer, 0);
    write_uint(writer, 1);
}

static void send(struct buffer *message)
{
    world_send_bytes(&world, last_connection, buffer_bytes(message));
    buffer_clear(message);
}

static void add_sessions(uint64_t from, uint64_t to)
{
    struct buffer message;
    struct writer writer = writer_to(&message);
    buffer_init(&message, 1 << 20);
    for (uint64_t first = from; first < to; first += SESSIONS_EACH) {
        size_t count = to - first < SESSIONS_EACH ? (size_t)(to - first) : SESSIONS_EACH;
        world_connect(&world, ++last_connection);
        write_open(&writer, "counter/1", first, count);
        send(&message);
        for (size_t i = 0; i < count; i++) {
            write_increment(&writer, first + i);
        }
        send(&message);
        world_disconnect(&world, last_connection);
        world_tick(&world, 600);
        buffer_clear(&world.connections[last_connection % WORLD_CONNECTIONS].bytes);
    }
    buffer_finish(&message);
}

/* The bytes of the SNAPSHOT that a client that was never here before is sent. */
static size_t snapshot_bytes(uint64_t sessions)
{
    struct buffer message;
    struct writer writer = writer_to(&message);
    buffer_init(&message, 1 << 20);
    world_connect(&world, ++last_connection);
    struct buffer *sent = &world.connections[last_connection % WORLD_CONNECTIONS].bytes;
    buffer_clear(sent);
    write_open(&writer, "counter/1", 3000000000U + sessions, 1);
    send(&message);
    buffer_finish(&message);
    struct reader reader = reader_of(buffer_bytes(sent));
    struct packet packet;
    const uint8_t *start = reader.left.data;
    while (packet_read(&reader, &packet) && packet.kind != PACKET_SNAPSHOT) {
        start = reader.left.data;
    }
    size_t length = (size_t)(reader.left.data - start);
    struct reader fields = reader_of(packet.content.fields);
    cr_assert(eq(sz, read_map(&fields, 8), 1));
    cr_assert(eq(u64, read_uint(&fields), 0));
    cr_assert(eq(u64, read_uint(&fields), sessions));
    world_disconnect(&world, last_connection);
    return length;
}

/* ThreadSanitizer makes it ten times as long, and finds no thread here. */
#ifdef __SANITIZE_THREAD__
enum { MANY = 100000 };
#else
enum { MANY = 1000000 };
#endif

Test(snapshot, has_the_same_size_after_10_and_1_000_000_sessions)
{
    struct schema *schema;
    world_init(&world);
    schema = schema_set_add(&world.schemas, (struct bytes){(const uint8_t *)"counter", 7});
    struct schema_field *field = schema_add_field(schema, (struct bytes){(const uint8_t *)"n", 1});
    declaration_init(&field->declared, &codec_gcounter, false);
    world_start(&world);
    add_sessions(0, 10);
    cr_assert(eq(sz, snapshot_bytes(10), SNAPSHOT_BYTES));
    add_sessions(10, 10000);
    cr_assert(eq(sz, snapshot_bytes(10000), SNAPSHOT_BYTES));
    add_sessions(10000, MANY);
    cr_assert(eq(sz, snapshot_bytes(MANY), SNAPSHOT_BYTES));
    struct hub_stats stats;
    hub_stats(world.hub, &stats);
    cr_assert(lt(sz, stats.memory_bytes, 1 << 20), "the ledger of the past stays on disk: %zu",
              stats.memory_bytes);
    world_finish(&world);
}

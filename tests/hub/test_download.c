/*
 * Goal:   a copy of the data file goes to the operator who asked, never more of it than was
 * granted, one at a time, and is given back whatever becomes of the client or of the storage.
 * Method: the hub in a world that keeps its requests to the storage; the test answers them with
 *         bytes of its own, and counts what is sent.
 */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdio.h>
#include <string.h>

#include "protocol/packet.h"
#include "protocol/rows.h"
#include "tests/hub/calls.h"

enum { FILE_BYTES = 1000000, PIECE_BYTES = 64 << 10 };

static void init(void)
{
    calls_start();
    world.holds_loads = true;
    world_connect(&world, 1);
    world_connect(&world, 2);
}

TestSuite(download, .init = init, .fini = clients_finish);

/* The request that waits, the only one; its kind, and what it asks for. */
static struct row_request waiting(uint64_t *number)
{
    struct row_request request;
    cr_assert(eq(sz, world.load_count, 1));
    struct reader reader = reader_of(buffer_bytes(&world.loads[0].bytes));
    cr_assert(row_request_read(&reader, &request));
    *number = world.loads[0].request;
    world.load_count = 0;
    buffer_finish(&world.loads[0].bytes);
    return request;
}

static void answer_with(uint64_t number, const struct row *row)
{
    struct buffer bytes;
    buffer_init(&bytes, SIZE_MAX / 2);
    struct writer writer = writer_to(&bytes);
    row_write(&writer, row);
    world_event(
        &world,
        (struct hub_event){.kind = EVENT_LOADED, .request = number, .bytes = buffer_bytes(&bytes)});
    buffer_finish(&bytes);
}

static void begin(void)
{
    uint64_t number;
    (void)call(1, "backup", "{}");
    cr_assert(eq(int, waiting(&number).kind, ROWS_COPY_BEGIN));
    answer_with(number, &(struct row){.kind = ROW_COPY, .position = 7, .index = FILE_BYTES});
}

/* Answers one request for a piece, as long as there is one; how many bytes it was. */
static size_t give_piece(void)
{
    static uint8_t piece[PIECE_BYTES];
    uint64_t number;
    if (world.load_count == 0) {
        return 0;
    }
    struct row_request request = waiting(&number);
    if (request.kind != ROWS_COPY_PIECE) {
        cr_assert(eq(int, request.kind, ROWS_COPY_END));
        return 0;
    }
    cr_assert(le(u64, request.limit, PIECE_BYTES));
    answer_with(number, &(struct row){.kind = ROW_COPY,
                                      .position = 7,
                                      .index = FILE_BYTES,
                                      .detail = {piece, (size_t)request.limit}});
    return (size_t)request.limit;
}

static size_t give_all(void)
{
    size_t given = 0;
    size_t piece;
    while ((piece = give_piece()) > 0) {
        given += piece;
    }
    return given;
}

static void expect_end(void)
{
    uint64_t number;
    cr_expect(eq(int, waiting(&number).kind, ROWS_COPY_END));
}

Test(download, sends_what_was_granted_and_no_more)
{
    begin();
    cr_expect(
        tells(world_read(&world, 1), "{\"transfer\":-1,\"bytes\":%d,\"position\":7", FILE_BYTES));
    cr_expect(eq(sz, give_all(), 256 << 10));
    world_send(&world, 1, "[\"CREDIT\",-1,100]");
    cr_expect(eq(sz, give_all(), 100));
    world_send(&world, 1, "[\"CREDIT\",-2,100000]");
    world_send(&world, 2, "[\"CREDIT\",-1,100000]");
    cr_expect(eq(sz, give_all(), 0), "another's");
    cr_expect(strstr(world_read(&world, 1), "END") == NULL);
    world_send(&world, 1, "[\"CREDIT\",-1,9007199254740991]");
    cr_expect(eq(sz, give_all(), FILE_BYTES - (256 << 10) - 100));
    cr_expect(tells(world_read(&world, 1), "[\"END\",-1,0]"));
}

Test(download, is_one_at_a_time)
{
    begin();
    cr_expect(tells(call(2, "backup", "{}"), "\"BUSY\""));
    world_disconnect(&world, 1);
    uint64_t number;
    cr_expect(eq(int, waiting(&number).kind, ROWS_COPY_PIECE), "it was under way");
    world_event(&world, (struct hub_event){.kind = EVENT_LOAD_FAILED, .request = number});
    expect_end();
    (void)call(2, "backup", "{}");
    cr_expect(eq(int, waiting(&number).kind, ROWS_COPY_BEGIN));
}

Test(download, is_given_back_when_its_client_goes_before_it_is_made)
{
    uint64_t number;
    (void)call(1, "backup", "{}");
    cr_assert(eq(int, waiting(&number).kind, ROWS_COPY_BEGIN));
    world_disconnect(&world, 1);
    answer_with(number, &(struct row){.kind = ROW_COPY, .position = 7, .index = FILE_BYTES});
    expect_end();
}

Test(download, tells_that_it_failed)
{
    uint64_t number;
    begin();
    (void)waiting(&number);
    world_event(&world, (struct hub_event){.kind = EVENT_LOAD_FAILED, .request = number});
    cr_expect(tells(world_read(&world, 1), "[\"END\",-1,1]"));
    expect_end();
    (void)call(1, "backup", "{}");
    (void)waiting(&number);
    world_event(&world, (struct hub_event){.kind = EVENT_LOAD_FAILED, .request = number});
    cr_expect(tells(world_read(&world, 1), "\"UNAVAILABLE\""));
    expect_end();
}

Test(download, of_a_piece_that_was_not_asked_for_ends)
{
    static uint8_t piece[PIECE_BYTES];
    uint64_t number;
    begin();
    for (int i = 0; i < 3; i++) {
        (void)give_piece();
    }
    struct row_request request = waiting(&number);
    answer_with(number, &(struct row){.kind = ROW_COPY,
                                      .index = FILE_BYTES,
                                      .detail = {piece, (size_t)request.limit + 1 > sizeof piece
                                                            ? 0
                                                            : (size_t)request.limit + 1}});
    cr_expect(tells(world_read(&world, 1), "[\"END\",-1,1]"));
    expect_end();
}

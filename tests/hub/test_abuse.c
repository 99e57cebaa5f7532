/*
 * Goal:   what clients can make the hub keep has a bound for all of them together, and what they
 *         can make it do has one for each.
 * Method: many connections that ask and do not read, open all that they may, or send what is
 *         nothing; one beside them that behaves.
 */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdio.h>
#include <string.h>

#include "tests/support/world.h"

enum { ABUSERS = 60, GOOD = 62, PINGS = 20000, KIB = 1024 };

static struct world world;

static void start(void)
{
    world_init(&world);
    world.config.ping_ms = UINT64_MAX / 4;
}

static void finish(void) { world_finish(&world); }

TestSuite(abuse, .init = start, .fini = finish);

static struct hub_stats stats_now(void)
{
    struct hub_stats stats;
    hub_stats(world.hub, &stats);
    return stats;
}

static void send_pings(uint64_t connection, size_t count)
{
    static uint8_t pings[4 * PINGS];
    for (size_t i = 0; i < count; i++) {
        memcpy(&pings[4 * i], (const uint8_t[]){0x93, 22, 0, 7}, 4);
    }
    world_send_bytes(&world, connection, (struct bytes){pings, 4 * count});
}

Test(abuse, answers_that_nobody_reads_are_bounded_for_all_together)
{
    world.config.buffer_bytes = (size_t)1024 * KIB;
    world.config.connection_rates.updates.amount = 0;
    world_start(&world);
    world_connect(&world, GOOD);
    size_t closed = 0;
    for (uint64_t id = 1; id <= ABUSERS; id++) {
        world_connect(&world, id);
        world.connections[id].blocked = true;
        world_event(&world, (struct hub_event){.kind = EVENT_BLOCKED, .connection = id});
        send_pings(id, PINGS);
        closed += world.connections[id].closed == 1008;
        cr_assert(le(sz, stats_now().answer_bytes, (size_t)(1024 + 32 * ABUSERS) * KIB));
    }
    cr_expect(gt(sz, closed, ABUSERS / 2));
    cr_expect(lt(sz, closed, ABUSERS));
    (void)world_read(&world, GOOD);
    send_pings(GOOD, 1);
    cr_expect(eq(str, (char *)(uintptr_t)world_read(&world, GOOD), "[\"PONG\",0,7]\n"));
    for (uint64_t id = 1; id <= ABUSERS; id++) {
        world_disconnect(&world, id);
    }
    cr_expect(eq(sz, stats_now().answer_bytes, 0));
}

Test(abuse, every_packet_counts_against_the_rate)
{
    world.config.connection_rates.updates.amount = 100;
    world_start(&world);
    world_connect(&world, 1);
    send_pings(1, 90);
    cr_expect(not(world.connections[1].paused));
    send_pings(1, 20);
    cr_expect(world.connections[1].paused);
    world_tick(&world, 1000);
    world_tick(&world, 1000);
    cr_expect(not(world.connections[1].paused));
}

/* An answer many times as long as what was asked, and no use to anybody. */
Test(abuse, an_error_counts_as_twenty_packets)
{
    world.config.connection_rates.updates.amount = 1000;
    world_start(&world);
    world_connect(&world, 1);
    for (int i = 0; i < 40; i++) {
        world_send(&world, 1, "[\"CLOSE\",9,\"\",\"\"]");
    }
    cr_expect(not(world.connections[1].paused));
    for (int i = 0; i < 10; i++) {
        world_send(&world, 1, "[\"CLOSE\",9,\"\",\"\"]");
    }
    cr_expect(world.connections[1].paused);
    cr_expect(strstr(world_read(&world, 1), "UNKNOWN_STREAM") != NULL);
}

Test(abuse, a_message_without_a_packet_counts_too)
{
    world.config.connection_rates.updates.amount = 100;
    world_start(&world);
    world_connect(&world, 1);
    for (size_t i = 0; i < 110; i++) {
        world_send_bytes(&world, 1, (struct bytes){(const uint8_t *)"", 0});
    }
    cr_expect(world.connections[1].paused);
}

Test(abuse, streams_count_against_the_memory)
{
    char text[160];
    world.config.memory_limit = (size_t)256 * KIB;
    world.config.connection_rates.updates.amount = 0;
    world_start(&world);
    size_t before = stats_now().memory_bytes;
    world_connect(&world, 1);
    int opened = 0;
    for (int busy = 0; opened < 4000 && !busy; opened++) {
        (void)snprintf(text, sizeof text, "[\"OPEN\",%d,\"post/1\",[%s],{}]", opened + 1,
                       world_replica((unsigned)opened + 1));
        world_send(&world, 1, text);
        busy = strstr(world_read(&world, 1), "\"BUSY\"") != NULL;
    }
    cr_expect(gt(int, opened, 100));
    cr_expect(lt(int, opened, 1000), "%d streams in 256 KiB", opened);
    world_disconnect(&world, 1);
    world_tick(&world, 100000);
    cr_expect(eq(sz, stats_now().memory_bytes, before));
}

/* The edits of some cannot be stored, and those stay: what is idle behind them leaves all the same.
 */
Test(abuse, documents_that_cannot_be_stored_keep_no_others_in_memory)
{
    enum { UNSTORED = 70, MORE = 3000 };
    char text[200];
    world.config.memory_limit = (size_t)1024 * KIB;
    world.config.connection_rates.updates.amount = 0;
    world.manual = true;
    world_start(&world);
    world_connect(&world, 1);
    for (int id = 1; id <= UNSTORED + MORE; id++) {
        (void)snprintf(text, sizeof text, "[\"OPEN\",%d,\"post/%d\",[%s],{}]", id, id,
                       world_replica(1));
        world_send(&world, 1, text);
        cr_assert(strstr(world_read(&world, 1), "\"BUSY\"") == NULL, "the %dth is refused", id);
        if (id <= UNSTORED) {
            (void)snprintf(text, sizeof text, "[\"DELTA\",%d,null,1,1,[0,[]],{\"0\":1}]", id);
            world_send(&world, 1, text);
            cr_assert(world_commit(&world));
        }
        (void)snprintf(text, sizeof text, "[\"CLOSE\",%d,\"\",\"\"]", id);
        world_send(&world, 1, text);
    }
    cr_expect(stats_now().documents >= UNSTORED);
}

Test(abuse, what_the_hub_itself_cannot_do_counts_against_nobody)
{
    world.config.connection_rates.updates.amount = 30;
    world.manual = true;
    world_start(&world);
    world_connect(&world, 1);
    char text[200];
    (void)snprintf(text, sizeof text, "[\"OPEN\",1,\"post/1\",[%s],{}]", world_replica(1));
    world_send(&world, 1, text);
    world_send(&world, 1, "[\"DELTA\",1,null,1,1,[0,[]],{\"0\":1}]");
    cr_assert(world_fail_append(&world));
    for (int i = 0; i < 5; i++) {
        world_send(&world, 1, "[\"DELTA\",1,null,1,1,[0,[]],{\"0\":1}]");
    }
    cr_expect(strstr(world_read(&world, 1), "\"READ_ONLY\"") != NULL);
    cr_expect(not(world.connections[1].paused));
}

Test(abuse, an_operators_call_that_is_refused_counts_as_any_error)
{
    world.config.connection_rates.updates.amount = 30;
    world_start(&world);
    world_connect(&world, 1);
    world_send(&world, 1, "[\"CALL\",1,\"connections\",{}] [\"CALL\",2,\"connections\",{}]");
    cr_expect(strstr(world_read(&world, 1), "\"FORBIDDEN\"") != NULL);
    cr_expect(world.connections[1].paused);
}

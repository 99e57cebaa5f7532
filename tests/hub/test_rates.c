/*
 * Goal:   rates hold for a connection, for all connections of a principal, and for the hub, whose
 *         rate is shared so that nobody can take another's part; counts of a principal have bounds;
 *         and a client is told of all that.
 * Method: buckets against sums by hand; then connections of several principals that send as fast as
 *         they are read, for some seconds of the test's clock, and what of each was taken.
 */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdio.h>
#include <string.h>

#include "server/hub/counters.h"
#include "server/hub/rate.h"
#include "tests/hub/clients.h"

enum { STEP_MS = 10, SECOND_MS = 1000 };

static void start(void)
{
    world_init(&world);
    world.config.tokens = true;
    world.config.connection_rates = (struct hub_rates){{0, 1000}, {0, 1000}};
}

TestSuite(rates, .init = start, .fini = clients_finish);

/* --- buckets --- */

Test(meters, hold_one_period_and_fill_in_one)
{
    static const struct hub_rates rates = {{6000, 60000}, {1000, 1000}};
    struct meter meter = {0};
    meter_take(&meter, &rates, 1, 5, 6000, 1000);
    cr_expect(eq(uint, meter_debt(&meter, &rates), DEBT_NONE));
    meter_take(&meter, &rates, 1, 5, 1, 0);
    cr_expect(eq(uint, meter_debt(&meter, &rates), DEBT_UPDATES));
    meter_take(&meter, &rates, 1, 15, 0, 11);
    cr_expect(eq(uint, meter_debt(&meter, &rates), DEBT_BYTES), "ten came in 10 ms, eleven went");
    meter_take(&meter, &rates, 1, 3600000, 6000, 1000);
    cr_expect(eq(uint, meter_debt(&meter, &rates), DEBT_NONE), "full again");
    meter_take(&meter, &rates, 1, 3600000, 1, 1);
    cr_expect(eq(uint, meter_debt(&meter, &rates), DEBT_UPDATES | DEBT_BYTES), "but no fuller");
}

Test(meters, without_a_rate_are_never_in_debt)
{
    static const struct hub_rates rates = {{0, 1000}, {0, 1000}};
    struct meter meter = {0};
    meter_take(&meter, &rates, 1, 7, 1e12, 1e12);
    cr_expect(eq(uint, meter_debt(&meter, &rates), DEBT_NONE));
}

Test(meters, of_a_share_hold_and_fill_that_part)
{
    static const struct hub_rates rates = {{900, 1000}, {0, 1000}};
    struct meter meter = {0};
    static const double part = 1.0 / 3;
    meter_take(&meter, &rates, part, 1, 300, 0);
    cr_expect(eq(uint, meter_debt(&meter, &rates), DEBT_NONE));
    meter_take(&meter, &rates, part, 101, 29, 0);
    cr_expect(eq(uint, meter_debt(&meter, &rates), DEBT_NONE));
    meter_take(&meter, &rates, part, 101, 2, 0);
    cr_expect(eq(uint, meter_debt(&meter, &rates), DEBT_UPDATES));
}

/* --- the hub --- */

static void welcome(uint64_t connection, const char *principal)
{
    world_event(&world, (struct hub_event){.kind = EVENT_CONNECTED, .connection = connection});
    world_send(&world, connection, "[\"HELLO\",0,1,{\"token\":\"t\"}]");
    world_verify(&world, VERDICT_ACCEPTED, principal, UINT64_MAX);
}

static uint64_t hits(enum hub_limit limit) { return hub_counters(world.hub)->limits[limit]; }

/* Sends a PING by each connection that is read, in turn, every STEP_MS; answers in `taken` how many
 * of each were. `each` is how many a connection has to send in a step. */
static void run(uint64_t connections, size_t seconds, const size_t *each, size_t *taken)
{
    for (size_t step = 0; step < seconds * SECOND_MS / STEP_MS; step++) {
        for (uint64_t id = 1; id <= connections; id++) {
            for (size_t i = 0; i < each[id] && !world.connections[id].paused; i++) {
                world_send(&world, id, "[\"PING\",0,7]");
                taken[id]++;
            }
            skip(id);
        }
        world_tick(&world, STEP_MS);
    }
}

Test(rates, a_principal_has_one_for_all_its_connections)
{
    static const size_t each[] = {0, 50, 50, 50, 50};
    size_t taken[5] = {0};
    world.config.principal_rates.updates = (struct hub_rate){100, 1000};
    world_start(&world);
    welcome(1, "ada");
    welcome(2, "ada");
    welcome(3, "ada");
    welcome(4, "bob");
    run(4, 10, each, taken);
    size_t ada = taken[1] + taken[2] + taken[3];
    cr_expect(ge(sz, ada, 900));
    cr_expect(le(sz, ada, 1130), "a second's burst, ten seconds, and some that were on their way");
    cr_expect(ge(sz, taken[4], 900), "nobody else's");
    cr_expect(le(sz, taken[4], 1130));
    for (size_t id = 1; id <= 3; id++) {
        cr_expect(ge(sz, taken[id], 10), "each of them has its turn: %zu", taken[id]);
    }
    cr_expect(gt(u64, hits(HUB_LIMIT_PRINCIPAL_UPDATES), 0));
    cr_expect(eq(u64, hits(HUB_LIMIT_UPDATES), 0));
    cr_expect(eq(u64, hits(HUB_LIMIT_HUB_UPDATES), 0));
}

/* Ada has six connections and sends all she can; bob sends all he can by one; carl sends little. */
Test(rates, the_hubs_is_shared_by_principals_not_by_connections)
{
    static const size_t each[] = {0, 50, 50, 50, 50, 50, 50, 50, 1};
    size_t taken[9] = {0};
    world.config.hub_rates.updates = (struct hub_rate){1000, 1000};
    world_start(&world);
    for (uint64_t id = 1; id <= 6; id++) {
        welcome(id, "ada");
    }
    welcome(7, "bob");
    welcome(8, "carl");
    run(8, 2, each, taken); /* the burst is whose it is who comes first */
    memset(taken, 0, sizeof taken);
    run(8, 10, each, taken);
    size_t ada = taken[1] + taken[2] + taken[3] + taken[4] + taken[5] + taken[6];
    size_t all = ada + taken[7] + taken[8];
    cr_expect(eq(sz, taken[8], 10 * SECOND_MS / STEP_MS), "carl never waits");
    cr_expect(le(sz, all, 11000), "the hub's rate holds: %zu", all);
    cr_expect(ge(sz, all, 9000), "and is used: %zu", all);
    cr_expect(ge(sz, taken[7] * 3, ada * 2), "bob %zu, ada %zu", taken[7], ada);
    cr_expect(ge(sz, ada * 3, taken[7] * 2), "bob %zu, ada %zu", taken[7], ada);
    cr_expect(gt(u64, hits(HUB_LIMIT_HUB_UPDATES), 0));
}

Test(rates, who_is_alone_has_all_of_the_hubs)
{
    static const size_t each[] = {0, 100};
    size_t taken[2] = {0};
    world.config.hub_rates.updates = (struct hub_rate){1000, 1000};
    world_start(&world);
    welcome(1, "ada");
    run(1, 10, each, taken);
    cr_expect(ge(sz, taken[1], 9000));
    cr_expect(le(sz, taken[1], 11500));
}

Test(rates, bytes_count_too_and_without_tokens_each_connection_is_by_itself)
{
    static const size_t each[] = {0, 50, 50};
    size_t taken[3] = {0};
    world.config.tokens = false;
    world.config.principal_rates.bytes = (struct hub_rate){400, 1000}; /* a PING is 4 bytes */
    world_start(&world);
    world_connect(&world, 1);
    world_connect(&world, 2);
    run(2, 5, each, taken);
    for (size_t id = 1; id <= 2; id++) {
        cr_expect(ge(sz, taken[id], 450), "%zu", taken[id]);
        cr_expect(le(sz, taken[id], 640), "%zu", taken[id]);
    }
    cr_expect(gt(u64, hits(HUB_LIMIT_PRINCIPAL_BYTES), 0));
}

/* --- counts --- */

Test(rates, a_principal_has_so_many_connections)
{
    world.config.principal_connections = 2;
    world_start(&world);
    welcome(1, "ada");
    welcome(2, "ada");
    skip(2);
    welcome(3, "ada");
    cr_expect(strstr(world_read(&world, 3), "[\"ERROR\",0,\"TOO_MANY_CONNECTIONS\"") != NULL);
    cr_expect(eq(u16, world.connections[3].closed, 1013));
    welcome(4, "bob");
    cr_expect(eq(u16, world.connections[4].closed, 0));
    world_disconnect(&world, 3);
    world_disconnect(&world, 1);
    welcome(5, "ada");
    cr_expect(eq(u16, world.connections[5].closed, 0), "one has left");
    cr_expect(eq(u64, hits(HUB_LIMIT_PRINCIPAL_CONNECTIONS), 1));
    struct hub_stats stats;
    hub_stats(world.hub, &stats);
    cr_expect(eq(sz, stats.principals, 2));
}

/* A stream with a replica that no other has. */
static void open_own(uint64_t connection, int id, const char *name)
{
    open_document(connection, id, name, (unsigned)(connection * 10 + (uint64_t)id));
}

Test(rates, a_principal_has_so_many_streams_on_all_its_connections)
{
    world.config.principal_streams = 2;
    world_start(&world);
    welcome(1, "ada");
    welcome(2, "ada");
    skip(2);
    open_own(1, 1, "post/1");
    open_own(2, 1, "post/1");
    open_own(2, 2, "post/2");
    cr_expect(strstr(world_read(&world, 2), "[\"ERROR\",2,\"TOO_MANY_STREAMS\"") != NULL);
    world_send(&world, 1, "[\"CLOSE\",1,\"\",\"\"]");
    open_own(2, 3, "post/2");
    cr_expect(strstr(world_read(&world, 2), "[\"OPENED\",3,") != NULL);
    cr_expect(eq(u64, hits(HUB_LIMIT_PRINCIPAL_STREAMS), 1));
}

/* --- what a client is told --- */

Test(rates, welcome_tells_them)
{
    world.config.connection_rates.updates = (struct hub_rate){10, 1000};
    world.config.principal_rates = (struct hub_rates){{6000, 60000}, {65536, 1000}};
    world.config.principal_streams = 7;
    world_start(&world);
    welcome(1, "ada");
    const char *told = world_read(&world, 1);
    cr_expect(strstr(told,
                     "\"replicas\":256,\"updates\":[10,1000],\"principal_updates\":[6000,"
                     "60000],\"principal_bytes\":[65536,1000],\"principal_streams\":7}") != NULL,
              "%s", told);
}

/* --- correlation ids --- */

static void hello_with(uint64_t connection, const char *correlation)
{
    char text[256];
    world_event(&world, (struct hub_event){.kind = EVENT_CONNECTED, .connection = connection});
    (void)snprintf(text, sizeof text, "[\"HELLO\",0,1,{\"correlation\":\"%s\"}]", correlation);
    world_send(&world, connection, text);
}

static void expect_peer(uint64_t connection, const char *correlation)
{
    struct hub_peer peer;
    cr_assert(hub_peer(world.hub, connection, &peer));
    cr_expect(eq(str, peer.correlation, (char *)(uintptr_t)correlation));
}

Test(rates, a_correlation_id_is_told_in_welcome_errors_and_rejects)
{
    world.config.tokens = false;
    world_start(&world);
    hello_with(1, "order-4711");
    cr_expect(strstr(world_read(&world, 1), "\"correlation\":\"order-4711\"}") != NULL);
    expect_peer(1, "order-4711");
    open_own(1, 1, "nothing/1");
    cr_expect(strstr(world_read(&world, 1), "{\"correlation\":\"order-4711\"}]") != NULL);
    open_own(1, 2, "post/1");
    skip(1);
    world_send(&world, 1, "[\"DELTA\",2,null,1,1,[0,[]],{\"9\":1}]");
    const char *told = world_read(&world, 1);
    cr_expect(strstr(told, "{\"field\":9,\"correlation\":\"order-4711\"}]") != NULL, "%s", told);
}

Test(rates, a_correlation_id_that_is_none_is_replaced)
{
    static const char *const bad[] = {
        "", "a b", "a\\u0007b", "\xc3\xa9",
        "0123456789012345678901234567890123456789012345678901234567890123x"};
    world.config.tokens = false;
    world.config.boot = 0xabcdef12;
    world_start(&world);
    for (uint64_t id = 1; id <= sizeof bad / sizeof *bad; id++) {
        char expected[64];
        (void)snprintf(expected, sizeof expected, "abcdef12-%llu", (unsigned long long)id);
        hello_with(id, bad[id - 1]);
        expect_peer(id, expected);
        cr_expect(strstr(world_read(&world, id), expected) != NULL, "and told");
    }
}

/* --- latencies --- */

Test(rates, latencies_count_from_arrival_and_from_commit_for_each_subscriber)
{
    world.config.tokens = false;
    world.manual = true;
    world_start(&world);
    for (uint64_t id = 1; id <= 3; id++) {
        world_connect(&world, id);
        open_own(id, 1, "post/1");
        skip(id);
    }
    world.now_us = 1000000;
    world.step_us = 40;
    world_send(&world, 1, "[\"DELTA\",1,null,1,1,[0,[]],{\"0\":1}]");
    world.now_us = 1003000;
    cr_assert(world_commit(&world));
    const struct hub_counters *counters = hub_counters(world.hub);
    cr_expect(eq(u64, counters->publish_us.count, 3));
    cr_expect(eq(u64, counters->publish_us.sum, 3 * 40));
    cr_expect(eq(u64, counters->publish_us.counts[0], 3), "at most 0.1 ms");
    cr_expect(eq(u64, counters->end_to_end_us.sum, 3 * 3040));
    cr_expect(eq(u64, counters->batch_updates.count, 1));
    cr_expect(eq(u64, counters->updates_sent, 3));
    cr_expect(eq(u64, counters->snapshots, 3));
    cr_expect(eq(u64, counters->results[UPDATE_DELTA][CODE_NONE], 1));
}

/* Who could not be sent to is told later, by the oldest of what it is told. */
Test(rates, latencies_of_the_slow_count_from_the_oldest_update)
{
    world.config.tokens = false;
    world.manual = true;
    world_start(&world);
    for (uint64_t id = 1; id <= 2; id++) {
        world_connect(&world, id);
        open_own(id, 1, "post/1");
    }
    world.connections[2].blocked = true;
    world_event(&world, (struct hub_event){.kind = EVENT_BLOCKED, .connection = 2});
    for (uint64_t seq = 1; seq <= 2; seq++) {
        char text[128];
        world.now_us = seq * 1000000;
        (void)snprintf(text, sizeof text, "[\"DELTA\",1,null,%u,%u,[0,[]],{\"0\":%u}]",
                       (unsigned)seq, (unsigned)seq, (unsigned)seq);
        world_send(&world, 1, text);
        cr_assert(world_commit(&world));
    }
    world.now_us = 5000000;
    world.connections[2].blocked = false;
    world_event(&world, (struct hub_event){.kind = EVENT_WRITABLE, .connection = 2});
    const struct hub_counters *counters = hub_counters(world.hub);
    cr_expect(eq(u64, counters->end_to_end_us.count, 3));
    cr_expect(eq(u64, counters->end_to_end_us.sum, 4000000));
}

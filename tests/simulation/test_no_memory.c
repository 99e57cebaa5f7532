/*
 * Goal:   an allocation that fails is never taken for a fault of the client's, or of the
 * database's: the hub says that it is busy, or stops; sent again, an update has the effect it
 * always has. Method: what takes one step is done with the n-th allocation failing, for every n,
 * and then again.
 */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdio.h>
#include <string.h>

#include "tests/simulation/memory.h"
#include "tests/support/world.h"

enum { ALLOCATIONS_MAX = 1000, ATTEMPTS_MAX = 4 };

static struct world world;
static bool ended;

/* NOLINTBEGIN(bugprone-reserved-identifier) */
enum hub_status __real_hub_step(struct hub *hub, const struct hub_event *event,
                                struct hub_effects *effects);
enum hub_status __wrap_hub_step(struct hub *hub, const struct hub_event *event,
                                struct hub_effects *effects);

/* The hub's own allocations fail, not the test's; without memory its process ends, and does nothing
 * more until it is started again. */
enum hub_status __wrap_hub_step(struct hub *hub, const struct hub_event *event,
                                struct hub_effects *effects)
{
    if (!ended) {
        (void)memory_inside(true);
        enum hub_status status = __real_hub_step(hub, event, effects);
        (void)memory_inside(false);
        cr_assert(status == HUB_OK || status == HUB_NO_MEMORY);
        ended = status != HUB_OK;
    }
    if (ended) {
        *effects = (struct hub_effects){.wake_ms = UINT64_MAX};
    }
    return HUB_OK;
}
/* NOLINTEND(bugprone-reserved-identifier) */

static void begin(void)
{
    world_init(&world);
    world_declare(&world, "shop", "likes", "g-counter", "{}");
    world_declare(&world, "shop", "stock", "bounded-counter", "{\"min\":0,\"max\":20}");
    world_declare(&world, "shop", "tags", "or-set", "{\"of\":\"string\"}");
    world_start(&world);
}

static void crash(void)
{
    ended = false;
    memory_heal();
    world_crash(&world);
}

static void open_stream(void)
{
    char text[128];
    (void)snprintf(text, sizeof text, "[\"OPEN\",1,\"shop/1\",[%s],{}]", world_replica(1));
    world_connect(&world, 1);
    world_send(&world, 1, text);
}

/* Adds to `transcript` what is answered. */
static void send(const char *json, char *transcript, size_t size)
{
    size_t length = strlen(transcript);
    world_send(&world, 1, json);
    (void)snprintf(transcript + length, size - length, "%s", world_read(&world, 1));
    if (ended) {
        crash();
        open_stream();
    }
}

/* Sends it until it is acknowledged, the n-th allocation failing; false: there are not so many. */
static bool send_without(unsigned n, const char *json, char *transcript, size_t size)
{
    begin();
    open_stream();
    (void)world_read(&world, 1);
    memory_fail(n, 1);
    transcript[0] = '\0';
    for (int i = 0; i < ATTEMPTS_MAX && strstr(transcript, "[\"ACK\"") == NULL; i++) {
        send(json, transcript, size);
    }
    bool failed = n <= memory_failures();
    cr_assert(strstr(transcript, "[\"ACK\"") != NULL, "allocation %u: %s", n, transcript);
    world_finish(&world);
    memory_heal();
    return failed;
}

Test(no_memory, does_not_make_an_update_a_bad_one)
{
    char transcript[4096];
    unsigned n = 1;
    while (n < ALLOCATIONS_MAX && send_without(n,
                                               "[\"DELTA\",1,null,1,1,[0,[]],{\"0\":3,"
                                               "\"2\":[false,[\"a\",\"b\"],[]]}]",
                                               transcript, sizeof transcript)) {
        cr_expect(strstr(transcript, "REJECT") == NULL, "allocation %u: %s", n, transcript);
        n++;
    }
    cr_expect(gt(uint, n, 5));
}

Test(no_memory, does_not_change_what_is_refused_nor_why)
{
    char transcript[4096];
    unsigned n = 1;
    while (n < ALLOCATIONS_MAX &&
           send_without(n, "[\"DELTA\",1,null,1,1,[0,[]],{\"1\":[0,9,null]}]", transcript,
                        sizeof transcript)) {
        const char *refusal = strstr(transcript, "[\"REJECT\"");
        cr_assert(refusal != NULL, "allocation %u: %s", n, transcript);
        cr_expect(strstr(refusal, "OUT_OF_BOUNDS") != NULL, "allocation %u: %s", n, transcript);
        n++;
    }
    cr_expect(gt(uint, n, 5));
}

Test(no_memory, does_not_make_rows_damaged_ones)
{
    char transcript[4096] = "";
    begin();
    open_stream();
    send("[\"DELTA\",1,null,1,1,[0,[]],{\"0\":3,\"2\":[false,[\"a\",\"b\"],[]]}]", transcript,
         sizeof transcript);
    world_tick(&world, 1000);
    size_t failures;
    unsigned n = 1;
    do {
        world_crash(&world);
        failures = memory_failures();
        memory_fail(n, 1);
        open_stream();
        memory_heal();
        ended = false;
        cr_expect(eq(sz, world.damaged, 0), "allocation %u", n);
        n++;
    } while (memory_failures() > failures && n < ALLOCATIONS_MAX);
    cr_expect(gt(uint, n, 5));
    world_finish(&world);
}

/*
 * Goal:   who has much to be sent does not keep the hub from reading: a step sends some of it, and
 *         whoever runs the hub reads before the next.
 * Method: all connections have something to be told at once; steps by hand.
 */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdlib.h>

#include "server/hub/hub.h"

enum { CONNECTIONS = 1000, PER_STEP_MAX = 100, STEPS_MAX = 100, NOW_MS = 1000 };

static struct hub *hub;
static struct schema_set schemas;
static struct hub_effects effects;

static void start(void)
{
    struct hub_config config;
    hub_config_init(&config);
    config.schemas = &schemas;
    hub = hub_create(&config);
    cr_assert(ne(ptr, hub, NULL));
}

static void finish(void) { hub_destroy(hub); }

TestSuite(turns, .init = start, .fini = finish);

static void step(struct hub_event event)
{
    event.now_ms = NOW_MS;
    cr_assert(eq(int, hub_step(hub, &event, &effects), HUB_OK));
}

static size_t count_sent(void)
{
    size_t count = 0;
    for (size_t i = 0; i < effects.length; i++) {
        count += effects.items[i].kind == EFFECT_SEND;
    }
    return count;
}

static bool is_drained(void)
{
    struct hub_stats stats;
    hub_stats(hub, &stats);
    return stats.drained;
}

static void greet(uint64_t connection)
{
    static const uint8_t hello[] = {0x94, 1, 0, 1, 0x80}; /* [HELLO, 0, version 1, {}] */
    step((struct hub_event){.kind = EVENT_CONNECTED, .connection = connection});
    step((struct hub_event){
        .kind = EVENT_RECEIVED, .connection = connection, .bytes = {hello, sizeof hello}});
    cr_assert(eq(sz, count_sent(), 1));
}

Test(turns, a_step_sends_to_some_and_says_that_there_is_more)
{
    for (uint64_t i = 1; i <= CONNECTIONS; i++) {
        greet(i);
    }
    step((struct hub_event){.kind = EVENT_DRAIN});
    size_t sent = count_sent();
    size_t steps = 1;
    for (; effects.more && steps < STEPS_MAX; steps++) {
        cr_expect(le(sz, count_sent(), PER_STEP_MAX));
        cr_expect(not(is_drained()),
                  "whoever has not been told to go away would not know when to return");
        step((struct hub_event){.kind = EVENT_TICK});
        sent += count_sent();
    }
    cr_expect(eq(sz, sent, CONNECTIONS));
    cr_expect(is_drained());
    cr_expect(ge(sz, steps, CONNECTIONS / PER_STEP_MAX));
}

Test(turns, who_does_not_read_or_has_gone_does_not_hold_up_a_drain)
{
    for (uint64_t i = 1; i <= CONNECTIONS; i++) {
        greet(i);
    }
    for (uint64_t i = 1; i < CONNECTIONS; i += 2) {
        step((struct hub_event){.kind = EVENT_BLOCKED, .connection = i});
    }
    step((struct hub_event){.kind = EVENT_DRAIN});
    cr_expect(not(is_drained()));
    for (uint64_t i = 2; i <= CONNECTIONS; i += 2) {
        step((struct hub_event){.kind = EVENT_DISCONNECTED, .connection = i});
    }
    for (size_t i = 0; effects.more && i < STEPS_MAX; i++) {
        step((struct hub_event){.kind = EVENT_TICK});
    }
    cr_expect(is_drained());
}

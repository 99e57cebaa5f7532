/*
 * Goal:   who has much to be sent does not keep the hub from reading: a step sends some of it, and
 *         whoever runs the hub reads before the next. And who sends much in one message does not
 *         keep it from the others.
 * Method: all connections have something to be told at once, or one has sent thousands of packets;
 *         steps by hand.
 */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdlib.h>
#include <string.h>

#include "server/hub/hub.h"

enum {
    CONNECTIONS = 1000,
    PER_STEP_MAX = 100,
    STEPS_MAX = 100,
    NOW_MS = 1000,
    PINGS = 10000,
    PING_BYTES = 4, /* and so has a PONG */
    SLICES_MAX = 8  /* of one step */
};

static struct hub *hub;
static struct schema_set schemas;
static struct hub_effects effects;

static void start(void)
{
    struct hub_config config;
    hub_config_init(&config);
    config.schemas = &schemas;
    config.connection_rates.updates.amount = 0;
    config.buffer_bytes = 3 * PINGS * PING_BYTES;
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

static size_t bytes_sent_to(uint64_t connection)
{
    size_t bytes = 0;
    for (size_t i = 0; i < effects.length; i++) {
        const struct hub_effect *effect = &effects.items[i];
        bytes += effect->kind == EFFECT_SEND && effect->connection == connection
                     ? effect->bytes.length
                     : 0;
    }
    return bytes;
}

static const struct hub_effect *find_effect(enum hub_effect_kind kind, uint64_t connection)
{
    for (size_t i = 0; i < effects.length; i++) {
        if (effects.items[i].kind == kind && effects.items[i].connection == connection) {
            return &effects.items[i];
        }
    }
    return NULL;
}

static size_t held_bytes(void)
{
    struct hub_stats stats;
    hub_stats(hub, &stats);
    return stats.held_bytes;
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

static void send_pings(uint64_t connection, size_t count)
{
    static uint8_t pings[PINGS * PING_BYTES];
    for (size_t i = 0; i < count; i++) {
        memcpy(&pings[i * PING_BYTES], (const uint8_t[]){0x93, 22, 0, 7}, PING_BYTES);
    }
    step((struct hub_event){
        .kind = EVENT_RECEIVED, .connection = connection, .bytes = {pings, count * PING_BYTES}});
}

Test(turns, a_message_of_many_packets_is_taken_in_slices)
{
    greet(1);
    greet(2);
    send_pings(1, PINGS);
    size_t answered = bytes_sent_to(1) / PING_BYTES;
    cr_expect(ne(ptr, (void *)(uintptr_t)find_effect(EFFECT_PAUSE, 1), NULL));
    cr_expect(eq(int, effects.more, true));
    send_pings(2, 1);
    step((struct hub_event){.kind = EVENT_TICK});
    cr_expect(eq(sz, bytes_sent_to(2), PING_BYTES), "one PING does not wait for thousands");
    while (effects.more) {
        cr_assert(le(sz, bytes_sent_to(1) / PING_BYTES, PINGS / SLICES_MAX));
        cr_expect(eq(ptr, (void *)(uintptr_t)find_effect(EFFECT_RESUME, 1), NULL));
        answered += bytes_sent_to(1) / PING_BYTES;
        step((struct hub_event){.kind = EVENT_TICK});
    }
    answered += bytes_sent_to(1) / PING_BYTES;
    cr_expect(eq(sz, answered, PINGS));
    cr_expect(ne(ptr, (void *)(uintptr_t)find_effect(EFFECT_RESUME, 1), NULL));
    cr_expect(eq(sz, held_bytes(), 0));
}

Test(turns, a_message_that_comes_behind_one_in_slices_keeps_its_place)
{
    static const uint8_t half[] = {0x95, 13, 0, 0}; /* ends inside a packet: 1007 */
    greet(1);
    send_pings(1, PINGS);
    size_t answered = bytes_sent_to(1) / PING_BYTES;
    step((struct hub_event){.kind = EVENT_RECEIVED, .connection = 1, .bytes = {half, sizeof half}});
    while (find_effect(EFFECT_CLOSE, 1) == NULL) {
        answered += bytes_sent_to(1) / PING_BYTES;
        cr_assert(effects.more);
        step((struct hub_event){.kind = EVENT_TICK});
    }
    cr_expect(eq(int, find_effect(EFFECT_CLOSE, 1)->code, 1007));
    cr_expect(ge(sz, answered, PINGS - 2 * PINGS / SLICES_MAX));
}

Test(turns, messages_that_wait_for_their_turn_are_bounded)
{
    size_t closed = 0;
    for (uint64_t i = 1; i <= 10; i++) {
        greet(i);
    }
    for (uint64_t i = 1; i <= 10; i++) {
        send_pings(i, PINGS);
        const struct hub_effect *close = find_effect(EFFECT_CLOSE, i);
        closed += close != NULL && close->code == 1013;
        cr_assert(le(sz, held_bytes(), 4 * PINGS * PING_BYTES));
    }
    cr_expect(ge(sz, closed, 6));
    cr_expect(le(sz, closed, 8));
    for (uint64_t i = 1; i <= 10; i++) {
        step((struct hub_event){.kind = EVENT_DISCONNECTED, .connection = i});
    }
    cr_expect(eq(sz, held_bytes(), 0), "who has gone has nothing that waits");
    step((struct hub_event){.kind = EVENT_TICK});
    cr_expect(not(effects.more));
}

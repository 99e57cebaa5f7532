/*
 * Goal:   nobody is let in before the token is looked at, what follows waits its turn, and a token
 *         that ends is asked for again before it ends the connection.
 * Method: packets in, transcripts out, as in test_hub.c; the test is who looks at tokens.
 */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdio.h>
#include <string.h>

#include "protocol/limits.h"
#include "tests/hub/clients.h"

#define FOREVER UINT64_MAX

/* Connections are looked at ten times a second at most: SLACK. */
enum { CLOSE_TOKEN = 4401, HOUR = 3600000, MINUTE = 60000, SLACK = 100 };

static void start(void)
{
    world_init(&world);
    world.config.tokens = true;
    world.config.ping_ms = UINT64_MAX / 4;
    world_start(&world);
}

TestSuite(token, .init = start, .fini = clients_finish);

static void connect(uint64_t connection)
{
    world_event(&world, (struct hub_event){.kind = EVENT_CONNECTED, .connection = connection});
}

static void hello(uint64_t connection)
{
    connect(connection);
    world_send(&world, connection, "[\"HELLO\",0,1,{\"token\":\"t\"}]");
}

/* Lets the connection in. */
static void welcome(uint64_t connection, const char *principal, uint64_t life_ms)
{
    hello(connection);
    world_verify(&world, VERDICT_ACCEPTED, principal, life_ms);
    cr_assert(strstr(world_read(&world, connection), "[\"WELCOME\"") != NULL);
}

/* ERROR, and the end. */
static void expect_expelled(uint64_t connection, const char *code)
{
    char start_of[64];
    (void)snprintf(start_of, sizeof start_of, "[\"ERROR\",0,\"%s\",", code);
    const char *transcript = world_read(&world, connection);
    cr_expect(strstr(transcript, start_of) == transcript, "%s", transcript);
    cr_expect(strchr(transcript, '\n')[1] == '\0', "nothing else: %s", transcript);
    cr_expect(eq(u16, world.connections[connection].closed, CLOSE_TOKEN));
}

static void expect_token_event(uint64_t connection, int64_t id, uint64_t expires_ms)
{
    char text[128];
    (void)snprintf(text, sizeof text, "[\"EVENT\",%lld,\"token\",{\"expires_ms\":%llu}]\n",
                   (long long)id, (unsigned long long)expires_ms);
    expect(connection, text);
}

Test(token, is_needed)
{
    connect(1);
    world_send(&world, 1, "[\"HELLO\",0,1,{}]");
    expect_expelled(1, "TOKEN_REQUIRED");
    connect(2);
    world_send(&world, 2, "[\"HELLO\",0,1,{\"token\":\"\"}]");
    expect_expelled(2, "TOKEN_REQUIRED");
    cr_expect(eq(u64, world.verify_request, 0));
}

Test(token, is_looked_at_before_the_welcome)
{
    hello(1);
    cr_expect(eq(u64, world.verify_connection, 1));
    cr_expect(world.verifying.length == 1 && world.verifying.data[0] == 't');
    cr_expect(world.connections[1].paused);
    expect(1, "");
    world_verify(&world, VERDICT_ACCEPTED, "ann", HOUR);
    cr_expect(strstr(world_read(&world, 1), "[\"WELCOME\"") != NULL);
    cr_expect(not(world.connections[1].paused));
}

Test(token, that_is_no_good_ends_the_connection)
{
    hello(1);
    world_verify(&world, VERDICT_REFUSED, "", 0);
    expect_expelled(1, "TOKEN_INVALID");
    hello(2);
    world_verify(&world, VERDICT_EXPIRED, "", 0);
    expect_expelled(2, "TOKEN_EXPIRED");
    hello(3);
    world_verify(&world, VERDICT_ACCEPTED, "ann", 0); /* it ended while it was looked at */
    expect_expelled(3, "TOKEN_EXPIRED");
}

Test(token, lets_nothing_pass_before_it_was_looked_at)
{
    connect(1);
    world_send(&world, 1, "[\"HELLO\",0,1,{\"token\":\"t\"}] [\"PING\",0,1] [\"PING\",0,2]");
    world_send(&world, 1, "[\"PING\",0,3]");
    expect(1, "");
    world_verify(&world, VERDICT_ACCEPTED, "ann", HOUR);
    const char *transcript = world_read(&world, 1);
    const char *rest = strchr(transcript, '\n') + 1;
    cr_expect(strstr(transcript, "[\"WELCOME\"") == transcript);
    cr_expect(eq(str, (char *)(uintptr_t)rest, "[\"PONG\",0,1]\n[\"PONG\",0,2]\n[\"PONG\",0,3]\n"));
    connect(2);
    world_send(&world, 2, "[\"HELLO\",0,1,{\"token\":\"t\"}] [\"CALL\",1,\"schema\",{}]");
    world_verify(&world, VERDICT_REFUSED, "", 0);
    expect_expelled(2, "TOKEN_INVALID");
}

Test(token, holds_packets_of_one_message_apart_from_those_of_the_next)
{
    static const uint8_t half[] = {0x93, 22, 0};
    static const uint8_t rest[] = {7, 0x93, 22, 0, 7};
    hello(1);
    world_send_bytes(&world, 1, (struct bytes){half, sizeof half});
    world_send_bytes(&world, 1, (struct bytes){rest, sizeof rest});
    world_verify(&world, VERDICT_ACCEPTED, "ann", HOUR);
    cr_expect(strstr(world_read(&world, 1), "PONG") == NULL);
    cr_expect(eq(u16, world.connections[1].closed, 1007));
}

Test(token, holds_no_more_than_two_messages)
{
    static uint8_t padding[LIMIT_MESSAGE_BYTES];
    hello(1);
    world_send_bytes(&world, 1, (struct bytes){padding, sizeof padding});
    cr_expect(eq(u16, world.connections[1].closed, 0));
    world_send_bytes(&world, 1, (struct bytes){padding, sizeof padding});
    cr_expect(eq(u16, world.connections[1].closed, 1008));
    world_verify(&world, VERDICT_ACCEPTED, "ann", HOUR);
    expect(1, "");
}

Test(token, of_a_connection_that_is_gone_is_nobodys)
{
    hello(1);
    world_disconnect(&world, 1);
    world_verify(&world, VERDICT_ACCEPTED, "ann", HOUR);
    expect(1, "");
    hello(2);
    uint64_t request = world.verify_request;
    hello(3);
    world_verify(&world, VERDICT_ACCEPTED, "ann", HOUR);
    world.verify_connection = 2;
    world.verify_request = request + 1; /* the other's */
    world_verify(&world, VERDICT_ACCEPTED, "ann", HOUR);
    expect(2, "");
}

Test(token, that_is_not_looked_at_in_time_ends_the_connection)
{
    hello(1);
    world_tick(&world, world.config.hello_ms);
    cr_expect(eq(u16, world.connections[1].closed, 1008));
}

Test(token, is_asked_for_again_before_it_ends_and_then_ends_the_connection)
{
    uint64_t end_ms = world.now_ms + HOUR;
    welcome(1, "ann", HOUR);
    world_tick(&world, HOUR - MINUTE - 1);
    expect(1, "");
    world_tick(&world, world.wake_ms - world.now_ms);
    cr_expect(le(u64, world.now_ms, end_ms - MINUTE + SLACK));
    expect_token_event(1, -1, end_ms);
    world_tick(&world, end_ms - 1 - world.now_ms);
    expect(1, "");
    cr_expect(eq(u16, world.connections[1].closed, 0));
    world_tick(&world, world.wake_ms - world.now_ms);
    cr_expect(le(u64, world.now_ms, end_ms + SLACK));
    expect_expelled(1, "TOKEN_EXPIRED");
}

Test(token, of_a_short_life_is_asked_for_in_its_last_third)
{
    uint64_t end_ms = world.now_ms + 3000;
    welcome(1, "ann", 3000);
    cr_expect(world.wake_ms <= end_ms - 1000);
    world_tick(&world, 1999);
    expect(1, "");
    cr_expect(le(u64, world.wake_ms, world.now_ms + SLACK));
    world_tick(&world, SLACK);
    expect_token_event(1, -1, end_ms);
    world_tick(&world, world.wake_ms - world.now_ms);
    world_tick(&world, end_ms - world.now_ms);
    expect_expelled(1, "TOKEN_EXPIRED");
}

Test(token, without_an_end_is_never_asked_for)
{
    welcome(1, "ann", FOREVER);
    world_tick(&world, UINT64_C(365) * 24 * HOUR);
    expect(1, "");
    world_send(&world, 1, "[\"AUTH\",1,\"u\"]");
    world_verify(&world, VERDICT_ACCEPTED, "ann", FOREVER);
    expect(1, "[\"RESULT\",1,{}]\n");
}

Test(token, that_is_fresh_goes_on_with_the_connection)
{
    welcome(1, "ann", HOUR);
    world_tick(&world, HOUR - 1000);
    skip(1);
    world_send(&world, 1, "[\"AUTH\",1,\"fresh\"] [\"PING\",0,1]");
    cr_expect(eq(sz, world.verifying.length, 5));
    expect(1, ""); /* the PING waits for the rights that come with the token */
    world_verify(&world, VERDICT_ACCEPTED, "ann", HOUR);
    char text[96];
    unsigned long long end_ms = world.now_ms + HOUR;
    (void)snprintf(text, sizeof text, "[\"RESULT\",1,{\"expires_ms\":%llu}]\n[\"PONG\",0,1]\n",
                   end_ms);
    expect(1, text);
    world_tick(&world, 2000); /* beyond the old one's end */
    expect(1, "");
    world_tick(&world, HOUR - MINUTE - 2000);
    expect_token_event(1, -2, world.now_ms + MINUTE);
}

Test(token, that_is_fresh_but_no_good_leaves_the_old_one)
{
    static const struct {
        enum hub_verdict verdict;
        const char *principal;
        const char *code;
    } cases[] = {{VERDICT_REFUSED, "", "TOKEN_INVALID"},
                 {VERDICT_EXPIRED, "", "TOKEN_EXPIRED"},
                 {VERDICT_ACCEPTED, "bob", "TOKEN_INVALID"}};
    uint64_t end_ms = world.now_ms + HOUR;
    welcome(1, "ann", HOUR);
    for (int i = 0; i < 3; i++) {
        char text[64];
        world_tick(&world, 1000);
        (void)snprintf(text, sizeof text, "[\"AUTH\",%d,\"u\"]", i + 1);
        world_send(&world, 1, text);
        world_verify(&world, cases[i].verdict, cases[i].principal, 24 * HOUR);
        (void)snprintf(text, sizeof text, "[\"ERROR\",%d,\"%s\",", i + 1, cases[i].code);
        cr_expect(strstr(world_read(&world, 1), text) != NULL, "%s", text);
        cr_expect(eq(u16, world.connections[1].closed, 0));
    }
    world_tick(&world, end_ms - world.now_ms - MINUTE);
    expect_token_event(1, -1, end_ms);
    world_tick(&world, MINUTE);
    expect_expelled(1, "TOKEN_EXPIRED");
}

Test(token, comes_four_times_a_second_at_most)
{
    welcome(1, "ann", HOUR);
    world_tick(&world, 250);
    world_send(&world, 1, "[\"AUTH\",1,\"u\"] [\"AUTH\",2,\"u\"]");
    world_verify(&world, VERDICT_ACCEPTED, "ann", HOUR);
    const char *transcript = world_read(&world, 1);
    cr_expect(strstr(transcript, "[\"RESULT\",1,") == transcript);
    cr_expect(strstr(transcript, "\n[\"ERROR\",2,\"TOO_OFTEN\",") != NULL);
    cr_expect(strstr(transcript, "{\"retry_ms\":250}]") != NULL, "%s", transcript);
    cr_expect(eq(u64, world.verify_request, 0));
}

Test(token, that_ends_takes_the_documents_and_leaves_what_was_sent)
{
    char text[256];
    welcome(1, "ann", 3000);
    (void)snprintf(text, sizeof text, "[\"OPEN\",1,\"post/1\",[%s],{}]", world_replica(1));
    world_send(&world, 1, text);
    world_send(&world, 1, "[\"DELTA\",1,null,1,1,[0,[]],{\"0\":5}]");
    world_tick(&world, 2100);
    skip(1);
    world_tick(&world, 900);
    expect_expelled(1, "TOKEN_EXPIRED");
    world_disconnect(&world, 1);
    struct hub_stats stats;
    hub_stats(world.hub, &stats);
    cr_expect(eq(sz, stats.streams, 0));
    welcome(2, "ann", HOUR);
    (void)snprintf(text, sizeof text, "[\"OPEN\",1,\"post/1\",[%s],{}]", world_replica(2));
    world_send(&world, 2, text);
    cr_expect(strstr(world_read(&world, 2), "{\"0\":5") != NULL);
}

Test(token, that_ends_while_the_client_does_not_read_ends_the_connection_too)
{
    welcome(1, "ann", 3000);
    world.connections[1].blocked = true;
    world_event(&world, (struct hub_event){.kind = EVENT_BLOCKED, .connection = 1});
    world_tick(&world, 3000);
    expect(1, "");
    cr_expect(eq(u16, world.connections[1].closed, CLOSE_TOKEN));
}

Test(token, that_has_ended_gets_no_answer_that_still_waits)
{
    hello(1);
    world.connections[1].blocked = true;
    world_event(&world, (struct hub_event){.kind = EVENT_BLOCKED, .connection = 1});
    world_verify(&world, VERDICT_ACCEPTED, "ann", 3000);
    world.connections[1].blocked = false;
    world.now_ms += 3000;
    world_event(&world, (struct hub_event){.kind = EVENT_WRITABLE, .connection = 1});
    expect_expelled(1, "TOKEN_EXPIRED");
}

Test(token, makes_an_operator_if_it_says_so)
{
    world_finish(&world);
    world_init(&world);
    world.config.tokens = true;
    world.config.operators = true;
    world_start(&world);
    for (uint64_t i = 1; i <= 2; i++) {
        hello(i);
        world_event(&world, (struct hub_event){.kind = EVENT_VERIFIED,
                                               .connection = i,
                                               .request = world.verify_request,
                                               .verdict = VERDICT_ACCEPTED,
                                               .bytes = {(const uint8_t *)"ann", 3},
                                               .expires_ms = FOREVER,
                                               .admin = i == 2});
        skip(i);
        world_send(&world, i, "[\"CALL\",1,\"connections\",{}]");
        const char *expected = i == 1 ? "[\"ERROR\",1,\"FORBIDDEN\"," : "[\"RESULT\",1,";
        cr_expect(strstr(world_read(&world, i), expected) != NULL, "%s", expected);
    }
}

Test(token, means_nothing_to_a_hub_without_keys)
{
    world_finish(&world);
    world_init(&world);
    world_start(&world);
    connect(1);
    world_send(&world, 1,
               "[\"HELLO\",0,1,{\"token\":\"t\"}] [\"AUTH\",1,\"u\"] [\"AUTH\",2,\"u\"]");
    cr_expect(eq(u64, world.verify_request, 0));
    const char *transcript = world_read(&world, 1);
    cr_expect(strstr(transcript, "[\"WELCOME\"") == transcript);
    cr_expect(strstr(transcript, "[\"RESULT\",1,{}]\n[\"RESULT\",2,{}]\n") != NULL);
}

/* Each of the questions is answered at once, with a token that ends when the old one does. */
Test(token, is_not_asked_for_more_often_than_it_is_taken)
{
    uint64_t end_ms = world.now_ms + 3000;
    int asked = 0;
    welcome(1, "ann", 3000);
    while (world.wake_ms < end_ms) {
        world_tick(&world, world.wake_ms - world.now_ms);
        if (strstr(world_read(&world, 1), "\"token\"") != NULL) {
            char text[64];
            (void)snprintf(text, sizeof text, "[\"AUTH\",%d,\"u\"]", ++asked);
            world_send(&world, 1, text);
            cr_assert(world.verify_request != 0, "%s", world_read(&world, 1));
            world_verify(&world, VERDICT_ACCEPTED, "ann", end_ms - world.now_ms);
        }
    }
    cr_expect(ge(int, asked, 2));
    world_tick(&world, end_ms + SLACK - world.now_ms);
    cr_expect(eq(u16, world.connections[1].closed, CLOSE_TOKEN));
}

/* The question would come too early behind the token itself; the end waits for nothing. */
Test(token, of_a_very_short_life_ends_in_time)
{
    uint64_t end_ms = world.now_ms + 150;
    welcome(1, "ann", 150);
    cr_expect(le(u64, world.wake_ms, end_ms));
    world_tick(&world, end_ms - world.now_ms);
    expect_expelled(1, "TOKEN_EXPIRED");
}

/*
 * Goal:   a connection that is slow, silent, wrong or asks for too much is dealt with alone.
 * Method: packets in, transcripts out, as in test_hub.c.
 */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdio.h>
#include <string.h>

#include "tests/hub/clients.h"

TestSuite(hub_connections, .init = clients_start, .fini = clients_finish);

Test(hub_connections, a_blocked_connection_gets_the_converged_state_and_no_backlog)
{
    world_connect(&world, 1);
    world_connect(&world, 2);
    open_post(1, 1, 1);
    open_post(2, 1, 2);
    skip(2);
    world.connections[2].blocked = true;
    world_event(&world, (struct hub_event){.kind = EVENT_BLOCKED, .connection = 2});
    for (int i = 1; i <= 1000; i++) {
        char text[128];
        (void)snprintf(text, sizeof text, "[\"DELTA\",1,null,%d,%d,[0,[]],{\"0\":%d}]", i, i, i);
        world_send(&world, 1, text);
    }
    expect(2, "");
    world.connections[2].blocked = false;
    world_event(&world, (struct hub_event){.kind = EVENT_WRITABLE, .connection = 2});
    expect(2, "[\"UPDATE\",1,0,1000,{\"0\":1000}]\n");
}

Test(hub_connections, a_document_too_many_is_refused_until_there_is_room)
{
    world.config.memory_limit = 1;
    world_crash(&world);
    world_connect(&world, 1);
    open_post(1, 1, 1);
    cr_assert(strstr(world_read(&world, 1), "SNAPSHOT") != NULL);
    char text[256];
    (void)snprintf(text, sizeof text, "[\"OPEN\",2,\"post/2\",[%s],{}]", world_replica(2));
    world_send(&world, 1, text);
    cr_assert(strstr(world_read(&world, 1), "[\"ERROR\",2,\"BUSY\",") != NULL);
    world_send(&world, 1, "[\"CLOSE\",1,\"\",\"\"]");
    (void)snprintf(text, sizeof text, "[\"OPEN\",3,\"post/2\",[%s],{}]", world_replica(2));
    world_send(&world, 1, text);
    cr_assert(strstr(world_read(&world, 1), "SNAPSHOT") != NULL);
}

Test(hub_connections, a_replica_silent_too_long_is_refused_and_spends_nothing)
{
    world.config.replica_ttl_ms = 1000;
    world_crash(&world);
    world.now_ms += 5000;
    world_connect(&world, 1);
    open_post(1, 1, 1);
    skip(1);
    world_send(&world, 1, "[\"DELTA\",1,null,1,1,[0,[]],{\"0\":1}]");
    cr_assert(strstr(world_read(&world, 1), "\"REPLICA_EXPIRED\"") != NULL);
    cr_assert(eq(u64, world.last_position, 0));
}

Test(hub_connections, the_newest_connection_keeps_the_replica)
{
    world_connect(&world, 1);
    world_connect(&world, 2);
    open_post(1, 1, 1);
    skip(1);
    open_post(2, 1, 1);
    const char *text = world_read(&world, 1);
    cr_assert(strstr(text, "[\"CLOSE\",1,\"REPLICA_IN_USE\",") == text, "%s", text);
    cr_assert(strstr(world_read(&world, 2), "SNAPSHOT") != NULL);
}

Test(hub_connections, bad_packets_end_their_own_connection_and_no_other)
{
    static const struct {
        const char *bytes;
        size_t length;
        uint16_t code;
    } cases[] = {
        {"\xdd\x10\x00\x00\x00", 5, 1007},
        {"\x93\x06", 2, 1007},
        {"\xc1", 1, 1007},
        {"\x92\x06\x01", 3, 1007},
        {"\x93\x04\x01\xa1\xff", 5, 1007},
        {"\x95\x0c\x01\x00\x00\x80", 6, 1008},
    };
    world_connect(&world, 1);
    open_post(1, 1, 1);
    skip(1);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        world_connect(&world, 2);
        world_send_bytes(&world, 2,
                         (struct bytes){(const uint8_t *)cases[i].bytes, cases[i].length});
        cr_assert(eq(u16, world.connections[2].closed, cases[i].code), "case %zu", i);
        world_disconnect(&world, 2);
    }
    world_send(&world, 1, "[\"DELTA\",1,null,1,1,[0,[]],{\"0\":3}]");
    expect(1, "[\"ACK\",1,null,1,1,0]\n[\"UPDATE\",1,0,1,{\"0\":3}]\n");
}

Test(hub_connections, errors_name_what_is_wrong_and_leave_the_connection_open)
{
    static const struct {
        const char *packet;
        const char *code;
    } cases[] = {
        {"[\"OPEN\",11,\"nothing/1\",[R],{}]", "UNKNOWN_SCHEMA"},
        {"[\"OPEN\",12,\"post\",[R],{}]", "BAD_NAME"},
        {"[\"OPEN\",13,\"post/1\",[],{}]", "BAD_REPLICA"},
        {"[\"OPEN\",14,\"post/1\",[{\"$bytes\":\"00\"}],{}]", "BAD_REPLICA"},
        {"[\"OPEN\",14,\"post/1\",[R],{}]", "ID_IN_USE"},
        {"[\"DELTA\",99,null,1,1,[0,[]],{}]", "UNKNOWN_STREAM"},
        {"[\"CLOSE\",99,\"\",\"\"]", "UNKNOWN_STREAM"},
        {"[\"CALL\",15,\"frobnicate\",null]", "UNKNOWN_METHOD"},
    };
    world_connect(&world, 1);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[512];
        const char *mark = strchr(cases[i].packet, 'R');
        bool named = mark != NULL && mark[-1] == '[';
        if (named) {
            (void)snprintf(text, sizeof text, "%.*s%s%s", (int)(mark - cases[i].packet),
                           cases[i].packet, world_replica(9), mark + 1);
        } else {
            (void)snprintf(text, sizeof text, "%s", cases[i].packet);
        }
        world_send(&world, 1, text);
        const char *got = world_read(&world, 1);
        cr_assert(strstr(got, cases[i].code) != NULL, "case %zu: %s", i, got);
        cr_assert(eq(u16, world.connections[1].closed, 0));
    }
}

Test(hub_connections, a_silent_connection_is_pinged_and_then_closed)
{
    world_connect(&world, 1);
    for (uint64_t at = 0; at <= world.config.ping_ms; at += 1000) {
        world_tick(&world, 1000);
    }
    cr_assert(strstr(world_read(&world, 1), "[\"PING\",0,") != NULL);
    for (uint64_t at = 0; at <= world.config.ping_ms; at += 1000) {
        world_tick(&world, 1000);
    }
    cr_assert(eq(u16, world.connections[1].closed, 1008));
}

/* The hub looks around once a second, and sees at 1999 what it could not say at 999. */
Test(hub_connections, nobody_is_closed_for_a_ping_that_was_not_sent)
{
    world.config.ping_ms = 1000;
    world_crash(&world);
    world_connect(&world, 1);
    world_tick(&world, 1);
    world_send(&world, 1, "[\"PONG\",0,1]");
    world_tick(&world, 999);
    world_tick(&world, 1001);
    cr_assert(eq(u16, world.connections[1].closed, 0));
    cr_assert(strstr(world_read(&world, 1), "[\"PING\",0,") != NULL);
    world_tick(&world, 1000);
    cr_assert(eq(u16, world.connections[1].closed, 1008));
}

/* It cannot be read from meanwhile, so that it is silent says nothing. */
Test(hub_connections, a_connection_that_asks_and_does_not_read_is_closed_in_the_end)
{
    world_connect(&world, 1);
    world.connections[1].blocked = true;
    world_event(&world, (struct hub_event){.kind = EVENT_BLOCKED, .connection = 1});
    for (int id = 1; !world.connections[1].paused && id < 10000; id++) {
        char text[64];
        (void)snprintf(text, sizeof text, "[\"CALL\",%d,\"schema\",null]", id);
        world_send(&world, 1, text);
    }
    cr_assert(world.connections[1].paused);
    world_tick(&world, 2 * world.config.ping_ms - 1000);
    cr_assert(eq(u16, world.connections[1].closed, 0));
    world_tick(&world, 2000);
    cr_assert(eq(u16, world.connections[1].closed, 1008));
}

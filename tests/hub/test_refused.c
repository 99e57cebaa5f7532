/*
 * Goal:   a connection that breaks a rule, or is one too many, is told why and harms no other.
 * Method: one broken rule at a time; the oracle is the close code or the error's code that
 *         docs/protocol.md names, and a neighbour whose edit is acknowledged afterwards.
 */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdio.h>

#include "tests/hub/clients.h"

enum { NEIGHBOUR = 1, OTHER = 2 };

static void start(void)
{
    world_init(&world);
    world.config.connections_max = 3;
    world.config.streams_max = 2;
    world.config.message_bytes = 1000;
    world_start(&world);
    world_connect(&world, NEIGHBOUR);
}

static void open_as(uint64_t connection, int id, const char *replicas)
{
    char text[512];
    (void)snprintf(text, sizeof text, "[\"OPEN\",%d,\"post/%d\",[%s],{}]", id, id, replicas);
    world_send(&world, connection, text);
}

TestSuite(refused, .init = start, .fini = clients_finish);

/* And the neighbour edits as ever. */
static void expect_closed(uint16_t code)
{
    cr_expect(eq(u16, world.connections[OTHER].closed, code));
    open_as(NEIGHBOUR, 1, world_replica(1));
    world_send(&world, NEIGHBOUR, "[\"DELTA\",1,null,1,1,[0,[]],{\"0\":1}]");
    cr_expect(told(NEIGHBOUR, "[\"ACK\",1,null,1,"));
}

Test(refused, a_connection_too_many_is_asked_to_try_later)
{
    world_connect(&world, 3);
    world_connect(&world, 4);
    world_event(&world, (struct hub_event){.kind = EVENT_CONNECTED, .connection = OTHER});
    expect_closed(1013);
}

Test(refused, a_version_that_the_hub_does_not_speak)
{
    world_event(&world, (struct hub_event){.kind = EVENT_CONNECTED, .connection = OTHER});
    world_send(&world, OTHER, "[\"HELLO\",0,2,{}]");
    expect_closed(1008);
}

Test(refused, hello_comes_once)
{
    world_connect(&world, OTHER);
    world_send(&world, OTHER, "[\"HELLO\",0,1,{}]");
    expect_closed(1008);
}

Test(refused, an_id_whose_sign_says_that_the_hub_minted_it)
{
    world_connect(&world, OTHER);
    world_send(&world, OTHER, "[\"CALL\",-1,\"schema\",null]");
    expect_closed(1007);
}

Test(refused, a_message_longer_than_the_configuration_allows)
{
    static const uint8_t zeros[1001];
    world_connect(&world, OTHER);
    world_send_bytes(&world, OTHER, (struct bytes){zeros, sizeof zeros});
    expect_closed(1008);
}

Test(refused, a_context_of_no_known_layout)
{
    world_connect(&world, OTHER);
    open_as(OTHER, 1, world_replica(2));
    world_send(&world, OTHER, "[\"DELTA\",1,null,1,1,[0],{\"0\":1}]");
    expect_closed(1007);
}

Test(refused, a_stream_too_many_alone)
{
    world_connect(&world, OTHER);
    open_as(OTHER, 1, world_replica(2));
    open_as(OTHER, 2, world_replica(2));
    open_as(OTHER, 3, world_replica(2));
    cr_expect(told(OTHER, "[\"ERROR\",3,\"TOO_MANY_STREAMS\","));
    world_send(&world, OTHER, "[\"DELTA\",2,null,1,1,[0,[]],{\"0\":1}]");
    cr_expect(told(OTHER, "[\"ACK\",2,null,1,"));
}

Test(refused, a_replica_named_twice)
{
    char twice[256];
    world_connect(&world, OTHER);
    (void)snprintf(twice, sizeof twice, "%s,%s", world_replica(2), world_replica(2));
    open_as(OTHER, 1, twice);
    cr_expect(told(OTHER, "[\"ERROR\",1,\"BAD_REPLICA\","));
}

Test(refused, an_update_of_a_replica_or_with_one_in_its_context_that_open_did_not_name)
{
    char text[512];
    world_connect(&world, OTHER);
    open_as(OTHER, 1, world_replica(2));
    (void)snprintf(text, sizeof text, "[\"DELTA\",1,%s,1,1,[0,[]],{\"0\":1}]", world_replica(3));
    world_send(&world, OTHER, text);
    cr_expect(told(OTHER, "[\"ERROR\",1,\"UNKNOWN_REPLICA\","));
    (void)snprintf(text, sizeof text, "[\"DELTA\",1,null,1,1,[0,[[%s,1]]],{\"0\":1}]",
                   world_replica(3));
    world_send(&world, OTHER, text);
    cr_expect(told(OTHER, "[\"ERROR\",1,\"UNKNOWN_REPLICA\","));
}

Test(refused, fields_that_are_not_in_order)
{
    world_connect(&world, OTHER);
    open_as(OTHER, 1, world_replica(2));
    world_send(&world, OTHER, "[\"DELTA\",1,null,1,1,[0,[]],{\"0\":1,\"1\":[1,0]}]");
    cr_expect(told(OTHER, "[\"ACK\",1,null,1,1,0]"));
    world_send(&world, OTHER, "[\"DELTA\",1,null,2,2,[0,[]],{\"1\":[2,0],\"0\":2}]");
    cr_expect(told(OTHER, "[\"REJECT\",1,null,2,\"BAD_CHANGE\","));
}

Test(refused, a_hub_that_drains_takes_nobody)
{
    world_event(&world, (struct hub_event){.kind = EVENT_DRAIN});
    world_event(&world, (struct hub_event){.kind = EVENT_CONNECTED, .connection = OTHER});
    cr_expect(eq(u16, world.connections[OTHER].closed, 1013));
}

Test(refused, who_exceeds_its_rate_is_read_from_later)
{
    world.config.connection_rates.updates.amount = 10;
    world_crash(&world); /* the hub starts with that */
    world_connect(&world, NEIGHBOUR);
    world_connect(&world, OTHER);
    open_as(OTHER, 1, world_replica(2));
    skip(OTHER);
    unsigned seq = 0;
    char text[128];
    while (seq < 12 && !world.connections[OTHER].paused) {
        seq++;
        (void)snprintf(text, sizeof text, "[\"DELTA\",1,null,%u,%u,[0,[]],{\"0\":%u}]", seq, seq,
                       seq);
        world_send(&world, OTHER, text);
    }
    cr_expect(world.connections[OTHER].paused);
    (void)snprintf(text, sizeof text, "[\"ACK\",1,null,%u,", seq);
    cr_expect(told(OTHER, text)); /* what has come is taken */
    world_tick(&world, 2000);
    cr_expect(not(world.connections[OTHER].paused));
}

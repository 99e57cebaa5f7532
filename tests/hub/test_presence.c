/*
 * Goal:   who is here is told to those who asked, is gone with its connection, and costs a slow
 *         client no queue.
 * Method: packets in, transcripts out, as in test_hub.c.
 */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdio.h>
#include <string.h>

#include "tests/hub/clients.h"

static void start(void)
{
    world_init(&world);
    world.config.ping_ms = UINT64_MAX / 4;
    world_start(&world);
}

TestSuite(presence, .init = start, .fini = clients_finish);

static void join(uint64_t connection, const char *options)
{
    char text[256];
    (void)snprintf(text, sizeof text, "[\"OPEN\",1,\"post/1\",[%s],%s]",
                   world_replica((unsigned)connection), options);
    world_connect(&world, connection);
    world_send(&world, connection, text);
}

static void look(uint64_t connection)
{
    join(connection, "{\"presence\":true}");
    skip(connection);
}

static void say(uint64_t connection, const char *data)
{
    char text[4096];
    (void)snprintf(text, sizeof text, "[\"PRESENCE\",1,0,%s]", data);
    world_send(&world, connection, text);
}

Test(presence, is_told_to_those_who_asked_and_to_nobody_else)
{
    look(1);
    look(2);
    join(3, "{}");
    skip(3);
    say(1, "{\"name\":\"ann\"}");
    expect(2, "[\"PRESENCE\",1,1,{\"name\":\"ann\"}]\n");
    expect(1, "");
    expect(3, "");
    say(3, "\"bob\"");
    expect(1, "[\"PRESENCE\",1,2,\"bob\"]\n");
    expect(2, "[\"PRESENCE\",1,2,\"bob\"]\n");
}

Test(presence, of_all_who_are_here_is_told_to_a_newcomer)
{
    look(1);
    say(1, "1");
    look(2);
    say(2, "2");
    say(1, "3");
    join(4, "{\"presence\":true}");
    const char *transcript = world_read(&world, 4);
    cr_assert(strstr(transcript, "[\"SNAPSHOT\"") != NULL);
    cr_assert(strstr(transcript, "[\"PRESENCE\",1,2,2]\n[\"PRESENCE\",1,1,3]\n") != NULL, "%s",
              transcript);
}

Test(presence, is_gone_with_its_connection_its_stream_or_its_word)
{
    look(1);
    look(2);
    look(3);
    look(4);
    say(2, "2");
    say(3, "3");
    say(4, "4");
    skip(1);
    world_disconnect(&world, 2);
    expect(1, "[\"PRESENCE\",1,1,null]\n");
    world_send(&world, 3, "[\"CLOSE\",1,\"\",\"\"]");
    expect(1, "[\"PRESENCE\",1,2,null]\n");
    say(4, "null");
    expect(1, "[\"PRESENCE\",1,3,null]\n");
    look(5);
    cr_assert(strstr(world_read(&world, 5), "PRESENCE") == NULL);
}

Test(presence, that_changes_behind_a_blocked_connection_is_told_once)
{
    look(1);
    look(2);
    world.connections[1].blocked = true;
    world_event(&world, (struct hub_event){.kind = EVENT_BLOCKED, .connection = 1});
    for (int i = 0; i < 1000; i++) {
        char data[16];
        (void)snprintf(data, sizeof data, "%d", i);
        say(2, data);
    }
    world.connections[1].blocked = false;
    world_event(&world, (struct hub_event){.kind = EVENT_WRITABLE, .connection = 1});
    expect(1, "[\"PRESENCE\",1,1,999]\n");
}

Test(presence, of_many_who_came_and_went_starts_over_for_who_missed_it)
{
    look(1);
    look(2);
    say(2, "\"here\"");
    skip(1);
    world.connections[1].blocked = true;
    world_event(&world, (struct hub_event){.kind = EVENT_BLOCKED, .connection = 1});
    for (int i = 0; i < 600; i++) {
        look(3);
        say(3, "3");
        world_disconnect(&world, 3);
    }
    world.connections[1].blocked = false;
    world_event(&world, (struct hub_event){.kind = EVENT_WRITABLE, .connection = 1});
    expect(1, "[\"PRESENCE\",1,0,null]\n[\"PRESENCE\",1,1,\"here\"]\n");
}

Test(presence, is_bounded_in_size_and_number)
{
    char text[4096] = "\"";
    look(1);
    memset(text + 1, 'x', 2000);
    (void)snprintf(text + 2001, sizeof text - 2001, "\"");
    say(1, text);
    cr_assert(strstr(world_read(&world, 1), "[\"ERROR\",1,\"PRESENCE_TOO_LONG\"") != NULL);
    world_send(&world, 1, "[\"PRESENCE\",9,0,1]");
    cr_assert(strstr(world_read(&world, 1), "[\"ERROR\",9,\"UNKNOWN_STREAM\"") != NULL);
    world_connect(&world, 2);
    for (unsigned i = 1; i <= 1001; i++) {
        (void)snprintf(text, sizeof text, "[\"OPEN\",%u,\"post/1\",[%s],{}]", i,
                       world_replica(100 + i));
        world_send(&world, 2, text);
        (void)snprintf(text, sizeof text, "[\"PRESENCE\",%u,0,1]", i);
        world_send(&world, 2, text);
    }
    cr_assert(strstr(world_read(&world, 2), "[\"ERROR\",1001,\"TOO_MANY_PRESENT\"") != NULL);
}

Test(presence, leaves_no_memory_behind)
{
    struct hub_stats before;
    struct hub_stats after;
    look(1);
    look(2);
    say(2, "2");
    say(2, "null");
    hub_stats(world.hub, &before);
    for (int i = 0; i < 5000; i++) {
        say(2, "{\"name\":\"somebody with a long name\"}");
        say(2, "null");
    }
    hub_stats(world.hub, &after);
    cr_assert(lt(sz, after.memory_bytes, before.memory_bytes + 64 * 1024));
}

/* The others' codecs refuse a message with one, and their connections with it. */
Test(presence, what_others_could_not_read_ends_the_connection_that_says_it)
{
    static const struct bytes said[] = {
        {(const uint8_t *)"\x94\x0d\x01\x00\xa2\xc3\x28", 7},                  /* no UTF-8 */
        {(const uint8_t *)"\x94\x0d\x01\x00\x91\xcf\x00\x20\0\0\0\0\0\0", 14}, /* 2^53 */
    };
    for (size_t i = 0; i < sizeof said / sizeof *said; i++) {
        look(1);
        look(2);
        world_send_bytes(&world, 2, said[i]);
        cr_expect(eq(int, world.connections[2].closed, 1007));
        expect(1, "");
        world_disconnect(&world, 1);
        world_disconnect(&world, 2);
    }
}

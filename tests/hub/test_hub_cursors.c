/*
 * Goal:   who comes back with a cursor is told what has changed since, or all of the document where
 *         the hub cannot say.
 * Method: packets in, transcripts out, as in test_hub.c.
 */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdio.h>
#include <string.h>

#include "tests/hub/clients.h"

TestSuite(hub_cursors, .init = clients_start, .fini = clients_finish);

static void open_with_cursor(uint64_t connection, unsigned replica, unsigned journal, int position)
{
    char text[256];
    (void)snprintf(text, sizeof text,
                   "[\"OPEN\",1,\"post/1\",[%s],{\"cursor\":[{\"$bytes\":"
                   "\"%02x000000000000000000000000000000\"},%d]}]",
                   world_replica(replica), journal, position);
    world_send(&world, connection, text);
}

Test(hub_cursors, a_cursor_gets_the_changes_since)
{
    world_connect(&world, 1);
    open_post(1, 1, 1);
    world_send(&world, 1, "[\"DELTA\",1,null,1,1,[0,[]],{\"0\":3,\"2\":[false,[\"a\"],[]]}]");
    world_send(&world, 1, "[\"DELTA\",1,null,2,2,[1,[]],{\"2\":[false,[\"b\"],[\"a\"]]}]");
    world_connect(&world, 2);
    open_with_cursor(2, 2, 0, 1);
    expect(2, "[\"OPENED\",1," FIELDS ",15,2,[[null,0]]]\n"
              "[\"UPDATE\",1,1,2,{\"2\":[[[],[\"a\"]],[[[0,2,2]],[\"b\"]]]}]\n");
}

Test(hub_cursors, a_cursor_beyond_the_restore_point_gets_the_snapshot)
{
    struct hub_ancestor restored = {.journal = {{7}}, .position = 1};
    world_connect(&world, 1);
    open_post(1, 1, 1);
    world_send(&world, 1, "[\"DELTA\",1,null,1,1,[0,[]],{\"0\":3}]");
    world_send(&world, 1, "[\"DELTA\",1,null,2,2,[1,[]],{\"1\":[1,0]}]");
    world.config.ancestors = &restored;
    world.config.ancestor_count = 1;
    world_crash(&world);
    world_connect(&world, 2);
    open_with_cursor(2, 2, 7, 1);
    expect(2, "[\"OPENED\",1," FIELDS ",15,2,[[null,0]]]\n"
              "[\"UPDATE\",1,1,2,{\"1\":1}]\n");
    world_connect(&world, 3);
    open_with_cursor(3, 3, 7, 2);
    expect(3, "[\"OPENED\",1," FIELDS ",15,2,[[null,0]]]\n"
              "[\"SNAPSHOT\",1,2,{\"0\":3,\"1\":1,\"2\":[]}]\n");
}

Test(hub_cursors, a_cursor_behind_the_removal_log_gets_the_snapshot)
{
    world.config.removals_max = 1;
    world_crash(&world);
    world_connect(&world, 1);
    open_post(1, 1, 1);
    world_send(&world, 1, "[\"DELTA\",1,null,1,1,[0,[]],{\"2\":[false,[\"a\",\"b\",\"c\"],[]]}]");
    world_send(&world, 1, "[\"DELTA\",1,null,2,2,[1,[]],{\"2\":[false,[],[\"a\"]]}]");
    world_send(&world, 1, "[\"DELTA\",1,null,3,3,[1,[]],{\"2\":[false,[],[\"b\"]]}]");
    world_tick(&world, 1000); /* removals are forgotten once they are stored */
    for (int cursor = 1; cursor <= 2; cursor++) {
        world_connect(&world, 2);
        open_with_cursor(2, 2, 0, cursor);
        const char *got = world_read(&world, 2);
        bool snapshot = strstr(got, "SNAPSHOT") != NULL;
        cr_assert(snapshot == (cursor == 1), "%d: %s", cursor, got);
        world_disconnect(&world, 2);
    }
}

Test(hub_cursors, forgotten_removals_do_not_come_back_after_a_crash)
{
    world.config.removals_max = 2;
    world_crash(&world);
    world_connect(&world, 1);
    open_post(1, 1, 1);
    world_send(&world, 1,
               "[\"DELTA\",1,null,1,1,[0,[]],{\"2\":[false,[\"a\",\"b\",\"c\",\"d\"],[]]}]");
    world_tick(&world, 1000);
    world_send(&world, 1, "[\"DELTA\",1,null,2,2,[1,[]],{\"2\":[true,[],[]]}]");
    world_tick(&world, 1000);
    world_crash(&world);
    world_connect(&world, 2);
    open_post(2, 1, 2);
    const char *text = world_read(&world, 2);
    cr_assert(strstr(text, "\"2\":[]}]\n") != NULL, "%s", text);
}

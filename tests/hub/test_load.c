/*
 * Goal:   what waits for rows from the database is opened once they are here, whatever goes away
 *         meanwhile.
 * Method: packets in, transcripts out, as in test_hub.c; loads wait until the test answers them.
 */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <string.h>

#include "tests/hub/clients.h"

static void start(void)
{
    world_init(&world);
    world_start(&world);
    world.holds_loads = true;
}

TestSuite(load, .init = start, .fini = clients_finish);

static bool is_told(uint64_t connection, const char *kind)
{
    return strstr(world_read(&world, connection), kind) != NULL;
}

static void connect_two(void)
{
    for (uint64_t connection = 1; connection <= 2; connection++) {
        world_connect(&world, connection);
        open_post(connection, 1, (unsigned)connection);
        skip(connection);
    }
}

Test(load, each_stream_opens_with_its_own_answer)
{
    connect_two();
    cr_assert(eq(sz, world.load_count, 2));
    uint64_t second = world.loads[1].request;
    world_event(&world, (struct hub_event){.kind = EVENT_LOADED, .request = second});
    /* Its replica is known, the document is not here yet. */
    cr_expect(not(is_told(2, "OPENED")));
    world_event(&world,
                (struct hub_event){.kind = EVENT_LOADED, .request = world.loads[0].request});
    cr_expect(is_told(1, "OPENED"));
    cr_expect(is_told(2, "OPENED"));
}

Test(load, a_connection_that_goes_meanwhile_leaves_the_others_what_it_asked_for)
{
    connect_two();
    world_disconnect(&world, 1);
    world_load(&world, true);
    cr_expect(is_told(2, "OPENED"));
}

Test(load, a_stream_that_closes_meanwhile_is_not_opened)
{
    connect_two();
    world_send(&world, 2, "[\"CLOSE\",1,\"\",\"\"]");
    world_load(&world, true);
    cr_expect(is_told(1, "OPENED"));
    cr_expect(eq(int, (int)strlen(world_read(&world, 2)), 0));
}

Test(load, a_failure_ends_who_waits_and_the_next_asks_again)
{
    connect_two();
    world_load(&world, false);
    cr_expect(is_told(1, "UNAVAILABLE"));
    cr_expect(is_told(2, "UNAVAILABLE"));
    open_post(1, 2, 1);
    world_load(&world, true);
    cr_expect(is_told(1, "OPENED"));
}

/*
 * Goal:   a document that very many have open: each of them is told of every edit in the end, its
 *         writer first; while more are coming, not at every edit.
 * Method: packets in, transcripts out, as in test_hub.c.
 */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <string.h>

#include "tests/hub/clients.h"

enum { CONNECTIONS = 50, STREAMS = 4, CROWD = CONNECTIONS * STREAMS, WAIT_MS = 1000 };

/* One stream more of the connection, on post/1. */
static void open_another(unsigned connection, unsigned id)
{
    open_post(connection, (int)id, connection * 10 + id);
}

static void start(void)
{
    world_init(&world);
    world.config.ping_ms = UINT64_MAX / 4;
    world_start(&world);
    for (unsigned i = 1; i <= CONNECTIONS; i++) {
        world_connect(&world, i);
        for (unsigned id = 1; id <= STREAMS; id++) {
            open_another(i, id);
        }
        skip(i);
    }
    world_tick(&world, WAIT_MS);
}

TestSuite(crowd, .init = start, .fini = clients_finish);

static size_t count(uint64_t connection, const char *what)
{
    size_t found = 0;
    for (const char *at = world_read(&world, connection); (at = strstr(at, what)) != NULL; at++) {
        found++;
    }
    return found;
}

static size_t count_updates(void)
{
    size_t found = 0;
    for (unsigned i = 1; i <= CONNECTIONS; i++) {
        found += count(i, "\"UPDATE\"");
    }
    return found;
}

Test(crowd, all_are_told_of_each_edit)
{
    like(1, 1, 1, 1);
    world_tick(&world, WAIT_MS);
    cr_expect(eq(sz, count_updates(), CROWD));
    like(2, 1, 1, 1); /* nobody has come since: at once */
    cr_expect(eq(sz, count_updates(), CROWD));
}

Test(crowd, while_it_gathers_the_writer_is_told_at_once_and_the_others_of_all_in_one)
{
    like(1, 1, 1, 1);
    world_tick(&world, WAIT_MS);
    for (unsigned i = 1; i <= CONNECTIONS; i++) {
        open_another(i, STREAMS + 1);
    }
    like(1, 1, 2, 2); /* who was told longer ago than the wait is told now */
    (void)count_updates();
    for (unsigned i = 1; i <= CONNECTIONS; i++) {
        open_another(i, STREAMS + 2);
        skip(i);
    }
    for (int seq = 3; seq <= 5; seq++) {
        like(1, 1, seq, seq);
        cr_expect(eq(sz, count(1, "\"ACK\""), 1));
    }
    cr_expect(eq(sz, count_updates(), 0));
    world_tick(&world, WAIT_MS);
    for (unsigned i = 2; i <= CONNECTIONS; i++) {
        cr_expect(eq(sz, count(i, "\"UPDATE\""), STREAMS + 2));
    }
}

/*
 * Goal:   an update is merged by what its replica had seen, whether that comes as a context or as a
 *         full state.
 * Method: packets in, transcripts out, as in test_hub.c.
 */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdio.h>
#include <string.h>

#include "tests/hub/clients.h"

TestSuite(hub_contexts, .init = clients_start, .fini = clients_finish);

Test(hub_contexts, a_concurrent_add_wins_and_a_seen_one_goes)
{
    world_connect(&world, 1);
    world_connect(&world, 2);
    open_post(1, 1, 1);
    open_post(2, 1, 2);
    world_send(&world, 1, "[\"DELTA\",1,null,1,1,[0,[]],{\"2\":[false,[\"a\",\"b\"],[]]}]");
    skip(2);
    world_send(&world, 2, "[\"DELTA\",1,null,1,1,[0,[]],{\"2\":[false,[],[\"a\"]]}]");
    expect(2, "[\"ACK\",1,null,1,2,1]\n[\"UPDATE\",1,1,2,{}]\n");
    world_send(&world, 2, "[\"DELTA\",1,null,2,2,[2,[]],{\"2\":[false,[],[\"a\"]]}]");
    expect(2, "[\"ACK\",1,null,2,3,1]\n[\"UPDATE\",1,2,3,{\"2\":[[[],[\"a\"]]]}]\n");
}

Test(hub_contexts, a_context_beyond_the_journal_covers_nothing_that_comes_later)
{
    world.manual = true;
    world_connect(&world, 1);
    world_connect(&world, 2);
    open_post(1, 1, 1);
    open_post(2, 1, 2);
    skip(2);
    world_send(&world, 1, "[\"DELTA\",1,null,1,1,[0,[]],{\"2\":[false,[\"a\"],[]]}]");
    world_send(&world, 2, "[\"DELTA\",1,null,1,1,[999,[]],{\"2\":[true,[],[]]}]");
    while (world_commit(&world)) {
    }
    const char *text = world_read(&world, 2);
    cr_assert(strstr(text, "[[],[\"a\"]]") == NULL, "%s", text);
}

Test(hub_contexts, a_full_state_joins_counts_once_and_raises_the_ledger)
{
    world_connect(&world, 1);
    world_connect(&world, 2);
    open_post(1, 1, 1);
    open_post(2, 1, 2);
    world_send(&world, 1, "[\"DELTA\",1,null,1,1,[0,[]],{\"0\":1,\"2\":[false,[\"a\",\"b\"],[]]}]");
    skip(1);
    skip(2);
    /* It holds update 1, a second increment, a new tag, and has removed b. */
    static const char *const state = "[\"STATE\",1,null,3,[1,[]],{\"0\":[[null,5]],\"2\":[[[[0,1]],"
                                     "[\"a\"]],[[[null,3]],[\"c\"]]]}]";
    world_send(&world, 1, state);
    expect(1, "[\"ACK\",1,null,3,2,0]\n"
              "[\"UPDATE\",1,1,2,{\"0\":5,\"2\":[[[],[\"b\"]],[[[0,3,2]],[\"c\"]]]}]\n");
    skip(2);
    world_send(&world, 1, state);
    expect(1, "[\"ACK\",1,null,3,3,0]\n[\"UPDATE\",1,2,3,{}]\n");
    world_send(&world, 1, "[\"DELTA\",1,null,2,2,[1,[]],{\"0\":3}]");
    expect(1, "[\"ACK\",1,null,3,3,0]\n");
    world_crash(&world);
    world_connect(&world, 3);
    open_post(3, 1, 1);
    const char *text = world_read(&world, 3);
    cr_assert(strstr(text, ",[[0,3]]]\n[\"SNAPSHOT\",1,3,{\"0\":5,\"1\":0,\"2\":[[[[0,1,1]],"
                           "[\"a\"]],[[[0,3,2]],[\"c\"]]]}]\n") != NULL,
              "%s", text);
}

Test(hub_contexts, a_full_state_keeps_what_it_had_not_seen)
{
    world_connect(&world, 1);
    world_connect(&world, 2);
    open_post(1, 1, 1);
    open_post(2, 1, 2);
    world_send(&world, 1, "[\"DELTA\",1,null,1,1,[0,[]],{\"2\":[false,[\"a\"],[]]}]");
    world_send(&world, 2, "[\"DELTA\",1,null,1,1,[1,[]],{\"2\":[false,[\"b\"],[]]}]");
    skip(1);
    /* Made at position 1: it has removed a, and never saw b. */
    world_send(&world, 1, "[\"STATE\",1,null,2,[1,[]],{\"2\":[]}]");
    expect(1, "[\"ACK\",1,null,2,3,0]\n[\"UPDATE\",1,2,3,{\"2\":[[[],[\"a\"]]]}]\n");
}

Test(hub_contexts, a_full_state_brings_nothing_back_that_was_removed_here)
{
    world_connect(&world, 1);
    world_connect(&world, 2);
    open_post(1, 1, 1);
    open_post(2, 1, 2);
    world_send(&world, 1, "[\"DELTA\",1,null,1,1,[0,[]],{\"2\":[false,[\"a\",\"b\"],[]]}]");
    world_send(&world, 1, "[\"DELTA\",1,null,2,2,[1,[]],{\"2\":[false,[],[\"a\"]]}]");
    skip(2);
    /* Made at position 1, when both were there; index 0 is who added them. */
    world_send(&world, 2, "[\"STATE\",1,null,1,[1,[]],{\"2\":[[[[0,1]],[\"a\",\"b\"]]]}]");
    expect(2, "[\"ACK\",1,null,1,3,1]\n[\"UPDATE\",1,2,3,{}]\n");
}

Test(hub_contexts, a_state_that_names_a_stranger_is_rejected_alone)
{
    char text[512];
    world_connect(&world, 1);
    open_post(1, 1, 1);
    skip(1);
    (void)snprintf(text, sizeof text, "[\"STATE\",1,null,1,[0,[]],{\"0\":[[%s,5]]}]",
                   world_replica(7));
    world_send(&world, 1, text);
    cr_assert(strstr(world_read(&world, 1), "[\"REJECT\",1,null,1,\"BAD_CHANGE\",") != NULL);
    cr_assert(eq(u16, world.connections[1].closed, 0));
}

Test(hub_contexts, of_a_replica_that_a_context_names_twice_the_higher_seq_counts)
{
    char text[512];
    world_connect(&world, 1);
    world_connect(&world, 2);
    open_post(1, 1, 1);
    (void)snprintf(text, sizeof text, "[\"OPEN\",1,\"post/1\",[%s,%s],{}]", world_replica(2),
                   world_replica(1));
    world_send(&world, 2, text);
    world_send(&world, 1, "[\"DELTA\",1,null,1,1,[0,[]],{\"2\":[false,[\"a\"],[]]}]");
    world_send(&world, 1, "[\"DELTA\",1,null,2,2,[1,[]],{\"2\":[false,[\"b\"],[]]}]");
    (void)snprintf(text, sizeof text,
                   "[\"DELTA\",1,null,1,1,[0,[[%s,1],[%s,2]]],{\"2\":[true,[],[]]}]",
                   world_replica(1), world_replica(1));
    skip(2);
    world_send(&world, 2, text);
    cr_assert(strstr(world_read(&world, 2), "{\"2\":[[[],[\"a\",\"b\"]]]}") != NULL);
}

Test(hub_contexts, what_an_update_has_seen_is_known_when_its_stream_ends_before_the_commit)
{
    char text[512];
    world_connect(&world, 1);
    open_post(1, 1, 1);
    world_send(&world, 1, "[\"DELTA\",1,null,1,1,[0,[]],{\"2\":[false,[\"a\"],[]]}]");
    world_disconnect(&world, 1);
    world_tick(&world, 1000); /* all is stored, and the replica's row leaves the memory */
    world.manual = true;
    world_connect(&world, 2);
    (void)snprintf(text, sizeof text, "[\"OPEN\",1,\"post/1\",[%s,%s],{}]", world_replica(2),
                   world_replica(1));
    world_send(&world, 2, text);
    (void)snprintf(text, sizeof text, "[\"DELTA\",1,null,1,1,[0,[[%s,1]]],{\"2\":[true,[],[]]}]",
                   world_replica(1));
    world_send(&world, 2, text);
    world_disconnect(&world, 2);
    cr_assert(world_commit(&world));
    world_connect(&world, 3);
    open_post(3, 1, 1);
    expect(3, "[\"OPENED\",1," FIELDS ",15,2,[[0,1]]]\n"
              "[\"SNAPSHOT\",1,2,{\"0\":0,\"1\":0,\"2\":[]}]\n");
}

/* Opens with `NAMED` replicas that nobody knows, has seen an edit of each, and leaves. */
static void name_strangers(unsigned round)
{
    enum { NAMED = 40 };
    char open[4096] = "";
    char seen[4096] = "";
    char text[10000];
    for (unsigned i = 0; i < NAMED; i++) {
        const char *comma = i == 0 ? "" : ",";
        const char *replica = world_replica(1000 + round * NAMED + i);
        (void)snprintf(open + strlen(open), sizeof open - strlen(open), "%s%s", comma, replica);
        if (i > 0) {
            (void)snprintf(seen + strlen(seen), sizeof seen - strlen(seen), "%s[%s,1]",
                           i == 1 ? "" : ",", replica);
        }
    }
    world_connect(&world, 2);
    (void)snprintf(text, sizeof text, "[\"OPEN\",1,\"post/1\",[%s],{}]", open);
    world_send(&world, 2, text);
    (void)snprintf(text, sizeof text, "[\"DELTA\",1,null,1,1,[0,[%s]],{\"0\":1}]", seen);
    world_send(&world, 2, text);
    world_disconnect(&world, 2);
}

static size_t memory_after_strangers(bool (*answer)(struct world *world))
{
    struct hub_stats stats;
    for (unsigned round = 0; round < 20; round++) {
        name_strangers(round);
        cr_assert(answer(&world));
        world_tick(&world, 5000);
    }
    hub_stats(world.hub, &stats);
    return stats.memory_bytes;
}

Test(hub_contexts, what_updates_that_take_no_effect_had_seen_leaves_the_memory)
{
    enum { ROOM = 20 * 400 }; /* for the writers' own rows; the named ones would take 100 kB */
    struct hub_stats stats;
    world.manual = true;
    world_connect(&world, 1);
    open_post(1, 1, 1);
    hub_stats(world.hub, &stats);
    cr_expect(lt(sz, memory_after_strangers(world_fail_append), stats.memory_bytes + ROOM));
    cr_expect(lt(sz, memory_after_strangers(world_commit), stats.memory_bytes + ROOM));
}

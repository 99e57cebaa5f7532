/*
 * Goal:   the pipeline keeps its promises one by one.
 * Method: packets in, transcripts out. Each test plays one story with the world's journal and
 * tables.
 */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdio.h>
#include <string.h>

#include "tests/hub/clients.h"

TestSuite(hub, .init = clients_start, .fini = clients_finish);

Test(hub, a_new_document_opens_empty)
{
    world_connect(&world, 1);
    open_post(1, 1, 1);
    expect(1, "[\"OPENED\",1," FIELDS ",15,0,[[null,0]]]\n"
              "[\"SNAPSHOT\",1,0,{\"0\":0,\"1\":0,\"2\":[]}]\n");
}

Test(hub, nothing_is_acknowledged_or_shown_before_the_journal_has_it)
{
    world.manual = true;
    world_connect(&world, 1);
    world_connect(&world, 2);
    open_post(1, 1, 1);
    open_post(2, 1, 2);
    skip(1);
    skip(2);
    world_send(&world, 1, "[\"DELTA\",1,null,1,1,[0,[]],{\"0\":3,\"2\":[false,[\"a\"],[]]}]");
    expect(1, "");
    expect(2, "");
    cr_assert(world_commit(&world));
    expect(1, "[\"ACK\",1,null,1,1,0]\n"
              "[\"UPDATE\",1,0,1,{\"0\":3,\"2\":[[[[0,1,1]],[\"a\"]]]}]\n");
    expect(2, "[\"UPDATE\",1,0,1,{\"0\":3,\"2\":[[[[0,1,1]],[\"a\"]]]}]\n");
}

Test(hub, a_repeated_delta_counts_once_and_is_acknowledged_again)
{
    world_connect(&world, 1);
    open_post(1, 1, 1);
    world_send(&world, 1, "[\"DELTA\",1,null,1,1,[0,[]],{\"0\":3}]");
    skip(1);
    world_send(&world, 1, "[\"DELTA\",1,null,1,1,[0,[]],{\"0\":3}]");
    expect(1, "[\"ACK\",1,null,1,1,0]\n");
}

Test(hub, a_repeat_in_the_same_batch_counts_once)
{
    world.manual = true;
    world_connect(&world, 1);
    world_connect(&world, 2);
    open_post(1, 1, 1);
    skip(1);
    world_send(&world, 1,
               "[\"DELTA\",1,null,1,1,[0,[]],{\"0\":3}]"
               "[\"DELTA\",1,null,1,1,[0,[]],{\"0\":3}]");
    while (world_commit(&world)) {
    }
    expect(1, "[\"ACK\",1,null,1,1,0]\n[\"UPDATE\",1,0,1,{\"0\":3}]\n");
}

Test(hub, a_gap_in_seq_is_answered_with_the_next_expected)
{
    world_connect(&world, 1);
    open_post(1, 1, 1);
    skip(1);
    world_send(&world, 1, "[\"DELTA\",1,null,2,2,[0,[]],{\"0\":3}]");
    expect(1, "[\"GAP\",1,null,1]\n");
    world_send(&world, 1, "[\"DELTA\",1,null,1,1,[0,[]],{\"0\":1}]");
    expect(1, "[\"ACK\",1,null,1,1,0]\n[\"UPDATE\",1,0,1,{\"0\":1}]\n");
}

Test(hub, a_rejected_update_spends_its_seq_and_its_amount_and_nothing_else)
{
    world_connect(&world, 1);
    open_post(1, 1, 1);
    skip(1);
    world_send(&world, 1, "[\"DELTA\",1,null,1,1,[0,[]],{\"0\":5,\"2\":[false,[7],[]]}]");
    const char *text = world_read(&world, 1);
    cr_assert(strstr(text, "[\"REJECT\",1,null,1,\"BAD_ELEMENT\",") == text, "%s", text);
    cr_assert(strstr(text, "{\"field\":2}]\n[\"ACK\",1,null,1,1,0]\n[\"UPDATE\",1,0,1,{}]\n") !=
                  NULL,
              "%s", text);
    world_send(&world, 1, "[\"DELTA\",1,null,2,2,[0,[]],{\"0\":7}]");
    expect(1, "[\"ACK\",1,null,2,2,0]\n[\"UPDATE\",1,1,2,{\"0\":2}]\n");
}

Test(hub, a_lost_reject_is_told_again_when_the_document_is_opened)
{
    world_connect(&world, 1);
    open_post(1, 1, 1);
    world_send(&world, 1, "[\"DELTA\",1,null,1,1,[0,[]],{\"9\":5}]");
    world_disconnect(&world, 1);
    world_tick(&world, 1000);
    world_crash(&world);
    world_connect(&world, 2);
    open_post(2, 1, 1);
    const char *text = world_read(&world, 2);
    cr_assert(strstr(text, ",15,1,[[0,1]]]\n[\"REJECT\",1,null,1,\"UNKNOWN_FIELD\",") != NULL, "%s",
              text);
}

Test(hub, overflow_is_rejected_alone)
{
    world_connect(&world, 1);
    world_connect(&world, 2);
    open_post(1, 1, 1);
    open_post(2, 1, 2);
    world_send(&world, 1, "[\"DELTA\",1,null,1,1,[0,[]],{\"0\":9007199254740991}]");
    skip(1);
    skip(2);
    world_send(&world, 2, "[\"DELTA\",1,null,1,1,[1,[]],{\"0\":1,\"1\":[4,0]}]");
    const char *text = world_read(&world, 2);
    cr_assert(strstr(text, "\"OVERFLOW\"") != NULL, "%s", text);
    cr_assert(strstr(text, "[\"UPDATE\",1,1,2,{}]\n") != NULL, "%s", text);
}

Test(hub, a_concurrent_add_wins_and_a_seen_one_goes)
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

Test(hub, a_context_beyond_the_journal_covers_nothing_that_comes_later)
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

Test(hub, a_restart_shows_what_was_acknowledged)
{
    world_connect(&world, 1);
    open_post(1, 1, 1);
    world_send(&world, 1, "[\"DELTA\",1,null,1,2,[0,[]],{\"0\":3,\"2\":[false,[\"a\"],[]]}]");
    world_crash(&world);
    world_connect(&world, 2);
    open_post(2, 1, 1);
    expect(2, "[\"OPENED\",1," FIELDS ",15,1,[[0,2]]]\n"
              "[\"SNAPSHOT\",1,1,{\"0\":3,\"1\":0,\"2\":[[[[0,2,1]],[\"a\"]]]}]\n");
}

Test(hub, a_restart_after_the_rows_were_stored_shows_the_same)
{
    world_connect(&world, 1);
    open_post(1, 1, 1);
    world_send(&world, 1,
               "[\"DELTA\",1,null,1,1,[0,[]],{\"0\":3,\"2\":[false,[\"a\",\"b\"],[]]}]"
               "[\"DELTA\",1,null,2,2,[0,[]],{\"2\":[false,[],[\"b\"]]}]");
    world_tick(&world, 1000);
    cr_assert(eq(u64, world.trimmed, world.last_position));
    world_send(&world, 1, "[\"DELTA\",1,null,3,3,[1,[]],{\"1\":[0,4]}]");
    world_crash(&world);
    world_connect(&world, 2);
    open_post(2, 1, 1);
    const char *text = world_read(&world, 2);
    cr_assert(strstr(text, ",[[0,3]]]\n") != NULL, "%s", text);
    cr_assert(strstr(text, "{\"0\":3,\"1\":-4,\"2\":[[[[0,1,1]],[\"a\"]]]}]\n") != NULL, "%s",
              text);
}

Test(hub, the_journal_keeps_what_the_rows_lack)
{
    world.manual = true;
    world_connect(&world, 1);
    open_post(1, 1, 1);
    world_send(&world, 1, "[\"DELTA\",1,null,1,1,[0,[]],{\"0\":3}]");
    cr_assert(world_commit(&world));
    world_tick(&world, 1000);
    cr_assert(world.has_store);
    world_send(&world, 1, "[\"DELTA\",1,null,2,2,[1,[]],{\"0\":4}]");
    cr_assert(world_commit(&world));
    cr_assert(world_store(&world));
    cr_assert(eq(u64, world.trimmed, 1));
    world_crash(&world);
    world_connect(&world, 2);
    open_post(2, 1, 2);
    cr_assert(strstr(world_read(&world, 2), "[\"SNAPSHOT\",1,2,{\"0\":4,") != NULL);
}

Test(hub, a_cursor_gets_the_changes_since)
{
    char text[256];
    world_connect(&world, 1);
    open_post(1, 1, 1);
    world_send(&world, 1, "[\"DELTA\",1,null,1,1,[0,[]],{\"0\":3,\"2\":[false,[\"a\"],[]]}]");
    world_send(&world, 1, "[\"DELTA\",1,null,2,2,[1,[]],{\"2\":[false,[\"b\"],[\"a\"]]}]");
    world_connect(&world, 2);
    (void)snprintf(text, sizeof text,
                   "[\"OPEN\",1,\"post/1\",[%s],{\"cursor\":[{\"$bytes\":"
                   "\"00000000000000000000000000000000\"},1]}]",
                   world_replica(2));
    world_send(&world, 2, text);
    expect(2, "[\"OPENED\",1," FIELDS ",15,2,[[null,0]]]\n"
              "[\"UPDATE\",1,1,2,{\"2\":[[[],[\"a\"]],[[[0,2,2]],[\"b\"]]]}]\n");
}

static void open_with_cursor(uint64_t connection, unsigned replica, int position)
{
    char text[256];
    (void)snprintf(text, sizeof text,
                   "[\"OPEN\",1,\"post/1\",[%s],{\"cursor\":[{\"$bytes\":"
                   "\"07000000000000000000000000000000\"},%d]}]",
                   world_replica(replica), position);
    world_send(&world, connection, text);
}

Test(hub, a_cursor_beyond_the_restore_point_gets_the_snapshot)
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
    open_with_cursor(2, 2, 1);
    expect(2, "[\"OPENED\",1," FIELDS ",15,2,[[null,0]]]\n"
              "[\"UPDATE\",1,1,2,{\"1\":1}]\n");
    world_connect(&world, 3);
    open_with_cursor(3, 3, 2);
    expect(3, "[\"OPENED\",1," FIELDS ",15,2,[[null,0]]]\n"
              "[\"SNAPSHOT\",1,2,{\"0\":3,\"1\":1,\"2\":[]}]\n");
}

Test(hub, a_cursor_behind_the_removal_log_gets_the_snapshot)
{
    char text[256];
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
        (void)snprintf(text, sizeof text,
                       "[\"OPEN\",1,\"post/1\",[%s],{\"cursor\":[{\"$bytes\":"
                       "\"00000000000000000000000000000000\"},%d]}]",
                       world_replica(2), cursor);
        world_send(&world, 2, text);
        const char *got = world_read(&world, 2);
        bool snapshot = strstr(got, "SNAPSHOT") != NULL;
        cr_assert(snapshot == (cursor == 1), "%d: %s", cursor, got);
        world_disconnect(&world, 2);
    }
}

Test(hub, forgotten_removals_do_not_come_back_after_a_crash)
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

Test(hub, a_blocked_connection_gets_the_converged_state_and_no_backlog)
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

Test(hub, a_full_disk_is_told_and_nothing_is_lost_or_taken)
{
    world.manual = true;
    world_connect(&world, 1);
    open_post(1, 1, 1);
    skip(1);
    world_send(&world, 1, "[\"DELTA\",1,null,1,1,[0,[]],{\"0\":3}]");
    cr_assert(world_fail_append(&world));
    const char *text = world_read(&world, 1);
    cr_assert(strstr(text, "[\"ERROR\",1,\"READ_ONLY\",") == text, "%s", text);
    struct hub_stats stats;
    hub_stats(world.hub, &stats);
    cr_assert(stats.read_only);
    world_send(&world, 1, "[\"DELTA\",1,null,1,1,[0,[]],{\"0\":3}]");
    cr_assert(strstr(world_read(&world, 1), "READ_ONLY") != NULL);
    world_tick(&world, 1000);
    cr_assert(world_commit(&world), "it tries again by itself");
    hub_stats(world.hub, &stats);
    cr_assert(not(stats.read_only));
    world_send(&world, 1, "[\"DELTA\",1,null,1,1,[0,[]],{\"0\":3}]");
    cr_assert(world_commit(&world));
    expect(1, "[\"ACK\",1,null,1,2,0]\n[\"UPDATE\",1,0,2,{\"0\":3}]\n");
}

Test(hub, a_drain_stores_at_once_what_is_there_and_what_is_still_committed)
{
    struct hub_stats stats;
    world.manual = true;
    world_connect(&world, 1);
    open_post(1, 1, 1);
    world_send(&world, 1, "[\"DELTA\",1,null,1,1,[0,[]],{\"0\":3}]");
    cr_assert(world_commit(&world));
    world_send(&world, 1, "[\"DELTA\",1,null,2,2,[0,[]],{\"0\":4}]");
    cr_assert(not(world.has_store));
    world_event(&world, (struct hub_event){.kind = EVENT_DRAIN});
    cr_assert(world_store(&world));
    cr_assert(world_commit(&world));
    cr_assert(world_store(&world));
    hub_stats(world.hub, &stats);
    cr_assert(stats.drained, "and no time has passed");
}

Test(hub, a_drain_on_a_full_disk_tries_again_when_it_is_time_and_not_before)
{
    struct hub_stats stats;
    world.manual = true;
    world_connect(&world, 1);
    open_post(1, 1, 1);
    world_send(&world, 1, "[\"DELTA\",1,null,1,1,[0,[]],{\"0\":3}]");
    cr_assert(world_commit(&world));
    world_event(&world, (struct hub_event){.kind = EVENT_DRAIN});
    for (int i = 0; i < 3; i++) {
        cr_assert(world.has_store);
        world.has_store = false;
        world_event(&world, (struct hub_event){.kind = EVENT_STORE_FAILED});
        cr_assert(not(world.has_store), "not at once");
        cr_assert(eq(u64, world.wake_ms, world.now_ms + 1000));
        world_tick(&world, 999);
        cr_assert(not(world.has_store));
        world_tick(&world, 1);
    }
    cr_assert(world_store(&world));
    hub_stats(world.hub, &stats);
    cr_assert(stats.drained);
}

Test(hub, a_full_state_joins_counts_once_and_raises_the_ledger)
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

Test(hub, a_full_state_keeps_what_it_had_not_seen)
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

Test(hub, of_a_replica_that_a_context_names_twice_the_higher_seq_counts)
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

Test(hub, what_an_update_has_seen_is_known_when_its_stream_ends_before_the_commit)
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

Test(hub, what_updates_that_take_no_effect_had_seen_leaves_the_memory)
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

Test(hub, a_full_state_brings_nothing_back_that_was_removed_here)
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

Test(hub, a_state_that_names_a_stranger_is_rejected_alone)
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

Test(hub, a_document_too_many_is_refused_until_there_is_room)
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

Test(hub, a_replica_silent_too_long_is_refused_and_spends_nothing)
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

Test(hub, the_newest_connection_keeps_the_replica)
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

Test(hub, an_idle_document_leaves_memory_and_comes_back)
{
    struct hub_stats stats;
    world_connect(&world, 1);
    open_post(1, 1, 1);
    world_send(&world, 1, "[\"DELTA\",1,null,1,1,[0,[]],{\"0\":3,\"2\":[false,[\"a\"],[]]}]");
    world_send(&world, 1, "[\"CLOSE\",1,\"\",\"\"]");
    world_tick(&world, 1000);
    world_tick(&world, world.config.idle_ms);
    hub_stats(world.hub, &stats);
    cr_assert(eq(sz, stats.documents, 0));
    world_connect(&world, 2);
    open_post(2, 1, 1);
    expect(2, "[\"OPENED\",1," FIELDS ",15,1,[[0,1]]]\n"
              "[\"SNAPSHOT\",1,1,{\"0\":3,\"1\":0,\"2\":[[[[0,1,1]],[\"a\"]]]}]\n");
}

Test(hub, bad_packets_end_their_own_connection_and_no_other)
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

Test(hub, errors_name_what_is_wrong_and_leave_the_connection_open)
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

Test(hub, a_silent_connection_is_pinged_and_then_closed)
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
Test(hub, nobody_is_closed_for_a_ping_that_was_not_sent)
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
Test(hub, a_connection_that_asks_and_does_not_read_is_closed_in_the_end)
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

static void damage(const char *sql)
{
    world_tick(&world, 1000);
    cr_assert(eq(int, database_exec(world.database, sql), SQLITE_OK));
    world_crash(&world);
    world_connect(&world, 2);
    open_post(2, 1, 2);
    cr_assert(strstr(world_read(&world, 2), "[\"CLOSE\",1,\"UNAVAILABLE\"") != NULL, "%s", sql);
}

Test(hub, a_document_whose_rows_make_no_sense_harms_no_other)
{
    world_connect(&world, 1);
    open_post(1, 1, 1);
    open_document(1, 2, "post/2", 1);
    world_send(&world, 1, "[\"DELTA\",1,null,1,1,[0,[]],{\"0\":3,\"2\":[false,[\"a\"],[]]}]");
    world_send(&world, 1, "[\"DELTA\",2,null,1,1,[0,[]],{\"0\":4}]");
    damage("UPDATE entries SET detail = x'c1' WHERE document = 1 AND field = 2");
    cr_assert(eq(sz, world.damaged, 1));
    open_document(2, 2, "post/2", 2);
    cr_assert(strstr(world_read(&world, 2), "\"0\":4,") != NULL);
    open_post(2, 3, 2); /* asked again, told again */
    cr_assert(strstr(world_read(&world, 2), "[\"CLOSE\",3,\"UNAVAILABLE\"") != NULL);
    cr_assert(eq(int,
                 database_exec(world.database, "UPDATE entries SET detail = x'919300"
                                               "0101' WHERE document = 1 AND field = 2"),
                 SQLITE_OK));
    open_post(2, 4, 2);
    cr_assert(strstr(world_read(&world, 2), "\"0\":3,\"1\":0,\"2\":[[[[0,1,1]],[\"a\"]]]") != NULL);
}

Test(hub, a_replica_whose_row_makes_no_sense_is_refused_alone)
{
    world_connect(&world, 1);
    open_post(1, 1, 1);
    world_send(&world, 1, "[\"DELTA\",1,null,1,1,[0,[]],{\"0\":3}]");
    world_tick(&world, 1000);
    cr_assert(
        eq(int, database_exec(world.database, "UPDATE replicas SET detail = x'c1'"), SQLITE_OK));
    world_crash(&world);
    world_connect(&world, 2);
    open_post(2, 1, 2);
    cr_assert(strstr(world_read(&world, 2), "\"0\":3,") != NULL);
    open_post(2, 2, 1);
    cr_assert(strstr(world_read(&world, 2), "[\"CLOSE\",2,\"UNAVAILABLE\"") != NULL);
    open_post(2, 3, 3);
    cr_assert(strstr(world_read(&world, 2), "\"0\":3,") != NULL);
}

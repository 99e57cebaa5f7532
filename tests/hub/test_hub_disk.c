/*
 * Goal:   what was acknowledged is there after a restart, out of the journal or the rows, on a full
 *         disk and beside rows that make no sense.
 * Method: packets in, transcripts out, as in test_hub.c; the journal and the rows outlive the hub.
 */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <string.h>

#include "tests/hub/clients.h"

TestSuite(hub_disk, .init = clients_start, .fini = clients_finish);

static void commit_an_edit(void)
{
    world.manual = true;
    world_connect(&world, 1);
    open_post(1, 1, 1);
    world_send(&world, 1, "[\"DELTA\",1,null,1,1,[0,[]],{\"0\":3}]");
    cr_assert(world_commit(&world));
}

Test(hub_disk, a_restart_shows_what_was_acknowledged)
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

Test(hub_disk, a_restart_after_the_rows_were_stored_shows_the_same)
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

Test(hub_disk, the_journal_keeps_what_the_rows_lack)
{
    commit_an_edit();
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

Test(hub_disk, a_full_disk_is_told_and_nothing_is_lost_or_taken)
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

Test(hub_disk, a_drain_stores_at_once_what_is_there_and_what_is_still_committed)
{
    struct hub_stats stats;
    commit_an_edit();
    world_send(&world, 1, "[\"DELTA\",1,null,2,2,[0,[]],{\"0\":4}]");
    cr_assert(not(world.has_store));
    world_event(&world, (struct hub_event){.kind = EVENT_DRAIN});
    cr_assert(world_store(&world));
    cr_assert(world_commit(&world));
    cr_assert(world_store(&world));
    hub_stats(world.hub, &stats);
    cr_assert(stats.drained, "and no time has passed");
}

Test(hub_disk, a_drain_on_a_full_disk_tries_again_when_it_is_time_and_not_before)
{
    struct hub_stats stats;
    commit_an_edit();
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

Test(hub_disk, an_idle_document_leaves_memory_and_comes_back)
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

static void damage(const char *sql)
{
    world_tick(&world, 1000);
    cr_assert(eq(int, database_exec(world.database, sql), SQLITE_OK));
    world_crash(&world);
    world_connect(&world, 2);
    open_post(2, 1, 2);
    cr_assert(strstr(world_read(&world, 2), "[\"CLOSE\",1,\"UNAVAILABLE\"") != NULL, "%s", sql);
}

Test(hub_disk, a_document_whose_rows_make_no_sense_harms_no_other)
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

Test(hub_disk, a_replica_whose_row_makes_no_sense_is_refused_alone)
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

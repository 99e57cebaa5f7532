/*
 * Goal:   the ledger forgets replicas that were silent for long, and nothing counts twice for it.
 * Method: packets in, transcripts out, time passes; the rows are looked at with SQL.
 */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdio.h>

#include "tests/hub/clients.h"

enum { TTL_MS = 1000 * 1000, LONG_MS = 2 * TTL_MS };

static void start(void)
{
    world_init(&world);
    world.config.replica_ttl_ms = TTL_MS;
    world_start(&world);
}

TestSuite(retire, .init = start, .fini = clients_finish);

static int count_rows(const char *table)
{
    char sql[64];
    sqlite3_stmt *statement = NULL;
    (void)snprintf(sql, sizeof sql, "SELECT count(*) FROM %s", table);
    cr_assert(eq(int, sqlite3_prepare_v2(world.database, sql, -1, &statement, NULL), SQLITE_OK));
    cr_assert(eq(int, sqlite3_step(statement), SQLITE_ROW));
    int count = sqlite3_column_int(statement, 0);
    (void)sqlite3_finalize(statement);
    return count;
}

/* Replica 1 counts 5 and tags, and its device leaves. */
static void edit_and_leave(void)
{
    world_connect(&world, 1);
    open_post(1, 1, 1);
    world_send(&world, 1, "[\"DELTA\",1,null,1,1,[0,[]],{\"0\":5,\"2\":[false,[\"a\"],[]]}]");
    world_disconnect(&world, 1);
    world_tick(&world, 1000);
}

Test(retire, a_silent_replica_leaves_the_ledger_and_what_it_did_stays)
{
    edit_and_leave();
    cr_assert(eq(int, count_rows("replicas"), 1));
    world_tick(&world, LONG_MS);
    world_tick(&world, 1000);
    cr_assert(eq(int, count_rows("replicas"), 0));
    world_connect(&world, 2);
    open_post(2, 1, 2);
    cr_assert(told(2, "\"0\":5,\"1\":0,\"2\":[[[[0,1,1]],[\"a\"]]]"));
}

Test(retire, what_it_sends_again_is_refused_for_ever)
{
    edit_and_leave();
    world_tick(&world, LONG_MS);
    world_tick(&world, 1000);
    world.config.replica_ttl_ms = 1000 * (uint64_t)LONG_MS; /* the operator is patient now */
    for (int round = 0; round < 2; round++) {
        world_connect(&world, 1);
        open_post(1, 1, 1);
        skip(1);
        world_send(&world, 1, "[\"DELTA\",1,null,1,1,[0,[]],{\"0\":5}]");
        cr_assert(told(1, "[\"REJECT\",1,null,1,\"REPLICA_EXPIRED\""));
        world_crash(&world);
    }
    world_connect(&world, 2);
    open_post(2, 1, 2);
    cr_assert(told(2, "\"0\":5,"));
}

Test(retire, a_replica_that_still_edits_stays)
{
    edit_and_leave();
    world_tick(&world, TTL_MS / 2);
    world_connect(&world, 1);
    open_post(1, 1, 1);
    world_send(&world, 1, "[\"DELTA\",1,null,2,2,[1,[]],{\"0\":6}]");
    world_disconnect(&world, 1);
    world_tick(&world, TTL_MS - 1000);
    world_tick(&world, 1000);
    cr_assert(eq(int, count_rows("replicas"), 1));
}

Test(retire, a_replica_that_is_open_stays)
{
    world.config.ping_ms = UINT64_MAX / 4;
    world_crash(&world);
    world_connect(&world, 1);
    open_post(1, 1, 1);
    world_send(&world, 1, "[\"DELTA\",1,null,1,1,[0,[]],{\"0\":5}]");
    world_tick(&world, 1000);
    world_tick(&world, LONG_MS);
    world_tick(&world, 1000);
    skip(1);
    world_send(&world, 1, "[\"DELTA\",1,null,2,2,[1,[]],{\"0\":6}]");
    cr_assert(told(1, "[\"ACK\",1,null,2,"));
}

Test(retire, a_replica_that_is_open_stays_when_another_of_its_document_leaves)
{
    world.config.ping_ms = UINT64_MAX / 4;
    world_crash(&world);
    edit_and_leave();
    world_connect(&world, 2);
    open_post(2, 1, 2);
    world_send(&world, 2, "[\"DELTA\",1,null,1,1,[1,[]],{\"0\":1}]");
    world_tick(&world, 1000);
    cr_assert(eq(int, count_rows("replicas"), 2));
    world_tick(&world, LONG_MS);
    world_tick(&world, 1000);
    cr_assert(eq(int, count_rows("replicas"), 1));
    skip(2);
    world_send(&world, 2, "[\"DELTA\",1,null,2,2,[2,[]],{\"0\":2}]");
    cr_assert(told(2, "[\"ACK\",1,null,2,"));
}

/* The walk finds the replica, its record waits for the disk, and meanwhile the device comes back.
 */
Test(retire, an_update_that_comes_behind_its_retirement_does_not_count_twice)
{
    edit_and_leave();
    world.manual = true;
    world_tick(&world, LONG_MS);
    cr_assert(world.has_append);
    world_connect(&world, 1);
    open_post(1, 1, 1);
    cr_assert(told(1, "[[0,1]]]"));
    world_send(&world, 1, "[\"DELTA\",1,null,1,2,[1,[]],{\"0\":6}]"); /* joined before it knew */
    cr_assert(world_commit(&world));
    cr_assert(world_commit(&world));
    cr_assert(told(1, "[\"GAP\",1,null,1]"));
    world_send(&world, 1, "[\"DELTA\",1,null,1,2,[1,[]],{\"0\":6}]");
    cr_assert(told(1, "\"REPLICA_EXPIRED\""));
    world.manual = false;
    world_crash(&world);
    world_tick(&world, 1000);
    cr_assert(eq(int, count_rows("replicas"), 0));
    world_connect(&world, 2);
    open_post(2, 1, 2);
    cr_assert(told(2, "\"0\":5,"));
}

/* The other outbox on the device was refused, so nobody can say which adds this remove had seen. */
Test(retire, a_context_that_names_a_retired_replica_is_refused_alone)
{
    char text[256];
    edit_and_leave();
    world_tick(&world, LONG_MS);
    world_tick(&world, 1000);
    world.config.replica_ttl_ms = 1000 * (uint64_t)LONG_MS;
    world_crash(&world);
    world_connect(&world, 1);
    (void)snprintf(text, sizeof text, "[\"OPEN\",1,\"post/1\",[%s,%s],{}]",
                   "{\"$bytes\":\"0000ffffffff70008000000000000007\"}", world_replica(1));
    world.now_ms = (uint64_t)1 << 32;
    world_send(&world, 1, text);
    skip(1);
    (void)snprintf(text, sizeof text,
                   "[\"DELTA\",1,null,1,1,[0,[[%s,1]]],{\"2\":[false,[],[\"a\"]]}]",
                   world_replica(1));
    world_send(&world, 1, text);
    cr_assert(told(1, "[\"REJECT\",1,null,1,\"REPLICA_EXPIRED\""));
    world_send(&world, 1, "[\"DELTA\",1,null,2,2,[1,[]],{\"0\":1}]");
    cr_assert(told(1, "[\"ACK\",1,null,2,"));
}

Test(retire, many_replicas_of_many_documents_leave)
{
    char text[256];
    for (unsigned i = 1; i <= 1100; i++) {
        world_connect(&world, 1);
        (void)snprintf(text, sizeof text, "[\"OPEN\",1,\"post/%u\",[%s],{}]", i % 3,
                       world_replica(i));
        world_send(&world, 1, text);
        world_send(&world, 1, "[\"DELTA\",1,null,1,1,[0,[]],{\"0\":1}]");
        world_disconnect(&world, 1);
    }
    world_tick(&world, 1000);
    cr_assert(eq(int, count_rows("replicas"), 1100));
    world_tick(&world, LONG_MS);
    for (int i = 0; i < 4; i++) {
        world_tick(&world, 1000);
    }
    cr_assert(eq(int, count_rows("replicas"), 0));
    world_crash(&world);
    world_connect(&world, 2);
    open_post(2, 1, 2000);
    cr_assert(told(2, "\"0\":367,"));
}

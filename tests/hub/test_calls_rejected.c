/*
 * Goal:   an operator sees every refused update once, the last first, whether it is stored or not.
 * Method: updates of fields that are not there; stores that come before, after, and while the
 *         database is read.
 */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "tests/hub/calls.h"

TestSuite(calls_rejected, .init = calls_start, .fini = clients_finish);

/* Its field is not in the schema. */
static void send_bad(int stream, int seq, int field)
{
    char text[128];
    (void)snprintf(text, sizeof text, "[\"DELTA\",%d,null,%d,%d,[0,[]],{\"%d\":1}]", stream, seq,
                   seq, field);
    world_send(&world, 1, text);
}

static size_t count(const char *text, const char *part)
{
    size_t found = 0;
    while ((text = strstr(text, part)) != NULL) {
        text++;
        found++;
    }
    return found;
}

Test(calls_rejected, nothing_was_refused_at_first)
{
    world_connect(&world, 1);
    cr_expect(tells(call(1, "rejected", "{}"), "{\"rejected\":[],\"next\":null}"));
}

Test(calls_rejected, a_refused_update_is_told_before_and_behind_its_store)
{
    world_connect(&world, 1);
    open_document(1, 1, "post/1", 1);
    like(1, 1, 1, 5);
    world_tick(&world, 1000);
    world.manual = true;
    send_bad(1, 2, 77);
    cr_assert(world_commit(&world));
    char entry[512];
    (void)snprintf(entry, sizeof entry,
                   "\"document\":\"post/1\",\"replica\":%s,\"seq\":2,\"at_ms\":%" PRIu64
                   ",\"code\":\"UNKNOWN_FIELD\",\"text\":\"The schema has no such field; "
                   "fetch the schema again.\",\"field\":77}],\"next\":null}",
                   world_replica(1), world.now_ms);
    const char *answer = call(1, "rejected", "{}");
    cr_expect(tells(answer, "{\"rejected\":[{\"id\":null,%s", entry));
    world_tick(&world, 1000);
    cr_assert(world_store(&world));
    cr_expect(tells(call(1, "rejected", "{}"), "{\"rejected\":[{\"id\":1,%s", entry));
}

/* The table does not say which field it was. */
Test(calls_rejected, what_was_stored_before_a_start_is_told_without_its_field)
{
    world_connect(&world, 1);
    open_document(1, 1, "post/1", 1);
    send_bad(1, 1, 77);
    world_tick(&world, 1000);
    world_crash(&world);
    world_connect(&world, 1);
    const char *answer = call(1, "rejected", "{}");
    cr_expect(tells(answer, "\"seq\":1,"));
    cr_expect(tells(answer, "\"code\":\"UNKNOWN_FIELD\",\"text\":\"The schema has no such "
                            "field; fetch the schema again.\",\"field\":null}]"));
}

Test(calls_rejected, pages_go_back_to_the_first)
{
    world_connect(&world, 1);
    open_document(1, 1, "post/1", 1);
    open_document(1, 2, "post/2", 2);
    for (int seq = 1; seq <= 7; seq++) {
        send_bad(1, seq, 50 + seq);
        send_bad(2, seq, 60 + seq);
        world_tick(&world, 1000); /* each is stored with the next */
    }
    world.manual = true;
    send_bad(1, 8, 58);
    cr_assert(world_commit(&world)); /* and this one is not */
    char parameters[64] = "{\"limit\":4}";
    size_t seen = 0;
    bool found[16] = {false};
    uint64_t next = 0;
    do {
        const char *answer = call(1, "rejected", parameters);
        size_t listed = count(answer, "{\"id\":");
        cr_assert(listed > 0 && listed <= 4);
        seen += listed;
        for (size_t i = 8; i >= 1; i--) {
            char part[64];
            (void)snprintf(part, sizeof part, "\"field\":%zu}", 50 + i);
            if (strstr(answer, part) != NULL) {
                cr_assert(not(found[i]));
                cr_assert(i == 8 || found[i + 1]); /* the last first */
                found[i] = true;
            }
        }
        next = 0;
        (void)sscanf(strstr(answer, "],\"next\":"), "],\"next\":%" SCNu64, &next);
        (void)snprintf(parameters, sizeof parameters, "{\"limit\":4,\"after\":%" PRIu64 "}", next);
    } while (next != 0);
    cr_expect(eq(sz, seen, 15));
    cr_expect(found[1]);
}

Test(calls_rejected, more_that_are_not_stored_than_are_told_leave_room_for_the_rest)
{
    world_connect(&world, 1);
    open_document(1, 1, "post/1", 1);
    send_bad(1, 1, 51);
    world_tick(&world, 1000);
    world.manual = true;
    for (int seq = 2; seq <= 4; seq++) {
        send_bad(1, seq, 50 + seq);
        cr_assert(world_commit(&world));
    }
    const char *answer = call(1, "rejected", "{\"limit\":2}");
    cr_expect(eq(sz, count(answer, "\"id\":null"), 2));
    cr_expect(tells(answer, "\"field\":54},{\"id\":null"));
    cr_expect(tells(answer, "\"field\":53}],\"next\":2}"));
    cr_expect(tells(call(1, "rejected", "{\"after\":2}"), "[{\"id\":1,"));
}

/* The table's order is that of the stores, where a document that changed first comes first. */
Test(calls_rejected, what_is_stored_is_told_as_it_is_stored)
{
    world_connect(&world, 1);
    open_document(1, 1, "post/1", 1);
    open_document(1, 2, "post/2", 2);
    world.manual = true;
    like(1, 2, 1, 1);
    cr_assert(world_commit(&world));
    send_bad(1, 1, 51);
    send_bad(1, 2, 51);
    cr_assert(world_commit(&world) && world_commit(&world));
    send_bad(2, 2, 52); /* stored before the other */
    cr_assert(world_commit(&world));
    world_tick(&world, 1000);
    cr_assert(world_store(&world));
    cr_expect(tells(call(1, "rejected", "{\"limit\":1}"), "{\"rejected\":[{\"id\":3,"));
}

/* Kept when the rows were asked for, and in the rows as well. */
Test(calls_rejected, one_that_is_stored_meanwhile_is_told_once)
{
    world_connect(&world, 1);
    open_document(1, 1, "post/1", 1);
    world.manual = true;
    send_bad(1, 1, 51);
    cr_assert(world_commit(&world));
    world_tick(&world, 1000);
    world.holds_loads = true;
    (void)call(1, "rejected", "{}");
    cr_assert(world_store(&world));
    world_load(&world, true);
    const char *answer = world_read(&world, 1);
    cr_expect(tells(answer, "{\"rejected\":[{\"id\":1,"));
    cr_expect(eq(sz, count(answer, "{\"id\":"), 1));
}

Test(calls_rejected, the_hub_remembers_the_last_five_hundred)
{
    world_connect(&world, 1);
    open_document(1, 1, "post/1", 1);
    for (int seq = 1; seq <= 520; seq++) {
        send_bad(1, seq, 1000 + seq);
    }
    world_tick(&world, 1000);
    const char *answer = call(1, "rejected", "{\"limit\":500}");
    cr_expect(eq(sz, count(answer, "{\"id\":"), 500));
    cr_expect(tells(answer, "\"field\":1520}"));
    cr_expect(tells(answer, "\"field\":1021}],\"next\":21}"));
    answer = call(1, "rejected", "{\"after\":21}");
    cr_expect(eq(sz, count(answer, "\"field\":null}"), 20));
    cr_expect(tells(answer, "\"next\":null}"));
}

/* What is read again has all its refusals in the table: it was stored before it left memory. */
Test(calls_rejected, what_was_refused_of_a_document_that_is_being_loaded_is_told_in_its_place)
{
    world_connect(&world, 1);
    open_document(1, 1, "post/1", 1);
    open_document(1, 2, "post/2", 2);
    send_bad(1, 1, 51);
    send_bad(2, 1, 61);
    send_bad(2, 2, 62);
    world_disconnect(&world, 1);
    world_tick(&world, 1000);
    world_tick(&world, world.config.idle_ms + 1000); /* both have left */
    world_connect(&world, 2);
    world.holds_loads = true;
    open_document(2, 1, "post/1", 3);
    (void)call(2, "rejected", "{\"limit\":1}");
    world_load(&world, true);
    const char *answer = world_read(&world, 2);
    cr_expect(tells(answer, "{\"rejected\":[{\"id\":3,\"document\":\"post/2\","));
}

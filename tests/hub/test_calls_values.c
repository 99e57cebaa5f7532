/*
 * Goal:   CALL `values` tells what stands, whoever has the document open or nobody, and `whoami`
 * who asks. Method: calls in, transcripts out; documents are in memory, in the database, on their
 * way, or damaged.
 */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <string.h>

#include "protocol/limits.h"
#include "tests/hub/calls.h"

TestSuite(calls_values, .init = calls_start, .fini = clients_finish);

Test(calls_values, all_fields_of_a_document_that_nobody_ever_edited_are_told)
{
    world_connect(&world, 1);
    const char *answer = call(1, "values", "{\"name\":\"post/1\"}");
    cr_expect(tells(answer, "{\"position\":0,\"fields\":[[0,\"likes\",\"g-counter\",{},0,\"0\"],"));
    cr_expect(tells(answer, "[2,\"tags\",\"or-set\",{\"of\":\"string\"},0,\"[]\"]]}"));
}

Test(calls_values, only_what_changed_after_a_position_is_told)
{
    world_connect(&world, 1);
    open_document(1, 1, "post/1", 1);
    like(1, 1, 1, 1);
    const char *answer = call(1, "values", "{\"name\":\"post/1\",\"after\":0}");
    cr_expect(tells(answer, "[0,\"likes\",\"g-counter\",{},1,\"1\"]"));
    cr_expect(tells(call(1, "values", "{\"name\":\"post/1\",\"after\":1}"),
                    "{\"position\":1,\"fields\":[]}"));
    like(1, 1, 2, 3);
    cr_expect(tells(call(1, "values", "{\"name\":\"post/1\",\"after\":1}"),
                    "{\"position\":2,\"fields\":[[0,\"likes\",\"g-counter\",{},2,\"3\"]]}"));
}

Test(calls_values, fields_are_chosen_by_name_and_told_as_a_snapshot_holds_them)
{
    world_connect(&world, 1);
    open_document(1, 1, "post/1", 1);
    like(1, 1, 1, 1);
    cr_expect(tells(call(1, "values", "{\"name\":\"post/1\",\"fields\":[\"likes\"]}"),
                    "\"fields\":[[0,\"likes\",\"g-counter\",{},1,\"1\"]]}"));
    cr_expect(
        tells(call(1, "values", "{\"name\":\"post/1\",\"fields\":[\"likes\"],\"content\":true}"),
              "\"fields\":[[0,\"likes\",\"g-counter\",{},1,1]]}"));
    cr_expect(tells(call(1, "values", "{\"name\":\"post/1\",\"fields\":[\"like\"]}"),
                    "\"UNKNOWN_FIELD\""));
}

Test(calls_values, a_document_that_left_memory_comes_from_the_database)
{
    world_connect(&world, 1);
    open_document(1, 1, "post/1", 1);
    like(1, 1, 1, 7);
    world_tick(&world, 1000);
    world_disconnect(&world, 1);
    world_crash(&world);
    world_connect(&world, 2);
    world.holds_loads = true;
    world_send(&world, 2, "[\"CALL\",1,\"values\",{\"name\":\"post/1\"}]");
    world_send(&world, 2, "[\"CALL\",2,\"values\",{\"name\":\"post/1\",\"fields\":[\"likes\"]}]");
    cr_assert(eq(sz, world.load_count, 2));
    cr_assert(strstr(world_read(&world, 2), "RESULT") == NULL);
    world_load(&world, true);
    const char *answer = world_read(&world, 2);
    cr_expect(tells(answer, "[\"RESULT\",1,{\"position\":1,\"fields\":[[0,\"likes\""));
    cr_expect(tells(answer, "[\"RESULT\",2,{\"position\":1,\"fields\":[[0,\"likes\",\"g-counter\","
                            "{},1,\"7\"]]}]"));
}

Test(calls_values, who_went_meanwhile_is_not_answered)
{
    world_connect(&world, 1);
    world_connect(&world, 2);
    world.holds_loads = true;
    world_send(&world, 1, "[\"CALL\",1,\"values\",{\"name\":\"post/1\"}]");
    world_disconnect(&world, 1);
    world_load(&world, true);
    world.holds_loads = false;
    cr_expect(tells(call(2, "values", "{\"name\":\"post/1\"}"), "{\"position\":0,"));
}

Test(calls_values, a_document_that_cannot_be_read_is_unavailable)
{
    world_connect(&world, 1);
    world.holds_loads = true;
    world_send(&world, 1, "[\"CALL\",1,\"values\",{\"name\":\"post/1\"}]");
    world_load(&world, false);
    cr_expect(tells(world_read(&world, 1), "[\"ERROR\",1,\"UNAVAILABLE\""));
    world.holds_loads = false;
    cr_expect(tells(call(1, "values", "{\"name\":\"post/1\"}"), "{\"position\":0,"));
}

Test(calls_values, what_cannot_be_asked_is_refused)
{
    world_connect(&world, 1);
    cr_expect(tells(call(1, "values", "{\"name\":\"nothing/1\"}"), "\"UNKNOWN_SCHEMA\""));
    cr_expect(tells(call(1, "values", "{\"name\":\"post\"}"), "\"BAD_NAME\""));
    cr_expect(tells(call(1, "values", "{}"), "\"BAD_NAME\""));
    cr_expect(tells(call(1, "values", "{\"name\":5}"), "\"BAD_PARAMETERS\""));
    cr_expect(tells(call(1, "values", "[]"), "\"BAD_PARAMETERS\""));
    cr_expect(tells(call(1, "values", "{\"name\":\"post/1\",\"fields\":7}"), "\"BAD_PARAMETERS\""));
    cr_expect(
        tells(call(1, "values", "{\"name\":\"post/1\",\"fields\":[7]}"), "\"BAD_PARAMETERS\""));
}

Test(calls_values, without_tokens_nobody_is_somebody)
{
    world_connect(&world, 1);
    cr_expect(tells(call(1, "whoami", "{}"), "{\"principal\":null,\"admin\":false}"));
}

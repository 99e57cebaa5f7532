/*
 * Goal:   others than clients learn which documents changed and what stands in them, once for each
 *         batch, in bounded answers, from memory or from the rows; and calls that are not the
 *         core's reach them.
 * Method: events in, lines of what was told out, compared with what the edits add up to.
 */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdio.h>
#include <string.h>

#include "tests/hub/calls.h"

static void start(void)
{
    world_init(&world);
    world.config.operators = true;
    world.config.changes = true;
    world_start(&world);
    world_connect(&world, 1);
}

TestSuite(outside, .init = start, .fini = clients_finish);

static struct bytes text_of(const char *text)
{
    return (struct bytes){(const uint8_t *)text, strlen(text)};
}

static void ask(uint64_t request, const char *name, uint64_t after, size_t limit)
{
    world_event(&world, (struct hub_event){.kind = EVENT_VALUES,
                                           .request = request,
                                           .bytes = text_of(name),
                                           .position = after,
                                           .limit = limit});
}

static void tag(int stream, int seq, const char *element)
{
    char text[256];
    (void)snprintf(text, sizeof text,
                   "[\"DELTA\",%d,null,%d,%d,[0,[]],{\"2\":[false,[\"%s\"],[]]}]", stream, seq, seq,
                   element);
    world_send(&world, 1, text);
}

Test(outside, a_change_is_told_once_for_each_batch_and_document)
{
    world.manual = true;
    open_document(1, 1, "post/1", 1);
    open_document(1, 2, "post/2", 2);
    like(1, 1, 1, 1);
    like(1, 1, 2, 2);
    like(1, 1, 3, 3);
    like(1, 2, 1, 1);
    cr_assert(world_commit(&world));
    cr_assert(eq(str, (char *)world_told(&world), "changed post/1 1\n"));
    cr_assert(world_commit(&world));
    cr_assert(eq(str, (char *)world_told(&world), "changed post/1 2\nchanged post/2 2\n"));
}

Test(outside, a_repeat_changes_nothing)
{
    open_document(1, 1, "post/1", 1);
    like(1, 1, 1, 1);
    (void)world_told(&world);
    like(1, 1, 1, 1);
    cr_assert(eq(str, (char *)world_told(&world), ""));
}

static void count_changed(void *context, struct bytes name, uint64_t position)
{
    cr_assert(eq(u64, position, 2));
    cr_assert(eq(sz, name.length, strlen("post/2")));
    ++*(size_t *)context;
}

Test(outside, documents_without_rows_are_visited_behind_a_position)
{
    size_t visited = 0;
    world.manual = true;
    open_document(1, 1, "post/1", 1);
    open_document(1, 2, "post/2", 2);
    like(1, 1, 1, 1);
    cr_assert(world_commit(&world));
    like(1, 2, 1, 1);
    cr_assert(world_commit(&world));
    hub_changed_after(world.hub, 1, count_changed, &visited);
    cr_assert(eq(sz, visited, 1));
    hub_changed_after(world.hub, 2, count_changed, &visited);
    cr_assert(eq(sz, visited, 1));
    world_tick(&world, 1000);
    while (world_store(&world)) {
        world_tick(&world, 1000);
    }
    hub_changed_after(world.hub, 0, count_changed, &visited);
    cr_assert(eq(sz, visited, 1));
}

Test(outside, only_fields_that_changed_since_are_told)
{
    open_document(1, 1, "post/1", 1);
    like(1, 1, 1, 4);
    tag(1, 2, "a");
    (void)world_told(&world);
    ask(7, "post/1", 0, 1000);
    cr_assert(
        eq(str, (char *)world_told(&world), "values 7 NONE 2 {\"likes\":4,\"tags\":[\"a\"]}\n"));
    ask(8, "post/1", 1, 1000);
    cr_assert(eq(str, (char *)world_told(&world), "values 8 NONE 2 {\"tags\":[\"a\"]}\n"));
    ask(9, "post/1", 2, 1000);
    cr_assert(eq(str, (char *)world_told(&world), "values 9 NONE 2 {}\n"));
    world_event(&world, (struct hub_event){.kind = EVENT_VALUES,
                                           .request = 10,
                                           .bytes = text_of("post/1"),
                                           .whole = true,
                                           .position = 2,
                                           .limit = 1000});
    cr_assert(eq(str, (char *)world_told(&world),
                 "values 10 NONE 2 {\"likes\":4,\"stock\":0,\"tags\":[\"a\"]}\n"));
}

Test(outside, what_is_too_long_is_told_by_its_fields)
{
    open_document(1, 1, "post/1", 1);
    like(1, 1, 1, 4);
    tag(1, 2, "a");
    (void)world_told(&world);
    ask(7, "post/1", 0, strlen("{\"likes\":4,\"tags\":[\"a\"]}"));
    ask(8, "post/1", 0, strlen("{\"likes\":4,\"tags\":[\"a\"]}") - 1);
    cr_assert(eq(str, (char *)world_told(&world),
                 "values 7 NONE 2 {\"likes\":4,\"tags\":[\"a\"]}\n"
                 "values 8 NONE 2 truncated [\"likes\",\"tags\"]\n"));
}

Test(outside, a_document_that_is_not_in_memory_is_loaded)
{
    open_document(1, 1, "post/1", 1);
    like(1, 1, 1, 4);
    world_tick(&world, 1000);
    cr_assert(not(world.has_store));
    world_disconnect(&world, 1);
    world_crash(&world);
    world.holds_loads = true;
    (void)world_told(&world);
    ask(7, "post/1", 0, 1000);
    ask(8, "post/1", 0, 1000);
    cr_assert(eq(str, (char *)world_told(&world), ""));
    world_load(&world, true);
    cr_assert(eq(str, (char *)world_told(&world),
                 "values 7 NONE 1 {\"likes\":4}\nvalues 8 NONE 1 {\"likes\":4}\n"));
}

Test(outside, what_cannot_be_had_is_refused_by_a_code)
{
    world.holds_loads = true;
    ask(1, "post", 0, 1000);
    ask(2, "nothing/1", 0, 1000);
    ask(3, "post/9", 0, 1000);
    world_load(&world, false);
    cr_assert(eq(str, (char *)world_told(&world),
                 "values 1 BAD_NAME 0 \nvalues 2 UNKNOWN_SCHEMA 0 \nvalues 3 UNAVAILABLE 0 \n"));
    ask(4, "post/9", 0, 1000);
    world_load(&world, true);
    cr_assert(eq(str, (char *)world_told(&world), "values 4 NONE 0 {}\n"));
}

Test(outside, who_asks_while_the_memory_is_full_is_told_so)
{
    open_document(1, 1, "post/1", 1);
    like(1, 1, 1, 1);
    (void)world_told(&world);
    clients_finish();
    world_init(&world);
    world.config.memory_limit = 1;
    world_start(&world);
    world_connect(&world, 1);
    open_document(1, 1, "post/1", 1);
    ask(1, "post/2", 0, 1000);
    cr_assert(eq(str, (char *)world_told(&world), "values 1 BUSY 0 \n"));
}

Test(outside, what_waits_when_the_hub_ends_is_freed)
{
    world.holds_loads = true;
    ask(1, "post/9", 0, 1000);
}

Test(outside, calls_that_are_not_the_cores_are_asked_and_answered)
{
    static const uint8_t seven[] = {7};
    cr_assert(eq(str, (char *)call(1, "webhooks", "{}"), ""));
    cr_assert(eq(str, (char *)world_told(&world), "ask webhooks 1\n"));
    world_event(&world, (struct hub_event){.kind = EVENT_ANSWER,
                                           .request = world.asked,
                                           .bytes = {seven, sizeof seven}});
    cr_assert(tells(world_read(&world, 1), ",7]"));
    (void)call(1, "webhooks_pause", "{\"target\":\"orders\"}");
    world_event(&world, (struct hub_event){
                            .kind = EVENT_ANSWER, .request = world.asked, .text = "No such one."});
    cr_assert(tells(world_read(&world, 1), "\"BAD_PARAMETERS\",\"No such one.\""));
}

Test(outside, an_answer_to_who_has_left_harms_nobody)
{
    (void)call(1, "webhooks", "{}");
    world_disconnect(&world, 1);
    world_event(&world, (struct hub_event){.kind = EVENT_ANSWER, .request = world.asked});
    world_event(&world, (struct hub_event){.kind = EVENT_ANSWER, .request = world.asked});
}

/*
 * Goal:   the pipeline keeps its promises one by one: an edit counts once, is told when the journal
 *         has it, and is refused alone.
 * Method: packets in, transcripts out. Each test plays one story with the world's journal and
 *         tables; test_hub_*.c do so with one part of the pipeline each.
 */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
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

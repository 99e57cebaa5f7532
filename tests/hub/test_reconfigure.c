/*
 * Goal:   another configuration takes effect as a whole: nothing is judged by one schema and merged
 *         by another, and what documents hold survives that their fields come and go.
 * Method: packets in, transcripts out, as in test_hub.c; the test is who gives the fields their
 *         numbers.
 */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdio.h>
#include <string.h>

#include "tests/hub/clients.h"

static struct world next; /* for its schemas and configuration */
static struct world last; /* the same, once more */

static void start(void)
{
    world_init(&world);
    world_start(&world);
    world_init(&next);
    world_init(&last);
    next.config.streams_max = 7;
}

static void finish(void)
{
    world_finish(&world);
    world_finish(&next);
    world_finish(&last);
}

TestSuite(reconfigure, .init = start, .fini = finish);

static bool settled(void) { return hub_settled(world.hub); }

static void settle(void) { world_event(&world, (struct hub_event){.kind = EVENT_SETTLE}); }

static void reconfigure_as(struct world *other)
{
    world_event(&world, (struct hub_event){.kind = EVENT_RECONFIGURE, .config = &other->config});
    world.config.schemas = &other->schemas;
}

static void reconfigure(void) { reconfigure_as(&next); }

static void expect_all(uint64_t connection, const char *first, const char *second)
{
    const char *transcript = world_read(&world, connection);
    const char *found = strstr(transcript, first);
    cr_expect(found != NULL && strstr(found, second) != NULL, "%s", transcript);
}

/* The schema `post` with less. */
static void declare_less(void)
{
    schema_set_finish(&next.schemas);
    world_declare(&next, "post", "likes", "g-counter", "{}");
}

#define MORE                                                                                       \
    "[[0,\"likes\",\"g-counter\",{}],[1,\"stock\",\"pn-counter\",{}],"                             \
    "[2,\"tags\",\"or-set\",{\"of\":\"string\"}],[3,\"open\",\"flag\",{\"wins\":\"enable\"}]]"

Test(reconfigure, without_other_schemas_nobody_is_disturbed)
{
    world_connect(&world, 1);
    open_post(1, 1, 1);
    skip(1);
    reconfigure();
    expect(1, "");
    world_send(&world, 1, "[\"DELTA\",1,null,1,1,[0,[]],{\"0\":3}]");
    expect(1, "[\"ACK\",1,null,1,1,0]\n[\"UPDATE\",1,0,1,{\"0\":3}]\n");
    schema_set_finish(&world.schemas); /* nothing of it is needed any more */
    world_send(&world, 1, "[\"DELTA\",1,null,2,2,[0,[]],{\"0\":4,\"2\":[false,[\"a\"],[]]}]");
    expect(1, "[\"ACK\",1,null,2,2,0]\n"
              "[\"UPDATE\",1,1,2,{\"0\":4,\"2\":[[[[0,2,2]],[\"a\"]]]}]\n");
    world_event(&world, (struct hub_event){.kind = EVENT_CONNECTED, .connection = 2});
    world_send(&world, 2, "[\"HELLO\",0,1,{}]");
    expect_all(2, "[\"WELCOME\",0,", "\"streams\":7");
}

Test(reconfigure, a_field_that_is_added_is_there_when_the_document_opens_again)
{
    world_connect(&world, 1);
    open_post(1, 1, 1);
    world_send(&world, 1, "[\"DELTA\",1,null,1,1,[0,[]],{\"0\":3}]");
    skip(1);
    world_declare(&next, "post", "open", "flag", "{}");
    settle();
    cr_assert(settled());
    reconfigure();
    expect_all(1, "[\"CLOSE\",1,\"SCHEMA_CHANGED\",", "[\"EVENT\",-1,\"schema\",{\"schema\":");
    open_post(1, 2, 1);
    expect(1, "[\"OPENED\",2," MORE ",15,1,[[0,1]]]\n"
              "[\"SNAPSHOT\",2,1,{\"0\":3,\"1\":0,\"2\":[],\"3\":[]}]\n");
}

Test(reconfigure, nothing_is_taken_while_the_hub_settles_and_what_was_taken_is_stored)
{
    world.manual = true;
    world_connect(&world, 1);
    open_post(1, 1, 1);
    skip(1);
    world_send(&world, 1, "[\"DELTA\",1,null,1,1,[0,[]],{\"0\":1}]");
    world_send(&world, 1, "[\"DELTA\",1,null,2,2,[0,[]],{\"0\":2}]"); /* in the next batch */
    settle();
    world_send(&world, 1, "[\"DELTA\",1,null,3,3,[0,[]],{\"0\":3}]");
    const char *transcript = world_read(&world, 1);
    cr_expect(strstr(transcript, "[\"ERROR\",1,\"READ_ONLY\",") == transcript, "%s", transcript);
    open_post(1, 2, 2);
    transcript = world_read(&world, 1);
    cr_expect(strstr(transcript, "[\"ERROR\",2,\"BUSY\",") == transcript, "%s", transcript);
    cr_expect(not(settled()));
    cr_assert(world_commit(&world));
    cr_expect(not(settled()));
    cr_assert(world_commit(&world));
    cr_expect(not(settled()));
    while (world_store(&world)) {
    }
    cr_expect(settled());
    cr_expect(eq(u64, world.trimmed, 2));
}

static void ask_for_values(uint64_t request)
{
    static const char name[] = "post/1";
    world_event(&world, (struct hub_event){.kind = EVENT_VALUES,
                                           .request = request,
                                           .bytes = {(const uint8_t *)name, sizeof name - 1},
                                           .limit = 1000});
}

/* Nothing of the kinds that wait for rows is begun while the hub settles. */
Test(reconfigure, the_hub_settles_when_nobody_waits_for_rows_any_more)
{
    world_finish(&world);
    world_init(&world);
    world.config.operators = true;
    world_start(&world);
    world_connect(&world, 1);
    world.holds_loads = true;
    world_send(&world, 1, "[\"CALL\",1,\"values\",{\"name\":\"post/1\"}]");
    settle();
    cr_expect(not(settled()));
    world_load(&world, true);
    expect_all(1, "[\"RESULT\",1,", "\"fields\"");
    cr_expect(settled());
    world_event(&world, (struct hub_event){.kind = EVENT_GO_ON});

    world_send(&world, 1, "[\"CALL\",2,\"export\",{\"name\":\"post/2\"}]");
    ask_for_values(1);
    settle();
    cr_expect(not(settled()));
    world_send(&world, 1, "[\"CALL\",3,\"erase\",{\"name\":\"post/3\"}]");
    expect_all(1, "[\"ERROR\",3,\"BUSY\",", "\"retry_ms\":100");
    (void)world_told(&world);
    ask_for_values(2);
    cr_expect(eq(str, (char *)world_told(&world), "values 2 BUSY 0 \n"));
    while (world.load_count > 0) {
        world_load(&world, true);
    }
    expect(1, "[\"RESULT\",2,null]\n");
    cr_expect(settled());
}

Test(reconfigure, what_is_held_up_goes_on_when_nothing_changes_after_all)
{
    world_connect(&world, 1);
    open_post(1, 1, 1);
    skip(1);
    settle();
    world_send(&world, 1, "[\"DELTA\",1,null,1,1,[0,[]],{\"0\":3}]");
    expect_all(1, "[\"ERROR\",1,\"READ_ONLY\",", "\"retry_ms\":100");
    world_event(&world, (struct hub_event){.kind = EVENT_GO_ON});
    world_send(&world, 1, "[\"DELTA\",1,null,1,1,[0,[]],{\"0\":3}]");
    expect(1, "[\"ACK\",1,null,1,1,0]\n[\"UPDATE\",1,0,1,{\"0\":3}]\n");
}

Test(reconfigure, a_field_that_comes_back_has_what_it_had)
{
    world_connect(&world, 1);
    open_post(1, 1, 1);
    world_send(&world, 1, "[\"DELTA\",1,null,1,1,[0,[]],{\"0\":3,\"2\":[false,[\"a\"],[]]}]");
    declare_less();
    settle();
    reconfigure();
    skip(1);
    open_post(1, 2, 1);
    expect(1, "[\"OPENED\",2,[[0,\"likes\",\"g-counter\",{}]],15,1,[[0,1]]]\n"
              "[\"SNAPSHOT\",2,1,{\"0\":3}]\n");
    world_send(&world, 1, "[\"DELTA\",2,null,2,2,[1,[]],{\"2\":[false,[\"b\"],[]]}]");
    expect_all(1, "[\"REJECT\",2,null,2,\"UNKNOWN_FIELD\",", "[\"ACK\",2,null,2,2,0]");
    settle();
    last.schemas.schemas[0].fields[2].since = 2; /* whoever runs the hub has noted it */
    reconfigure_as(&last);
    skip(1);
    /* With a cursor at the last position: nothing has happened since, and yet it has not seen all.
     */
    char cursor[300];
    (void)snprintf(cursor, sizeof cursor,
                   "[\"OPEN\",3,\"post/1\",[%s],{\"cursor\":[{\"$bytes\":"
                   "\"00000000000000000000000000000000\"},2]}]",
                   world_replica(1));
    world_send(&world, 1, cursor);
    expect_all(1, "[\"OPENED\",3," FIELDS ",15,2,[[0,2]]]\n",
               "[\"SNAPSHOT\",3,2,{\"0\":3,\"1\":0,\"2\":[[[[0,1,1]],[\"a\"]]]}]\n");
}

Test(reconfigure, a_schema_that_is_taken_out_ends_its_streams)
{
    world_connect(&world, 1);
    open_post(1, 1, 1);
    skip(1);
    schema_set_finish(&next.schemas);
    world_declare(&next, "page", "title", "lww-register", "{}");
    settle();
    reconfigure();
    expect_all(1, "[\"CLOSE\",1,\"UNKNOWN_SCHEMA\",", "[\"EVENT\",-1,\"schema\",");
    open_post(1, 2, 1);
    expect_all(1, "[\"ERROR\",2,\"UNKNOWN_SCHEMA\",", "\n");
}

Test(reconfigure, what_is_frozen_takes_no_edits_and_the_rest_does)
{
    world_connect(&world, 1);
    open_post(1, 1, 1);
    skip(1);
    next.schemas.schemas[0].fields[0].frozen = true;
    reconfigure();
    world.manual = true;
    expect_all(1, "[\"EVENT\",-1,\"schema\",", "\n");
    world_send(&world, 1, "[\"DELTA\",1,null,1,1,[0,[]],{\"0\":3,\"1\":[1,0]}]");
    cr_assert(world_commit(&world));
    expect_all(1, "[\"REJECT\",1,null,1,\"FROZEN\",", "[\"ACK\",1,null,1,1,0]");
    world_send(&world, 1, "[\"DELTA\",1,null,2,2,[1,[]],{\"1\":[2,0]}]");
    cr_assert(world_commit(&world));
    expect_all(1, "[\"ACK\",1,null,2,2,0]", "{\"1\":1}");
    /* The refusal is in the journal: it stands, whatever thaws before a crash. */
    next.schemas.schemas[0].fields[0].frozen = false;
    world.manual = false;
    world_crash(&world);
    world_connect(&world, 2);
    open_post(2, 1, 1);
    expect_all(2, "[[0,2]]]\n", "[\"SNAPSHOT\",1,2,{\"0\":0,\"1\":1,\"2\":[]}]\n");
}

Test(reconfigure, nobody_is_offered_what_is_withheld_from_all)
{
    world_connect(&world, 1);
    open_post(1, 1, 1);
    skip(1);
    next.schemas.schemas[0].withheld = SCHEMA_SHARE_ALL;
    reconfigure();
    expect_all(1, "[\"CLOSE\",1,\"NOT_OFFERED\",", "[\"EVENT\",-1,\"schema\",");
    open_post(1, 2, 1);
    expect_all(1, "[\"ERROR\",2,\"NOT_OFFERED\",", "\n");
}

Test(reconfigure, a_share_grows_without_leaving_anybody_out)
{
    struct schema schema = {.name = "post"};
    size_t before = 0;
    bool offered[1000] = {false};
    for (uint32_t share = 0; share <= SCHEMA_SHARE_ALL; share += SCHEMA_SHARE_ALL / 10) {
        size_t count = 0;
        schema.withheld = SCHEMA_SHARE_ALL - share;
        for (size_t i = 0; i < sizeof offered; i++) {
            char name[16];
            int length = snprintf(name, sizeof name, "user-%zu", i);
            bool now = schema_offers(&schema, (struct bytes){(uint8_t *)name, (size_t)length});
            cr_expect(now || !offered[i], "%s at %u", name, share);
            offered[i] = now;
            count += now;
        }
        cr_expect(count + 60 > share / 10 && count < share / 10 + 60, "%zu at %u", count, share);
        before = count;
    }
    cr_expect(eq(sz, before, sizeof offered));
}

Test(reconfigure, what_the_journal_holds_of_a_field_is_not_merged_without_it)
{
    world.manual = true;
    world_connect(&world, 1);
    open_post(1, 1, 1);
    world_send(&world, 1, "[\"DELTA\",1,null,1,1,[0,[]],{\"0\":3,\"2\":[false,[\"a\"],[]]}]");
    cr_assert(world_commit(&world));
    declare_less();
    struct hub *hub = hub_create(&next.config);
    struct hub_effects effects;
    struct hub_event event = {.kind = EVENT_REPLAY,
                              .position = world.journal[0].position,
                              .bytes = buffer_bytes(&world.journal[0].bytes)};
    cr_expect(eq(int, hub_step(hub, &event, &effects), HUB_UNKNOWN_FIELD));
    hub_destroy(hub);
}

/*
 * Goal:   nobody reads, edits, or is present in, what their token does not allow, also when it is
 *         replaced on a live connection; what is refused is told, and nothing of it is merged.
 * Method: packets in, transcripts out, as in test_hub.c; the test is who looks at tokens.
 */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdio.h>
#include <string.h>

#include "server/hub/access.h"
#include "tests/support/world.h"

static struct world world;

static void start(void)
{
    world_init(&world);
    world.config.tokens = true;
    world.config.ping_ms = UINT64_MAX / 4;
    struct schema *post = &world.schemas.schemas[0];
    post->fields[1].guarded = true; /* stock */
    world_start(&world);
}

static void finish(void) { world_finish(&world); }

TestSuite(access, .init = start, .fini = finish);

static void welcome(uint64_t connection, const char *principal, const char *pattern,
                    unsigned rights)
{
    world_event(&world, (struct hub_event){.kind = EVENT_CONNECTED, .connection = connection});
    world_send(&world, connection, "[\"HELLO\",0,1,{\"token\":\"t\"}]");
    world_verify_for(&world, principal, pattern, rights);
    cr_assert(strstr(world_read(&world, connection), "[\"WELCOME\"") != NULL);
}

/* What comes of opening the document as the connection's stream `id`. */
static const char *open_document(uint64_t connection, int id, const char *name)
{
    char text[256];
    (void)snprintf(text, sizeof text, "[\"OPEN\",%d,\"%s\",[%s],{\"presence\":true}]", id, name,
                   world_replica((unsigned)connection));
    world_send(&world, connection, text);
    return world_read(&world, connection);
}

static void edit(uint64_t connection, int id, int seq, const char *changes)
{
    char text[256];
    (void)snprintf(text, sizeof text, "[\"DELTA\",%d,null,%d,%d,[0,[]],%s]", id, seq, seq, changes);
    world_send(&world, connection, text);
}

static void expect_told(uint64_t connection, const char *part)
{
    const char *told = world_read(&world, connection);
    cr_expect(strstr(told, part) != NULL, "%s is not in %s", part, told);
}

static bool is_in(const char *text, const char *part) { return strstr(text, part) != NULL; }

Test(access, rights_are_those_of_all_grants_that_fit)
{
    static const struct {
        const char *name;
        unsigned rights;
    } cases[] = {{"post/1", 1 | 2}, {"post/12", 1}, {"post", 0},  {"cart/ann", 4}, {"cart/anna", 0},
                 {"cart/an", 0},    {"", 0},        {"post/", 1}, {"postal/1", 0}};
    struct buffer grants;
    buffer_init(&grants, 1024);
    struct writer writer = writer_to(&grants);
    access_grant(&writer, (struct bytes){(const uint8_t *)"post/", 5}, true, ACCESS_READ);
    access_grant(&writer, (struct bytes){(const uint8_t *)"post/1", 6}, false, ACCESS_WRITE);
    access_grant(&writer, (struct bytes){(const uint8_t *)"cart/ann", 8}, false, ACCESS_PRESENCE);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct bytes name = {(const uint8_t *)cases[i].name, strlen(cases[i].name)};
        cr_expect(eq(uint, access_rights(buffer_bytes(&grants), name), cases[i].rights), "%s",
                  cases[i].name);
        cr_expect(eq(uint, access_rights((struct bytes){0}, name), 0));
    }
    grants.data[0] = 0xc1; /* what is no grant grants nothing */
    cr_expect(eq(uint,
                 access_rights(buffer_bytes(&grants), (struct bytes){(const uint8_t *)"post/1", 6}),
                 0));
    buffer_finish(&grants);
}

Test(access, to_another_document_is_refused)
{
    welcome(1, "ann", "post/1", ACCESS_USE);
    cr_expect(is_in(open_document(1, 1, "post/1"), "\"stock\""));
    cr_expect(is_in(open_document(1, 2, "post/12"), "[\"ERROR\",2,\"FORBIDDEN\""));
    cr_expect(is_in(open_document(1, 3, "nothing/1"), "[\"ERROR\",3,\"FORBIDDEN\""),
              "nor which there are");
}

Test(access, is_told_with_the_document)
{
    welcome(1, "ann", "post/*", ACCESS_READ);
    cr_expect(is_in(open_document(1, 1, "post/1"), "]],1,0,"));
    welcome(2, "bob", "*", ACCESS_ALL);
    cr_expect(is_in(open_document(2, 1, "post/1"), "]],15,0,"));
}

Test(access, to_read_alone_edits_nothing)
{
    welcome(1, "ann", "post/*", ACCESS_READ);
    (void)open_document(1, 1, "post/1");
    edit(1, 1, 1, "{\"0\":5}");
    expect_told(1, "[\"REJECT\",1,null,1,\"FORBIDDEN\",");
    welcome(2, "bob", "post/*", ACCESS_READ | ACCESS_WRITE);
    cr_expect(is_in(open_document(2, 1, "post/1"), "[\"SNAPSHOT\",1,1,{\"0\":0"));
}

Test(access, to_a_guarded_field_is_an_admins)
{
    welcome(1, "ann", "post/*", ACCESS_READ | ACCESS_WRITE);
    (void)open_document(1, 1, "post/1");
    edit(1, 1, 1, "{\"1\":[5,0]}");
    expect_told(1,
                "\"FORBIDDEN\",\"The token does not allow this; bring one that does, or undo the "
                "edit.\",{\"field\":1}");
    edit(1, 1, 2, "{\"0\":1}");
    expect_told(1, "[\"UPDATE\",1,1,2,{\"0\":1}]");
    welcome(2, "bob", "post/*", ACCESS_READ | ACCESS_WRITE | ACCESS_ADMIN);
    (void)open_document(2, 1, "post/1");
    edit(2, 1, 1, "{\"1\":[5,0]}");
    expect_told(2, "{\"1\":5}");
}

Test(access, to_presence_is_a_right_of_its_own)
{
    welcome(1, "ann", "post/*", ACCESS_USE);
    welcome(2, "bob", "post/*", ACCESS_READ | ACCESS_WRITE);
    (void)open_document(1, 1, "post/1");
    (void)open_document(2, 1, "post/1");
    world_send(&world, 2, "[\"PRESENCE\",1,0,\"here\"]");
    expect_told(2, "[\"ERROR\",1,\"FORBIDDEN\",");
    cr_expect(eq(str, (char *)(uintptr_t)world_read(&world, 1), (char *)(uintptr_t) ""));
    world_send(&world, 1, "[\"PRESENCE\",1,0,\"here\"]");
    cr_expect(eq(str, (char *)(uintptr_t)world_read(&world, 2), (char *)(uintptr_t) ""));
}

Test(access, ends_with_the_token_that_gave_it)
{
    welcome(1, "ann", "post/*", ACCESS_USE);
    welcome(2, "bob", "post/*", ACCESS_USE);
    (void)open_document(1, 1, "post/1");
    (void)open_document(2, 1, "post/1");
    world_send(&world, 1, "[\"PRESENCE\",1,0,\"here\"]");
    expect_told(2, "[\"PRESENCE\",1,");
    world_tick(&world, 1000);
    world_send(&world, 1, "[\"AUTH\",2,\"u\"]");
    world_verify_for(&world, "ann", "post/*", ACCESS_READ);
    (void)world_read(&world, 1);
    expect_told(2, "null]");
    edit(1, 1, 1, "{\"0\":5}");
    expect_told(1, "[\"REJECT\",1,null,1,\"FORBIDDEN\",");
    world_tick(&world, 1000);
    world_send(&world, 1, "[\"AUTH\",3,\"v\"]");
    world_verify_for(&world, "ann", "cart/*", ACCESS_ALL);
    expect_told(1, "[\"CLOSE\",1,\"FORBIDDEN\",");
    edit(1, 1, 2, "{\"0\":5}");
    expect_told(1, "[\"ERROR\",1,\"UNKNOWN_STREAM\",");
}

/* --- replicas --- */

/* The stream `id` of the connection on post/1, under a replica that is chosen, with another one
 * named. */
static void open_as(uint64_t connection, int id, unsigned own, unsigned other)
{
    char text[256];
    (void)snprintf(text, sizeof text, "[\"OPEN\",%d,\"post/1\",[%s,%s],{}]", id, world_replica(own),
                   world_replica(other));
    world_send(&world, connection, text);
    (void)world_read(&world, connection);
}

static void edit_as(uint64_t connection, int id, const char *replica, int seq)
{
    char text[256];
    (void)snprintf(text, sizeof text, "[\"DELTA\",%d,%s,%d,%d,[0,[]],{\"0\":%d}]", id, replica, seq,
                   seq, seq);
    world_send(&world, connection, text);
}

static void like_as_ann(void)
{
    welcome(1, "ann", "*", ACCESS_USE);
    open_as(1, 1, 7, 8);
    edit_as(1, 1, "null", 1);
}

/* Ann's replica 7 has one like by then. */
static void use_replica(void)
{
    like_as_ann();
    expect_told(1, "[\"UPDATE\",1,0,1,{\"0\":1}]");
    world_disconnect(&world, 1);
}

static void expect_ann_alone(uint64_t connection)
{
    welcome(connection, "bob", "*", ACCESS_ALL);
    welcome(connection + 1, "ann", "*", ACCESS_USE);
    open_as(connection + 1, 1, 7, 8);
    char text[256];
    (void)snprintf(text, sizeof text, "[\"OPEN\",1,\"post/1\",[%s],{}]", world_replica(7));
    world_send(&world, connection, text);
    expect_told(connection, "[\"CLOSE\",1,\"REPLICA_IN_USE\",");
    open_as(connection, 2, 9, 7);
    edit_as(connection, 2, world_replica(7), 2);
    expect_told(connection, "{\"replica\":true}]");
    edit_as(connection, 2, "null", 1);
    expect_told(connection, "[\"ACK\",2,null,1,");
    edit_as(connection + 1, 1, "null", 2);
    expect_told(connection + 1, "[\"ACK\",1,null,2,");
}

Test(access, to_a_replica_is_that_of_who_first_used_it)
{
    use_replica();
    expect_ann_alone(2);
}

Test(access, to_a_replica_outlives_a_crash_before_it_is_stored)
{
    world.manual = true;
    like_as_ann();
    cr_assert(world_commit(&world));
    world_crash(&world);
    world.manual = false;
    expect_ann_alone(2);
}

Test(access, to_a_replica_is_journaled_though_the_first_batch_is_lost)
{
    world.manual = true;
    like_as_ann();
    cr_assert(world_fail_append(&world));
    expect_told(1, "\"READ_ONLY\"");
    world_tick(&world, 1000);
    cr_assert(world_commit(&world), "it tries again by itself");
    edit_as(1, 1, "null", 1);
    cr_assert(world_commit(&world));
    world_crash(&world);
    world.manual = false;
    expect_ann_alone(2);
}

Test(access, to_a_replica_is_stored_with_it)
{
    use_replica();
    world_tick(&world, 10 * 60 * 1000);
    world_tick(&world, 10 * 60 * 1000);
    world_crash(&world);
    expect_ann_alone(2);
}

Test(access, to_a_replica_is_no_others_by_a_state)
{
    use_replica();
    welcome(2, "bob", "*", ACCESS_ALL);
    open_as(2, 1, 9, 7);
    char text[256];
    (void)snprintf(text, sizeof text, "[\"STATE\",1,null,1,[0,[[%s,5]]],{}]", world_replica(7));
    world_send(&world, 2, text);
    expect_told(2, "[\"REJECT\",1,null,1,\"FORBIDDEN\",");
}

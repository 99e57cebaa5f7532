/*
 * Goal:   an operator is told what the hub does, in bounded pieces, and nobody else is told a
 * thing. Method: calls in, transcripts out. What is told is compared with what the test itself did,
 * and what it counted.
 */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "tests/hub/calls.h"

TestSuite(calls, .init = calls_start, .fini = clients_finish);

/* --- access and parameters --- */

Test(calls, only_operators_are_answered)
{
    static const char *const methods[] = {
        "stats",  "connections", "connection", "documents", "document", "rejected",
        "backup", "export",      "import",     "retire",    "erase",    "webhooks_resend"};
    clients_finish();
    world_init(&world);
    world_start(&world);
    world_connect(&world, 1);
    for (size_t i = 0; i < sizeof methods / sizeof *methods; i++) {
        cr_expect(tells(call(1, methods[i], "{}"), "\"FORBIDDEN\",\"This call is an operator's"));
    }
    cr_expect(tells(call(1, "schema", "{}"), "\"post\""));
}

Test(calls, bad_parameters_are_told_in_a_sentence_and_harm_nobody)
{
    static const struct {
        const char *method;
        const char *parameters;
        const char *sentence;
    } cases[] = {
        {"stats", "[]", "Parameters are a map."},
        {"stats", "null", "Parameters are a map."},
        {"stats", "7", "Parameters are a map."},
        {"connections", "{\"limit\":0}", "limit is a whole number from 1 to 1000."},
        {"connections", "{\"limit\":1001}", "limit is"},
        {"connections", "{\"limit\":9007199254740991}", "limit is"},
        {"connections", "{\"limit\":-1}", "limit is"},
        {"connections", "{\"limit\":1.5}", "limit is"},
        {"connections", "{\"limit\":\"10\"}", "limit is"},
        {"connections", "{\"limit\":[1]}", "limit is"},
        {"connections", "{\"after\":\"1\"}", "after is a connection's id"},
        {"connections", "{\"after\":{\"after\":1}}", "after is a connection's id"},
        {"connection", "{}", "id is a connection's id"},
        {"connection", "{\"id\":null}", "id is a connection's id"},
        {"connection", "{\"id\":true}", "id is a connection's id"},
        {"documents", "{\"search\":1}", "search is a part of a name"},
        {"documents", "{\"after\":7}", "after is a document's name"},
        {"documents", "{\"limit\":0}", "limit is"},
        {"documents", "{\"limit\":1001}", "limit is"},
        {"rejected", "{\"limit\":501}", "limit is a whole number from 1 to 500."},
        {"rejected", "{\"after\":\"x\"}", "after is a refused update's id"},
        {"document", "{}", "name is a document's name"},
        {"document", "{\"name\":\"\"}", "name is a document's name"},
        {"document", "{\"name\":7}", "name is a document's name"},
        {"document", "{\"name\":\"post\"}", "A document's name is schema/key"},
        {"document", "{\"name\":\"post/\\u0001\"}", "A document's name is schema/key"},
    };
    world_connect(&world, 1);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *answer = call(1, cases[i].method, cases[i].parameters);
        cr_expect(tells(answer, "\"BAD_PARAMETERS\",\"%s", cases[i].sentence), "%s %s",
                  cases[i].method, cases[i].parameters);
    }
    cr_expect(tells(call(1, "no-such", "{}"), "\"UNKNOWN_METHOD\""));
    cr_expect(tells(call(1, "stats", "{}"), "\"now_ms\""));
    cr_expect(eq(u16, world.connections[1].closed, 0));
}

Test(calls, unknown_keys_are_skipped_and_nil_is_not_given)
{
    world_connect(&world, 1);
    cr_expect(tells(call(1, "stats", "{\"limit\":[1,{\"a\":2}]}"), "\"now_ms\""));
    cr_expect(tells(call(1, "connections", "{\"later\":[[]],\"after\":null,\"limit\":1}"),
                    "\"total\":1}"));
}

/* [CALL, 5, "document", {"name": a string that is no UTF-8}], and a map that ends too early. */
Test(calls, bytes_that_are_no_text_are_bad_parameters_and_a_broken_map_ends_its_connection)
{
    static const uint8_t no_text[] = {0x94, 14,   5,    0xa8, 'd', 'o', 'c', 'u',  'm',  'e', 'n',
                                      't',  0x81, 0xa4, 'n',  'a', 'm', 'e', 0xa2, 0xc3, 0x28};
    static const uint8_t cut_short[] = {0x94, 14, 6, 0xa5, 's', 't', 'a', 't', 's', 0x82, 1, 2};
    world_connect(&world, 1);
    world_send_bytes(&world, 1, (struct bytes){no_text, sizeof no_text});
    cr_expect(tells(world_read(&world, 1), "[\"ERROR\",5,\"BAD_PARAMETERS\",\"name is"));
    world_send_bytes(&world, 1, (struct bytes){cut_short, sizeof cut_short});
    cr_expect(eq(u16, world.connections[1].closed, 1007));
}

/* --- stats --- */

Test(calls, stats_count_what_happened)
{
    uint64_t started_ms = world.now_ms;
    world.manual = true;
    world_connect(&world, 1);
    world_connect(&world, 2);
    open_document(1, 1, "post/1", 1);
    open_document(2, 1, "post/1", 2);
    like(1, 1, 1, 3);
    like(2, 1, 1, 4);
    world_send(&world, 1, "[\"DELTA\",1,null,2,4,[0,[]],{\"0\":9}]");
    world_send(&world, 2, "[\"DELTA\",1,null,2,2,[0,[]],{\"9\":1}]"); /* no such field */
    cr_assert(world_commit(&world) && world_commit(&world));
    cr_assert(not(world_commit(&world)));
    like(1, 1, 1, 3); /* again */
    world.now_ms += 5;
    uint64_t sent = world.sent_bytes;
    uint64_t journal = world.journal[0].bytes.length + world.journal[1].bytes.length;
    const char *answer = call(1, "stats", "{}");
    cr_expect(tells(answer, "{\"now_ms\":%" PRIu64 ",\"started_ms\":%" PRIu64 ",", world.now_ms,
                    started_ms));
    cr_expect(tells(answer, "\"hub\":\"syncline/0.1\",\"journal\":{\"$bytes\":\"%032d\"},", 0));
    cr_expect(tells(answer, "\"position\":2,\"trimmed\":0,\"read_only\":false,\"draining\":false,"
                            "\"relaxed\":false,\"connections\":2,\"streams\":2,\"documents\":1,"));
    cr_expect(tells(answer, "\"memory_limit\":1073741824,\"paused\":0,"));
    cr_expect(tells(answer,
                    "\"updates\":3,\"edits\":5,\"rejected\":1,\"repeats\":1,\"batches\":2,"
                    "\"batch_bytes\":%" PRIu64 ",\"messages_in\":10,",
                    journal));
    cr_expect(tells(answer, "\"bytes_out\":%" PRIu64 "}", sent));
}

Test(calls, what_a_start_merges_again_is_not_counted)
{
    world_connect(&world, 1);
    open_document(1, 1, "post/1", 1);
    like(1, 1, 1, 3);
    world.trimmed = 0;
    world_crash(&world);
    world_connect(&world, 1);
    cr_expect(tells(call(1, "stats", "{}"), "\"position\":1,"));
    cr_expect(tells(call(1, "stats", "{}"), "\"updates\":0,\"edits\":0,"));
}

/* --- connections --- */

static void say_hello(uint64_t connection, const char *options)
{
    char text[2048];
    world_event(&world, (struct hub_event){.kind = EVENT_CONNECTED, .connection = connection});
    (void)snprintf(text, sizeof text, "[\"HELLO\",0,1,%s]", options);
    world_send(&world, connection, text);
}

Test(calls, connections_are_listed_in_order_a_page_at_a_time)
{
    for (uint64_t id = 1; id <= 9; id++) {
        world_connect(&world, id);
    }
    world_disconnect(&world, 3);
    world_disconnect(&world, 4);
    world_disconnect(&world, 8);
    const char *answer = call(1, "connections", "{\"limit\":2}");
    cr_expect(tells(answer, "{\"connections\":[{\"id\":1,"));
    cr_expect(tells(answer, ",{\"id\":2,"));
    cr_expect(tells(answer, "],\"next\":2,\"total\":6}"));
    answer = call(1, "connections", "{\"limit\":3,\"after\":2}");
    cr_expect(tells(answer, "{\"connections\":[{\"id\":5,"));
    cr_expect(tells(answer, ",{\"id\":7,"));
    cr_expect(tells(answer, "],\"next\":7,\"total\":6}"));
    answer = call(1, "connections", "{\"after\":7}");
    cr_expect(tells(answer, "{\"connections\":[{\"id\":9,"));
    cr_expect(tells(answer, "],\"next\":null,\"total\":6}"));
    cr_expect(tells(call(1, "connections", "{\"after\":9}"),
                    "{\"connections\":[],\"next\":null,\"total\":6}"));
}

Test(calls, connections_that_come_and_go_leave_the_list_in_order)
{
    static const uint64_t order[] = {5, 9, 2, 7, 1, 8, 3, 6, 4};
    for (size_t round = 0; round < 3; round++) {
        for (size_t i = 0; i < 9; i++) {
            world_connect(&world, order[i]);
        }
        for (size_t i = 0; i < 9; i++) {
            if (order[i] % 3 != 1) {
                world_disconnect(&world, order[i]);
            }
        }
        const char *answer = call(1, "connections", "{}");
        const char *four = strstr(answer, ",{\"id\":4,");
        cr_assert(tells(answer, "{\"connections\":[{\"id\":1,"));
        cr_assert(four != NULL && strstr(four, ",{\"id\":7,") != NULL);
        cr_assert(tells(answer, "],\"next\":null,\"total\":3}"));
        world_disconnect(&world, 1);
        world_disconnect(&world, 4);
        world_disconnect(&world, 7);
    }
}

/* 63 times two bytes, and one more: the cut at 128 would split the last character. */
Test(calls, what_hello_said_is_kept_up_to_a_whole_character)
{
    char long_name[512] = "x";
    char kept[512] = "x";
    char options[1024];
    for (size_t i = 0; i < 70; i++) {
        memcpy(long_name + 1 + 2 * i, "\xc3\xa4", 3);
        if (i < 63) {
            memcpy(kept + 1 + 2 * i, "\xc3\xa4", 3);
        }
    }
    (void)snprintf(options, sizeof options, "{\"agent\":\"%s\",\"client\":\"tab-1\"}", long_name);
    say_hello(1, options);
    cr_expect(tells(call(1, "connections", "{}"), "\"agent\":\"%s\",\"client\":\"tab-1\",", kept));
    world_connect(&world, 2);
    cr_expect(tells(call(1, "connection", "{\"id\":2}"), "\"agent\":null,\"client\":null,"));
}

Test(calls, pending_updates_are_those_that_are_not_merged_yet)
{
    world.manual = true;
    world_connect(&world, 1);
    world_connect(&world, 2);
    open_document(1, 1, "post/1", 1);
    open_document(1, 2, "post/2", 1);
    like(1, 1, 1, 1);
    like(1, 1, 2, 2);
    like(1, 2, 1, 1);
    const char *answer = call(2, "connection", "{\"id\":1}");
    cr_expect(tells(answer, "\"updates\":3,\"rejected\":0,"));
    cr_expect(tells(answer, "\"pending\":3,\"behind\":0,"));
    cr_expect(tells(answer, "\"stream_count\":2,\"streams\":[{\"id\":1,\"document\":\"post/1\","
                            "\"cursor\":0,\"position\":0,\"pending\":2,\"replicas\":1,"
                            "\"presence\":false},{\"id\":2,\"document\":\"post/2\",\"cursor\":0,"
                            "\"position\":0,\"pending\":1,"));
    cr_assert(world_commit(&world)); /* the first update, alone */
    cr_expect(tells(call(2, "connection", "{\"id\":1}"), "\"pending\":2,\"behind\":0,"));
    like(1, 1, 3, 3);
    cr_expect(tells(call(2, "connection", "{\"id\":1}"), "\"pending\":3,\"behind\":0,"));
    cr_assert(world_fail_append(&world));
    cr_expect(tells(call(2, "connection", "{\"id\":1}"), "\"pending\":0,\"behind\":0,"));
}

Test(calls, a_blocked_connection_is_seen_to_be_behind)
{
    world_connect(&world, 1);
    world_connect(&world, 2);
    open_document(1, 1, "post/1", 1);
    open_document(2, 1, "post/1", 2);
    open_document(2, 2, "post/2", 2);
    world.connections[2].blocked = true;
    world_event(&world, (struct hub_event){.kind = EVENT_BLOCKED, .connection = 2});
    like(1, 1, 1, 1);
    const char *answer = call(1, "connection", "{\"id\":2}");
    cr_expect(tells(answer, "\"blocked\":true,\"paused\":false,"));
    cr_expect(tells(answer, "\"pending\":0,\"behind\":1,"));
    cr_expect(tells(answer, "\"cursor\":0,\"position\":1,"));
    world.connections[2].blocked = false;
    world_event(&world, (struct hub_event){.kind = EVENT_WRITABLE, .connection = 2});
    answer = call(1, "connections", "{\"after\":1}");
    cr_expect(tells(answer, "\"blocked\":false,"));
    cr_expect(tells(answer, "\"behind\":0,\"streams\":2}"));
}

Test(calls, rejects_are_counted_for_whom_they_are_told_to)
{
    world_connect(&world, 1);
    open_document(1, 1, "post/1", 1);
    world_send(&world, 1, "[\"DELTA\",1,null,1,1,[0,[]],{\"9\":1}]");
    cr_expect(tells(call(1, "connection", "{\"id\":1}"), "\"updates\":1,\"rejected\":1,"));
}

Test(calls, a_connection_with_many_streams_is_told_in_part)
{
    world_connect(&world, 1);
    world_connect(&world, 2);
    for (int i = 1; i <= 1001; i++) {
        open_document(1, i, "post/1", (unsigned)i);
    }
    const char *answer = call(2, "connection", "{\"id\":1}");
    cr_expect(tells(answer, "\"stream_count\":1001,"));
    cr_expect(tells(answer, "{\"id\":1000,"));
    cr_expect(eq(ptr, strstr(answer, "{\"id\":1001,"), NULL));
    cr_expect(tells(answer, "],\"more\":true}"));
}

Test(calls, a_connection_that_is_gone_is_nil)
{
    world_connect(&world, 1);
    cr_expect(eq(int, strncmp(call(1, "connection", "{\"id\":77}"), "null]", 5), 0));
}

/*
 * Goal:   each type keeps the hub's promises: its edits count once, come back after a crash, reach
 * a client by snapshot and by cursor, and are rejected alone. Method: packets in, transcripts out,
 * as in test_hub.c.
 */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdio.h>
#include <string.h>

#include "server/storage/catalog.h"
#include "tests/hub/clients.h"

static void start(void)
{
    world_init(&world);
    world_declare(&world, "shop", "stock", "bounded-counter", "{\"min\":0,\"max\":100}");
    world_declare(&world, "shop", "title", "lww-register", "{\"of\":\"string\"}");
    world_declare(&world, "shop", "note", "mv-register", "{\"of\":\"any\"}");
    world_declare(&world, "shop", "open", "flag", "{\"wins\":\"disable\"}");
    world_declare(&world, "shop", "seen", "g-set", "{\"of\":\"int\"}");
    world_declare(&world, "shop", "sold", "2p-set", "{\"of\":\"string\"}");
    world_declare(&world, "shop", "cart", "map", "{\"of\":[\"pn-counter\",{}]}");
    world_declare(
        &world, "shop", "tree", "map",
        "{\"of\":[\"map\",{\"of\":[\"map\",{\"of\":[\"or-set\",{\"of\":\"string\"}]}]}]}");
    world_declare(&world, "shop", "seats", "map", "{\"of\":[\"bounded-counter\",{\"max\":2}]}");
    world.config.ping_ms = UINT64_MAX / 4;
    world_start(&world);
}

TestSuite(types, .init = start, .fini = clients_finish);

static void open_shop(uint64_t connection, unsigned replica, const char *options)
{
    char text[256];
    (void)snprintf(text, sizeof text, "[\"OPEN\",1,\"shop/1\",[%s],%s]", world_replica(replica),
                   options);
    world_connect(&world, connection);
    world_send(&world, connection, text);
}

static void join(uint64_t connection)
{
    open_shop(connection, (unsigned)connection, "{}");
    skip(connection);
}

static void send(uint64_t connection, unsigned seq, const char *context, const char *fields)
{
    char text[1024];
    (void)snprintf(text, sizeof text, "[\"DELTA\",1,null,%u,%u,%s,%s]", seq, seq, context, fields);
    world_send(&world, connection, text);
}

/* A new client's snapshot has the part, now and after a crash, with and without rows. */
static void expect_shown(const char *part)
{
    static unsigned replica = 100;
    for (int round = 0; round < 3; round++) {
        open_shop(60, replica++, "{}");
        cr_expect(told(60, part));
        world_disconnect(&world, 60);
        if (round == 1) {
            world_tick(&world, 1000);
        }
        world_crash(&world);
    }
}

Test(types, every_type_is_stored_and_shown_again)
{
    join(1);
    send(1, 1, "[0,[]]",
         "{\"0\":[7,2,null],\"2\":[{\"a\":1}],\"3\":true,\"4\":[3,5],\"5\":[[\"x\",\"y\"],[\"y\"]],"
         "\"6\":[[\"apple\",false,3],[\"pear\",false,-1]],"
         "\"7\":[[\"a\",false,[[\"b\",false,[[\"c\",false,[false,[\"leaf\"],[]]]]]]]]}");
    send(1, 2, "[1,[]]", "{\"1\":[1000000000,0,\"Shop\"]}");
    cr_assert(told(1, "[\"ACK\",1,null,2,"));
    expect_shown("\"0\":[5,[]],"
                 "\"1\":[[[[0,2,2]],[[1000000000,0,\"Shop\"]]]],"
                 "\"2\":[[[[0,1,1]],[{\"a\":1}]]],"
                 "\"3\":[[[[0,1,1]],[true]]],"
                 "\"4\":[[[[0,1,1]],[3,5]]],"
                 "\"5\":[[[[0,1,1]],[[0,\"x\"],[1,\"y\"]]]],"
                 "\"6\":[[[[0,1,1]],\"apple\",true,[[0,1,1,3]]],[[[0,1,1]],\"pear\",true,"
                 "[[0,1,1,-1]]]],"
                 "\"7\":[[[[0,1,1]],\"a\",true,[[[[0,1,1]],\"b\",true,[[[[0,1,1]],\"c\",true,"
                 "[[[[0,1,1]],[\"leaf\"]]]]]]]]]");
}

Test(types, sql_shows_values_as_a_person_expects)
{
    join(1);
    send(1, 1, "[0,[]]",
         "{\"0\":[7,2,null],\"2\":[{\"a\":1}],\"3\":true,\"4\":[3,5],\"5\":[[\"x\",\"y\"],[\"y\"]],"
         "\"6\":[[\"apple\",false,3],[\"pear\",false,-1]]}");
    send(1, 2, "[1,[]]", "{\"1\":[1000000000,0,\"Shop\"]}");
    world_tick(&world, 1000);
    struct catalog_error error;
    cr_assert(catalog_views(world.database, &world.schemas, &error), "%s", error.text);
    sqlite3_stmt *statement = NULL;
    cr_assert(eq(int,
                 sqlite3_prepare_v2(world.database,
                                    "SELECT stock || '|' || title || '|' || note || '|' || open || "
                                    "'|' || seen || '|' || sold || '|' || cart || '|' || seats "
                                    "FROM shop",
                                    -1, &statement, NULL),
                 SQLITE_OK));
    cr_assert(eq(int, sqlite3_step(statement), SQLITE_ROW));
    cr_expect(eq(str, (char *)(uintptr_t)sqlite3_column_text(statement, 0),
                 "5|Shop|[{\"a\":1}]|1|[3,5]|[\"x\"]|{\"apple\":3,\"pear\":-1}|{}"));
    (void)sqlite3_finalize(statement);
}

/* --- bounded counters --- */

static const char *const take_one = "{\"0\":[0,1,null]}";

Test(types, of_ten_clients_racing_for_the_last_item_one_gets_it)
{
    join(1);
    send(1, 1, "[0,[]]", "{\"0\":[1,0,null]}");
    for (uint64_t i = 11; i <= 20; i++) {
        join(i);
    }
    world.manual = true;
    for (uint64_t i = 11; i <= 20; i++) {
        send(i, 1, "[1,[]]", take_one);
    }
    while (world_commit(&world)) {
    }
    int rejected = 0;
    for (uint64_t i = 11; i <= 20; i++) {
        const char *transcript = world_read(&world, i);
        rejected += strstr(transcript, "[\"REJECT\",1,null,1,\"OUT_OF_BOUNDS\"") != NULL;
        cr_expect(strstr(transcript, "[\"ACK\",1,null,1,") != NULL);
    }
    cr_assert(eq(int, rejected, 9));
    world.manual = false;
    expect_shown("\"0\":[0,[]]");
}

Test(types, a_rejection_tells_what_stands_and_spends_nothing_else)
{
    join(1);
    send(1, 1, "[0,[]]", "{\"0\":[5,0,null]}");
    send(1, 2, "[1,[]]", "{\"0\":[5,6,null]}");
    cr_assert(told(1,
                   "\"OUT_OF_BOUNDS\",\"The counter would leave its bounds; see what stands, and "
                   "count less.\",{\"field\":0,\"value\":5}]"));
    send(1, 3, "[1,[]]", "{\"0\":[5,8,null]}"); /* 6 were refused, so this takes 2 */
    send(1, 4, "[1,[]]", "{\"0\":[103,8,null]}");
    cr_assert(told(1, "\"OUT_OF_BOUNDS\""));
    expect_shown("\"0\":[3,[]]");
}

Test(types, what_is_leased_is_there_for_the_one_who_leased_it)
{
    join(1);
    join(2);
    send(1, 1, "[0,[]]", "{\"0\":[10,0,null]}");
    send(1, 2, "[1,[]]", "{\"0\":[10,0,[{\"$bytes\":\"0a\"},0,4,60000]]}");
    send(2, 1, "[2,[]]", "{\"0\":[0,7,null]}");
    cr_assert(told(2, "\"OUT_OF_BOUNDS\""));
    send(2, 2, "[2,[]]", "{\"0\":[0,13,null]}"); /* the 6 that are left */
    send(1, 3, "[2,[]]", "{\"0\":[10,3,[{\"$bytes\":\"0a\"},3,0,0]]}");
    cr_assert(eq(int, told(1, "\"OUT_OF_BOUNDS\""), 0));
    expect_shown("\"0\":[1,[[{\"$bytes\":\"0a\"},1,1000060000]]]");
}

Test(types, a_lease_returns_after_its_time_also_where_nobody_looks)
{
    join(1);
    send(1, 1, "[0,[]]", "{\"0\":[10,0,null]}");
    send(1, 2, "[1,[]]", "{\"0\":[10,0,[{\"$bytes\":\"0a\"},0,4,60000]]}");
    cr_assert(told(1, "\"0\":[10,[[{\"$bytes\":\"0a\"},4,1000060000]]]"));
    world_tick(&world, 59999);
    cr_assert(eq(str, (char *)(uintptr_t)world_read(&world, 1), ""));
    world_tick(&world, 1);
    cr_assert(told(1, "\"0\":[10,[]]"));
    expect_shown("\"0\":[10,[]]");
    join(1);
    send(1, 3, "[3,[]]", "{\"0\":[10,0,[{\"$bytes\":\"0a\"},0,4,60000]]}");
    world_tick(&world, 1000);
    world_crash(&world); /* nothing but rows is left, and nobody has the document open */
    world.now_ms += 70000;
    expect_shown("\"0\":[10,[]]");
}

Test(types, a_lease_that_is_over_promises_nothing)
{
    join(1);
    send(1, 1, "[0,[]]", "{\"0\":[4,0,null]}");
    send(1, 2, "[1,[]]", "{\"0\":[4,0,[{\"$bytes\":\"0a\"},0,4,60000]]}");
    world_tick(&world, 60000);
    join(2);
    send(2, 1, "[3,[]]", "{\"0\":[0,3,null]}");
    send(1, 3, "[2,[]]", "{\"0\":[4,2,[{\"$bytes\":\"0a\"},2,0,0]]}");
    cr_assert(told(1, "\"OUT_OF_BOUNDS\""));
    send(1, 4, "[2,[]]", "{\"0\":[4,3,[{\"$bytes\":\"0a\"},1,0,0]]}");
    expect_shown("\"0\":[0,[]]");
}

Test(types, leases_are_bounded_in_number_and_time)
{
    join(1);
    send(1, 1, "[0,[]]", "{\"0\":[10,0,null]}");
    send(1, 2, "[1,[]]", "{\"0\":[10,0,[{\"$bytes\":\"0a\"},0,4,999]]}");
    cr_assert(told(1, "\"BAD_CHANGE\""));
    send(1, 3, "[1,[]]", "{\"0\":[10,0,[{\"$bytes\":\"\"},0,4,60000]]}");
    cr_assert(told(1, "\"BAD_CHANGE\""));
    send(1, 4, "[1,[]]", "{\"0\":[10,0,[{\"$bytes\":\"0a\"},0,11,60000]]}");
    cr_assert(told(1, "\"OUT_OF_BOUNDS\""));
}

Test(types, bounds_hold_under_each_key_of_a_map)
{
    join(1);
    send(1, 1, "[0,[]]", "{\"8\":[[\"a\",false,2]]}");
    send(1, 2, "[1,[]]", "{\"8\":[[\"a\",false,1]]}");
    cr_assert(told(1, "\"OUT_OF_BOUNDS\""));
    send(1, 3, "[1,[]]", "{\"8\":[[\"b\",false,3]]}");
    cr_assert(told(1, "\"OUT_OF_BOUNDS\""));
    send(1, 4, "[1,[]]", "{\"8\":[[\"a\",true,2]]}"); /* 2 again, after the 2 are gone */
    cr_assert(eq(int, told(1, "\"OUT_OF_BOUNDS\""), 0));
    expect_shown("\"8\":[[[[0,4,4]],\"a\",true,[[0,4,4,2]]]]");
}

/* --- clocks --- */

Test(types, a_clock_more_than_a_minute_ahead_is_refused_with_the_hubs_time)
{
    join(1);
    send(1, 1, "[0,[]]", "{\"1\":[1000060000,0,\"a\"]}");
    send(1, 2, "[1,[]]", "{\"1\":[1000060001,0,\"b\"]}");
    cr_assert(told(1,
                   "[\"REJECT\",1,null,2,\"CLOCK_AHEAD\",\"The clock of this device is more than "
                   "a minute ahead of the hub's.\",{\"field\":1,\"now_ms\":1000000000}]"));
    expect_shown("\"1\":[[[[0,1,1]],[[1000060000,0,\"a\"]]]]");
}

Test(types, a_full_state_cannot_bring_a_clock_that_is_ahead)
{
    join(1);
    world_send(&world, 1,
               "[\"STATE\",1,null,1,[0,[]],{\"1\":[[[[null,1]],[[9000000000,0,\"a\"]]]]}]");
    cr_assert(told(1, "\"CLOCK_AHEAD\""));
}

/* --- full states --- */

Test(types, full_states_join_in_every_type)
{
    join(1);
    join(2);
    send(1, 1, "[0,[]]",
         "{\"0\":[7,2,null],\"3\":true,\"4\":[3],\"5\":[[\"x\"],[]],\"6\":[[\"apple\",false,3]]}");
    skip(2);
    world_send(&world, 2,
               "[\"STATE\",1,null,1,[0,[]],{\"0\":[[null,1,0]],\"3\":[[[[null,1]],[false]]],"
               "\"4\":[[[[null,1]],[4]]],\"5\":[[[[null,1]],[[1,\"x\"]]]],"
               "\"6\":[[[[null,1]],\"apple\",[[null,1,4]]]],"
               "\"7\":[[[[null,1]],\"a\",[[[[null,1]],\"b\",[[[[null,1]],\"c\","
               "[[[[null,1]],[\"leaf\"]]]]]]]]]}]");
    cr_assert(told(2, "[\"ACK\",1,null,1,"));
    expect_shown("\"0\":[6,[]]");
    expect_shown("\"6\":[[[[0,1,1],[1,1,2]],\"apple\",true,[[0,1,1,3],[1,1,2,4]]]]");
    expect_shown("\"leaf\"");
}

/* --- catching up --- */

Test(types, a_cursor_gets_what_changed_in_maps_and_no_more)
{
    char options[128];
    join(1);
    send(1, 1, "[0,[]]", "{\"6\":[[\"apple\",false,3],[\"pear\",false,1],[\"plum\",false,1]]}");
    send(1, 2, "[1,[]]", "{\"6\":[[\"apple\",false,1],[\"pear\",true,null]]}");
    (void)snprintf(options, sizeof options, "{\"cursor\":[{\"$bytes\":\"%032d\"},1]}", 0);
    open_shop(2, 2, options);
    cr_assert(told(2,
                   "[\"UPDATE\",1,1,2,{\"6\":[[[],\"pear\",true,null],[[[0,2,2]],\"apple\",false,"
                   "[[0,1,1,3],[0,2,2,1]]]]}]"));
}

Test(types, a_field_that_began_anew_under_its_key_is_sent_as_a_fresh_one)
{
    char options[128];
    join(1);
    send(1, 1, "[0,[]]",
         "{\"7\":[[\"a\",false,[[\"b\",false,[[\"c\",false,[false,[\"x\"],[]]]]]]]]}");
    send(1, 2, "[1,[]]", "{\"7\":[[\"a\",true,null]]}");
    send(1, 3, "[2,[]]",
         "{\"7\":[[\"a\",false,[[\"b\",false,[[\"c\",false,[false,[\"y\"],[]]]]]]]]}");
    (void)snprintf(options, sizeof options, "{\"cursor\":[{\"$bytes\":\"%032d\"},1]}", 0);
    open_shop(2, 2, options);
    cr_assert(told(2, "[\"UPDATE\",1,1,3,{\"7\":[[[[0,3,3]],\"a\",true,"));
}

/* --- tallies --- */

Test(types, a_tally_folds_its_oldest_parts_and_keeps_its_sum)
{
    char fields[64];
    join(1);
    for (unsigned i = 1; i <= 200; i++) {
        (void)snprintf(fields, sizeof fields, "{\"6\":[[\"apple\",false,%u]]}", i);
        send(1, i, "[0,[]]", fields);
    }
    open_shop(2, 2, "{}");
    const char *snapshot = strstr(world_read(&world, 2), "\"apple\"");
    size_t parts = 0;
    for (const char *at = snapshot; (at = strstr(at, "[0,")) != NULL; at++) {
        parts++;
    }
    cr_assert(le(sz, parts, 66));
    world_tick(&world, 1000);
    sqlite3_stmt *statement = NULL;
    cr_assert(eq(int,
                 sqlite3_prepare_v2(world.database, "SELECT value FROM entries WHERE field = 6", -1,
                                    &statement, NULL),
                 SQLITE_OK));
    cr_assert(eq(int, sqlite3_step(statement), SQLITE_ROW));
    cr_expect(eq(int, sqlite3_column_int(statement, 0), 20100));
    (void)sqlite3_finalize(statement);
    send(1, 201, "[200,[]]", "{\"6\":[[\"apple\",true,null]]}");
    expect_shown("\"6\":[]");
}

Test(types, a_remove_that_saw_only_its_own_part_of_a_fold_leaves_it)
{
    join(1);
    join(2);
    for (unsigned i = 1; i <= 31; i++) {
        send(1, i, "[0,[]]", "{\"6\":[[\"apple\",false,1]]}");
    }
    send(2, 1, "[0,[]]", "{\"6\":[[\"apple\",false,1]]}"); /* the newest that is folded */
    for (unsigned i = 32; i <= 64; i++) {
        send(1, i, "[0,[]]", "{\"6\":[[\"apple\",false,1]]}");
    }
    send(2, 2, "[0,[]]", "{\"6\":[[\"apple\",true,null]]}");
    expect_shown("\"apple\",true,[[4294967295,32,32,32],[0,32,33,1]");
}

Test(types, a_remove_in_a_map_leaves_what_it_had_not_seen)
{
    join(1);
    join(2);
    send(1, 1, "[0,[]]", "{\"6\":[[\"apple\",false,3]]}");
    send(2, 1, "[0,[]]", "{\"6\":[[\"apple\",false,10]]}");
    send(1, 2, "[1,[]]", "{\"6\":[[\"apple\",true,null]]}"); /* made before the 10 came */
    expect_shown("\"6\":[[[[1,1,2]],\"apple\",true,[[1,1,2,10]]]]");
}

/* --- registers --- */

Test(types, a_register_holds_a_value_longer_than_an_element_of_a_set)
{
    static char text[70000];
    static char value[60001];
    (void)memset(value, 'x', sizeof value - 1);
    join(1);
    (void)snprintf(text, sizeof text, "[\"DELTA\",1,null,1,1,[0,[]],{\"2\":[{\"text\":\"%s\"}]}]",
                   value);
    world_send(&world, 1, text);
    cr_assert(told(1, value));
    (void)snprintf(text, sizeof text, "[\"DELTA\",1,null,2,2,[0,[]],{\"5\":[[\"%s\"],[]]}]", value);
    world_send(&world, 1, text);
    cr_assert(told(1, "\"BAD_ELEMENT\""));
}

/* --- bad input --- */

Test(types, what_has_not_its_types_form_is_rejected_alone)
{
    static const char *const bad[] = {
        "{\"0\":5}",
        "{\"0\":[1,0]}",
        "{\"1\":[1,0]}",
        "{\"1\":[1,0,5]}",
        "{\"1\":[1,5000000000,\"a\"]}",
        "{\"2\":[]}",
        "{\"3\":1}",
        "{\"4\":[\"a\"]}",
        "{\"4\":[false,[1],[]]}",
        "{\"5\":[[\"a\"]]}",
        "{\"6\":[[1,false,1]]}",
        "{\"6\":[[\"a\",false,1],[\"a\",false,1]]}",
        "{\"6\":[[\"a\",false,1.5]]}",
        "{\"7\":[[\"a\",false,[[\"b\",false,3]]]]}",
    };
    join(1);
    unsigned seq = 0;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        send(1, ++seq, "[0,[]]", bad[i]);
        const char *transcript = world_read(&world, 1);
        cr_expect(strstr(transcript, "\"BAD_CHANGE\"") != NULL ||
                      strstr(transcript, "\"BAD_ELEMENT\"") != NULL,
                  "%s: %s", bad[i], transcript);
    }
    send(1, ++seq, "[0,[]]", "{\"3\":true}");
    cr_assert(eq(int, told(1, "REJECT"), 0));
}

Test(types, a_register_holds_a_bounded_number_of_concurrent_values)
{
    char text[256];
    world_connect(&world, 1);
    for (unsigned i = 1; i <= 257; i++) {
        (void)snprintf(text, sizeof text, "[\"OPEN\",%u,\"shop/1\",[%s],{}]", i, world_replica(i));
        world_send(&world, 1, text);
        (void)snprintf(text, sizeof text, "[\"DELTA\",%u,null,1,1,[0,[]],{\"2\":[%u]}]", i, i);
        world_send(&world, 1, text);
        (void)snprintf(text, sizeof text, "[\"CLOSE\",%u,\"\",\"\"]", i);
        bool refused = strstr(world_read(&world, 1), "\"TOO_MANY\"") != NULL;
        cr_expect(eq(int, refused, i == 257));
        world_send(&world, 1, text);
    }
}

/* Two who count up and one who counts down; a remove that had seen only some of the latter would
 * leave parts that sum up to more, on the way, than who reads them takes. */
Test(types, counters_in_maps_never_sum_up_beyond_integers_on_the_way)
{
    static const char *const amounts[] = {"9007199254740991", "-9007199254740991"};
    char text[256];
    join(1);
    join(2);
    for (unsigned i = 0; i < 5; i++) {
        bool down = i % 2 == 1 || i == 4;
        (void)snprintf(text, sizeof text, "{\"6\":[[\"a\",false,%s]]}", amounts[down]);
        send(down ? 2 : 1, i == 4 ? 3 : i / 2 + 1, "[0,[]]", text);
    }
    cr_assert(told(1, "-9007199254740991]]]]}"));
    (void)snprintf(text, sizeof text, "[\"OPEN\",1,\"shop/1\",[%s,%s],{}]", world_replica(3),
                   world_replica(2));
    world_connect(&world, 3);
    world_send(&world, 3, text);
    (void)snprintf(text, sizeof text, "[0,[[%s,2]]]", world_replica(2));
    send(3, 1, text, "{\"6\":[[\"a\",true,null]]}");
    cr_expect(told(3, "\"OVERFLOW\""));
    world_tick(&world, 60000);
    world_crash(&world);
    open_shop(4, 4, "{}");
    cr_expect(told(4, "-9007199254740991]]]]"));
}

/*
 * Goal:   an update costs the hub about what its bytes do, and leaves no more behind than its type
 * allows. Method: packets within all limits of length that ask for as much as they can; the time is
 * the process's own.
 */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tests/support/world.h"

enum { NAMED = 250, NAMING_STREAMS = 100 };

static struct world world;
static struct buffer text; /* a packet in the making */

static void start(void)
{
    world_init(&world);
    world_declare(&world, "shop", "title", "lww-register", "{\"of\":\"any\"}");
    world_declare(&world, "shop", "note", "mv-register", "{\"of\":\"any\"}");
    world_declare(&world, "shop", "tags", "or-set", "{\"of\":\"any\"}");
    world_declare(&world, "shop", "cart", "map", "{\"of\":[\"pn-counter\",{}]}");
    world_declare(&world, "shop", "notes", "map", "{\"of\":[\"mv-register\",{\"of\":\"any\"}]}");
    world_declare(&world, "shop", "titles", "map", "{\"of\":[\"lww-register\",{\"of\":\"any\"}]}");
    world.config.ping_ms = UINT64_MAX / 4;
    world.config.seed = 7;
    world_start(&world);
    buffer_init(&text, SIZE_MAX / 2);
    world_connect(&world, 1);
    char open[128];
    (void)snprintf(open, sizeof open, "[\"OPEN\",1,\"shop/1\",[%s],{}]", world_replica(1));
    world_send(&world, 1, open);
    (void)world_read(&world, 1);
}

static void finish(void)
{
    buffer_finish(&text);
    world_finish(&world);
}

TestSuite(hostile, .init = start, .fini = finish);

__attribute__((format(printf, 1, 2))) static void say(const char *format, ...)
{
    char piece[256];
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(piece, sizeof piece, format, arguments);
    va_end(arguments);
    cr_assert(length > 0 && (size_t)length < sizeof piece);
    cr_assert(buffer_append(&text, (const uint8_t *)piece, (size_t)length) == PROTOCOL_OK);
}

/* Sends what was said; the answer. */
static const char *ask(void)
{
    cr_assert(buffer_append(&text, (const uint8_t *)"", 1) == PROTOCOL_OK);
    world_send(&world, 1, (const char *)text.data);
    buffer_clear(&text);
    return world_read(&world, 1);
}

/* `[[null,first],...]`, so many. */
static void say_dots(unsigned count)
{
    say("[");
    for (unsigned i = 1; i <= count; i++) {
        say("%s[null,%u]", i == 1 ? "" : ",", i);
    }
    say("]");
}

/* A group of one dot and so many entries. */
static void say_group(unsigned dot, unsigned entries, const char *format)
{
    say("[[[null,%u]],[", dot);
    for (unsigned i = 0; i < entries; i++) {
        char entry[64];
        (void)snprintf(entry, sizeof entry, format, i);
        say("%s%s", i == 0 ? "" : ",", entry);
    }
    say("]]");
}

static double seconds(void) { return (double)clock() / CLOCKS_PER_SEC; }

Test(hostile, many_dots_of_many_entries_are_refused)
{
    static const char *const fields[] = {"0", "1", "2"};
    for (size_t i = 0; i < 3; i++) {
        say("[\"STATE\",1,null,%zu,[0,[]],{\"%s\":[[", i + 1, fields[i]);
        say_dots(3000);
        say(",[");
        for (unsigned k = 0; k < 3000; k++) {
            say(i == 0 ? "%s[1,%u,0]" : "%s%u", k == 0 ? "" : ",", k);
        }
        say("]]]}]");
        cr_expect(strstr(ask(), "\"BAD_CHANGE\"") != NULL);
    }
}

Test(hostile, many_dots_of_one_entry_or_key_are_refused)
{
    say("[\"STATE\",1,null,1,[0,[]],{\"2\":[[");
    say_dots(20000);
    say(",[1]]]}]");
    cr_expect(strstr(ask(), "\"BAD_CHANGE\"") != NULL);
    say("[\"STATE\",1,null,2,[0,[]],{\"3\":[[");
    say_dots(20000);
    say(",\"a\",[]]]}]");
    cr_expect(strstr(ask(), "\"BAD_CHANGE\"") != NULL);
}

Test(hostile, a_full_state_of_many_sets_of_a_register_is_merged_at_once)
{
    static const char *const before[] = {"{\"0\":[", "{\"5\":[[[[null,2]],\"a\",["};
    static const char *const after[] = {"]}]", "]]]}]"};
    for (unsigned i = 0; i < 2; i++) {
        say("[\"STATE\",1,null,%u,[0,[]],%s", i + 1, before[i]);
        say_group(i + 1, 25000, "[1,%u,0]");
        say("%s", after[i]);
        double began = seconds();
        cr_expect(strstr(ask(), "24999,0]") != NULL);
        cr_expect(lt(dbl, seconds() - began, 2.0));
    }
}

Test(hostile, a_full_state_brings_no_more_values_than_a_register_holds)
{
    say("[\"STATE\",1,null,1,[0,[]],{\"1\":[");
    say_group(1, 257, "%u");
    say("]}]");
    cr_expect(strstr(ask(), "\"TOO_MANY\"") != NULL);
    say("[\"STATE\",1,null,2,[0,[]],{\"4\":[[[[null,2]],\"a\",[");
    say_group(2, 257, "%u");
    say("]]]}]");
    cr_expect(strstr(ask(), "\"TOO_MANY\"") != NULL);
    say("[\"STATE\",1,null,3,[0,[]],{\"1\":[");
    say_group(3, 256, "%u");
    say("]}]");
    cr_expect(strstr(ask(), "REJECT") == NULL);
    say("[\"STATE\",1,null,4,[0,[]],{\"1\":[");
    say_group(4, 257, "%u");
    say("]}]");
    cr_expect(strstr(ask(), "\"TOO_MANY\"") != NULL);
}

Test(hostile, a_full_states_parts_of_a_counter_do_not_stay)
{
    say("[\"STATE\",1,null,4000,[0,[]],{\"3\":[[[[null,1]],\"a\",[");
    for (unsigned i = 1; i <= 4000; i++) {
        say("%s[null,%u,1]", i == 1 ? "" : ",", i);
    }
    say("]]]}]");
    cr_expect(strstr(ask(), "REJECT") == NULL);
    say("[\"DELTA\",1,null,4001,4001,[0,[]],{\"3\":[[\"a\",false,1]]}]");
    cr_expect(lt(sz, strlen(ask()), 4000));
}

/* The next replica whose hash, made without a seed, begins with eight bits of 0. */
static void say_chosen_replica(uint64_t *counter)
{
    struct replica_id id = {.bytes = {[6] = 0x70, [8] = 0x80}};
    do {
        ++*counter;
        memcpy(id.bytes + 9, counter, 7);
    } while ((uint32_t)bytes_hash(replica_id_bytes(&id), 0) >> 24 != 0);
    say("{\"$bytes\":\"");
    for (size_t i = 0; i < REPLICA_BYTES; i++) {
        say("%02x", id.bytes[i]);
    }
    say("\"}");
}

Test(hostile, replicas_chosen_to_collide_are_named_at_once)
{
    uint64_t counter = 0;
    double spent = 0;
    for (unsigned stream = 2; stream < NAMING_STREAMS + 2; stream++) {
        say("[\"OPEN\",%u,\"shop/1\",", stream);
        for (unsigned i = 0; i < NAMED; i++) {
            say(i == 0 ? "[" : ",");
            say_chosen_replica(&counter);
        }
        say("],{}]");
        double began = seconds();
        cr_expect(strstr(ask(), "OPENED") != NULL);
        spent += seconds() - began;
    }
    cr_expect(lt(dbl, spent, 2.0), "the hub took %.1f s", spent);
}

/* Nothing in the protocol says that a map's keys are texts, and JSON has no others. */
Test(hostile, an_element_with_keys_of_every_kind_is_shown_and_stored)
{
    static const uint8_t delta[] = "\x97\x06\x01\xc0\x01\x01\x92\x00\x90\x81\x02\x93\xc2\x91"
                                   "\x85\x91\x01\x01\xc0\x02\xc3\x03\xc4\x01x\x04"
                                   "\xcb\x3f\xf8\x00\x00\x00\x00\x00\x00\x05\x90";
    world_send_bytes(&world, 1, (struct bytes){delta, sizeof delta - 1});
    const char *shown = "{\"9101\":1,\"null\":2,\"true\":3,\"c40178\":4,\"1.5\":5}";
    const char *answer = world_read(&world, 1);
    cr_expect(strstr(answer, shown) != NULL, "%s", answer);
    world_tick(&world, 60000);
    sqlite3_stmt *statement = NULL;
    cr_assert(sqlite3_prepare_v2(world.database, "SELECT value FROM entries", -1, &statement,
                                 NULL) == SQLITE_OK);
    cr_assert(sqlite3_step(statement) == SQLITE_ROW);
    cr_expect(
        eq(str, (char *)(uintptr_t)sqlite3_column_text(statement, 0), (char *)(uintptr_t)shown));
    (void)sqlite3_finalize(statement);
}

/*
 * Goal:   what an operator erases is gone, and comes back from nobody; what another hub has
 *         exported is joined, once, and no damage of an export harms the hub or the document; a
 *         check of the rows tells what no merge could have led to.
 * Method: packets in, transcripts out, of two hubs with journals of their own.
 */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/world.h"

enum { TEXT_BYTES = 16 << 10 };

static struct world here;
static struct world there;
static int last_id;

static void start(void)
{
    struct world *both[] = {&here, &there};
    for (size_t i = 0; i < 2; i++) {
        world_init(both[i]);
        both[i]->config.operators = true;
        both[i]->config.ping_ms = UINT64_MAX / 4; /* nobody leaves for being silent */
        both[i]->config.journal.bytes[0] = (uint8_t)(i + 1);
        world_start(both[i]);
        world_connect(both[i], 1);
        world_connect(both[i], 2);
    }
    last_id = 100;
}

static void finish(void)
{
    world_finish(&here);
    world_finish(&there);
}

TestSuite(data, .init = start, .fini = finish);

/* --- asking --- */

static void skip(struct world *world, uint64_t connection) { (void)world_read(world, connection); }

static void ask(struct world *world, const char *method, const char *parameters)
{
    static char text[TEXT_BYTES];
    skip(world, 1);
    (void)snprintf(text, sizeof text, "[\"CALL\",%d,\"%s\",%s]", ++last_id, method, parameters);
    world_send(world, 1, text);
}

static bool told(struct world *world, uint64_t connection, const char *part)
{
    const char *transcript = world_read(world, connection);
    bool found = strstr(transcript, part) != NULL;
    if (!found) {
        (void)fprintf(stderr, "not told: %s\nbut: %s\n", part, transcript);
    }
    return found;
}

static bool stands(struct world *world, const char *values)
{
    ask(world, "values", "{\"name\":\"post/1\"}");
    return told(world, 1, values);
}

static void open_post(struct world *world, uint64_t connection, unsigned replica)
{
    char text[256];
    (void)snprintf(text, sizeof text, "[\"OPEN\",1,\"post/1\",[%s],{}]", world_replica(replica));
    world_send(world, connection, text);
}

/* Connection 2 likes it three times and tags it "a" and "b". */
static void edit(struct world *world, unsigned replica)
{
    open_post(world, 2, replica);
    world_send(world, 2, "[\"DELTA\",1,null,1,1,[0,[]],{\"0\":3}]");
    world_send(world, 2, "[\"DELTA\",1,null,2,2,[0,[]],{\"2\":[false,[\"a\",\"b\"],[]]}]");
    skip(world, 2);
}

/* --- erase --- */

static void end_erase(struct world *world, enum hub_event_kind kind)
{
    world_tick(world, 2000); /* the rows are stored, and the journal is trimmed behind them */
    cr_assert(world->scrub != 0);
    world_event(world, (struct hub_event){.kind = kind, .request = world->scrub});
}

Test(data, that_is_erased_is_gone_and_its_replicas_are_refused)
{
    edit(&here, 1);
    ask(&here, "erase", "{\"name\":\"post/1\"}");
    end_erase(&here, EVENT_SCRUBBED);
    cr_expect(told(&here, 1, "{\"found\":true,\"position\":3,\"fields\":2,\"replicas\":1}]"));
    cr_expect(stands(&here, "\"likes\""));
    world_send(&here, 2, "[\"DELTA\",1,null,3,3,[0,[]],{\"0\":4}]");
    cr_expect(told(&here, 2, "REPLICA_EXPIRED"));
    ask(&here, "export", "{\"name\":\"post/1\"}");
    skip(&here, 1);
    world_crash(&here);
    world_connect(&here, 1);
    open_post(&here, 1, 2);
    cr_expect(told(&here, 1, "[\"SNAPSHOT\",1,3,{\"0\":0,\"1\":0,\"2\":[]}]"));
}

Test(data, of_which_an_element_is_erased_keep_the_others)
{
    edit(&here, 1);
    ask(&here, "erase",
        "{\"name\":\"post/1\",\"field\":\"tags\",\"element\":{\"$bytes\":\"a161\"}}");
    end_erase(&here, EVENT_SCRUBBED);
    cr_expect(told(&here, 1, "{\"found\":true,\"position\":3,\"fields\":1,\"replicas\":0}]"));
    cr_expect(stands(&here, "\"[\\\"b\\\"]\""));
    world_send(&here, 2, "[\"DELTA\",1,null,2,2,[0,[]],{\"2\":[false,[\"a\",\"b\"],[]]}]");
    cr_expect(stands(&here, "\"[\\\"b\\\"]\""), "a repeat brings it back");
}

Test(data, whose_bytes_may_be_left_are_told_of)
{
    edit(&here, 1);
    ask(&here, "erase", "{\"name\":\"post/1\"}");
    end_erase(&here, EVENT_SCRUB_FAILED);
    cr_expect(told(&here, 1, "\"UNAVAILABLE\",\"It is erased for all clients"));
}

Test(data, that_cannot_be_written_are_not_erased)
{
    edit(&here, 1);
    here.manual = true;
    ask(&here, "erase", "{\"name\":\"post/1\"}");
    cr_assert(world_fail_append(&here));
    cr_expect(told(&here, 1, "READ_ONLY"));
    ask(&here, "erase", "{\"name\":\"post/1\"}");
    cr_expect(told(&here, 1, "READ_ONLY"));
    here.manual = false;
    cr_expect(stands(&here, "\"[\\\"a\\\",\\\"b\\\"]\""));
}

Test(data, are_erased_by_what_names_them_only)
{
    static const char *const wrong[] = {
        "{\"name\":\"post/1\",\"field\":\"tags\"}",
        "{\"name\":\"post/1\",\"element\":{\"$bytes\":\"a161\"}}",
        "{\"name\":\"post/1\",\"field\":\"likes\",\"element\":{\"$bytes\":\"a161\"}}",
        "{\"name\":\"post/1\",\"field\":\"none\",\"element\":{\"$bytes\":\"a161\"}}",
        "{\"name\":\"none/1\",\"field\":\"tags\",\"element\":{\"$bytes\":\"a161\"}}",
        "{\"name\":\"post\"}",
    };
    edit(&here, 1);
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        ask(&here, "erase", wrong[i]);
        cr_expect(told(&here, 1, "\"BAD_PARAMETERS\""), "%s", wrong[i]);
    }
    ask(&here, "erase", "{\"name\":\"none/1\"}");
    cr_expect(told(&here, 1, "\"UNKNOWN_SCHEMA\""));
    cr_expect(stands(&here, "\"[\\\"a\\\",\\\"b\\\"]\""));
}

/* --- export and import --- */

/* In hexadecimal; borrowed until the next. */
static char *export(struct world *world)
{
    static const char chunk[] = "[\"CHUNK\",-1,{\"$bytes\":\"";
    static char hex[TEXT_BYTES];
    ask(world, "export", "{\"name\":\"post/1\"}");
    const char *transcript = world_read(world, 1);
    const char *found = strstr(transcript, chunk);
    cr_assert(found != NULL, "%s", transcript);
    (void)snprintf(hex, sizeof hex, "%.*s", (int)strcspn(found + sizeof chunk - 1, "\""),
                   found + sizeof chunk - 1);
    return hex;
}

static void import_part(const char *hex, size_t length, bool more)
{
    static char text[TEXT_BYTES];
    (void)snprintf(text, sizeof text, "{\"bytes\":{\"$bytes\":\"%.*s\"},\"more\":%d}", (int)length,
                   hex, more);
    ask(&here, "import", text);
}

static void import(const char *hex) { import_part(hex, strlen(hex), false); }

Test(data, of_another_hub_are_joined_once)
{
    edit(&there, 1);
    edit(&here, 2);
    const char *hex = export(&there);
    size_t half = strlen(hex) / 4 * 2;
    import_part(hex, half, true);
    cr_expect(told(&here, 1, ",null]"));
    import_part(hex + half, strlen(hex) - half, false);
    cr_expect(told(&here, 1, "{\"changed\":true,\"position\":3,\"refused\":null}]"));
    cr_expect(stands(&here, "\"6\""));
    import(hex);
    cr_expect(told(&here, 1, "\"changed\":false"));
    cr_expect(stands(&here, "\"6\""));
    world_crash(&here);
    world_connect(&here, 1);
    cr_expect(stands(&here, "\"6\""), "the journal says otherwise");
}

Test(data, that_this_hub_has_exported_are_known)
{
    edit(&here, 1);
    import(export(&here));
    cr_expect(told(&here, 1, "{\"changed\":false,\"position\":2,\"refused\":null}]"));
}

Test(data, of_which_nothing_is_there_are_exported_as_nothing)
{
    ask(&here, "export", "{\"name\":\"post/1\"}");
    cr_expect(told(&here, 1, ",null]"));
}

/* A damage may be none that anybody could see, in a value; but it never stops the hub, which is
 * what `world_event` checks, and a refused one changes nothing. */
Test(data, that_are_damaged_do_no_harm)
{
    static char hex[TEXT_BYTES];
    edit(&there, 1);
    (void)snprintf(hex, sizeof hex, "%s", export(&there));
    for (size_t length = 2; length < strlen(hex); length += 2) {
        import_part(hex, length, false);
        cr_expect(told(&here, 1, "\"BAD_PARAMETERS\""), "%zu", length);
    }
    cr_expect(stands(&here, "\"likes\",\"g-counter\",{},0,\"0\"]"), "nothing was joined");
    for (size_t i = 0; i < strlen(hex); i++) {
        char kept = hex[i];
        hex[i] = kept == 'f' ? '0' : kept == '9' ? 'a' : (char)(kept + 1);
        import(hex);
        const char *answer = world_read(&here, 1);
        cr_expect(strstr(answer, "\"RESULT\"") != NULL || strstr(answer, "\"ERROR\"") != NULL,
                  "%zu: %s", i, answer);
        hex[i] = kept;
    }
    import(hex);
    cr_expect(told(&here, 1, "\"RESULT\""));
}

/* --- rows that are checked --- */

static void rewrite(void)
{
    static const char name[] = "post/1";
    world_tick(&here, 2000);
    world_disconnect(&here, 2);
    world_tick(&here, here.config.idle_ms + 2000); /* the document leaves */
    world_event(&here, (struct hub_event){.kind = EVENT_REWRITE,
                                          .bytes = {(const uint8_t *)name, sizeof name - 1}});
    world_tick(&here, 2000);
}

Test(data, that_are_right_are_written_anew_without_a_word)
{
    edit(&here, 1);
    rewrite();
    cr_expect(eq(sz, here.damaged, 0));
    cr_expect(stands(&here, "\"[\\\"a\\\",\\\"b\\\"]\""));
}

Test(data, whose_rows_contradict_each_other_are_told_of)
{
    static const char *const damages[] = {
        "DELETE FROM replicas",
        "UPDATE replicas SET seq = 1",
        "UPDATE entries SET detail = x'07' WHERE field = 0",
    };
    for (size_t i = 0; i < sizeof damages / sizeof *damages; i++) {
        finish();
        start();
        edit(&here, 1);
        world_tick(&here, 2000);
        cr_assert(eq(int, sqlite3_exec(here.database, damages[i], NULL, NULL, NULL), SQLITE_OK));
        rewrite();
        cr_expect(eq(sz, here.damaged, 1), "%s", damages[i]);
    }
}

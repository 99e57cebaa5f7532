/*
 * Goal:   an operator finds every document, wherever it is, and who wrote to it.
 * Method: calls in, transcripts out. Lists are compared with those that the test sorts itself,
 *         whatever their pages; documents and writers leave memory while the database is read.
 */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "protocol/limits.h"
#include "tests/hub/calls.h"

TestSuite(calls_documents, .init = calls_start, .fini = clients_finish);

/* The database is read for the call, and a like stored only then. */
static void ask_before_the_store(const char *asked)
{
    world_connect(&world, 1);
    world_connect(&world, 2);
    open_document(1, 1, "post/1", 1);
    world.manual = true;
    like(1, 1, 1, 1);
    cr_assert(world_commit(&world));
    world_tick(&world, 1000);
    world.holds_loads = true;
    world_send(&world, 2, asked);
    cr_assert(eq(sz, world.load_count, 1));
}

/* --- document --- */

Test(calls_documents, a_document_is_told_with_its_writers_the_latest_first)
{
    world_connect(&world, 1);
    world_connect(&world, 2);
    open_document(1, 1, "post/1", 1);
    open_document(2, 1, "post/1", 2);
    like(1, 1, 1, 1);
    world_tick(&world, 1000);
    like(2, 1, 1, 2);
    like(1, 1, 2, 3);
    uint64_t now_ms = world.now_ms;
    const char *answer = call(1, "document", "{\"name\":\"post/1\"}");
    cr_expect(tells(answer, "{\"name\":\"post/1\",\"schema\":\"post\",\"position\":3,\"stored\":"));
    cr_expect(tells(answer, "\"next_index\":2,\"in_memory\":true,\"streams\":2,\"replicas\":2,"));
    cr_expect(tells(answer, "\"fields\":[[0,\"likes\",\"g-counter\",{}],"));
    cr_expect(tells(answer,
                    "\"writers\":[{\"replica\":%s,\"index\":0,\"seq\":2,\"position\":3,"
                    "\"at_ms\":%" PRIu64 ",\"connection\":1},{\"replica\":%s,\"index\":1,"
                    "\"seq\":1,\"position\":2,\"at_ms\":%" PRIu64 ",\"connection\":2}]}",
                    world_replica(1), now_ms, world_replica(2), now_ms));
}

Test(calls_documents, writers_that_left_memory_come_from_the_database)
{
    world_connect(&world, 1);
    open_document(1, 1, "post/1", 1);
    like(1, 1, 1, 1);
    world_disconnect(&world, 1);
    world_tick(&world, 1000); /* stored: the row leaves, the document stays */
    world_connect(&world, 2);
    open_document(2, 1, "post/1", 2);
    like(2, 1, 1, 2);
    world_send(&world, 2, "[\"CLOSE\",1,\"\",\"\"]");
    const char *answer = call(2, "document", "{\"name\":\"post/1\"}");
    cr_expect(tells(answer, "\"in_memory\":true,\"streams\":0,\"replicas\":1,"));
    cr_expect(tells(answer, "\"writers\":[{\"replica\":%s,\"index\":1,", world_replica(2)));
    cr_expect(
        tells(answer, "{\"replica\":%s,\"index\":0,\"seq\":1,\"position\":1,", world_replica(1)));
    world_tick(&world, 1000);
    world_tick(&world, world.config.idle_ms + 1000); /* and now the document leaves, too */
    world_connect(&world, 3);
    answer = call(3, "document", "{\"name\":\"post/1\"}");
    cr_expect(tells(answer, "\"position\":2,\"stored\":2,\"next_index\":2,\"in_memory\":false,"
                            "\"streams\":0,\"replicas\":0,\"memory_bytes\":0,"));
    cr_expect(tells(answer, "\"writers\":[{\"replica\":%s,\"index\":1,", world_replica(2)));
    cr_expect(
        tells(answer, "{\"replica\":%s,\"index\":0,\"seq\":1,\"position\":1,", world_replica(1)));
}

Test(calls_documents, at_most_a_hundred_writers_are_told_the_latest)
{
    world_connect(&world, 1);
    for (int i = 1; i <= 150; i++) {
        open_document(1, i, "post/1", (unsigned)i);
        like(1, i, 1, 1);
        if (i == 120) {
            for (int k = 1; k <= 110; k++) {
                char text[64];
                (void)snprintf(text, sizeof text, "[\"CLOSE\",%d,\"\",\"\"]", k);
                world_send(&world, 1, text);
            }
            world_tick(&world, 1000); /* the first 110 are in the database only */
        }
    }
    const char *answer = call(1, "document", "{\"name\":\"post/1\"}");
    for (int position = 150; position > 50; position--) {
        char part[64];
        (void)snprintf(part, sizeof part, "\"position\":%d,\"at_ms\"", position);
        const char *found = strstr(answer, part);
        cr_assert(found != NULL, "%d", position);
        answer = found;
    }
    cr_expect(eq(ptr, strstr(answer + 1, "\"at_ms\":1"), strstr(answer, "\"at_ms\":1")));
}

/* What memory has is not looked at to the end, and the latest writers are at the end. */
Test(calls_documents, of_very_many_writers_in_memory_the_latest_are_told)
{
    enum { STREAMS = 40, REPLICAS = 256, WRITERS = STREAMS * REPLICAS };
    static char text[64 * REPLICAS];
    world_connect(&world, 1);
    world_connect(&world, 2);
    for (int stream = 0; stream < STREAMS; stream++) {
        int length = snprintf(text, sizeof text, "[\"OPEN\",%d,\"post/1\",[", stream + 1);
        for (int i = 0; i < REPLICAS; i++) {
            unsigned replica = (unsigned)(stream * REPLICAS + i);
            length += snprintf(text + length, sizeof text - (size_t)length, "%s%s",
                               i == 0 ? "" : ",", world_replica(replica));
        }
        (void)snprintf(text + length, sizeof text - (size_t)length, "],{}]");
        world_send(&world, 1, text);
    }
    world.connections[1].blocked = true;
    world_event(&world, (struct hub_event){.kind = EVENT_BLOCKED, .connection = 1});
    for (int i = 0; i < WRITERS; i++) {
        (void)snprintf(text, sizeof text, "[\"DELTA\",%d,%s,1,1,[0,[]],{\"0\":1}]",
                       i / REPLICAS + 1, world_replica((unsigned)i));
        world_send(&world, 1, text);
    }
    cr_assert(WRITERS > (int)LIMIT_LOOKED_AT);
    const char *answer = call(2, "document", "{\"name\":\"post/1\"}");
    cr_expect(tells(answer, "\"position\":%d,\"stored\":0,", WRITERS));
    cr_expect(tells(answer, "\"writers\":[{\"replica\":%s,\"index\":%d,",
                    world_replica(WRITERS - 1), WRITERS - 1));
}

Test(calls_documents, a_document_that_is_not_there_is_nil)
{
    world_connect(&world, 1);
    cr_expect(eq(int, strncmp(call(1, "document", "{\"name\":\"post/none\"}"), "null]", 5), 0));
    cr_expect(eq(int, strncmp(call(1, "document", "{\"name\":\"none/1\"}"), "null]", 5), 0));
    open_document(1, calls_id(), "post/none", 1);
    cr_expect(tells(call(1, "document", "{\"name\":\"post/none\"}"),
                    "\"position\":0,\"stored\":0,\"next_index\":0,\"in_memory\":true,"));
}

/* The writer's row is stored and leaves memory while the database's rows, read before, are on their
 * way. */
Test(calls_documents, a_writer_that_leaves_memory_meanwhile_is_told)
{
    ask_before_the_store("[\"CALL\",1,\"document\",{\"name\":\"post/1\"}]");
    struct bytes none = {0};
    uint64_t request = world.loads[0].request;
    world_disconnect(&world, 1);
    cr_assert(world_store(&world));
    world_event(&world,
                (struct hub_event){.kind = EVENT_LOADED, .request = request, .bytes = none});
    const char *answer = world_read(&world, 2);
    cr_expect(tells(answer, "\"replicas\":0,"));
    cr_expect(
        tells(answer, "\"writers\":[{\"replica\":%s,\"index\":0,\"seq\":1,", world_replica(1)));
    world.holds_loads = false;
}

Test(calls_documents, an_answer_finds_nobody_when_its_connection_is_gone)
{
    world_connect(&world, 1);
    world_connect(&world, 2);
    open_document(1, 1, "post/1", 1);
    world.holds_loads = true;
    world_send(&world, 2, "[\"CALL\",1,\"document\",{\"name\":\"post/1\"}]");
    world_disconnect(&world, 2);
    uint64_t sent = world.sent_bytes;
    world_load(&world, true);
    cr_expect(eq(u64, world.sent_bytes, sent));
    world_disconnect(&world, 1);
    world_tick(&world, world.config.idle_ms + 1000); /* nothing holds the document any more */
    world.holds_loads = false;
    world_connect(&world, 3);
    cr_expect(tells(call(3, "stats", "{}"), "\"documents\":0,"));
}

Test(calls_documents, a_database_that_cannot_be_read_is_said)
{
    world_connect(&world, 1);
    world.holds_loads = true;
    (void)call(1, "document", "{\"name\":\"post/1\"}");
    world_load(&world, false);
    cr_expect(
        tells(world_read(&world, 1), "\"UNAVAILABLE\",\"The hub could not read its database"));
    (void)call(1, "document", "{\"name\":\"post/1\"}");
    static const uint8_t garbage[] = {0x93, 0xff, 1, 2};
    struct bytes rows = {garbage, sizeof garbage};
    world_event(
        &world,
        (struct hub_event){.kind = EVENT_LOADED, .request = world.loads[0].request, .bytes = rows});
    cr_expect(tells(world_read(&world, 1), "\"UNAVAILABLE\""));
}

Test(calls_documents, calls_that_wait_for_the_database_are_bounded)
{
    enum { WAITING = 64 };
    world_connect(&world, 1);
    world.holds_loads = true;
    for (int i = 0; i < WAITING; i++) {
        cr_assert(eq(str, (char *)(uintptr_t)call(1, "document", "{\"name\":\"post/1\"}"), ""));
    }
    cr_expect(tells(call(1, "document", "{\"name\":\"post/1\"}"), "\"BUSY\""));
    cr_expect(tells(call(1, "stats", "{}"), "\"now_ms\""));
    skip(1);
    world_load(&world, true);
    world.holds_loads = false;
    cr_expect(eq(int, strncmp(call(1, "document", "{\"name\":\"post/1\"}"), "null]", 5), 0));
}

/* --- documents --- */

enum { NAMES = 120, SEEDS = 12 };

/* Names that are in the order of their schemas, then of their keys: `post/z` before `post-x/a`. */
static const char *const schemas[] = {"post", "post-x", "Post", "a"};

struct model {
    char names[NAMES][64];
    size_t length;
    uint64_t random;
};

static uint64_t below(struct model *model, uint64_t bound)
{
    model->random = model->random * 6364136223846793005u + 1442695040888963407u;
    return (model->random >> 33) % bound;
}

static int by_schema_and_key(const void *a, const void *b)
{
    char left[2][64];
    char right[2][64];
    (void)sscanf(a, "%63[^/]/%63s", left[0], left[1]);
    (void)sscanf(b, "%63[^/]/%63s", right[0], right[1]);
    int order = strcmp(left[0], right[0]);
    return order != 0 ? order : strcmp(left[1], right[1]);
}

static void make_names(struct model *model)
{
    while (model->length < NAMES) {
        char *name = model->names[model->length];
        (void)snprintf(name, 64, "%s/%s%d", schemas[below(model, 4)],
                       below(model, 3) == 0 ? "\xc3\xa4/" : "k", (int)below(model, 400));
        bool known = false;
        for (size_t i = 0; i < model->length; i++) {
            known = known || strcmp(model->names[i], name) == 0;
        }
        model->length += !known;
    }
}

/* Some are stored and gone, some stored and open, some open and not stored, some without an edit.
 */
static void make_documents(struct model *model)
{
    world.manual = true;
    world_connect(&world, 2);
    for (size_t i = 0; i < NAMES; i++) {
        int id = calls_id();
        open_document(2, id, model->names[i], 7);
        if (below(model, 4) != 0) {
            like(2, id, 1, 1);
            (void)world_commit(&world);
        }
        if (below(model, 3) == 0) {
            char text[64];
            (void)snprintf(text, sizeof text, "[\"CLOSE\",%d,\"\",\"\"]", id);
            world_send(&world, 2, text);
        }
        if (below(model, 30) == 0) {
            world_tick(&world, 1000);
            (void)world_store(&world);
        }
    }
}

/* The name of the n-th entry of an answer, or NULL. */
static const char *entry(const char *answer, size_t n)
{
    for (const char *at = answer; (at = strstr(at, "{\"name\":\"")) != NULL; at++) {
        if (n-- == 0) {
            return at + strlen("{\"name\":\"");
        }
    }
    return NULL;
}

/* Takes one page, of which every name must be the next expected one; answers `next`, or "". */
static const char *take_page(char expected[][64], size_t length, size_t *at, const char *answer)
{
    static char next[64];
    const char *name;
    for (size_t i = 0; (name = entry(answer, i)) != NULL; i++) {
        cr_assert(length > *at, "one too many: %s", name);
        size_t bytes = strlen(expected[*at]);
        cr_assert(strncmp(name, expected[*at], bytes) == 0 && name[bytes] == '"',
                  "expected %s: %.60s", expected[*at], name);
        ++*at;
    }
    next[0] = '\0';
    const char *found = strstr(answer, "],\"next\":");
    cr_assert(found != NULL, "%s", answer);
    (void)sscanf(found, "],\"next\":\"%63[^\"]\"", next);
    return next;
}

static void check_list(struct model *model, const char *search, int limit)
{
    char expected[NAMES][64];
    char parameters[256];
    char after[64] = "";
    size_t length = 0;
    size_t at = 0;
    for (size_t i = 0; i < NAMES; i++) {
        if (strstr(model->names[i], search) != NULL) {
            memcpy(expected[length++], model->names[i], 64);
        }
    }
    qsort(expected, length, sizeof expected[0], by_schema_and_key);
    do {
        (void)snprintf(parameters, sizeof parameters,
                       "{\"search\":\"%s\",\"limit\":%d,\"after\":\"%s\"}", search, limit, after);
        const char *answer = call(1, "documents", parameters);
        cr_assert(entry(answer, (size_t)limit) == NULL);
        (void)snprintf(after, sizeof after, "%s", take_page(expected, length, &at, answer));
    } while (after[0] != '\0');
    cr_assert(eq(sz, at, length), "search %s limit %d", search, limit);
}

Test(calls_documents, every_document_is_listed_once_whatever_the_page)
{
    clients_finish();
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct model model = {.random = seed};
        world_init(&world);
        for (size_t i = 1; i < 4; i++) {
            world_declare(&world, schemas[i], "likes", "g-counter", "{}");
        }
        world.config.operators = true;
        world.config.seed = seed;
        world_start(&world);
        make_names(&model);
        make_documents(&model);
        world_connect(&world, 1);
        check_list(&model, "", 1 + (int)below(&model, 20));
        check_list(&model, "k1", 1 + (int)below(&model, 20));
        check_list(&model, "/\xc3\xa4/", 3);
        check_list(&model, "ost-x/", 1000);
        check_list(&model, "POST", 10);
        if (seed < SEEDS) {
            world_finish(&world);
        }
    }
}

Test(calls_documents, a_document_is_listed_with_who_has_it_open)
{
    world_connect(&world, 1);
    world_connect(&world, 2);
    open_document(1, 1, "post/1", 1);
    open_document(2, 1, "post/1", 2);
    open_document(2, 2, "post/2", 2);
    like(1, 1, 1, 1);
    cr_expect(tells(call(1, "documents", "{}"),
                    "{\"documents\":[{\"name\":\"post/1\",\"position\":1,\"streams\":2,"
                    "\"in_memory\":true},{\"name\":\"post/2\",\"position\":0,\"streams\":1,"
                    "\"in_memory\":true}],\"next\":null}"));
    world_tick(&world, 1000);
    world_disconnect(&world, 1);
    world_disconnect(&world, 2);
    world_tick(&world, world.config.idle_ms + 1000);
    world_connect(&world, 3);
    cr_expect(tells(call(3, "documents", "{}"),
                    "{\"documents\":[{\"name\":\"post/1\",\"position\":1,\"streams\":0,"
                    "\"in_memory\":false}],\"next\":null}"));
}

/* The database was read before the store, and the answer comes behind it. */
Test(calls_documents, a_document_that_is_stored_meanwhile_is_listed)
{
    ask_before_the_store("[\"CALL\",1,\"documents\",{}]");
    static const uint8_t nothing[] = {0x92, 9, 0xc4, 0}; /* WALKED, to its end */
    struct bytes rows = {nothing, sizeof nothing};
    uint64_t request = world.loads[0].request;
    cr_assert(world_store(&world));
    world_event(&world,
                (struct hub_event){.kind = EVENT_LOADED, .request = request, .bytes = rows});
    cr_expect(tells(world_read(&world, 2), "[{\"name\":\"post/1\",\"position\":1,"));
}

/* Memory has looked to its end, the database has not: the page ends where the database does. */
Test(calls_documents, a_page_ends_where_the_first_side_has_looked)
{
    world_connect(&world, 1);
    open_document(1, 1, "post/b", 1);
    open_document(1, 2, "post/y", 1);
    world.holds_loads = true;
    (void)call(1, "documents", "{}");
    static const uint8_t some[] = {0x92, 9, 0xc4, 6, 'p', 'o', 's', 't', '/', 'k'};
    struct bytes rows = {some, sizeof some};
    world_event(
        &world,
        (struct hub_event){.kind = EVENT_LOADED, .request = world.loads[0].request, .bytes = rows});
    const char *answer = world_read(&world, 1);
    cr_expect(tells(answer, "{\"documents\":[{\"name\":\"post/b\",\"position\":0,\"streams\":1,"
                            "\"in_memory\":true}],\"next\":\"post/k\"}"));
}

Test(calls_documents, memory_looks_at_a_bounded_number_of_names)
{
    char name[64];
    world_connect(&world, 1);
    world.config.streams_max = 20000;
    world_crash(&world);
    world_connect(&world, 1);
    for (int i = 1; i <= 10002; i++) {
        (void)snprintf(name, sizeof name, "post/%05d", i);
        open_document(1, i, name, 1);
    }
    cr_expect(tells(call(1, "documents", "{\"search\":\"10002\"}"),
                    "{\"documents\":[],\"next\":\"post/10000\"}"));
    cr_expect(tells(call(1, "documents", "{\"search\":\"10002\",\"after\":\"post/10000\"}"),
                    "{\"documents\":[{\"name\":\"post/10002\","));
}

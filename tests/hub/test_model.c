/*
 * Goal:   the hub's merge rules are those of the executable model (repeats, gaps, contexts, copied
 * profiles, crashes). Method: model_runs.json holds 300 random runs with the model's answer after
 * every batch (record_model.py made it). Each is replayed through the hub's core, a batch as one
 * message; after it the total, the elements and the ledger must be the model's, before and after a
 * restart from the journal.
 */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/world.h"

enum { REPLICAS = 200, BATCHES = 512 };

struct replay {
    struct world world;
    char names[REPLICAS][16];
    unsigned replicas;
    uint64_t positions[BATCHES]; /* of the model's batches, in this journal */
    uint64_t connection;
    char text[1 << 16];
    size_t length;
};

static void put(struct replay *replay, const char *text)
{
    size_t length = strlen(text);
    cr_assert(replay->length + length < sizeof replay->text);
    memcpy(replay->text + replay->length, text, length + 1);
    replay->length += length;
}

static void put_number(struct replay *replay, json_int_t number)
{
    char text[32];
    (void)snprintf(text, sizeof text, "%lld", (long long)number);
    put(replay, text);
}

static unsigned number_of(struct replay *replay, const char *name)
{
    for (unsigned i = 0; i < replay->replicas; i++) {
        if (strcmp(replay->names[i], name) == 0) {
            return i + 1;
        }
    }
    cr_assert(replay->replicas < REPLICAS);
    (void)snprintf(replay->names[replay->replicas++], 16, "%s", name);
    return replay->replicas;
}

static void name_all(struct replay *replay, const json_t *run)
{
    size_t i;
    json_t *batch;
    json_array_foreach(run, i, batch)
    {
        size_t k;
        json_t *delta;
        json_array_foreach(json_array_get(batch, 0), k, delta)
        {
            size_t n;
            json_t *seen;
            (void)number_of(replay, json_string_value(json_array_get(delta, 0)));
            json_array_foreach(json_array_get(delta, 4), n, seen)
            {
                (void)number_of(replay, json_string_value(json_array_get(seen, 0)));
            }
        }
    }
}

/* A connection whose stream 1 names every replica. */
static void open_all(struct replay *replay)
{
    world_connect(&replay->world, ++replay->connection % WORLD_CONNECTIONS);
    replay->length = 0;
    put(replay, "[\"OPEN\",1,\"post/1\",[");
    for (unsigned i = 0; i < replay->replicas; i++) {
        put(replay, i == 0 ? "" : ",");
        put(replay, world_replica(i + 1));
    }
    put(replay, "],{}]");
    world_send(&replay->world, replay->connection % WORLD_CONNECTIONS, replay->text);
}

static void put_elements(struct replay *replay, const json_t *elements)
{
    size_t i;
    json_t *element;
    put(replay, "[");
    json_array_foreach(elements, i, element)
    {
        put(replay, i == 0 ? "\"" : ",\"");
        put(replay, json_string_value(element));
        put(replay, "\"");
    }
    put(replay, "]");
}

static void put_context(struct replay *replay, const json_t *delta)
{
    size_t i;
    json_t *seen;
    json_int_t cursor = json_integer_value(json_array_get(delta, 3));
    put(replay, "[");
    put_number(replay, (json_int_t)replay->positions[cursor]);
    put(replay, ",[");
    json_array_foreach(json_array_get(delta, 4), i, seen)
    {
        put(replay, i == 0 ? "[" : ",[");
        put(replay, world_replica(number_of(replay, json_string_value(json_array_get(seen, 0)))));
        put(replay, ",");
        put_number(replay, json_integer_value(json_array_get(seen, 1)));
        put(replay, "]");
    }
    put(replay, "]]");
}

static void put_delta(struct replay *replay, const json_t *delta)
{
    const json_t *count = json_array_get(delta, 5);
    put(replay, "[\"DELTA\",1,");
    put(replay, world_replica(number_of(replay, json_string_value(json_array_get(delta, 0)))));
    put(replay, ",");
    put_number(replay, json_integer_value(json_array_get(delta, 1)));
    put(replay, ",");
    put_number(replay, json_integer_value(json_array_get(delta, 2)));
    put(replay, ",");
    put_context(replay, delta);
    put(replay, ",{");
    if (!json_is_null(count)) {
        put(replay, "\"0\":");
        put_number(replay, json_integer_value(count));
        put(replay, ",");
    }
    put(replay, "\"2\":[false,");
    put_elements(replay, json_array_get(delta, 6));
    put(replay, ",");
    put_elements(replay, json_array_get(delta, 7));
    put(replay, "]}]");
}

static int by_text(const void *a, const void *b) { return strcmp(a, b); }

/* What a fresh client is shown must be what the model holds. */
static void check(struct replay *replay, const json_t *batch, size_t run, size_t number)
{
    open_all(replay);
    const char *text = world_read(&replay->world, replay->connection % WORLD_CONNECTIONS);
    const char *snapshot = strstr(text, "[\"SNAPSHOT\",1,");
    cr_assert(snapshot != NULL, "run %zu, batch %zu: %s", run, number, text);
    json_t *opened = json_loadb(text, (size_t)(snapshot - text), 0, NULL);
    json_t *shown = json_loads(snapshot, JSON_DISABLE_EOF_CHECK, NULL);
    const json_t *fields = json_array_get(shown, 3);
    cr_assert(json_integer_value(json_object_get(fields, "0")) ==
                  json_integer_value(json_array_get(batch, 1)),
              "run %zu, batch %zu: the total: %s", run, number, text);
    char elements[64][2] = {{0}};
    size_t count = 0;
    size_t i;
    json_t *group;
    json_array_foreach(json_object_get(fields, "2"), i, group)
    {
        size_t k;
        json_t *element;
        json_array_foreach(json_array_get(group, 1), k, element)
        {
            elements[count++][0] = json_string_value(element)[0];
        }
    }
    qsort(elements, count, sizeof *elements, by_text);
    const json_t *expected = json_array_get(batch, 2);
    cr_assert(count == json_array_size(expected), "run %zu, batch %zu: %s", run, number, text);
    for (i = 0; i < count; i++) {
        cr_assert(strcmp(elements[i], json_string_value(json_array_get(expected, i))) == 0,
                  "run %zu, batch %zu: %s", run, number, text);
    }
    for (unsigned k = 0; k < replay->replicas; k++) {
        json_t *seq = json_object_get(json_array_get(batch, 3), replay->names[k]);
        json_t *told = json_array_get(json_array_get(json_array_get(opened, 5), k), 1);
        cr_assert(json_integer_value(seq) == json_integer_value(told),
                  "run %zu, batch %zu: the ledger of %s", run, number, replay->names[k]);
    }
    json_decref(opened);
    json_decref(shown);
    world_disconnect(&replay->world, replay->connection % WORLD_CONNECTIONS);
}

static void replay_run(struct replay *replay, const json_t *run, size_t number)
{
    size_t i;
    json_t *batch;
    name_all(replay, run);
    json_array_foreach(run, i, batch)
    {
        size_t k;
        json_t *delta;
        cr_assert(i + 1 < BATCHES);
        open_all(replay);
        replay->length = 0;
        json_array_foreach(json_array_get(batch, 0), k, delta) { put_delta(replay, delta); }
        world_send(&replay->world, replay->connection % WORLD_CONNECTIONS, replay->text);
        replay->positions[i + 1] = replay->world.last_position;
        world_disconnect(&replay->world, replay->connection % WORLD_CONNECTIONS);
        check(replay, batch, number, i);
        if (i % 3 == 0) {
            world_crash(&replay->world);
            check(replay, batch, number, i);
        }
        if (i % 5 == 0) {
            world_tick(&replay->world, 1000);
        }
    }
}

Test(model, random_runs_end_as_the_model_says)
{
    static struct replay replay;
    size_t i;
    json_t *run;
    json_t *runs = json_load_file(SYNCLINE_SOURCE "/tests/hub/model_runs.json", 0, NULL);
    cr_assert(json_array_size(runs) >= 200);
    json_array_foreach(runs, i, run)
    {
        replay = (struct replay){0};
        world_init(&replay.world);
        world_start(&replay.world);
        replay_run(&replay, run, i);
        world_finish(&replay.world);
    }
    json_decref(runs);
}

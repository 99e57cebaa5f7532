/*
 * Goal:   every scenario of scenarios.json ends with the values it expects, in C as in TypeScript.
 * Method: replicas exchange deltas and full states through the types' common interface; H is one
 * more replica. A delta refused for a gap is delivered again after the missing one.
 */
#include <criterion/criterion.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "crdt/register.h"
#include "tests/crdt/replicas.h"
#include "tests/support/declared.h"

enum { VALUES_MAX = 16, ITEMS_MAX = 64, TEXT_BYTES = 4096 };

struct scenario {
    const json_t *json;
    const char *id;
    struct replicas replicas;
    json_t *deltas; /* name -> number */
};

static size_t replica_of(const struct scenario *scenario, const char *name)
{
    const json_t *names = json_object_get(scenario->json, "replicas");
    for (size_t i = 0; i < json_array_size(names); i++) {
        if (strcmp(json_string_value(json_array_get(names, i)), name) == 0) {
            return i;
        }
    }
    cr_assert_fail("%s: no replica %s", scenario->id, name);
    return 0;
}

static const char *text_of(const json_t *step, const char *key)
{
    return json_string_value(json_object_get(step, key));
}

static const struct declaration *leaf_of(const struct scenario *scenario)
{
    const struct declaration *declared = &scenario->replicas.declared;
    while (declared->inner != NULL) {
        declared = declared->inner;
    }
    return declared;
}

/* How many arguments are keys of maps, and the names of edits: those are texts as they stand. */
static size_t path_length(const struct scenario *scenario, const char *op, const json_t *args)
{
    size_t length = 0;
    for (size_t depth = declaration_depth(&scenario->replicas.declared); depth > 0; depth--) {
        if (strcmp(op, "remove") == 0) {
            return json_array_size(args);
        }
        op = json_string_value(json_array_get(args, length + 1));
        length += 2;
    }
    return length;
}

/* An argument as the command line takes it, to be freed. */
static char *text_of_argument(const struct scenario *scenario, const json_t *value, bool is_path)
{
    bool plain = is_path || leaf_of(scenario)->of == ELEMENT_STRING;
    return plain && json_is_string(value) ? strdup(json_string_value(value))
                                          : json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT);
}

static void run_edit(struct scenario *scenario, const json_t *step)
{
    char *values[VALUES_MAX];
    const json_t *args = json_object_get(step, "args");
    size_t length = json_array_size(args);
    size_t path = path_length(scenario, text_of(step, "op"), args);
    uint64_t now_ms = 0;
    cr_assert(length <= VALUES_MAX);
    if (leaf_of(scenario)->crdt.type == &crdt_lww_register && length == path + 2) {
        now_ms = (uint64_t)json_integer_value(json_array_get(args, --length));
    }
    for (size_t i = 0; i < length; i++) {
        values[i] = text_of_argument(scenario, json_array_get(args, i), i < path);
    }
    struct edit edit = {
        .verb = text_of(step, "op"), .values = (const char *const *)values, .length = length};
    size_t delta = replicas_edit(&scenario->replicas, replica_of(scenario, text_of(step, "at")),
                                 &edit, now_ms);
    for (size_t i = 0; i < length; i++) {
        free(values[i]);
    }
    if (text_of(step, "as") != NULL) {
        json_object_set_new(scenario->deltas, text_of(step, "as"), json_integer((json_int_t)delta));
    }
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Sets are given in any order: their elements' texts, sorted, in one. */
static char *comparable(const json_t *value)
{
    char *items[ITEMS_MAX];
    size_t length = json_array_size(value);
    size_t used = 0;
    if (!json_is_array(value)) {
        return json_dumps(value, JSON_ENCODE_ANY | JSON_SORT_KEYS);
    }
    char *text = calloc(1, TEXT_BYTES);
    cr_assert(length <= ITEMS_MAX && text != NULL);
    for (size_t i = 0; i < length; i++) {
        items[i] = json_dumps(json_array_get(value, i), JSON_ENCODE_ANY | JSON_SORT_KEYS);
    }
    qsort(items, length, sizeof(*items), by_text);
    for (size_t i = 0; i < length; i++) {
        used += (size_t)snprintf(text + used, TEXT_BYTES - used, "%s ", items[i]);
        free(items[i]);
    }
    return text;
}

static bool shows(const struct scenario *scenario, size_t at, const json_t *value)
{
    char *text = replicas_value(&scenario->replicas, at);
    json_t *shown = json_loads(text, JSON_DECODE_ANY, NULL);
    char *left = comparable(shown);
    char *right = comparable(value);
    bool same = strcmp(left, right) == 0;
    free(text);
    free(left);
    free(right);
    json_decref(shown);
    return same;
}

static void check(const struct scenario *scenario, json_t *expected, bool any, size_t step)
{
    const char *name;
    json_t *value;
    json_object_foreach(expected, name, value)
    {
        size_t at = replica_of(scenario, name);
        bool good = !any && shows(scenario, at, value);
        for (size_t i = 0; any && i < json_array_size(value); i++) {
            good = good || shows(scenario, at, json_array_get(value, i));
        }
        char *text = replicas_value(&scenario->replicas, at);
        cr_expect(good, "%s, step %zu: %s shows %s", scenario->id, step, name, text);
        free(text);
    }
}

static void check_equal(const struct scenario *scenario, const json_t *names, size_t step)
{
    size_t first_at = replica_of(scenario, json_string_value(json_array_get(names, 0)));
    char *first = replicas_value(&scenario->replicas, first_at);
    for (size_t i = 1; i < json_array_size(names); i++) {
        size_t at = replica_of(scenario, json_string_value(json_array_get(names, i)));
        char *other = replicas_value(&scenario->replicas, at);
        cr_expect(strcmp(first, other) == 0, "%s, step %zu: %s and %s", scenario->id, step, first,
                  other);
        free(other);
    }
    free(first);
}

static void run_step(struct scenario *scenario, const json_t *step, size_t number)
{
    if (text_of(step, "op") != NULL) {
        run_edit(scenario, step);
    } else if (text_of(step, "merge") != NULL) {
        replicas_merge(&scenario->replicas, replica_of(scenario, text_of(step, "merge")),
                       replica_of(scenario, text_of(step, "into")));
    } else if (text_of(step, "deliver") != NULL) {
        const json_t *delta = json_object_get(scenario->deltas, text_of(step, "deliver"));
        cr_assert(delta != NULL, "%s: step %zu delivers what is not there", scenario->id, number);
        replicas_deliver(&scenario->replicas, (size_t)json_integer_value(delta),
                         replica_of(scenario, text_of(step, "to")));
    } else if (json_object_get(step, "check") != NULL) {
        check(scenario, json_object_get(step, "check"), false, number);
    } else if (json_object_get(step, "check_one_of") != NULL) {
        check(scenario, json_object_get(step, "check_one_of"), true, number);
    } else if (json_object_get(step, "check_equal") != NULL) {
        check_equal(scenario, json_object_get(step, "check_equal"), number);
    } else {
        cr_assert_fail("%s: step %zu is of no known kind", scenario->id, number);
    }
}

static void run(const json_t *json)
{
    static struct scenario scenario;
    size_t i;
    json_t *step;
    scenario = (struct scenario){.json = json, .id = text_of(json, "id"), .deltas = json_object()};
    const json_t *options = json_object_get(json, "options");
    char *text = options == NULL ? NULL : json_dumps(options, 0);
    struct declaration declaration = declared(text_of(json, "type"), text == NULL ? "{}" : text);
    free(text);
    replicas_init(&scenario.replicas, &declaration,
                  json_array_size(json_object_get(json, "replicas")));
    json_array_foreach(json_object_get(json, "steps"), i, step) { run_step(&scenario, step, i); }
    replicas_finish(&scenario.replicas);
    json_decref(scenario.deltas);
}

Test(conformance, every_scenario_ends_as_it_says)
{
    size_t i;
    json_t *scenario;
    json_t *file = json_load_file(SYNCLINE_SOURCE "/tests/conformance/scenarios.json", 0, NULL);
    const json_t *scenarios = json_object_get(file, "scenarios");
    cr_assert(json_array_size(scenarios) >= 40);
    json_array_foreach(scenarios, i, scenario) { run(scenario); }
    json_decref(file);
}

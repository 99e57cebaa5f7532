/*
 * Goal:   an allocation that fails is never taken for a fault of the client's, or of the
 * database's: the hub says that it is busy, or stops; sent again, an update has the effect it
 * always has. Method: what takes one step is done with the n-th allocation failing, for every n,
 * and then again.
 */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdio.h>
#include <string.h>

#include "server/storage/catalog.h"
#include "tests/simulation/memory.h"
#include "tests/support/declared.h"
#include "tests/support/world.h"

enum { ALLOCATIONS_MAX = 1000, ATTEMPTS_MAX = 4 };

static struct world world;
static bool ended;

/* NOLINTBEGIN(bugprone-reserved-identifier) */
enum hub_status __real_hub_step(struct hub *hub, const struct hub_event *event,
                                struct hub_effects *effects);
enum hub_status __wrap_hub_step(struct hub *hub, const struct hub_event *event,
                                struct hub_effects *effects);

/* The hub's own allocations fail, not the test's; without memory its process ends, and does nothing
 * more until it is started again. */
enum hub_status __wrap_hub_step(struct hub *hub, const struct hub_event *event,
                                struct hub_effects *effects)
{
    if (!ended) {
        (void)memory_inside(true);
        enum hub_status status = __real_hub_step(hub, event, effects);
        (void)memory_inside(false);
        cr_assert(status == HUB_OK || status == HUB_NO_MEMORY);
        ended = status != HUB_OK;
    }
    if (ended) {
        *effects = (struct hub_effects){.wake_ms = UINT64_MAX};
    }
    return HUB_OK;
}
/* NOLINTEND(bugprone-reserved-identifier) */

static void begin(void)
{
    world_init(&world);
    world_declare(&world, "shop", "likes", "g-counter", "{}");
    world_declare(&world, "shop", "stock", "bounded-counter", "{\"min\":0,\"max\":20}");
    world_declare(&world, "shop", "tags", "or-set", "{\"of\":\"string\"}");
    world_start(&world);
}

static void crash(void)
{
    ended = false;
    memory_heal();
    world_crash(&world);
}

static void open_stream(void)
{
    char text[128];
    (void)snprintf(text, sizeof text, "[\"OPEN\",1,\"shop/1\",[%s],{}]", world_replica(1));
    world_connect(&world, 1);
    world_send(&world, 1, text);
}

/* Adds to `transcript` what is answered. */
static void send(const char *json, char *transcript, size_t size)
{
    size_t length = strlen(transcript);
    world_send(&world, 1, json);
    (void)snprintf(transcript + length, size - length, "%s", world_read(&world, 1));
    if (ended) {
        crash();
        open_stream();
    }
}

/* Sends it until it is acknowledged, the n-th allocation failing; false: there are not so many. */
static bool send_without(unsigned n, const char *json, char *transcript, size_t size)
{
    begin();
    open_stream();
    (void)world_read(&world, 1);
    memory_fail(n, 1);
    transcript[0] = '\0';
    for (int i = 0; i < ATTEMPTS_MAX && strstr(transcript, "[\"ACK\"") == NULL; i++) {
        send(json, transcript, size);
    }
    bool failed = n <= memory_failures();
    cr_assert(strstr(transcript, "[\"ACK\"") != NULL, "allocation %u: %s", n, transcript);
    world_finish(&world);
    memory_heal();
    return failed;
}

Test(no_memory, does_not_make_an_update_a_bad_one)
{
    char transcript[4096];
    unsigned n = 1;
    while (n < ALLOCATIONS_MAX && send_without(n,
                                               "[\"DELTA\",1,null,1,1,[0,[]],{\"0\":3,"
                                               "\"2\":[false,[\"a\",\"b\"],[]]}]",
                                               transcript, sizeof transcript)) {
        cr_expect(strstr(transcript, "REJECT") == NULL, "allocation %u: %s", n, transcript);
        n++;
    }
    cr_expect(gt(uint, n, 5));
}

Test(no_memory, does_not_change_what_is_refused_nor_why)
{
    char transcript[4096];
    unsigned n = 1;
    while (n < ALLOCATIONS_MAX &&
           send_without(n, "[\"DELTA\",1,null,1,1,[0,[]],{\"1\":[0,9,null]}]", transcript,
                        sizeof transcript)) {
        const char *refusal = strstr(transcript, "[\"REJECT\"");
        cr_assert(refusal != NULL, "allocation %u: %s", n, transcript);
        cr_expect(strstr(refusal, "OUT_OF_BOUNDS") != NULL, "allocation %u: %s", n, transcript);
        n++;
    }
    cr_expect(gt(uint, n, 5));
}

Test(no_memory, does_not_make_rows_damaged_ones)
{
    char transcript[4096] = "";
    begin();
    open_stream();
    send("[\"DELTA\",1,null,1,1,[0,[]],{\"0\":3,\"2\":[false,[\"a\",\"b\"],[]]}]", transcript,
         sizeof transcript);
    world_tick(&world, 1000);
    size_t failures;
    unsigned n = 1;
    do {
        world_crash(&world);
        failures = memory_failures();
        memory_fail(n, 1);
        open_stream();
        memory_heal();
        ended = false;
        cr_expect(eq(sz, world.damaged, 0), "allocation %u", n);
        n++;
    } while (memory_failures() > failures && n < ALLOCATIONS_MAX);
    cr_expect(gt(uint, n, 5));
    world_finish(&world);
}

/* --- a reload --- */

/* A hub whose memory is counted from its first byte on. */
static void begin_counted(void)
{
    begin();
    hub_destroy(world.hub);
    (void)memory_inside(true);
    world.hub = hub_create(&world.config);
    (void)memory_inside(false);
    cr_assert(world.hub != NULL);
    open_stream();
    world_event(&world, (struct hub_event){.kind = EVENT_SETTLE});
    cr_assert(hub_settled(world.hub));
}

static void end_counted(void)
{
    (void)memory_inside(true);
    hub_destroy(world.hub);
    (void)memory_inside(false);
    world.hub = NULL;
    ended = false;
    world_finish(&world);
}

static bool reconfigure_without(unsigned n)
{
    struct schema_set more = {0};
    size_t held = memory_held();
    size_t failures = memory_failures();
    begin_counted();
    struct hub_config config = world.config;
    config.schemas = &more;
    struct schema *shop = schema_set_add(&more, bytes_of_text("shop"));
    cr_assert(shop != NULL);
    struct schema_field *field = schema_add_field(shop, bytes_of_text("open"));
    cr_assert(field != NULL);
    field->declared = declared("flag", "{\"wins\":\"enable\"}");
    memory_fail(n, 1);
    world_event(&world, (struct hub_event){.kind = EVENT_RECONFIGURE, .config = &config});
    memory_heal();
    schema_set_finish(&world.schemas);
    end_counted();
    cr_expect(eq(sz, memory_held(), held), "allocation %u", n);
    schema_set_finish(&more);
    return memory_failures() > failures;
}

/* However the step ends: what they declared is gone behind it. */
Test(no_memory, does_not_leave_documents_with_the_schemas_before)
{
    unsigned n = 1;
    while (n < ALLOCATIONS_MAX && reconfigure_without(n)) {
        n++;
    }
    cr_expect(gt(uint, n, 1));
    cr_expect(lt(uint, n, ALLOCATIONS_MAX));
}

/* --- what the file says of its fields --- */

static void add(struct schema_set *schemas, const char *name, const char *type, const char *options)
{
    struct schema_field *field = schema_add_field(&schemas->schemas[0], bytes_of_text(name));
    cr_assert(field != NULL);
    field->declared = declared(type, options);
}

static void declare(struct schema_set *schemas)
{
    *schemas = (struct schema_set){0};
    cr_assert(schema_set_add(schemas, bytes_of_text("shop")) != NULL);
    add(schemas, "likes", "g-counter", "{}");
    add(schemas, "stock", "bounded-counter", "{\"min\":0,\"max\":20}");
    add(schemas, "cart", "map", "{\"of\":[\"pn-counter\",{}]}");
}

static bool number(sqlite3 *database, struct schema_set *schemas, struct catalog_error *error)
{
    bool good = database_begin(database, true) == SQLITE_OK &&
                catalog_fields(database, schemas, false, error) &&
                database_exec(database, "COMMIT") == SQLITE_OK;
    database_rollback(database);
    return good;
}

static void check_fields(sqlite3 *database, unsigned n)
{
    sqlite3_stmt *statement = NULL;
    int rc = sqlite3_prepare_v2(database,
                                "SELECT group_concat(number || name || options, ' ') FROM fields",
                                -1, &statement, NULL);
    cr_assert(rc == SQLITE_OK && sqlite3_step(statement) == SQLITE_ROW);
    cr_expect(eq(str, (char *)(uintptr_t)sqlite3_column_text(statement, 0),
                 "0likes{} 1stock{\"min\":0,\"max\":20} 2cart{\"of\":[\"pn-counter\",{}]}"),
              "allocation %u", n);
    (void)sqlite3_finalize(statement);
}

/* They hold no data, so that a field declared with other options would begin anew. */
static bool number_without(unsigned n, sqlite3 *database)
{
    struct schema_set schemas;
    struct catalog_error error = {""};
    size_t failures = memory_failures();
    declare(&schemas);
    memory_fail(n, 1);
    (void)memory_inside(true);
    bool good = number(database, &schemas, &error);
    (void)memory_inside(false);
    memory_heal();
    bool failed = memory_failures() > failures;
    cr_expect(good || failed, "%s", error.text);
    cr_expect(good || error.text[0] == '\0' || strstr(error.text, "out of memory") != NULL,
              "allocation %u: %s", n, error.text);
    check_fields(database, n);
    schema_set_finish(&schemas);
    return failed;
}

Test(no_memory, does_not_make_a_field_begin_anew)
{
    sqlite3 *database = NULL;
    struct catalog_error error;
    struct schema_set schemas;
    memory_install();
    cr_assert(eq(int, sqlite3_open(":memory:", &database), SQLITE_OK));
    cr_assert(catalog_create(database, &error));
    declare(&schemas);
    cr_assert(number(database, &schemas, &error));
    schema_set_finish(&schemas);
    unsigned n = 1;
    while (n < ALLOCATIONS_MAX && number_without(n, database)) {
        n++;
    }
    cr_expect(gt(uint, n, 5));
    cr_expect(lt(uint, n, ALLOCATIONS_MAX));
    (void)sqlite3_close(database);
}

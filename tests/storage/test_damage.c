/*
 * Goal:   a damaged row is told of with its table and position, and never left out or made up.
 * Method: a stored document is damaged by hand: values of another type through SQL, and bytes of a
 *         page overwritten in the file. Loading it must fail, loading another one must not.
 */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/storage/fixture.h"

static void store_document(struct fixture *fixture, const char *name)
{
    struct row rows[] = {
        {.kind = ROW_DOCUMENT, .name = fixture_text(name), .position = 42, .next_index = 3},
        {.kind = ROW_FIELD, .field = 2, .position = 41},
        {.kind = ROW_ENTRY,
         .field = 2,
         .position = 41,
         .key = fixture_text("\xa1x"),
         .shown = fixture_text("\"x\""),
         .detail = fixture_text("dots")},
        {.kind = ROW_REMOVAL, .field = 2, .position = 40, .key = fixture_text("\xa1y")},
        {.kind = ROW_REPLICA, .replica = fixture_replica(1), .index = 1, .seq = 5, .position = 39},
    };
    cr_assert(fixture_store_rows(fixture, rows, sizeof rows / sizeof rows[0]));
}

/* Loads post/1, which must fail with a sentence that has both parts; post/2 must still load. */
static void check_reported(struct fixture *fixture, const char *table, const char *place)
{
    char text[STORAGE_ERROR_BYTES];
    struct bytes bytes;
    cr_assert(not(fixture_load(fixture, "post/1", &bytes, text)), "%s", table);
    cr_expect(strstr(text, table) != NULL && strstr(text, place) != NULL, "%s", text);
    cr_expect(strstr(text, fixture->path) != NULL, "%s", text);
}

Test(damage, a_value_of_another_type_is_told_with_table_and_position)
{
    static const struct {
        const char *sql;
        const char *table;
        const char *place;
    } damages[] = {
        {"UPDATE documents SET next_index = 'many' WHERE id = 1", "table documents", "position 42"},
        {"UPDATE document_fields SET horizon = -1 WHERE document = 1", "table document_fields",
         "position 41"},
        {"UPDATE entries SET detail = 'text' WHERE document = 1", "table entries", "position 41"},
        {"UPDATE removals SET field = 4294967296 WHERE document = 1", "table removals",
         "position 40"},
        {"UPDATE replicas SET seq = 1.5 WHERE document = 1", "table replicas", "position 39"},
    };
    for (size_t i = 0; i < sizeof damages / sizeof damages[0]; i++) {
        struct fixture fixture;
        struct bytes bytes;
        fixture_init(&fixture);
        fixture_open(&fixture);
        store_document(&fixture, "post/1");
        store_document(&fixture, "post/2");
        cr_assert(fixture_load(&fixture, "post/1", &bytes, NULL));
        free((void *)(uintptr_t)bytes.data);
        (void)fixture_sql(&fixture, damages[i].sql);
        check_reported(&fixture, damages[i].table, damages[i].place);
        cr_expect(fixture_load(&fixture, "post/2", &bytes, NULL), "the other one is whole");
        free((void *)(uintptr_t)bytes.data);
        fixture_finish(&fixture);
    }
}

Test(damage, overwritten_bytes_are_told_with_the_table)
{
    struct fixture fixture;
    uint8_t garbage[64];
    fixture_init(&fixture);
    fixture_open(&fixture);
    store_document(&fixture, "post/1");
    fixture_close(&fixture);
    long page = atol(fixture_sql(&fixture, "SELECT rootpage FROM sqlite_schema "
                                           "WHERE name = 'entries' AND type = 'table'"));
    cr_assert(gt(int, (int)page, 1));
    memset(garbage, 0xee, sizeof garbage);
    int file = open(fixture.path, O_WRONLY);
    cr_assert(pwrite(file, garbage, sizeof garbage, (page - 1) * 4096) == sizeof garbage);
    cr_assert(close(file) == 0);

    fixture_open(&fixture);
    check_reported(&fixture, "table entries", "post/1");
    fixture_finish(&fixture);
}

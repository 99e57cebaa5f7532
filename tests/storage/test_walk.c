/*
 * Goal:   the walk through all replicas goes in bounded steps, finds each silent one once, and
 * makes way for the documents that clients wait for. Method: ledger rows made by SQL; requests
 * through the storage's threads, made before these start where they are to wait together.
 */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdio.h>
#include <string.h>

#include "tests/storage/fixture.h"

enum { ROWS = 20010, SILENT = 15, REQUEST_BYTES = 512 };

static struct fixture fixture;
static struct storage_completion completion;

/* All of one document; every 1,334th replica was silent since 1, the others since 2. */
static void start(void)
{
    char error[STORAGE_ERROR_BYTES];
    char sql[512];
    fixture_init(&fixture);
    cr_assert(fixture_try_open(&fixture, error), "%s", error);
    (void)fixture_sql(&fixture, "INSERT INTO documents VALUES (1, 'post', '1', 1, 0, 0)");
    (void)snprintf(sql, sizeof sql,
                   "INSERT INTO replicas WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 "
                   "FROM n WHERE i < %d) SELECT 1, CAST('123456p7' || x'80' || printf('%%07d', i) "
                   "AS BLOB), i, "
                   "1, 1, CASE WHEN i %% 1334 = 0 THEN 1 ELSE 2 END, x'00', x'' FROM n",
                   ROWS);
    (void)fixture_sql(&fixture, sql);
}

static void finish(void)
{
    storage_completion_finish(&completion);
    fixture_finish(&fixture);
}

TestSuite(walk, .init = start, .fini = finish);

static void ask(const struct row_request *request, uint64_t number)
{
    uint8_t data[REQUEST_BYTES];
    struct buffer buffer = {.data = data, .capacity = sizeof data, .limit = sizeof data};
    struct writer writer = writer_to(&buffer);
    row_request_write(&writer, request);
    REQUIRE(writer.status == PROTOCOL_OK);
    REQUIRE(storage_load(fixture.storage, number, buffer_bytes(&buffer)));
}

static void ask_silent(struct bytes after)
{
    ask(&(struct row_request){.kind = ROWS_SILENT, .silent_before_ms = 2, .after = after}, 1);
}

/* The answer's silent replicas are counted; answers where the walk goes on, borrowed. */
static struct bytes take_step(size_t *silent)
{
    struct row row = {.kind = ROW_DOCUMENT};
    storage_completion_finish(&completion);
    fixture_wait(&fixture, &completion);
    REQUIRE(completion.kind == STORAGE_LOADED && completion.request == 1);
    struct reader reader = reader_of(completion.bytes);
    while (row_read(&reader, &row) && row.kind != ROW_WALKED) {
        *silent += row.kind == ROW_SILENT ? 1 : 0;
    }
    REQUIRE(row.kind == ROW_WALKED);
    return row.key;
}

/* Where a walk goes on behind row `number`: its document and replica. */
static void expect_after(struct bytes key, int number)
{
    char expected[32];
    (void)snprintf(expected, sizeof expected, "123456p7\x80%07d", number);
    cr_assert(eq(sz, key.length, 24));
    cr_expect(memcmp(key.data + 8, expected, 16) == 0, "%.16s", (const char *)key.data + 8);
}

Test(walk, finds_each_silent_replica_in_bounded_steps)
{
    size_t silent = 0;
    fixture_start(&fixture);
    ask_silent((struct bytes){0});
    struct bytes after = take_step(&silent);
    expect_after(after, 20000);
    ask_silent(after);
    cr_expect(eq(sz, take_step(&silent).length, 0), "the end");
    cr_expect(eq(sz, silent, SILENT));
}

Test(walk, ends_its_step_early_once_a_document_is_wanted)
{
    size_t silent = 0;
    ask_silent((struct bytes){0});
    ask(&(struct row_request){.name = fixture_text("post/1"), .document = true}, 2);
    fixture_start(&fixture);
    struct bytes after = take_step(&silent);
    expect_after(after, 2000);
    ask_silent(after);
    storage_completion_finish(&completion);
    fixture_wait(&fixture, &completion);
    cr_expect(eq(u64, completion.request, 2));
}

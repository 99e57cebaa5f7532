/*
 * Goal:   what an operator looks through is found in bounded steps, in order, and a damaged row is
 *         reported.
 * Method: rows made by hand, or many at once by SQL; requests through the storage's threads.
 */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "protocol/limits.h"
#include "tests/storage/fixture.h"

static struct fixture fixture;
static struct storage_completion completion;

static void start(void)
{
    fixture_init(&fixture);
    fixture_open(&fixture);
}

static void finish(void)
{
    storage_completion_finish(&completion);
    fixture_finish(&fixture);
}

TestSuite(browse, .init = start, .fini = finish);

static void store(const struct row *rows, size_t length)
{
    REQUIRE(fixture_store_rows(&fixture, rows, length));
}

static void store_document(const char *name, uint64_t position)
{
    store(&(struct row){.kind = ROW_DOCUMENT, .name = fixture_text(name), .position = position}, 1);
}

/* The answer's rows; borrowed until the next. */
static struct reader load(const struct row_request *request)
{
    fixture_ask(&fixture, request, &completion);
    return reader_of(completion.bytes);
}

static struct reader load_names(const char *search, const char *after, uint64_t limit)
{
    return load(&(struct row_request){.kind = ROWS_NAMES,
                                      .search = fixture_text(search),
                                      .after = fixture_text(after),
                                      .limit = limit});
}

static void expect_name(struct reader *reader, const char *name, uint64_t position)
{
    struct row row;
    cr_assert(row_read(reader, &row) && row.kind == ROW_DOCUMENT, "%s", name);
    cr_expect(bytes_equal(row.name, fixture_text(name)), "%s", name);
    cr_expect(eq(u64, row.position, position));
}

static void expect_walked(struct reader *reader, const char *end)
{
    struct row row;
    cr_assert(row_read(reader, &row) && row.kind == ROW_WALKED);
    cr_expect(bytes_equal(row.key, fixture_text(end)), "%s: %.*s", end, (int)row.key.length,
              (const char *)row.key.data);
    cr_expect(not(row_read(reader, &row)));
    cr_expect(reader_ok(reader));
}

/* --- names --- */

Test(browse, names_come_by_schema_then_by_key)
{
    store_document("post-x/a", 1);
    store_document("post/b/c", 2);
    store_document("post/b", 3);
    store_document("post/\xc3\xa4", 4);
    store_document("Post/z", 5);
    struct reader reader = load_names("", "", 100);
    expect_name(&reader, "Post/z", 5);
    expect_name(&reader, "post/b", 3);
    expect_name(&reader, "post/b/c", 2);
    expect_name(&reader, "post/\xc3\xa4", 4);
    expect_name(&reader, "post-x/a", 1);
    expect_walked(&reader, "");
    reader = load_names("", "post/b", 1);
    expect_name(&reader, "post/b/c", 2);
    expect_walked(&reader, "post/b/c");
    reader = load_names("", "post", 1); /* no whole name: before all of the schema's */
    expect_name(&reader, "post/b", 3);
    expect_walked(&reader, "post/b");
    reader = load_names("t/b", "", 100);
    expect_name(&reader, "post/b", 3);
    expect_name(&reader, "post/b/c", 2);
    expect_walked(&reader, "");
    reader = load_names("POST", "", 100);
    expect_walked(&reader, "");
    reader = load_names("%", "", 100); /* no pattern */
    expect_walked(&reader, "");
}

Test(browse, a_step_looks_at_a_bounded_number_of_names)
{
    (void)fixture_sql(&fixture, "INSERT INTO documents(schema, key, position, next_index, retired) "
                                "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n "
                                "WHERE i < 10002) "
                                "SELECT 'post', printf('%05d', i), i, 0, 0 FROM n");
    struct reader reader = load_names("10002", "", 100);
    expect_walked(&reader, "post/10000");
    reader = load_names("10002", "post/10000", 100);
    expect_name(&reader, "post/10002", 10002);
    expect_walked(&reader, "");
}

Test(browse, a_damaged_name_is_reported)
{
    store_document("post/a", 1);
    (void)fixture_sql(&fixture, "UPDATE documents SET position = 'x'");
    (void)load_names("", "", 100);
    cr_assert(eq(int, completion.kind, STORAGE_LOAD_FAILED));
    cr_expect(strstr(completion.text, "a row of the table documents is damaged: at or behind "
                                      "post/a") != NULL);
    (void)fixture_sql(&fixture, "UPDATE documents SET position = 1, key = printf('%.300c', 'k')");
    (void)load_names("", "", 100);
    cr_expect(eq(int, completion.kind, STORAGE_LOAD_FAILED));
    (void)fixture_sql(&fixture, "UPDATE documents SET key = CAST(x'c328' AS TEXT)");
    (void)load_names("", "", 100);
    cr_expect(eq(int, completion.kind, STORAGE_LOAD_FAILED));
    (void)fixture_sql(&fixture, "UPDATE documents SET key = 'a'");
    struct reader reader = load_names("", "", 100);
    expect_name(&reader, "post/a", 1);
}

/* --- writers --- */

static struct row replica_row(unsigned number, uint64_t position)
{
    return (struct row){.kind = ROW_REPLICA,
                        .replica = fixture_replica(number),
                        .index = number,
                        .seq = number + 7,
                        .position = position,
                        .at_ms = 1000 + position,
                        .detail = fixture_text("detail"),
                        .principal = fixture_text("ann")};
}

static struct reader load_writers(const char *name, uint64_t limit)
{
    return load(
        &(struct row_request){.kind = ROWS_WRITERS, .name = fixture_text(name), .limit = limit});
}

static void expect_writer(struct reader *reader, unsigned number, uint64_t position)
{
    struct row row;
    struct replica_id expected = fixture_replica(number);
    cr_assert(row_read(reader, &row) && row.kind == ROW_REPLICA);
    cr_expect(replica_id_equal(&row.replica, &expected));
    cr_expect(eq(u64, row.index, number));
    cr_expect(eq(u64, row.seq, number + 7));
    cr_expect(eq(u64, row.position, position));
    cr_expect(eq(u64, row.at_ms, 1000 + position));
    cr_expect(bytes_equal(row.principal, fixture_text("ann")));
    cr_expect(eq(sz, row.detail.length, 0));
}

Test(browse, writers_come_the_latest_first)
{
    struct row document = {
        .kind = ROW_DOCUMENT, .name = fixture_text("post/1"), .position = 9, .next_index = 4};
    struct row other = {.kind = ROW_DOCUMENT, .name = fixture_text("post/2"), .position = 8};
    struct row rows[] = {document, replica_row(1, 5), replica_row(2, 9), replica_row(3, 7),
                         other,    replica_row(4, 8)};
    struct row row;
    store(rows, 6);
    struct reader reader = load_writers("post/1", 2);
    expect_name(&reader, "post/1", 9);
    expect_writer(&reader, 2, 9);
    expect_writer(&reader, 3, 7);
    cr_expect(not(row_read(&reader, &row)));
    reader = load_writers("post/1", 100);
    expect_name(&reader, "post/1", 9);
    expect_writer(&reader, 2, 9);
    expect_writer(&reader, 3, 7);
    expect_writer(&reader, 1, 5);
    cr_expect(not(row_read(&reader, &row)));
    reader = load_writers("post/none", 100);
    cr_expect(eq(int, completion.kind, STORAGE_LOADED));
    cr_expect(not(row_read(&reader, &row)));
}

/* The oldest replica edited last, and is one too many to be looked at. (The text has a UUIDv7's
 * version and variant.) */
Test(browse, of_very_many_writers_the_youngest_are_looked_at)
{
    struct row row;
    store_document("post/1", 20000);
    (void)fixture_sql(&fixture,
                      "INSERT INTO replicas(document, replica, number, seq, position, at, detail, "
                      "principal) WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n "
                      "WHERE i < 10001) "
                      "SELECT 1, CAST(printf('%06dp', i) || char(228) || '0000000' AS BLOB), i, 1, "
                      "iif(i = 1, 20000, i), 0, x'', x'' FROM n");
    struct reader reader = load_writers("post/1", 1);
    expect_name(&reader, "post/1", 20000);
    cr_assert(row_read(&reader, &row) && row.kind == ROW_REPLICA);
    cr_expect(eq(u64, row.position, 10001));
    cr_expect(not(row_read(&reader, &row)));
}

Test(browse, a_damaged_writer_is_reported)
{
    struct row rows[] = {{.kind = ROW_DOCUMENT, .name = fixture_text("post/1"), .position = 9},
                         replica_row(1, 5)};
    store(rows, 2);
    (void)fixture_sql(&fixture, "UPDATE replicas SET seq = 'x'");
    (void)load_writers("post/1", 10);
    cr_assert(eq(int, completion.kind, STORAGE_LOAD_FAILED));
    cr_expect(strstr(completion.text, "a row of the table replicas is damaged") != NULL);
}

/* --- refused updates --- */

static struct row rejected_row(unsigned replica, uint64_t seq)
{
    return (struct row){.kind = ROW_REJECTED,
                        .replica = fixture_replica(replica),
                        .seq = seq,
                        .at_ms = 1000 + seq,
                        .code = fixture_text("OVERFLOW"),
                        .text = fixture_text("Too much."),
                        .detail = fixture_text("packet")};
}

static struct reader load_rejected(uint64_t before, uint64_t limit)
{
    return load(&(struct row_request){.kind = ROWS_REJECTED, .before = before, .limit = limit});
}

static void expect_rejected(struct reader *reader, const char *name, uint64_t number, uint64_t seq)
{
    struct row row;
    expect_name(reader, name, 0);
    cr_assert(row_read(reader, &row) && row.kind == ROW_REJECTED);
    cr_expect(eq(u64, row.index, number));
    cr_expect(eq(u64, row.seq, seq));
    cr_expect(eq(u64, row.at_ms, 1000 + seq));
    cr_expect(bytes_equal(row.code, fixture_text("OVERFLOW")));
    cr_expect(bytes_equal(row.text, fixture_text("Too much.")));
    cr_expect(eq(sz, row.detail.length, 0));
}

Test(browse, refused_updates_come_the_latest_stored_first)
{
    struct row rows[] = {
        {.kind = ROW_DOCUMENT, .name = fixture_text("post/1"), .position = 1},
        rejected_row(1, 1),
        rejected_row(2, 2),
        {.kind = ROW_DOCUMENT, .name = fixture_text("post/2"), .position = 1},
        rejected_row(1, 3),
    };
    struct row row;
    store(rows, 5);
    struct reader reader = load_rejected(0, 2);
    expect_rejected(&reader, "post/2", 3, 3);
    expect_rejected(&reader, "post/1", 2, 2);
    cr_expect(not(row_read(&reader, &row)));
    reader = load_rejected(2, 10);
    expect_rejected(&reader, "post/1", 1, 1);
    cr_expect(not(row_read(&reader, &row)));
    cr_expect(reader_ok(&reader));
    reader = load_rejected(UINT64_MAX / 2, 10);
    expect_rejected(&reader, "post/2", 3, 3);
}

Test(browse, a_damaged_refused_update_is_reported)
{
    static const char *const damages[] = {"replica = x'00'", "text = printf('%.2000c', 't')",
                                          "code = CAST(x'c328' AS TEXT)", "seq = -1"};
    for (size_t i = 0; i < sizeof damages / sizeof *damages; i++) {
        char sql[128];
        struct row rows[] = {{.kind = ROW_DOCUMENT, .name = fixture_text("post/1"), .position = 1},
                             rejected_row(1, i + 1)};
        store(rows, 2);
        (void)snprintf(sql, sizeof sql, "UPDATE rejected SET %s", damages[i]);
        (void)fixture_sql(&fixture, sql);
        (void)load_rejected(0, 10);
        cr_assert(eq(int, completion.kind, STORAGE_LOAD_FAILED), "%s", damages[i]);
        cr_expect(strstr(completion.text, "a row of the table rejected is damaged") != NULL);
        (void)fixture_sql(&fixture, "DELETE FROM rejected");
    }
}
